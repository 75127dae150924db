//! Rows as every driver returns them, and their typed decoding.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use portway_domain::time::Timestamp;
use serde::de::DeserializeOwned;

use crate::driver::SqlError;

/// Stands for the table in errors about rows that belong to none.
pub const QUERY_RESULT: &str = "query result";

/// Up to here every whole number is a floating point number too.
const LARGEST_EXACT: u64 = 1 << 53;

/// One value of a result row, before it is decoded.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// SQL `NULL`.
    Null,
    /// A boolean; only of databases that have the type.
    Bool(bool),
    /// An integer, or a point in time in microseconds since the epoch.
    Int(i64),
    /// A floating point number.
    Real(f64),
    /// Text, or JSON in text form.
    Text(String),
    /// Bytes.
    Blob(Vec<u8>),
}

impl Cell {
    /// The name of the kind, for error messages.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "NULL",
            Self::Bool(_) => "a boolean",
            Self::Int(_) => "an integer",
            Self::Real(_) => "a floating point number",
            Self::Text(_) => "text",
            Self::Blob(_) => "bytes",
        }
    }
}

/// One row of a result. The names are shared by all rows of it.
///
/// Its `Debug` form shows the names only: the values may be secrets.
#[derive(Clone, PartialEq)]
pub struct Row {
    names: Arc<[String]>,
    cells: Vec<Cell>,
}

impl fmt::Debug for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Row").field(&self.names).finish()
    }
}

impl Row {
    /// A row of cells in the order of `names`. Called by drivers.
    #[must_use]
    pub fn new(names: Arc<[String]>, cells: Vec<Cell>) -> Self {
        Self { names, cells }
    }

    /// The column names, in order.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The cells, in the order of the names.
    #[must_use]
    pub fn cells(&self) -> &[Cell] {
        &self.cells
    }

    /// Gives the cells away, in the order of the names: the cheapest way to decode.
    #[must_use]
    pub fn into_cells(self) -> Vec<Cell> {
        self.cells
    }

    /// Decodes the column called `column`. It is searched by name and copied; whole rows of a table are cheaper as
    /// a [`Record`](crate::record::Record).
    ///
    /// # Errors
    /// [`SqlError::Corrupt`] when there is no such column or its value is of another type.
    pub fn get<T: FromCell>(&self, column: &str) -> Result<T, SqlError> {
        T::from_cell(self.cell(column)?.clone()).map_err(|detail| corrupt(column, detail.0))
    }

    /// Decodes the JSON text in the column called `column`.
    ///
    /// # Errors
    /// [`SqlError::Corrupt`] when there is no such column, it is not text, or not JSON of the shape of `T`.
    pub fn json<T: DeserializeOwned>(&self, column: &str) -> Result<T, SqlError> {
        match self.cell(column)? {
            Cell::Text(text) => parse_json(text).map_err(|detail| corrupt(column, detail.0)),
            other => Err(corrupt(column, mismatch("JSON text", other).0)),
        }
    }

    fn cell(&self, column: &str) -> Result<&Cell, SqlError> {
        self.names
            .iter()
            .position(|name| name == column)
            .and_then(|index| self.cells.get(index))
            .ok_or_else(|| corrupt(column, "the statement does not return this column".into()))
    }
}

/// The column names of the statements of one connection, made once for each text. Called by drivers.
#[derive(Debug)]
pub struct ColumnNames {
    known: HashMap<Box<str>, Arc<[String]>>,
    most: usize,
}

impl ColumnNames {
    /// Knows at most `most` statements, as many as the connection keeps prepared; begins anew with the next.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self { known: HashMap::new(), most }
    }

    /// How many statements are known.
    #[must_use]
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// Whether no statement is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// The names of the statement with this text: those that are known if they still `fit`, else those that are `read`.
    pub fn of(
        &mut self,
        text: &str,
        fit: impl FnOnce(&[String]) -> bool,
        read: impl FnOnce() -> Arc<[String]>,
    ) -> Arc<[String]> {
        if let Some(known) = self.known.get(text).filter(|known| fit(known)) {
            return known.clone();
        }
        let names = read();
        if self.known.len() >= self.most {
            self.known.clear();
        }
        self.known.insert(text.into(), names.clone());
        names
    }
}

fn corrupt(column: &str, detail: String) -> SqlError {
    SqlError::Corrupt { table: QUERY_RESULT, column: column.to_owned(), detail }
}

/// What was expected of a cell and what it holds instead. Never carries the value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CellMismatch(pub String);

fn mismatch(expected: &str, found: &Cell) -> CellMismatch {
    CellMismatch(format!("expected {expected}, found {}", found.kind()))
}

fn parse_json<T: DeserializeOwned>(text: &str) -> Result<T, CellMismatch> {
    // Serde's own message may quote the stored value.
    serde_json::from_str(text).map_err(|error| {
        CellMismatch(format!(
            "expected other JSON: {:?} error at line {}, column {}",
            error.classify(),
            error.line(),
            error.column()
        ))
    })
}

/// A type that can be read from a cell.
pub trait FromCell: Sized {
    /// Takes the cell apart.
    ///
    /// # Errors
    /// [`CellMismatch`] when the cell holds something else.
    fn from_cell(cell: Cell) -> Result<Self, CellMismatch>;
}

impl FromCell for String {
    fn from_cell(cell: Cell) -> Result<Self, CellMismatch> {
        match cell {
            Cell::Text(text) => Ok(text),
            other => Err(mismatch("text", &other)),
        }
    }
}

impl FromCell for i64 {
    fn from_cell(cell: Cell) -> Result<Self, CellMismatch> {
        match cell {
            Cell::Int(number) => Ok(number),
            other => Err(mismatch("an integer", &other)),
        }
    }
}

impl FromCell for u64 {
    fn from_cell(cell: Cell) -> Result<Self, CellMismatch> {
        Self::try_from(i64::from_cell(cell)?).map_err(|_| CellMismatch("expected an integer of at least 0".into()))
    }
}

impl FromCell for u32 {
    fn from_cell(cell: Cell) -> Result<Self, CellMismatch> {
        Self::try_from(i64::from_cell(cell)?).map_err(|_| CellMismatch("expected an integer of 0 to 4294967295".into()))
    }
}

impl FromCell for bool {
    fn from_cell(cell: Cell) -> Result<Self, CellMismatch> {
        match cell {
            Cell::Bool(value) => Ok(value),
            Cell::Int(0) => Ok(false),
            Cell::Int(1) => Ok(true),
            other => Err(mismatch("a boolean", &other)),
        }
    }
}

impl FromCell for f64 {
    fn from_cell(cell: Cell) -> Result<Self, CellMismatch> {
        match cell {
            Cell::Real(number) => Ok(number),
            // A database whose numbers are all floats cannot tell 2.0 from 2.
            Cell::Int(number) if number.unsigned_abs() <= LARGEST_EXACT => Ok(number as f64),
            other => Err(mismatch("a floating point number", &other)),
        }
    }
}

impl FromCell for Vec<u8> {
    fn from_cell(cell: Cell) -> Result<Self, CellMismatch> {
        match cell {
            Cell::Blob(bytes) => Ok(bytes),
            other => Err(mismatch("bytes", &other)),
        }
    }
}

impl FromCell for Timestamp {
    fn from_cell(cell: Cell) -> Result<Self, CellMismatch> {
        match cell {
            Cell::Int(micros) => Ok(Self::from_micros(micros)),
            other => Err(mismatch("microseconds since the epoch", &other)),
        }
    }
}

impl<T: FromCell> FromCell for Option<T> {
    fn from_cell(cell: Cell) -> Result<Self, CellMismatch> {
        match cell {
            Cell::Null => Ok(None),
            other => T::from_cell(other).map(Some),
        }
    }
}

/// A value that a JSON column stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned> FromCell for Json<T> {
    fn from_cell(cell: Cell) -> Result<Self, CellMismatch> {
        match cell {
            Cell::Text(text) => parse_json(&text).map(Self),
            other => Err(mismatch("JSON text", &other)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(cells: Vec<(&str, Cell)>) -> Row {
        let (names, cells): (Vec<_>, Vec<_>) = cells.into_iter().map(|(name, cell)| (name.to_owned(), cell)).unzip();
        Row::new(names.into(), cells)
    }

    #[test]
    fn every_type_is_found_by_name() {
        let row = row(vec![
            ("text", Cell::Text("a".into())),
            ("int", Cell::Int(i64::MIN)),
            ("flag", Cell::Int(1)),
            ("native_flag", Cell::Bool(false)),
            ("real", Cell::Real(0.5)),
            ("blob", Cell::Blob(vec![0, 255])),
            ("none", Cell::Null),
            ("at", Cell::Int(7)),
            ("json", Cell::Text("[1,2]".into())),
        ]);
        assert_eq!(row.get::<String>("text").unwrap(), "a");
        assert_eq!(row.get::<i64>("int").unwrap(), i64::MIN);
        assert!(row.get::<bool>("flag").unwrap());
        assert!(!row.get::<bool>("native_flag").unwrap());
        assert!((row.get::<f64>("real").unwrap() - 0.5).abs() < f64::EPSILON);
        assert_eq!(row.get::<Vec<u8>>("blob").unwrap(), [0, 255]);
        assert_eq!(row.get::<Option<String>>("none").unwrap(), None);
        assert_eq!(row.get::<Option<u32>>("at").unwrap(), Some(7));
        assert_eq!(row.get::<Timestamp>("at").unwrap(), Timestamp::from_micros(7));
        assert_eq!(row.json::<Vec<u8>>("json").unwrap(), [1, 2]);
        assert_eq!(row.get::<Json<Vec<u8>>>("json").unwrap().0, [1, 2]);
    }

    #[test]
    fn a_wrong_type_names_the_column_and_hides_the_value() {
        let row = row(vec![("token", Cell::Text("secret".into()))]);
        for error in [
            row.get::<i64>("token").unwrap_err(),
            row.json::<u8>("token").unwrap_err(),
            row.get::<bool>("missing").unwrap_err(),
        ] {
            let shown = error.to_string();
            assert!(shown.contains("query result.token") || shown.contains("query result.missing"), "{shown}");
            assert!(!shown.contains("secret"), "{shown}");
        }
        assert!(!format!("{row:?}").contains("secret"));
    }

    #[test]
    fn names_are_read_once_and_again_when_they_do_not_fit() {
        let mut names = ColumnNames::new(2);
        let read = |name: &str| -> Arc<[String]> { [name.to_owned()].into() };
        assert_eq!(*names.of("a", |_| true, || read("first")), ["first"]);
        assert_eq!(*names.of("a", |known| known == ["first"], || read("again")), ["first"]);
        assert_eq!(*names.of("a", |_| false, || read("second")), ["second"]);
        for text in ["b", "c", "d"] {
            names.of(text, |_| true, || read(text));
            assert!((1..=2).contains(&names.len()));
        }
    }

    #[test]
    fn integers_are_not_bent() {
        let row = row(vec![
            ("minus", Cell::Int(-1)),
            ("big", Cell::Int(1 << 32)),
            ("two", Cell::Int(2)),
            ("odd", Cell::Int((1 << 53) + 1)),
        ]);
        assert!(row.get::<u64>("minus").is_err());
        assert!(row.get::<u32>("big").is_err());
        assert!(row.get::<bool>("two").is_err());
        assert_eq!(row.get::<f64>("two"), Ok(2.0));
        assert!(row.get::<f64>("odd").is_err());
    }
}
