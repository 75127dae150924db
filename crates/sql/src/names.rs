//! Domain types that are stored as text and are no ids.

use portway_domain::access::Role;
use portway_domain::attachments::MediaType;
use portway_domain::mcp::McpLogLevel;
use portway_domain::memories::{MemoryCategory, Relevance};
use portway_domain::messages::{MessageRole, TextKind};
use portway_domain::sessions::{QueueMode, SessionStatus};
use portway_domain::sharing::{ParticipantRole, ShareToken};
use portway_domain::tokens::{TokenHash, TokenKind};
use portway_domain::workspaces::FileStatus;
use sea_query::Value;

use crate::dialect::Dialect;
use crate::driver::SqlError;
use crate::row::{Cell, CellMismatch, FromCell};
use crate::value::IntoValue;

/// Lets enums with `as_str()` and `from_name()` be columns of a `record!`.
macro_rules! named_columns {
    ($($type:ident),* $(,)?) => {$(
        impl FromCell for $type {
            fn from_cell(cell: Cell) -> Result<Self, CellMismatch> {
                let name = String::from_cell(cell)?;
                Self::from_name(&name)
                    .ok_or_else(|| CellMismatch(concat!("expected the name of a ", stringify!($type)).into()))
            }
        }

        impl IntoValue for $type {
            fn into_value(self, dialect: Dialect) -> Result<Value, SqlError> {
                self.as_str().into_value(dialect)
            }

            fn null(dialect: Dialect) -> Value {
                String::null(dialect)
            }
        }
    )*};
}

named_columns! {
    FileStatus,
    MemoryCategory,
    MessageRole,
    ParticipantRole,
    QueueMode,
    Role,
    SessionStatus,
    TextKind,
    TokenKind,
}

impl FromCell for MediaType {
    fn from_cell(cell: Cell) -> Result<Self, CellMismatch> {
        Self::parse(&String::from_cell(cell)?).map_err(|error| CellMismatch(error.to_string()))
    }
}

impl IntoValue for MediaType {
    fn into_value(self, dialect: Dialect) -> Result<Value, SqlError> {
        self.as_str().into_value(dialect)
    }

    fn null(dialect: Dialect) -> Value {
        String::null(dialect)
    }
}

impl FromCell for McpLogLevel {
    fn from_cell(cell: Cell) -> Result<Self, CellMismatch> {
        Self::parse(&String::from_cell(cell)?).ok_or_else(|| CellMismatch("expected the name of a log level".into()))
    }
}

impl IntoValue for McpLogLevel {
    fn into_value(self, dialect: Dialect) -> Result<Value, SqlError> {
        self.as_str().into_value(dialect)
    }

    fn null(dialect: Dialect) -> Value {
        String::null(dialect)
    }
}

impl FromCell for ShareToken {
    fn from_cell(cell: Cell) -> Result<Self, CellMismatch> {
        Self::parse(&String::from_cell(cell)?).ok_or_else(|| CellMismatch("expected the token of a share link".into()))
    }
}

impl IntoValue for ShareToken {
    fn into_value(self, dialect: Dialect) -> Result<Value, SqlError> {
        self.reveal().into_value(dialect)
    }

    fn null(dialect: Dialect) -> Value {
        String::null(dialect)
    }
}

impl FromCell for TokenHash {
    fn from_cell(cell: Cell) -> Result<Self, CellMismatch> {
        String::from_cell(cell).map(Self::from_stored)
    }
}

impl IntoValue for TokenHash {
    fn into_value(self, dialect: Dialect) -> Result<Value, SqlError> {
        self.as_str().into_value(dialect)
    }

    fn null(dialect: Dialect) -> Value {
        String::null(dialect)
    }
}

impl FromCell for Relevance {
    fn from_cell(cell: Cell) -> Result<Self, CellMismatch> {
        u32::from_cell(cell).map(Self::from_tenths)
    }
}

impl IntoValue for Relevance {
    fn into_value(self, dialect: Dialect) -> Result<Value, SqlError> {
        self.tenths().into_value(dialect)
    }

    fn null(dialect: Dialect) -> Value {
        u32::null(dialect)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back_and_others_are_not() {
        for status in SessionStatus::ALL {
            let Ok(Value::String(Some(name))) = status.into_value(Dialect::Sqlite) else { panic!("no text") };
            assert_eq!(SessionStatus::from_cell(Cell::Text(name)), Ok(status));
        }
        let error = SessionStatus::from_cell(Cell::Text("asleep".into())).unwrap_err();
        assert!(error.0.contains("SessionStatus") && !error.0.contains("asleep"), "{}", error.0);
        assert!(Role::from_cell(Cell::Null).is_err());
    }
}
