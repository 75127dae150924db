//! Calls and replies.

use std::sync::Arc;

use sea_query::Value;
use serde::{Deserialize, Serialize};
use serde_json::{Number, Value as Json, json};

use crate::digest::{hex, unhex};
use crate::driver::{Cost, Expect, Read, SqlDriver, SqlError, Statement, Step, WriteOutcome};
use crate::row::{Cell, QUERY_RESULT, Row};

/// The member of the object that stands for bytes.
const HEX: &str = "hex";

/// What is asked of a database.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Call {
    /// [`SqlDriver::read`].
    #[serde(rename_all = "camelCase")]
    Read {
        /// What to ask.
        statements: Vec<SentStatement>,
        /// Whether the time does not grow with the data.
        is_bounded: bool,
    },
    /// [`SqlDriver::write`].
    Write {
        /// What to do.
        steps: Vec<SentStep>,
    },
    /// Runs the migrations that are missing, up to the one of that number.
    Migrate {
        /// The number.
        to: u32,
    },
}

/// A statement and its arguments.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SentStatement {
    text: String,
    args: Vec<Json>,
}

/// A step of a write.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SentStep {
    statement: SentStatement,
    /// Whether it has to touch a row.
    is_guarded: bool,
}

/// What a database answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Reply {
    /// The rows of each statement. Those of a write are durable.
    Rows(Vec<SentRows>),
    /// A write was not done; see [`WriteOutcome::Conflict`].
    Conflict {
        /// The step that failed.
        step: usize,
    },
    /// How many migrations were run.
    Migrated {
        /// The number.
        count: usize,
    },
    /// Nothing of it can be said to be done.
    Failed {
        /// Which kind of failure.
        kind: FailureKind,
        /// What the database says.
        detail: String,
    },
}

/// The kinds of [`SqlError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum FailureKind {
    /// [`SqlError::Unavailable`].
    Unavailable,
    /// [`SqlError::Unknown`].
    Unknown,
    /// [`SqlError::Rejected`].
    Rejected,
    /// [`SqlError::Corrupt`].
    Corrupt,
    /// [`SqlError::Statement`].
    Statement,
}

/// The rows of a statement.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SentRows {
    columns: Vec<String>,
    rows: Vec<Vec<Json>>,
}

/// Does what is asked, but for migrations, which are the business of whoever has the database.
pub async fn answer(database: &dyn SqlDriver, call: Call) -> Reply {
    let done = match call {
        Call::Read { statements, is_bounded } => read(database, statements, is_bounded).await,
        Call::Write { steps } => write(database, steps).await,
        Call::Migrate { .. } => Err(SqlError::Statement("no statement runs migrations".to_owned())),
    };
    done.unwrap_or_else(Reply::from)
}

async fn read(database: &dyn SqlDriver, statements: Vec<SentStatement>, is_bounded: bool) -> Result<Reply, SqlError> {
    let statements = statements.into_iter().map(Statement::try_from).collect::<Result<_, _>>()?;
    let cost = if is_bounded { Cost::Bounded } else { Cost::Unbounded };
    Ok(rows(&database.read(Read { statements, cost }).await?))
}

async fn write(database: &dyn SqlDriver, steps: Vec<SentStep>) -> Result<Reply, SqlError> {
    let step = |step: SentStep| {
        let expect = if step.is_guarded { Expect::Row } else { Expect::Any };
        Statement::try_from(step.statement).map(|statement| Step { statement, expect })
    };
    let steps = steps.into_iter().map(step).collect::<Result<_, _>>()?;
    Ok(match database.write(steps).await? {
        WriteOutcome::Committed(results) => rows(&results),
        WriteOutcome::Conflict { step } => Reply::Conflict { step },
    })
}

fn rows(results: &[Vec<Row>]) -> Reply {
    let sent = |rows: &Vec<Row>| SentRows {
        columns: rows.first().map(|row| row.names().to_vec()).unwrap_or_default(),
        rows: rows.iter().map(|row| row.cells().iter().map(written).collect()).collect(),
    };
    Reply::Rows(results.iter().map(sent).collect())
}

impl From<SqlError> for Reply {
    fn from(error: SqlError) -> Self {
        let (kind, detail) = match error {
            SqlError::Unavailable(detail) => (FailureKind::Unavailable, detail),
            SqlError::Unknown(detail) => (FailureKind::Unknown, detail),
            SqlError::Rejected(detail) => (FailureKind::Rejected, detail),
            SqlError::Corrupt { table, column, detail } => {
                (FailureKind::Corrupt, format!("{table}.{column}: {detail}"))
            }
            SqlError::Statement(detail) => (FailureKind::Statement, detail),
        };
        Self::Failed { kind, detail }
    }
}

impl FailureKind {
    pub(super) fn error(self, detail: String) -> SqlError {
        match self {
            Self::Unavailable => SqlError::Unavailable(detail),
            Self::Unknown => SqlError::Unknown(detail),
            Self::Rejected => SqlError::Rejected(detail),
            Self::Corrupt => SqlError::Corrupt { table: QUERY_RESULT, column: String::new(), detail },
            Self::Statement => SqlError::Statement(detail),
        }
    }
}

impl TryFrom<&Statement> for SentStatement {
    type Error = SqlError;

    fn try_from(statement: &Statement) -> Result<Self, SqlError> {
        let args = statement.args.iter().map(|value| Ok(written(&cell(value)?))).collect::<Result<_, SqlError>>()?;
        Ok(Self { text: statement.text.clone().into_owned(), args })
    }
}

impl TryFrom<SentStatement> for Statement {
    type Error = SqlError;

    fn try_from(sent: SentStatement) -> Result<Self, SqlError> {
        let args = sent.args.into_iter().map(|json| read_cell(json).map(argument)).collect::<Result<_, _>>()?;
        Ok(Self { text: sent.text.into(), args })
    }
}

impl TryFrom<&Step> for SentStep {
    type Error = SqlError;

    fn try_from(step: &Step) -> Result<Self, SqlError> {
        Ok(Self { statement: (&step.statement).try_into()?, is_guarded: step.expect == Expect::Row })
    }
}

impl SentRows {
    pub(super) fn into_rows(self) -> Result<Vec<Row>, SqlError> {
        let names: Arc<[String]> = self.columns.into();
        let row = |cells: Vec<Json>| {
            let cells = cells.into_iter().map(read_cell).collect::<Result<_, _>>()?;
            Ok(Row::new(names.clone(), cells))
        };
        self.rows.into_iter().map(row).collect()
    }
}

fn written(cell: &Cell) -> Json {
    match cell {
        Cell::Null => Json::Null,
        Cell::Bool(flag) => Json::Bool(*flag),
        Cell::Int(number) => Json::from(*number),
        Cell::Real(number) => Number::from_f64(*number).map_or(Json::Null, Json::Number),
        Cell::Text(text) => Json::from(text.as_str()),
        Cell::Blob(bytes) => json!({ HEX: hex(bytes) }),
    }
}

fn read_cell(json: Json) -> Result<Cell, SqlError> {
    let cell = match json {
        Json::Null => Some(Cell::Null),
        Json::Bool(flag) => Some(Cell::Bool(flag)),
        Json::Number(number) => number.as_i64().map(Cell::Int).or_else(|| number.as_f64().map(Cell::Real)),
        Json::String(text) => Some(Cell::Text(text)),
        Json::Object(bytes) => bytes.get(HEX).and_then(Json::as_str).and_then(unhex).map(Cell::Blob),
        Json::Array(_) => None,
    };
    cell.ok_or_else(|| SqlError::Statement("a value is of no kind that databases have".to_owned()))
}

/// An argument as SQLite has it.
fn cell(value: &Value) -> Result<Cell, SqlError> {
    let cell = match value {
        Value::Bool(value) => value.map(Cell::Bool),
        Value::TinyInt(value) => value.map(|number| Cell::Int(number.into())),
        Value::SmallInt(value) => value.map(|number| Cell::Int(number.into())),
        Value::Int(value) => value.map(|number| Cell::Int(number.into())),
        Value::BigInt(value) => value.map(Cell::Int),
        Value::TinyUnsigned(value) => value.map(|number| Cell::Int(number.into())),
        Value::SmallUnsigned(value) => value.map(|number| Cell::Int(number.into())),
        Value::Unsigned(value) => value.map(|number| Cell::Int(number.into())),
        Value::BigUnsigned(value) => value.map(signed).transpose()?,
        Value::Float(value) => value.map(|number| Cell::Real(number.into())),
        Value::Double(value) => value.map(Cell::Real),
        Value::String(value) => value.clone().map(Cell::Text),
        Value::Char(value) => value.map(|letter| Cell::Text(letter.to_string())),
        Value::Bytes(value) => value.clone().map(Cell::Blob),
        _ => return Err(SqlError::Statement("an argument is of a kind that is not sent".to_owned())),
    };
    Ok(cell.unwrap_or(Cell::Null))
}

fn signed(number: u64) -> Result<Cell, SqlError> {
    let number = i64::try_from(number);
    number.map(Cell::Int).map_err(|_| SqlError::Rejected("an integer is above 9223372036854775807".to_owned()))
}

fn argument(cell: Cell) -> Value {
    match cell {
        Cell::Null => Value::String(None),
        Cell::Bool(flag) => Value::Bool(Some(flag)),
        Cell::Int(number) => Value::BigInt(Some(number)),
        Cell::Real(number) => Value::Double(Some(number)),
        Cell::Text(text) => Value::String(Some(text)),
        Cell::Blob(bytes) => Value::Bytes(Some(bytes)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cell_comes_back() {
        for cell in [
            Cell::Null,
            Cell::Bool(true),
            Cell::Int(i64::MIN),
            Cell::Int(i64::MAX),
            Cell::Real(2.0),
            Cell::Real(1e300),
            Cell::Text("a\0\"\u{1F980}".to_owned()),
            Cell::Blob(vec![0, 255]),
        ] {
            let text = written(&cell).to_string();
            assert_eq!(read_cell(serde_json::from_str(&text).unwrap()), Ok(cell), "{text}");
        }
        for text in ["[]", "{}", r#"{"hex":"0"}"#, r#"{"hex":"zz"}"#, r#"{"hex":"\u00e9"}"#] {
            assert!(read_cell(serde_json::from_str(text).unwrap()).is_err(), "{text}");
        }
    }

    #[test]
    fn arguments_come_as_sqlite_has_them() {
        let statement = |args: Vec<Value>| Statement { text: "x".into(), args };
        let sent = SentStatement::try_from(&statement(vec![
            Value::Int(Some(7)),
            Value::BigInt(None),
            Value::Char(Some('x')),
            Value::Bool(Some(false)),
        ]));
        let arrived = Statement::try_from(sent.unwrap()).unwrap();
        let expected = [Value::BigInt(Some(7)), Value::String(None), Value::from("x"), Value::Bool(Some(false))];
        assert_eq!(arrived.args, expected);
        assert!(SentStatement::try_from(&statement(vec![Value::BigUnsigned(Some(u64::MAX))])).is_err());
    }
}
