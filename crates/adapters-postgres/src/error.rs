//! What an error of Postgres means to a caller.

use portway_sql::driver::SqlError;
use sqlx::postgres::{PgDatabaseError, PgSeverity};

/// Oldest major version of the server that works: the migrations ask for the number of their transaction, which older
/// ones do not tell in this way, and their makers no longer mend those.
pub(crate) const OLDEST: u32 = 13;

/// Why a database cannot be used. Each text says what to do, in one line, and shows no password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The name of the machine leads nowhere.
    #[error(
        "the Postgres server {server} cannot be found: {detail}; check the name of the machine in the database URL"
    )]
    UnknownHost {
        /// Machine and port, or socket.
        server: String,
        /// What the operating system said.
        detail: String,
    },
    /// Nobody listens there, or the way there is cut.
    #[error(
        "the Postgres server {server} cannot be reached: {detail}; check that it runs, and machine and port in the \
         database URL"
    )]
    Unreachable {
        /// Machine and port, or socket.
        server: String,
        /// What the operating system said.
        detail: String,
    },
    /// Something answers that is no Postgres.
    #[error(
        "{server} does not answer as a Postgres server does ({detail}); check machine and port in the database URL"
    )]
    NoPostgres {
        /// Machine and port, or socket.
        server: String,
        /// What was wrong with the answer.
        detail: String,
    },
    /// The server does not let this user in.
    #[error(
        "the Postgres server {server} refuses the user \"{user}\": {detail}; check user and password in the database URL"
    )]
    Login {
        /// Machine and port, or socket.
        server: String,
        /// The user.
        user: String,
        /// What the server said.
        detail: String,
    },
    /// There is no database of that name.
    #[error(
        "the Postgres server {server} has no database \"{database}\": make it with `createdb {database}`, or name \
         another one in the database URL"
    )]
    NoDatabase {
        /// Machine and port, or socket.
        server: String,
        /// The database.
        database: String,
    },
    /// No encrypted connection came about, and one is demanded.
    #[error(
        "no encrypted connection to the Postgres server {server} comes about: {detail}; set up TLS there, or choose \
         another sslmode in the database URL"
    )]
    Tls {
        /// Machine and port, or socket.
        server: String,
        /// What went wrong.
        detail: String,
    },
    /// The server is too old.
    #[error(
        "the Postgres server {server} has version {version}: Portway needs {OLDEST} or newer, because older ones get no \
         more fixes and lack functions that migrations use; upgrade the server"
    )]
    TooOld {
        /// Machine and port, or socket.
        server: String,
        /// Its version.
        version: String,
    },
    /// The database cannot keep all text.
    #[error(
        "the database \"{database}\" has the encoding {encoding}, which cannot keep every text: make it with \
         `createdb -E UTF8 -T template0 {database}`"
    )]
    Encoding {
        /// The database.
        database: String,
        /// Its encoding.
        encoding: String,
    },
    /// The server only answers questions.
    #[error("the Postgres server {server} is a standby, which cannot be written: name the primary in the database URL")]
    Standby {
        /// Machine and port, or socket.
        server: String,
    },
    /// No schema to keep tables in.
    #[error(
        "the search_path of the user \"{user}\" names no schema that exists in the database \"{database}\": make one \
         with `CREATE SCHEMA`, or set another search_path"
    )]
    NoSchema {
        /// The user.
        user: String,
        /// The database.
        database: String,
    },
    /// The server said something else.
    #[error("the Postgres server {server} cannot be used: {detail}")]
    Other {
        /// Machine and port, or socket.
        server: String,
        /// What it said.
        detail: String,
    },
}

pub(crate) fn closed() -> SqlError {
    SqlError::Unavailable("the database is closed".into())
}

/// Why one statement failed, and what is known of it then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The server undid the statement and its transaction, and the connection goes on.
    Refused {
        /// Five letters that say what kind of error it is.
        state: String,
        /// What the server said, without values of rows.
        text: String,
    },
    /// The connection is no more.
    Lost {
        how: Loss,
        /// What the server or the operating system said.
        text: String,
    },
    /// A value could not go in or come out.
    Value(SqlError),
}

/// How a connection was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Loss {
    /// The server said that it ends the connection, in the place of an answer: the statement is undone.
    Told,
    /// It broke; whether the server took the statement is not known.
    Broken,
    /// No answer came in time, and the connection was given up.
    Silent,
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::Database(error) => {
                let Some(error) = error.try_downcast_ref::<PgDatabaseError>() else {
                    return Self::Lost { how: Loss::Broken, text: error.to_string() };
                };
                let text = error.message().to_owned();
                match error.severity() {
                    PgSeverity::Fatal | PgSeverity::Panic => Self::Lost { how: Loss::Told, text },
                    _ => Self::Refused { state: error.code().to_owned(), text },
                }
            }
            sqlx::Error::Encode(error) => Self::Value(SqlError::Rejected(error.to_string())),
            error => Self::Lost { how: Loss::Broken, text: error.to_string() },
        }
    }
}

impl Failure {
    /// The server did not answer in time. The connection cannot be used any more.
    pub(crate) fn silent() -> Self {
        Self::Lost { how: Loss::Silent, text: "Postgres did not answer in time".into() }
    }

    /// Whether a prepared statement does not fit any more, so that the connection is of no more use.
    pub(crate) fn is_stale(&self) -> bool {
        matches!(self, Self::Refused { state, text } if is_stale(state, text))
    }

    /// Whether a statement that commits by itself may have been applied. `complete`: the server said it was done with it.
    pub(crate) fn is_ambiguous(&self, complete: bool) -> bool {
        match self {
            // The commit comes after the statement, so a server that ends the connection in its midst has undone it.
            Self::Lost { how: Loss::Told, .. } => complete,
            Self::Lost { .. } => true,
            Self::Refused { .. } | Self::Value(_) => false,
        }
    }

    /// A unique key is taken or a referenced row is missing: the state of the data, not a fault.
    pub(crate) fn is_conflict(&self) -> bool {
        // Unique, foreign key, exclusion.
        matches!(self, Self::Refused { state, .. } if matches!(&**state, "23505" | "23503" | "23P01"))
    }

    /// Others were in the way, or the connection was: the same may work at once. Only where nothing was applied.
    pub(crate) fn is_worth_another_try(&self) -> bool {
        match self {
            // Serialisation, deadlock.
            Self::Refused { state, text } => matches!(&**state, "40001" | "40P01") || is_stale(state, text),
            Self::Lost { how, .. } => *how != Loss::Silent,
            Self::Value(_) => false,
        }
    }

    /// The error of a statement that was certainly not applied.
    pub(crate) fn into_error(self) -> SqlError {
        match self {
            Self::Value(error) => error,
            Self::Lost { text, .. } => SqlError::Unavailable(text),
            Self::Refused { state, text } => from_state(&state, text),
        }
    }

    /// The error of a statement that read. A server that refuses to write says that the statement is wrong.
    pub(crate) fn into_read_error(self) -> SqlError {
        match self {
            Self::Refused { state, .. } if state == "25006" => changes_something(),
            other => other.into_error(),
        }
    }

    /// The error of what may have been applied.
    pub(crate) fn into_unknown(self) -> SqlError {
        match self {
            Self::Lost { text, .. } | Self::Refused { text, .. } => SqlError::Unknown(text),
            Self::Value(error @ SqlError::Unknown(_)) => error,
            Self::Value(error) => SqlError::Unknown(error.to_string()),
        }
    }
}

pub(crate) fn changes_something() -> SqlError {
    SqlError::Statement("a read cannot change the database".into())
}

/// A prepared statement does not fit any more: the schema was changed under it, or a pooler gave the connection to
/// somebody else.
fn is_stale(state: &str, text: &str) -> bool {
    match state {
        "26000" | "42P05" => true,
        "0A000" => text.contains("cached plan"),
        _ => false,
    }
}

/// By the classes of SQLSTATE, the first two letters.
fn from_state(state: &str, text: String) -> SqlError {
    match (state.get(..2).unwrap_or_default(), state) {
        (_, "08P01") => SqlError::Statement(text),
        // Privileges are a matter of the operator, like those of a file.
        (_, "42501") => SqlError::Unavailable(text),
        _ if is_stale(state, &text) => SqlError::Unavailable(format!(
            "{text}; a connection pooler in transaction mode cannot be used: connect to the server itself"
        )),
        // Data, integrity, limits of the program.
        ("22" | "23" | "54", _) => SqlError::Rejected(text),
        // Connection, transaction state, login, rollback, resources, object state, intervention, system, damage.
        ("08" | "25" | "28" | "3D" | "40" | "53" | "55" | "57" | "58" | "F0" | "XX", _) => SqlError::Unavailable(text),
        _ => SqlError::Statement(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(state: &str) -> Failure {
        Failure::Refused { state: state.to_owned(), text: "no".to_owned() }
    }

    #[test]
    fn lost_races_are_told_from_bad_values() {
        for state in ["23505", "23503", "23P01"] {
            assert!(refused(state).is_conflict());
        }
        for state in ["23502", "23514", "22021", "22003", "22P05", "54000"] {
            assert!(!refused(state).is_conflict());
            assert!(matches!(refused(state).into_error(), SqlError::Rejected(_)), "{state}");
        }
    }

    #[test]
    fn trouble_of_the_server_is_unavailable() {
        for state in ["40001", "40P01", "55P03", "57014", "57P01", "57P03", "53100", "53300", "25006", "42501", "XX001"]
        {
            assert!(matches!(refused(state).into_error(), SqlError::Unavailable(_)), "{state}");
        }
        for state in ["42601", "42P01", "42703", "08P01", "0A000", "25006"] {
            let error = refused(state).into_read_error();
            assert!(matches!(error, SqlError::Statement(_)), "{state}");
        }
    }

    #[test]
    fn only_what_was_undone_because_of_others_is_tried_again() {
        for state in ["40001", "40P01", "26000"] {
            assert!(refused(state).is_worth_another_try(), "{state}");
        }
        for state in ["55P03", "57014", "53100", "23505", "42601"] {
            assert!(!refused(state).is_worth_another_try(), "{state}");
        }
        for (how, again) in [(Loss::Told, true), (Loss::Broken, true), (Loss::Silent, false)] {
            assert_eq!(Failure::Lost { how, text: String::new() }.is_worth_another_try(), again);
        }
    }

    #[test]
    fn a_statement_that_does_not_fit_any_more_ends_its_connection() {
        let stale = Failure::Refused { state: "0A000".into(), text: "cached plan must not change result type".into() };
        assert!(stale.is_stale() && refused("26000").is_stale());
        assert!(!refused("0A000").is_stale() && !refused("23505").is_stale());
        assert!(stale.into_error().to_string().contains("pooler"));
    }
}
