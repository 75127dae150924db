//! Which database, by its URL.

use std::path::PathBuf;
use std::str::FromStr;

use portway_adapters_postgres::{PostgresOptions, UrlError};

/// Which database. Its `Debug` form shows no password.
#[derive(Debug, Clone)]
pub(crate) enum DatabaseUrl {
    /// SQLite in the memory of this process, gone with the gateway.
    Memory,
    /// A SQLite file.
    File(PathBuf),
    /// A database of a Postgres server.
    Postgres(Box<PostgresOptions>),
}

/// A text that names no database.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DatabaseUrlError {
    /// It does not begin with a scheme.
    #[error(
        "the database URL has no scheme: use sqlite:///path/file.db, postgres://user:password@machine/database, or \
         sqlite::memory: to keep nothing"
    )]
    NoScheme,
    /// Its scheme belongs to no database that is supported.
    #[error(
        "databases of the scheme \"{0}\" are not supported: use sqlite:///path/file.db, \
         postgres://user:password@machine/database, or sqlite::memory: to keep nothing"
    )]
    Scheme(String),
    /// It names no file.
    #[error("the database URL names no file: use sqlite:///path/file.db, or sqlite::memory: to keep nothing")]
    NoFile,
    /// It has more than a path.
    #[error("the URL of a SQLite database may not have '?' or '#': its options are not set by its URL")]
    Options,
    /// It names no Postgres database.
    #[error(transparent)]
    Postgres(#[from] UrlError),
}

impl FromStr for DatabaseUrl {
    type Err = DatabaseUrlError;

    /// The text may hold a password, so an error shows no more of it than the scheme.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (scheme, rest) = text.split_once(':').ok_or(DatabaseUrlError::NoScheme)?;
        let scheme = scheme.to_ascii_lowercase();
        if !is_scheme(&scheme) {
            return Err(DatabaseUrlError::NoScheme);
        }
        match &*scheme {
            "sqlite" => sqlite(rest.strip_prefix("//").unwrap_or(rest)),
            "postgres" | "postgresql" => Ok(Self::Postgres(Box::new(text.parse()?))),
            _ => Err(DatabaseUrlError::Scheme(scheme)),
        }
    }
}

fn sqlite(path: &str) -> Result<DatabaseUrl, DatabaseUrlError> {
    match path {
        "" => Err(DatabaseUrlError::NoFile),
        ":memory:" => Ok(DatabaseUrl::Memory),
        path if path.contains(['?', '#']) => Err(DatabaseUrlError::Options),
        path => Ok(DatabaseUrl::File(PathBuf::from(path))),
    }
}

fn is_scheme(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.');
    (1..=32).contains(&text.len()) && text.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        format!("{:?}", text.parse::<DatabaseUrl>())
    }

    #[test]
    fn files_and_memory_are_told_apart() {
        let file = |path: &str| Ok(DatabaseUrl::File(PathBuf::from(path)));
        for (text, expected) in [
            ("sqlite:///var/lib/portway.db", file("/var/lib/portway.db")),
            ("SQLite:///a b.db", file("/a b.db")),
            ("sqlite:data.db", file("data.db")),
            ("sqlite://data.db", file("data.db")),
            ("sqlite::memory:", Ok(DatabaseUrl::Memory)),
            ("sqlite://:memory:", Ok(DatabaseUrl::Memory)),
            ("sqlite:", Err(DatabaseUrlError::NoFile)),
            ("sqlite://", Err(DatabaseUrlError::NoFile)),
            ("sqlite:///a.db?mode=ro", Err(DatabaseUrlError::Options)),
            ("/var/lib/portway.db", Err(DatabaseUrlError::NoScheme)),
            ("", Err(DatabaseUrlError::NoScheme)),
            ("my secret:x", Err(DatabaseUrlError::NoScheme)),
        ] {
            assert_eq!(shown(text), format!("{expected:?}"), "{text:?}");
        }
    }

    #[test]
    fn postgres_is_known_by_both_its_names() {
        for text in ["postgres://ada:hunter2@db.example/portway", "PostgreSQL://ada:hunter2@db.example/portway"] {
            let url: DatabaseUrl = text.parse().unwrap();
            let DatabaseUrl::Postgres(options) = &url else { panic!("{url:?}") };
            assert_eq!((options.server(), options.database()), ("db.example:5432".to_owned(), "portway"));
        }
    }

    #[test]
    fn no_text_shows_a_password() {
        for text in [
            "postgres://user:hunter2@host/db",
            "postgres://user:hunter2@host:port/db",
            "postgres://user:hunter2@host/db?unknown=1",
            "postgres:user:hunter2@host/db",
            "mysql://user:hunter2@host/db",
        ] {
            assert!(!shown(text).contains("hunter2"), "{}", shown(text));
        }
        let error = "mysql://user:hunter2@host/db".parse::<DatabaseUrl>().unwrap_err().to_string();
        assert!(error.contains("\"mysql\"") && error.contains("sqlite:///") && !error.contains("hunter2"), "{error}");
    }
}
