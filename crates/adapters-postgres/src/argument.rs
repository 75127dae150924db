//! Arguments on their way into a statement: the type and the bytes of each, without help of the server.

use std::borrow::Cow;
use std::error::Error;

use portway_sql::driver::SqlError;
use sea_query::Value;
use sqlx::encode::{Encode, IsNull};
use sqlx::postgres::types::Oid;
use sqlx::postgres::{PgArgumentBuffer, PgArguments, PgTypeInfo};
use sqlx::{Arguments, Postgres, Type};
use time::OffsetDateTime;

use crate::cells::{EPOCH_MICROS, oid};

/// One argument in the binary format.
struct Argument<'a> {
    oid: Oid,
    /// `None` is NULL.
    bytes: Option<Cow<'a, [u8]>>,
}

/// All arguments of a statement, in order.
pub(crate) fn arguments<'a>(values: impl IntoIterator<Item = &'a Value>) -> Result<PgArguments, SqlError> {
    let mut arguments = PgArguments::default();
    for value in values {
        arguments.add(Argument::of(value)?).map_err(|error| SqlError::Rejected(error.to_string()))?;
    }
    Ok(arguments)
}

/// The types of the arguments of a statement, in order.
pub(crate) fn types(values: &[Value]) -> Result<Vec<PgTypeInfo>, SqlError> {
    values.iter().map(|value| Ok(PgTypeInfo::with_oid(Argument::of(value)?.oid))).collect()
}

impl<'a> Argument<'a> {
    /// A statement is prepared under its text alone. So each kind of value has one type: a number is 64 bits wide
    /// whatever its Rust type is.
    fn of(value: &'a Value) -> Result<Self, SqlError> {
        match value {
            Value::Bool(value) => Ok(Self::new(oid::BOOL, value.map(|value| vec![u8::from(value)]))),
            Value::TinyInt(value) => Ok(Self::integer(value.map(i64::from))),
            Value::SmallInt(value) => Ok(Self::integer(value.map(i64::from))),
            Value::Int(value) => Ok(Self::integer(value.map(i64::from))),
            Value::BigInt(value) => Ok(Self::integer(*value)),
            Value::TinyUnsigned(value) => Ok(Self::integer(value.map(i64::from))),
            Value::SmallUnsigned(value) => Ok(Self::integer(value.map(i64::from))),
            Value::Unsigned(value) => Ok(Self::integer(value.map(i64::from))),
            Value::BigUnsigned(value) => Ok(Self::integer(value.map(signed).transpose()?)),
            Value::Float(value) => Self::real(value.map(f64::from)),
            Value::Double(value) => Self::real(*value),
            Value::String(value) => Self::text(value.as_deref().map(Cow::Borrowed)),
            Value::Char(value) => Self::text(value.map(|letter| Cow::Owned(letter.to_string()))),
            Value::Bytes(value) => Ok(Self { oid: oid::BYTEA, bytes: value.as_deref().map(Cow::Borrowed) }),
            Value::Json(value) => Ok(Self::new(oid::JSONB, value.as_deref().map(jsonb))),
            Value::TimeDateTimeWithTimeZone(value) => {
                let micros = |time: OffsetDateTime| time.unix_timestamp() * 1_000_000 + i64::from(time.microsecond());
                Ok(Self::new(oid::TIMESTAMPTZ, value.map(|time| since_epoch(micros(time)))))
            }
            _ => Err(SqlError::Statement("an argument has a type that this driver does not send".into())),
        }
    }

    fn new(oid: Oid, bytes: Option<Vec<u8>>) -> Self {
        Self { oid, bytes: bytes.map(Cow::Owned) }
    }

    fn integer(value: Option<i64>) -> Self {
        Self::new(oid::INT8, value.map(|number| number.to_be_bytes().to_vec()))
    }

    fn real(value: Option<f64>) -> Result<Self, SqlError> {
        // SQLite cannot keep it, so nobody may.
        if value.is_some_and(f64::is_nan) {
            return Err(SqlError::Rejected("an argument is not a number".into()));
        }
        Ok(Self::new(oid::FLOAT8, value.map(|number| number.to_be_bytes().to_vec())))
    }

    fn text(value: Option<Cow<'a, str>>) -> Result<Self, SqlError> {
        if value.as_deref().is_some_and(|text| text.contains('\0')) {
            return Err(SqlError::Rejected("Postgres cannot store text with a NUL character".into()));
        }
        let bytes = value.map(|text| match text {
            Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
            Cow::Owned(text) => Cow::Owned(text.into_bytes()),
        });
        Ok(Self { oid: oid::TEXT, bytes })
    }
}

fn signed(number: u64) -> Result<i64, SqlError> {
    i64::try_from(number).map_err(|_| SqlError::Rejected("an integer argument is above 9223372036854775807".into()))
}

/// The version of the format, then text.
fn jsonb(json: &impl ToString) -> Vec<u8> {
    let mut bytes = vec![1];
    bytes.extend_from_slice(json.to_string().as_bytes());
    bytes
}

fn since_epoch(micros: i64) -> Vec<u8> {
    micros.saturating_sub(EPOCH_MICROS).to_be_bytes().to_vec()
}

impl Type<Postgres> for Argument<'_> {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(oid::TEXT)
    }
}

impl Encode<'_, Postgres> for Argument<'_> {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, Box<dyn Error + Send + Sync>> {
        let Some(bytes) = &self.bytes else {
            return Ok(IsNull::Yes);
        };
        buffer.extend_from_slice(bytes);
        Ok(IsNull::No)
    }

    fn produces(&self) -> Option<PgTypeInfo> {
        Some(PgTypeInfo::with_oid(self.oid))
    }

    fn size_hint(&self) -> usize {
        self.bytes.as_ref().map_or(0, |bytes| bytes.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_width_of_a_number_is_one_type() {
        let of = |value: Value| types(&[value]).unwrap().remove(0).oid().map(|oid| oid.0);
        for value in
            [Value::from(1_i8), Value::from(1_i32), Value::from(1_u64), Value::BigInt(None), Value::Unsigned(None)]
        {
            assert_eq!(of(value), Some(20));
        }
        assert_eq!(of(Value::Json(None)), Some(3802));
        assert_eq!(of(Value::TimeDateTimeWithTimeZone(None)), Some(1184));
    }

    #[test]
    fn what_cannot_be_stored_is_refused_before_it_is_sent() {
        for value in [Value::from("a\0b"), Value::from('\0'), Value::from(u64::MAX), Value::from(f64::NAN)] {
            assert!(matches!(arguments([&value]), Err(SqlError::Rejected(_))), "{value:?}");
        }
    }
}
