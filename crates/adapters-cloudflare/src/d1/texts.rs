//! Texts of statements that were looked at before.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use portway_sql::driver::SqlError;

use super::sql_text::{self, Kind};

/// Most texts that are remembered. A program has a few hundred, and some more whose length depends on the data.
pub(crate) const MAX_REMEMBERED: usize = 1_000;

/// Tells what statements do, and looks at each text once: that takes longer than to send it.
#[derive(Debug, Default)]
pub(crate) struct Texts(Mutex<HashMap<String, Kind>>);

impl Texts {
    /// What the statement does.
    ///
    /// # Errors
    /// [`SqlError::Statement`] when it is none or several.
    pub(crate) fn kind(&self, text: &str) -> Result<Kind, SqlError> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(kind) = known.get(text) {
            return Ok(*kind);
        }
        let kind = sql_text::kind(text).ok_or_else(|| SqlError::Statement("a step is one statement".into()))?;
        if known.len() >= MAX_REMEMBERED {
            known.clear();
        }
        known.insert(text.to_owned(), kind);
        Ok(kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_one_statement_is_refused_every_time() {
        let texts = Texts::default();
        for _ in 0..2 {
            for text in ["", " -- nothing", "SELECT 1; SELECT 2"] {
                assert!(matches!(texts.kind(text), Err(SqlError::Statement(_))), "{text}");
            }
            assert_eq!(texts.kind("SELECT 1;"), Ok(Kind::Query));
            assert_eq!(texts.kind("DELETE FROM t"), Ok(Kind::Change));
        }
    }

    #[test]
    fn no_more_is_remembered_than_the_bound() {
        let texts = Texts::default();
        for number in 0..2 * MAX_REMEMBERED + 1 {
            texts.kind(&format!("SELECT {number}")).unwrap();
        }
        assert!(texts.0.lock().unwrap().len() <= MAX_REMEMBERED);
    }
}
