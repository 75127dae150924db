//! Rows as lines and as arguments. A line is the same for the same row of every database.

use portway_domain::time::Timestamp;
use sea_query::Value;
use serde_json::Value as Document;

use crate::dialect::Dialect;
use crate::digest::{hex, unhex};
use crate::driver::SqlError;
use crate::row::{Cell, FromCell, Json};
use crate::schema::{Column, Kind};
use crate::value::IntoValue;

/// From here on not every whole number is a floating point number.
const LARGEST_EXACT: f64 = 9_007_199_254_740_992.0;

/// Writes a row as a line without its end.
pub(super) fn write(
    table: &'static str,
    columns: &[&'static Column],
    cells: &[Cell],
    line: &mut String,
) -> Result<(), SqlError> {
    let mut before = '[';
    for (column, cell) in columns.iter().zip(cells) {
        line.push(before);
        before = ',';
        write_cell(column, cell, line).map_err(|detail| corrupt(table, column, detail))?;
    }
    line.push(']');
    Ok(())
}

fn corrupt(table: &'static str, column: &Column, detail: String) -> SqlError {
    SqlError::Corrupt { table, column: column.name.to_owned(), detail }
}

fn write_cell(column: &Column, cell: &Cell, line: &mut String) -> Result<(), String> {
    match (column.kind, cell) {
        (_, Cell::Null) if column.nullable => line.push_str("null"),
        (Kind::Text, Cell::Text(text)) => write_json(text, line)?,
        (Kind::Integer | Kind::RowNumber | Kind::Time, Cell::Int(number)) => line.push_str(&number.to_string()),
        (Kind::Flag, cell) => {
            let flag = bool::from_cell(cell.clone()).map_err(|mismatch| mismatch.0)?;
            line.push_str(if flag { "true" } else { "false" });
        }
        (Kind::Real, cell) => match f64::from_cell(cell.clone()) {
            Ok(number) if number.is_finite() => write_json(&number, line)?,
            _ => return Err("expected a finite number".to_owned()),
        },
        (Kind::Json, Cell::Text(text)) => {
            let document: Document =
                serde_json::from_str(text).map_err(|error| format!("expected JSON: {:?} error", error.classify()))?;
            write_document(&document, line)?;
        }
        (Kind::Bytes, Cell::Blob(bytes)) => write_json(&hex(bytes), line)?,
        (kind, other) => return Err(format!("expected a value of the kind {kind:?}, found {}", other.kind())),
    }
    Ok(())
}

fn write_json(value: &(impl serde::Serialize + ?Sized), line: &mut String) -> Result<(), String> {
    line.push_str(&serde_json::to_string(value).map_err(|error| error.to_string())?);
    Ok(())
}

/// Writes a document as no database changes it: members by name, whole numbers without a fraction.
fn write_document(document: &Document, line: &mut String) -> Result<(), String> {
    match document {
        Document::Array(items) => {
            line.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    line.push(',');
                }
                write_document(item, line)?;
            }
            line.push(']');
        }
        Document::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_by_key(|(name, _)| *name);
            line.push('{');
            for (index, (name, member)) in members.into_iter().enumerate() {
                if index > 0 {
                    line.push(',');
                }
                write_json(name, line)?;
                line.push(':');
                write_document(member, line)?;
            }
            line.push('}');
        }
        Document::Number(number) => match number.as_f64() {
            Some(whole) if number.is_f64() && whole.fract() == 0.0 && whole.abs() < LARGEST_EXACT => {
                line.push_str(&format!("{whole:.0}"));
            }
            _ => write_json(number, line)?,
        },
        other => write_json(other, line)?,
    }
    Ok(())
}

/// The cells in a line, or what is wrong with it.
pub(super) fn read(columns: &[&'static Column], line: &str) -> Result<Vec<Cell>, String> {
    let values: Vec<Document> = serde_json::from_str(line).map_err(|error| format!("expected a row: {error}"))?;
    if values.len() != columns.len() {
        return Err(format!("expected {} values, found {}", columns.len(), values.len()));
    }
    columns.iter().zip(values).map(|(column, value)| read_cell(column, value)).collect()
}

fn read_cell(column: &Column, value: Document) -> Result<Cell, String> {
    let cell = match (column.kind, value) {
        (_, Document::Null) if column.nullable => Some(Cell::Null),
        (Kind::Text, Document::String(text)) => Some(Cell::Text(text)),
        (Kind::Integer | Kind::RowNumber | Kind::Time, Document::Number(number)) => number.as_i64().map(Cell::Int),
        (Kind::Flag, Document::Bool(flag)) => Some(Cell::Bool(flag)),
        (Kind::Real, Document::Number(number)) => number.as_f64().map(Cell::Real),
        (Kind::Json, document) => Some(Cell::Text(document.to_string())),
        (Kind::Bytes, Document::String(text)) => unhex(&text).map(Cell::Blob),
        _ => None,
    };
    cell.ok_or_else(|| format!("{} has no value of the kind {:?}", column.name, column.kind))
}

/// A cell as an argument.
pub(super) fn argument(
    table: &'static str,
    column: &'static Column,
    cell: Cell,
    dialect: Dialect,
) -> Result<Value, SqlError> {
    let value = match column.kind {
        Kind::Bytes => converted::<Vec<u8>>(cell, dialect),
        Kind::Flag => converted::<bool>(cell, dialect),
        Kind::Integer | Kind::RowNumber => converted::<i64>(cell, dialect),
        Kind::Json => converted::<Json<Document>>(cell, dialect),
        Kind::Real => converted::<f64>(cell, dialect),
        Kind::Text => converted::<String>(cell, dialect),
        Kind::Time => converted::<Timestamp>(cell, dialect),
    };
    value.map_err(|detail| corrupt(table, column, detail))
}

fn converted<T: FromCell + IntoValue>(cell: Cell, dialect: Dialect) -> Result<Value, String> {
    let value = Option::<T>::from_cell(cell).map_err(|mismatch| mismatch.0)?;
    value.into_value(dialect).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::TABLES;

    fn columns(table: &str) -> Vec<&'static Column> {
        TABLES.iter().find(|found| found.name == table).unwrap().kept(u32::MAX).collect()
    }

    fn user(preferences: &str, onboarding: Cell) -> Vec<Cell> {
        let text = |text: &str| Cell::Text(text.to_owned());
        vec![
            text("u1"),
            text("a@b"),
            text("Zoë \"\n\u{1}"),
            Cell::Null,
            Cell::Null,
            Cell::Null,
            text("admin"),
            onboarding,
            Cell::Int(60),
            text(preferences),
            text("followup"),
            Cell::Null,
            Cell::Int(i64::MAX),
            Cell::Int(-1),
            Cell::Int(1_771_927_200_123_456),
        ]
    }

    fn line(cells: &[Cell]) -> String {
        let mut line = String::new();
        write("users", &columns("users"), cells, &mut line).unwrap();
        line
    }

    const LINE: &str = r#"["u1","a@b","Zoë \"\n\u0001",null,null,null,"admin",true,60,{"a":[1,0.5],"b":null},"followup",null,9223372036854775807,-1,1771927200123456]"#;

    #[test]
    fn a_row_is_the_same_line_from_every_database() {
        // As SQLite has it, and as Postgres has it.
        let sqlite = line(&user(r#"{"b":null,"a":[1.0,5e-1]}"#, Cell::Int(1)));
        let postgres = line(&user(r#"{"a": [1, 0.5], "b": null}"#, Cell::Bool(true)));
        assert_eq!(sqlite, LINE);
        assert_eq!(postgres, LINE);
    }

    #[test]
    fn a_line_comes_back() {
        let cells = read(&columns("users"), LINE).unwrap();
        assert_eq!(line(&cells), LINE);
        for dialect in [Dialect::Sqlite, Dialect::Postgres] {
            let arguments: Vec<Value> = columns("users")
                .into_iter()
                .zip(cells.clone())
                .map(|(column, cell)| argument("users", column, cell, dialect).unwrap())
                .collect();
            assert_eq!(arguments[13], dialect.time(Timestamp::from_micros(-1)));
            assert_eq!(arguments[11], Value::BigInt(None));
            assert_eq!(arguments[7], Value::Bool(Some(true)));
        }
    }

    #[test]
    fn a_wrong_line_is_told() {
        let columns = columns("search_scopes");
        assert_eq!(read(&columns, r#"[7,"u1"]"#).unwrap(), [Cell::Int(7), Cell::Text("u1".into())]);
        for (line, part) in [
            ("[7]", "expected 2 values, found 1"),
            ("{}", "expected a row"),
            (r#"[7,"u1""#, "expected a row"),
            (r#"[7.5,"u1"]"#, "number has no value of the kind RowNumber"),
            (r#"[9223372036854775808,"u1"]"#, "number has no value"),
            ("[7,null]", "user_id has no value of the kind Text"),
        ] {
            let error = read(&columns, line).unwrap_err();
            assert!(error.contains(part), "{line}: {error}");
        }
    }

    #[test]
    fn a_wrong_cell_names_its_column_and_hides_its_value() {
        let mut cells = user("[]", Cell::Int(2));
        let columns = columns("users");
        let mut line = String::new();
        let error = write("users", &columns, &cells, &mut line).unwrap_err().to_string();
        assert!(error.contains("users.onboarding_completed"), "{error}");
        cells[7] = Cell::Int(0);
        cells[0] = Cell::Int(4711);
        let error = write("users", &columns, &cells, &mut line).unwrap_err().to_string();
        assert!(error.contains("users.id") && !error.contains("4711"), "{error}");
    }

    #[test]
    fn every_kind_has_a_line() {
        for (kind, cell, written) in [
            (Kind::Bytes, Cell::Blob(vec![0, 255]), r#""00ff""#),
            (Kind::Real, Cell::Real(0.1), "0.1"),
            (Kind::Real, Cell::Int(2), "2.0"),
            (Kind::Json, Cell::Text("[1e2, \"x\", 1.5]".into()), r#"[100,"x",1.5]"#),
        ] {
            let mut column = *columns("users")[0];
            column.kind = kind;
            let column: &'static Column = Box::leak(Box::new(column));
            let mut line = String::new();
            write("users", &[column], std::slice::from_ref(&cell), &mut line).unwrap();
            assert_eq!(line, format!("[{written}]"));
            let again = read(&[column], &line).unwrap();
            let mut second = String::new();
            write("users", &[column], &again, &mut second).unwrap();
            assert_eq!(second, line);
        }
    }
}
