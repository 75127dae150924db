//! Pages of lists.

use std::fmt;

use portway_domain::time::Timestamp;

/// Most rows of one page.
pub const MAX_PAGE: u32 = 100;

/// Which page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRequest {
    limit: u32,
    /// Rows after this one; from the beginning if absent.
    pub after: Option<Cursor>,
}

impl PageRequest {
    /// A page of `limit` rows, brought to between 1 and [`MAX_PAGE`].
    #[must_use]
    pub fn new(limit: u32, after: Option<Cursor>) -> Self {
        Self { limit: limit.clamp(1, MAX_PAGE), after }
    }

    /// How many rows at most.
    #[must_use]
    pub fn limit(&self) -> u32 {
        self.limit
    }
}

/// A place in a list that is sorted by time, newest first, then by id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// Time of the last row seen.
    pub at: Timestamp,
    /// Its id.
    pub id: String,
}

/// The text is no cursor that a list gave out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected the cursor of an earlier page, unchanged")]
pub struct InvalidCursor;

impl Cursor {
    /// Reads a cursor back.
    ///
    /// # Errors
    /// [`InvalidCursor`] when the text is not one.
    pub fn parse(text: &str) -> Result<Self, InvalidCursor> {
        let (at, id) = text.split_once('.').ok_or(InvalidCursor)?;
        let micros: i64 = at.parse().map_err(|_| InvalidCursor)?;
        let harmless = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b':' | b'_' | b'-' | b'.');
        if id.is_empty() || id.len() > 128 || !id.bytes().all(harmless) {
            return Err(InvalidCursor);
        }
        Ok(Self { at: Timestamp::from_micros(micros), id: id.to_owned() })
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.at.as_micros(), self.id)
    }
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// The rows.
    pub items: Vec<T>,
    /// Where the next page begins; absent on the last page.
    pub next: Option<Cursor>,
}

impl<T> Page<T> {
    /// An empty last page.
    #[must_use]
    pub fn empty() -> Self {
        Self { items: Vec::new(), next: None }
    }

    /// Cuts a page out of rows that were fetched with one more than its limit.
    #[must_use]
    pub fn cut(mut rows: Vec<T>, limit: u32, cursor: impl Fn(&T) -> Cursor) -> Self {
        let limit = limit as usize;
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = if more { rows.last().map(cursor) } else { None };
        Self { items: rows, next }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_back() {
        let cursor = Cursor { at: Timestamp::from_micros(-5), id: "a:b".to_owned() };
        assert_eq!(Cursor::parse(&cursor.to_string()), Ok(cursor));
        for bad in ["", "5", "x.y", "5.", "5.a b", "5.é"] {
            assert_eq!(Cursor::parse(bad), Err(InvalidCursor), "{bad}");
        }
    }

    #[test]
    fn the_last_page_has_no_next() {
        let cursor = |n: &i64| Cursor { at: Timestamp::from_micros(*n), id: n.to_string() };
        let page = Page::cut(vec![3, 2, 1], 2, cursor);
        assert_eq!(page.items, [3, 2]);
        assert_eq!(page.next, Some(cursor(&2)));
        assert_eq!(Page::cut(vec![3, 2], 2, cursor).next, None);
    }
}
