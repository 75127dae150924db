//! Arguments on their way into a statement.

use std::borrow::Cow;

use portway_sql::driver::SqlError;
use sea_query::Value;

/// The largest whole number that a JavaScript number holds exactly, and so does the one of the same size below zero.
pub(crate) const LARGEST_INTEGER: u64 = (1 << 53) - 1;

/// What D1 can bind.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Argument<'a> {
    /// `NULL` of whatever type.
    Null,
    /// A number; also a boolean, as 0 or 1.
    Number(f64),
    /// Text; also JSON.
    Text(Cow<'a, str>),
    /// Bytes.
    Bytes(&'a [u8]),
}

impl<'a> Argument<'a> {
    /// The argument for a value.
    ///
    /// # Errors
    /// [`SqlError::Rejected`] for a number that D1 would store as another one, [`SqlError::Statement`] for a type that
    /// it does not have.
    pub(crate) fn of(value: &'a Value) -> Result<Self, SqlError> {
        match value {
            Value::Bool(value) => integer(*value),
            Value::TinyInt(value) => integer(*value),
            Value::SmallInt(value) => integer(*value),
            Value::Int(value) => integer(*value),
            Value::BigInt(value) => integer(*value),
            Value::TinyUnsigned(value) => integer(*value),
            Value::SmallUnsigned(value) => integer(*value),
            Value::Unsigned(value) => integer(*value),
            Value::BigUnsigned(value) => integer(*value),
            Value::Float(value) => real(value.map(f64::from)),
            Value::Double(value) => real(*value),
            Value::String(value) => Ok(text(value.as_deref().map(Cow::Borrowed))),
            Value::Char(value) => Ok(text(value.map(|letter| Cow::Owned(letter.to_string())))),
            Value::Json(value) => Ok(text(value.as_ref().map(|json| Cow::Owned(json.to_string())))),
            Value::Bytes(value) => Ok(value.as_deref().map_or(Self::Null, Self::Bytes)),
            _ => Err(SqlError::Statement("an argument has a type that D1 does not store".into())),
        }
    }
}

fn integer<'a>(value: Option<impl Into<i128>>) -> Result<Argument<'a>, SqlError> {
    let Some(number) = value.map(Into::into) else {
        return Ok(Argument::Null);
    };
    if number.unsigned_abs() > u128::from(LARGEST_INTEGER) {
        return Err(SqlError::Rejected(format!(
            "D1 keeps whole numbers of at most {LARGEST_INTEGER} either way, and an argument is beyond that"
        )));
    }
    Ok(Argument::Number(number as f64))
}

fn real<'a>(value: Option<f64>) -> Result<Argument<'a>, SqlError> {
    match value {
        None => Ok(Argument::Null),
        Some(number) if number.is_finite() => Ok(Argument::Number(number)),
        Some(_) => Err(SqlError::Rejected("an argument is not a finite number".into())),
    }
}

fn text(value: Option<Cow<'_, str>>) -> Argument<'_> {
    value.map_or(Argument::Null, Argument::Text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LARGEST: i64 = (1 << 53) - 1;

    #[test]
    fn every_type_that_repositories_use_can_be_bound() {
        for (value, expected) in [
            (Value::from(true), Argument::Number(1.0)),
            (Value::from(-8_i8), Argument::Number(-8.0)),
            (Value::from(u32::MAX), Argument::Number(4_294_967_295.0)),
            (Value::from(LARGEST), Argument::Number(9_007_199_254_740_991.0)),
            (Value::from(-LARGEST), Argument::Number(-9_007_199_254_740_991.0)),
            (Value::from(0.5), Argument::Number(0.5)),
            (Value::from("a\0ü"), Argument::Text("a\0ü".into())),
            (Value::from('ß'), Argument::Text("ß".into())),
            (Value::Json(Some(Box::new(vec![1].into()))), Argument::Text("[1]".into())),
            (Value::from(vec![0_u8, 255]), Argument::Bytes(&[0, 255])),
            (Value::BigInt(None), Argument::Null),
            (Value::Bytes(None), Argument::Null),
        ] {
            assert_eq!(Argument::of(&value), Ok(expected));
        }
    }

    #[test]
    fn numbers_that_a_float_would_bend_are_refused() {
        for value in [
            Value::from(LARGEST + 1),
            Value::from(-LARGEST - 1),
            Value::from(i64::MIN),
            Value::from(u64::MAX),
            Value::from(f64::NAN),
            Value::from(f64::INFINITY),
        ] {
            assert!(matches!(Argument::of(&value), Err(SqlError::Rejected(_))), "{value:?}");
        }
    }
}
