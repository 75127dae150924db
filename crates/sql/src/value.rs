//! Typed values on their way into a statement: the counterpart of [`FromCell`](crate::row::FromCell).

use portway_domain::time::Timestamp;
use sea_query::Value;
use serde::Serialize;

use crate::dialect::Dialect;
use crate::driver::SqlError;
use crate::row::Json;

/// A type that can be an argument of a statement.
pub trait IntoValue: Sized {
    /// The argument.
    ///
    /// # Errors
    /// [`SqlError::Rejected`] when no database could store the value.
    fn into_value(self, dialect: Dialect) -> Result<Value, SqlError>;

    /// The `NULL` of this type; some databases want to know the type of a missing value.
    fn null(dialect: Dialect) -> Value;
}

macro_rules! plain_values {
    ($($type:ty => $variant:ident),* $(,)?) => {$(
        impl IntoValue for $type {
            fn into_value(self, _: Dialect) -> Result<Value, SqlError> {
                Ok(Value::$variant(Some(self.into())))
            }

            fn null(_: Dialect) -> Value {
                Value::$variant(None)
            }
        }
    )*};
}

plain_values! {
    String => String,
    &str => String,
    i64 => BigInt,
    u32 => BigInt,
    bool => Bool,
    Vec<u8> => Bytes,
}

impl IntoValue for u64 {
    fn into_value(self, _: Dialect) -> Result<Value, SqlError> {
        i64::try_from(self)
            .map(|number| Value::BigInt(Some(number)))
            .map_err(|_| SqlError::Rejected("an integer of at most 9223372036854775807".into()))
    }

    fn null(_: Dialect) -> Value {
        Value::BigInt(None)
    }
}

impl IntoValue for f64 {
    fn into_value(self, _: Dialect) -> Result<Value, SqlError> {
        if self.is_finite() {
            Ok(Value::Double(Some(self)))
        } else {
            Err(SqlError::Rejected("a finite number is needed".into()))
        }
    }

    fn null(_: Dialect) -> Value {
        Value::Double(None)
    }
}

impl IntoValue for Timestamp {
    fn into_value(self, dialect: Dialect) -> Result<Value, SqlError> {
        Ok(dialect.time(self))
    }

    fn null(dialect: Dialect) -> Value {
        dialect.optional_time(None)
    }
}

impl<T: Serialize> IntoValue for Json<T> {
    fn into_value(self, dialect: Dialect) -> Result<Value, SqlError> {
        let value = match dialect {
            Dialect::Sqlite => serde_json::to_string(&self.0).map(Value::from),
            #[cfg(feature = "postgres")]
            Dialect::Postgres => serde_json::to_value(&self.0).map(Value::from),
        };
        value.map_err(|error| SqlError::Rejected(format!("cannot be written as JSON: {error}")))
    }

    fn null(dialect: Dialect) -> Value {
        match dialect {
            Dialect::Sqlite => Value::String(None),
            #[cfg(feature = "postgres")]
            Dialect::Postgres => Value::Json(None),
        }
    }
}

impl<T: IntoValue> IntoValue for Option<T> {
    fn into_value(self, dialect: Dialect) -> Result<Value, SqlError> {
        match self {
            Some(value) => value.into_value(dialect),
            None => Ok(T::null(dialect)),
        }
    }

    fn null(dialect: Dialect) -> Value {
        T::null(dialect)
    }
}

/// Lets types with `TryFrom<String>` and `as_str()` (ids, names of states) be columns of a
/// `record!`.
macro_rules! text_columns {
    ($($type:ty),* $(,)?) => {$(
        impl $crate::row::FromCell for $type {
            fn from_cell(
                cell: $crate::row::Cell,
            ) -> ::core::result::Result<Self, $crate::row::CellMismatch> {
                <Self as ::core::convert::TryFrom<String>>::try_from(
                    <String as $crate::row::FromCell>::from_cell(cell)?,
                )
                .map_err(|error| $crate::row::CellMismatch(::std::string::ToString::to_string(&error)))
            }
        }

        impl $crate::value::IntoValue for $type {
            fn into_value(
                self,
                _: $crate::dialect::Dialect,
            ) -> ::core::result::Result<::sea_query::Value, $crate::driver::SqlError> {
                Ok(::sea_query::Value::String(Some(self.as_str().to_owned())))
            }

            fn null(_: $crate::dialect::Dialect) -> ::sea_query::Value {
                ::sea_query::Value::String(None)
            }
        }
    )*};
}

text_columns! {
    portway_domain::ids::AuditId,
    portway_domain::ids::JobId,
    portway_domain::ids::McpSessionId,
    portway_domain::ids::MemoryId,
    portway_domain::ids::MessageId,
    portway_domain::ids::NodeId,
    portway_domain::ids::QuestionId,
    portway_domain::ids::SessionId,
    portway_domain::ids::ShareLinkId,
    portway_domain::ids::TokenId,
    portway_domain::ids::UserId,
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn what_no_database_can_store_is_refused() {
        for dialect in [Dialect::Sqlite, Dialect::Postgres] {
            assert!(u64::MAX.into_value(dialect).is_err());
            assert!(f64::NAN.into_value(dialect).is_err());
            assert!(Some(f64::INFINITY).into_value(dialect).is_err());
            assert!(Json(BTreeMap::from([([1], 2)])).into_value(dialect).is_err());
        }
        assert_eq!(u32::MAX.into_value(Dialect::Sqlite).unwrap(), Value::BigInt(Some(4_294_967_295)));
    }

    #[test]
    fn a_missing_value_keeps_its_type() {
        let none = |value: Result<Value, SqlError>| value.unwrap();
        assert_eq!(none(None::<Timestamp>.into_value(Dialect::Sqlite)), Value::BigInt(None));
        assert_eq!(none(None::<Json<u8>>.into_value(Dialect::Postgres)), Value::Json(None));
        assert_eq!(none(None::<bool>.into_value(Dialect::Sqlite)), Value::Bool(None));
    }
}
