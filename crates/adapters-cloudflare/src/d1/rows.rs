//! The rows of a batch, from the JSON of the objects that D1 returns.
//!
//! They cross over as one text: that is one call from WebAssembly to JavaScript instead of several for each value.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use portway_sql::driver::SqlError;
use portway_sql::row::{Cell, QUERY_RESULT, Row};
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

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
        let mut rows = Vec::new();
        let mut names: Arc<[String]> = Arc::from([]);
        while let Some(row) = list.next_element_seed(RowSeed(&mut names))? {
            rows.push(row);
        }
        Ok(Rows(rows))
    }
}

/// Reads a row; all rows of a statement share the names of the first one.
struct RowSeed<'a>(&'a mut Arc<[String]>);

impl<'de> DeserializeSeed<'de> for RowSeed<'_> {
    type Value = Row;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Row, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for RowSeed<'_> {
    type Value = Row;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a row")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Row, A::Error> {
        let is_first = self.0.is_empty();
        let mut names = Vec::new();
        let mut cells = Vec::with_capacity(self.0.len());
        while let Some(name) = members.next_key::<Name<'_>>()? {
            if is_first {
                names.push(name.0.into_owned());
            } else if self.0.get(cells.len()).is_none_or(|known| *known != name.0) {
                return Err(A::Error::custom("two rows of one statement have different columns"));
            }
            cells.push(members.next_value::<Value>()?.0);
        }
        if is_first {
            *self.0 = names.into();
        }
        Ok(Row::new(self.0.clone(), cells))
    }
}

/// The name of a column, without a copy where it has no escapes.
#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

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
        let json = r#"[[{"z":null,"a":-1,"m":0.5,"k":"a\u0000\u00fc\"","b":[0,255],"e":[],"c":1e300}]]"#;
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
            cells(r#"[[{"a":9007199254740991,"b":-9007199254740991}]]"#),
            [Cell::Int((1 << 53) - 1), Cell::Int(1 - (1 << 53))]
        );
        for number in ["9007199254740992", "-9007199254740992", "9223372036854775808", "-1e30"] {
            assert!(matches!(cells(&format!(r#"[[{{"a":{number}}}]]"#))[0], Cell::Real(_)), "{number}");
        }
    }

    #[test]
    fn rows_of_a_statement_share_their_names() {
        let results = parse(r#"[[{"a":1,"b":2},{"a":3,"b":4}],[],[{"c":5}]]"#).unwrap();
        assert_eq!(results.iter().map(Vec::len).collect::<Vec<_>>(), [2, 0, 1]);
        assert!(std::ptr::eq(results[0][0].names(), results[0][1].names()));
        assert_eq!(results[2][0].get::<i64>("c").unwrap(), 5);
    }

    #[test]
    fn what_is_no_row_is_corrupt_and_not_quoted() {
        for json in [
            r#"[[{"a":{"secret":1}}]]"#,
            r#"[[{"a":true}]]"#,
            r#"[[{"a":[256]}]]"#,
            r#"[[{"a":["secret"]}]]"#,
            r#"[[{"a":"secret\ud800"}]]"#,
            r#"[[{"a":1},{"b":"secret"}]]"#,
            r#"[["secret"]]"#,
        ] {
            let error = parse(json).unwrap_err();
            assert!(matches!(error, SqlError::Corrupt { .. }), "{json}");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }

    #[test]
    fn a_column_that_javascript_would_move_is_refused() {
        assert!(matches!(parse(r#"[[{"1":3,"z":1}]]"#), Err(SqlError::Statement(_))));
        assert!(parse(r#"[[{"1a":3,"-1":1}]]"#).is_ok());
    }
}
