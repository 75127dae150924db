//! JSON that is read back to the letter.

use sea_query::Value;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::dialect::Dialect;
use crate::driver::SqlError;
use crate::row::{Cell, CellMismatch, FromCell, Json};
use crate::value::IntoValue;

/// A value that is stored as JSON in a text column on every database: a JSON column may reorder members, change
/// numbers and refuse characters.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct JsonText<T>(pub(crate) T);

impl<T: DeserializeOwned> FromCell for JsonText<T> {
    fn from_cell(cell: Cell) -> Result<Self, CellMismatch> {
        Json::from_cell(cell).map(|json| Self(json.0))
    }
}

impl<T: Serialize> IntoValue for JsonText<T> {
    fn into_value(self, _: Dialect) -> Result<Value, SqlError> {
        serde_json::to_string(&self.0)
            .map(Value::from)
            .map_err(|error| SqlError::Rejected(format!("cannot be written as JSON: {error}")))
    }

    fn null(dialect: Dialect) -> Value {
        String::null(dialect)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_text_on_every_database() {
        for dialect in [Dialect::Sqlite, Dialect::Postgres] {
            assert_eq!(JsonText(vec!["a\0b"]).into_value(dialect).unwrap(), Value::from(r#"["a\u0000b"]"#));
        }
        let cell = Cell::Text(r#"["a\u0000b"]"#.into());
        assert_eq!(JsonText::<Vec<String>>::from_cell(cell).unwrap().0, ["a\0b"]);
    }
}
