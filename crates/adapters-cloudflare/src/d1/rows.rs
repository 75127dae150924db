//! The rows of a batch, from the JSON that is written of the objects that D1 returns.
//!
//! They cross over as one text: that is one call from WebAssembly to JavaScript instead of several for each value.

use std::fmt;
use std::sync::Arc;

use portway_sql::driver::SqlError;
use portway_sql::row::{Cell, QUERY_RESULT, Row};
use serde::Deserialize;
use serde::de::{Deserializer, Error, SeqAccess, Visitor};

use super::arguments::LARGEST_INTEGER;

/// The rows of each statement of a batch.
///
/// # Errors
/// [`SqlError::Corrupt`] when a value is of no type that a database has, [`SqlError::Statement`] when a column is named
/// like an array index.
pub(crate) fn parse(json: &str) -> Result<Vec<Vec<Row>>, SqlError> {
    let results: Vec<Rows> = serde_json::from_str(json).map_err(|error| unreadable(&error))?;
    let results: Vec<Vec<Row>> = results.into_iter().map(|rows| rows.0).collect();
    match results.iter().flatten().flat_map(Row::names).find(|name| is_index(name)) {
        None => Ok(results),
        Some(name) => Err(SqlError::Statement(format!("column {name} needs a name that is no number"))),
    }
}

fn unreadable(error: &serde_json::Error) -> SqlError {
    // The message of the error may quote a value.
    SqlError::Corrupt {
        table: QUERY_RESULT,
        column: "*".into(),
        detail: format!(
            "expected rows: {:?} error at line {}, column {}",
            error.classify(),
            error.line(),
            error.column()
        ),
    }
}

/// JavaScript moves such members of an object to its front.
fn is_index(name: &str) -> bool {
    name.parse::<u32>().is_ok()
}

/// The rows of one statement.
struct Rows(Vec<Row>);

impl<'de> Deserialize<'de> for Rows {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(RowsVisitor)
    }
}

struct RowsVisitor;

impl<'de> Visitor<'de> for RowsVisitor {
    type Value = Rows;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of rows")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Rows, A::Error> {
        let Some(names) = list.next_element::<Vec<String>>()? else {
            return Ok(Rows(Vec::new()));
        };
        let (mut rows, names) = (Vec::new(), Arc::from(names));
        while let Some(cells) = list.next_element::<Vec<Value>>()? {
            rows.push(row(&names, cells)?);
        }
        Ok(Rows(rows))
    }
}

/// A row; all rows of a statement share the names of its columns.
fn row<E: Error>(names: &Arc<[String]>, cells: Vec<Value>) -> Result<Row, E> {
    if cells.len() != names.len() {
        return Err(E::custom("two rows of one statement have different columns"));
    }
    Ok(Row::new(Arc::clone(names), cells.into_iter().map(|value| value.0).collect()))
}

/// One cell.
struct Value(Cell);

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(CellVisitor).map(Self)
    }
}

struct CellVisitor;

impl<'de> Visitor<'de> for CellVisitor {
    type Value = Cell;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value of a database")
    }

    fn visit_unit<E: Error>(self) -> Result<Cell, E> {
        Ok(Cell::Null)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Cell, E> {
        // Beyond, it is a rounded number, and nobody should take it for an exact one.
        Ok(if number.unsigned_abs() <= LARGEST_INTEGER { Cell::Int(number) } else { Cell::Real(number as f64) })
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Cell, E> {
        match i64::try_from(number) {
            Ok(number) => self.visit_i64(number),
            Err(_) => Ok(Cell::Real(number as f64)),
        }
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Cell, E> {
        Ok(Cell::Real(number))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Cell, E> {
        Ok(Cell::Text(text.to_owned()))
    }

    fn visit_string<E: Error>(self, text: String) -> Result<Cell, E> {
        Ok(Cell::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut numbers: A) -> Result<Cell, A::Error> {
        let mut bytes = Vec::new();
        while let Some(byte) = numbers.next_element()? {
            bytes.push(byte);
        }
        Ok(Cell::Blob(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(json: &str) -> Vec<Cell> {
        parse(json).unwrap().remove(0).remove(0).into_cells()
    }

    #[test]
    fn every_type_is_told_by_its_form() {
        let json = r#"[[["z","a","m","k","b","e","c"],[null,-1,0.5,"a\u0000\u00fc\"",[0,255],[],1e300]]]"#;
        let rows = parse(json).unwrap().remove(0);
        assert_eq!(rows[0].names(), ["z", "a", "m", "k", "b", "e", "c"]);
        let expected = [
            Cell::Null,
            Cell::Int(-1),
            Cell::Real(0.5),
            Cell::Text("a\0ü\"".into()),
            Cell::Blob(vec![0, 255]),
            Cell::Blob(vec![]),
            Cell::Real(1e300),
        ];
        assert_eq!(rows[0].cells(), expected);
    }

    #[test]
    fn whole_numbers_are_exact_or_no_integers() {
        assert_eq!(
            cells(r#"[[["a","b"],[9007199254740991,-9007199254740991]]]"#),
            [Cell::Int((1 << 53) - 1), Cell::Int(1 - (1 << 53))]
        );
        for number in ["9007199254740992", "-9007199254740992", "9223372036854775808", "-1e30"] {
            assert!(matches!(cells(&format!(r#"[[["a"],[{number}]]]"#))[0], Cell::Real(_)), "{number}");
        }
    }

    #[test]
    fn rows_of_a_statement_share_their_names() {
        let results = parse(r#"[[["a","b"],[1,2],[3,4]],[],[["c"],[5]]]"#).unwrap();
        assert_eq!(results.iter().map(Vec::len).collect::<Vec<_>>(), [2, 0, 1]);
        assert!(std::ptr::eq(results[0][0].names(), results[0][1].names()));
        assert_eq!(results[2][0].get::<i64>("c").unwrap(), 5);
    }

    #[test]
    fn what_is_no_row_is_corrupt_and_not_quoted() {
        for json in [
            r#"[[["a"],[{"secret":1}]]]"#,
            r#"[[["a"],[true]]]"#,
            r#"[[["a"],[[256]]]]"#,
            r#"[[["a"],[["secret"]]]]"#,
            r#"[[["a"],["secret\ud800"]]]"#,
            r#"[[["a"],["secret",1]]]"#,
            r#"[["secret"]]"#,
        ] {
            let error = parse(json).unwrap_err();
            assert!(matches!(error, SqlError::Corrupt { .. }), "{json}");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }

    #[test]
    fn a_column_that_javascript_would_move_is_refused() {
        assert!(matches!(parse(r#"[[["1","z"],[3,1]]]"#), Err(SqlError::Statement(_))));
        assert!(parse(r#"[[["1a","-1"],[3,1]]]"#).is_ok());
    }
}
