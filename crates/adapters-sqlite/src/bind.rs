//! Arguments on their way into a prepared statement.

use portway_sql::driver::SqlError;
use rusqlite::types::{ToSqlOutput, Value as Owned, ValueRef};
use sea_query::Value;

use crate::error::Failure;

/// Binds every argument, in order.
pub(crate) fn bind(statement: &mut rusqlite::Statement<'_>, args: &[Value]) -> Result<(), Failure> {
    // SQLite would read a missing argument as NULL.
    if statement.parameter_count() != args.len() {
        return Err(Failure::Value(SqlError::Statement(format!(
            "{} arguments for {} placeholders",
            args.len(),
            statement.parameter_count()
        ))));
    }
    for (index, value) in (1..).zip(args) {
        statement.raw_bind_parameter(index, argument(value).map_err(Failure::Value)?)?;
    }
    Ok(())
}

fn argument(value: &Value) -> Result<ToSqlOutput<'_>, SqlError> {
    Ok(match value {
        Value::Bool(value) => integer(*value),
        Value::TinyInt(value) => integer(*value),
        Value::SmallInt(value) => integer(*value),
        Value::Int(value) => integer(*value),
        Value::BigInt(value) => integer(*value),
        Value::TinyUnsigned(value) => integer(*value),
        Value::SmallUnsigned(value) => integer(*value),
        Value::Unsigned(value) => integer(*value),
        Value::BigUnsigned(value) => integer(value.map(signed).transpose()?),
        Value::Float(value) => real(value.map(f64::from))?,
        Value::Double(value) => real(*value)?,
        Value::String(value) => borrowed(value.as_ref().map(|text| ValueRef::Text(text.as_bytes()))),
        Value::Bytes(value) => borrowed(value.as_ref().map(|bytes| ValueRef::Blob(bytes))),
        Value::Char(value) => owned(value.map(|letter| Owned::Text(letter.to_string()))),
        Value::Json(value) => owned(value.as_ref().map(|json| Owned::Text(json.to_string()))),
        _ => {
            return Err(SqlError::Statement("an argument has a type that SQLite does not store".into()));
        }
    })
}

fn borrowed(value: Option<ValueRef<'_>>) -> ToSqlOutput<'_> {
    ToSqlOutput::Borrowed(value.unwrap_or(ValueRef::Null))
}

fn owned(value: Option<Owned>) -> ToSqlOutput<'static> {
    ToSqlOutput::Owned(value.unwrap_or(Owned::Null))
}

fn integer(value: Option<impl Into<i64>>) -> ToSqlOutput<'static> {
    owned(value.map(|number| Owned::Integer(number.into())))
}

fn signed(number: u64) -> Result<i64, SqlError> {
    i64::try_from(number).map_err(|_| SqlError::Rejected("an integer argument is above 9223372036854775807".into()))
}

fn real(value: Option<f64>) -> Result<ToSqlOutput<'static>, SqlError> {
    // SQLite would store NaN as NULL.
    if value.is_some_and(f64::is_nan) {
        return Err(SqlError::Rejected("an argument is not a number".into()));
    }
    Ok(owned(value.map(Owned::Real)))
}
