//! Which database, and how it is used.

use std::fmt;
use std::io::ErrorKind;
use std::str::FromStr;
use std::time::Duration;

use sqlx::error::DatabaseError;
use sqlx::postgres::PgConnectOptions;

use crate::error::OpenError;

/// What a URL may say besides user, machine, port and database.
const PARAMETERS: [&str; 11] = [
    "sslmode",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "application_name",
    "options",
    "host",
    "port",
    "user",
    "password",
    "dbname",
];

/// Statements kept by each connection.
pub(crate) const CACHED_STATEMENTS: usize = 512;

/// A text that names no Postgres database. Shows nothing of the text, which may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UrlError {
    /// It is no URL.
    #[error(
        "the database URL cannot be read ({0}): use postgres://user:password@machine:5432/database, with special \
         characters of the password as %40 and so on"
    )]
    Invalid(String),
    /// It has a parameter that means nothing here.
    #[error("the database URL may not have the parameter \"{0}\": known are {known}", known = PARAMETERS.join(", "))]
    Parameter(String),
}

/// Which database, and how it is used. The defaults suit a gateway that shares the server with a few others.
///
/// Its `Debug` form shows no password.
#[derive(Clone)]
pub struct PostgresOptions {
    connect: PgConnectOptions,
    pub(crate) connections: u32,
    pub(crate) connect_timeout: Duration,
    pub(crate) acquire_timeout: Duration,
    statement_timeout: Duration,
    lock_timeout: Duration,
}

impl fmt::Debug for PostgresOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresOptions")
            .field("server", &self.server())
            .field("user", &self.user())
            .field("database", &self.database())
            .finish_non_exhaustive()
    }
}

impl FromStr for PostgresOptions {
    type Err = UrlError;

    /// Reads `postgres://user:password@machine:5432/database?sslmode=verify-full`. What is left out comes from the
    /// variables that libpq knows (`PGPASSWORD`, `PGSSLMODE` and so on) and from `~/.pgpass`.
    fn from_str(url: &str) -> Result<Self, UrlError> {
        let scheme = url.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
        if !matches!(scheme.as_deref(), Some("postgres" | "postgresql")) {
            return Err(UrlError::Invalid("it does not begin with postgres://".to_owned()));
        }
        check_parameters(url)?;
        let connect = PgConnectOptions::from_str(url).map_err(|error| UrlError::Invalid(cause(&error)))?;
        // The brackets of an IPv6 address belong to the URL, not to the address.
        let host = connect.get_host().trim_matches(['[', ']']).to_owned();
        Ok(Self {
            connect: connect.host(&host).statement_cache_capacity(CACHED_STATEMENTS),
            connections: 8,
            connect_timeout: Duration::from_secs(10),
            acquire_timeout: Duration::from_secs(10),
            statement_timeout: Duration::from_secs(30),
            lock_timeout: Duration::from_secs(10),
        })
    }
}

impl PostgresOptions {
    /// Most connections of each kind: that many that read, and that many that write. 1 to 256, default 8. They are
    /// opened when they are needed and closed when they were idle for ten minutes.
    #[must_use]
    pub fn connections(mut self, connections: u32) -> Self {
        self.connections = connections.clamp(1, 256);
        self
    }

    /// How long the first connection may take. At least 100 ms, default 10 s.
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout.max(Duration::from_millis(100));
        self
    }

    /// How long a statement may wait for a connection before the answer is
    /// [`SqlError::Unavailable`](portway_sql::driver::SqlError::Unavailable). At least 100 ms, default 10 s.
    #[must_use]
    pub fn acquire_timeout(mut self, timeout: Duration) -> Self {
        self.acquire_timeout = timeout.max(Duration::from_millis(100));
        self
    }

    /// How long a statement may run on the server. At least 100 ms, default 30 s. Migrations may take longer.
    #[must_use]
    pub fn statement_timeout(mut self, timeout: Duration) -> Self {
        self.statement_timeout = timeout.max(Duration::from_millis(100));
        self
    }

    /// How long a statement may wait for a lock that another one holds. At least 10 ms, default 10 s.
    #[must_use]
    pub fn lock_timeout(mut self, timeout: Duration) -> Self {
        self.lock_timeout = timeout.max(Duration::from_millis(10));
        self
    }

    /// The schema to keep tables in, in the place of the first one of the user's `search_path`.
    #[must_use]
    pub fn schema(mut self, name: &str) -> Self {
        self.connect = self.connect.options([("search_path", quoted(name))]);
        self
    }

    /// What the connections are called in the server's list of them. Default: `portway`, unless the URL says otherwise.
    #[must_use]
    pub fn application_name(mut self, name: &str) -> Self {
        self.connect = self.connect.application_name(name);
        self
    }

    /// Machine and port, or the folder of a socket.
    #[must_use]
    pub fn server(&self) -> String {
        match self.connect.get_socket() {
            Some(path) => path.display().to_string(),
            None if self.connect.get_host().contains(':') => {
                format!("[{}]:{}", self.connect.get_host(), self.connect.get_port())
            }
            None => format!("{}:{}", self.connect.get_host(), self.connect.get_port()),
        }
    }

    /// The user.
    #[must_use]
    pub fn user(&self) -> &str {
        self.connect.get_username()
    }

    /// The database; without one in the URL it is called like the user.
    #[must_use]
    pub fn database(&self) -> &str {
        self.connect.get_database().unwrap_or(self.user())
    }

    /// How long to wait for any answer: the server ends statements before that, unless it is gone.
    pub(crate) fn patience(&self) -> Duration {
        self.statement_timeout + self.statement_timeout.min(Duration::from_secs(5))
    }

    /// Machine and port, unless it is a socket of this machine.
    pub(crate) fn address(&self) -> Option<(String, u16)> {
        let remote = self.connect.get_socket().is_none();
        remote.then(|| (self.connect.get_host().to_owned(), self.connect.get_port()))
    }

    /// For connections that write.
    pub(crate) fn writing(&self) -> PgConnectOptions {
        let mut connect = self.connect.clone();
        if connect.get_application_name().is_none() {
            connect = connect.application_name("portway");
        }
        let said = connect.get_options().unwrap_or_default().to_owned();
        let millis = |time: Duration| time.as_millis().to_string();
        for (name, value) in [
            ("statement_timeout", millis(self.statement_timeout)),
            ("lock_timeout", millis(self.lock_timeout)),
            // Nobody thinks in the middle of a transaction: one that rests has lost its program.
            ("idle_in_transaction_session_timeout", millis(self.statement_timeout)),
            // Every statement is a lookup by index, whatever its arguments are: to plan it anew each time costs more than
            // to run it.
            ("plan_cache_mode", "force_generic_plan".to_owned()),
        ] {
            if !sets(&said, name) {
                connect = connect.options([(name, value)]);
            }
        }
        connect
    }

    /// For connections that read: the server refuses whatever would change something.
    pub(crate) fn reading(&self) -> PgConnectOptions {
        self.writing().options([
            ("default_transaction_read_only", "on"),
            // One caller's question is not to take several cores, and starting a worker takes longer than most answers.
            ("max_parallel_workers_per_gather", "0"),
        ])
    }

    /// For the connection that tells others that somebody is there. A machine that vanishes does not stay there for long.
    pub(crate) fn present(&self) -> PgConnectOptions {
        self.writing().options([
            ("tcp_keepalives_idle", "10"),
            ("tcp_keepalives_interval", "5"),
            ("tcp_keepalives_count", "3"),
        ])
    }

    /// For connections that only carry hints, which nobody misses after a crash of the server.
    pub(crate) fn hinting(&self) -> PgConnectOptions {
        self.present().options([("synchronous_commit", "off")])
    }

    /// What it means that the first connection did not come about.
    pub(crate) fn explain(&self, error: sqlx::Error) -> OpenError {
        let server = self.server();
        match error {
            sqlx::Error::Database(error) => self.explain_refusal(server, &*error),
            sqlx::Error::Tls(error) => OpenError::Tls { server, detail: error.to_string() },
            sqlx::Error::Protocol(detail) => OpenError::NoPostgres { server, detail },
            sqlx::Error::Io(error) => match error.kind() {
                // What TLS finds out about the other side.
                ErrorKind::InvalidData => OpenError::Tls { server, detail: error.to_string() },
                // A machine is reached without files, but for those with certificates.
                ErrorKind::NotFound | ErrorKind::PermissionDenied if self.address().is_some() => {
                    OpenError::Tls { server, detail: format!("a certificate cannot be read: {error}") }
                }
                ErrorKind::UnexpectedEof => OpenError::NoPostgres { server, detail: "it hangs up".to_owned() },
                _ => OpenError::Unreachable { server, detail: error.to_string() },
            },
            other => OpenError::Other { server, detail: other.to_string() },
        }
    }

    fn explain_refusal(&self, server: String, error: &dyn DatabaseError) -> OpenError {
        let detail = error.message().to_owned();
        match error.code().as_deref() {
            Some("3D000") => OpenError::NoDatabase { server, database: self.database().to_owned() },
            Some(code) if code.starts_with("28") => OpenError::Login { server, user: self.user().to_owned(), detail },
            _ => OpenError::Other { server, detail },
        }
    }
}

/// Whether the operator decided on a setting of the server.
fn sets(options: &str, name: &str) -> bool {
    let words = options.split([' ', '-']);
    words.into_iter().any(|word| word.split_once('=').is_some_and(|(set, _)| set == name))
}

/// What an error comes down to.
fn cause(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), cause)
}

/// Refuses parameters that nobody would look at.
fn check_parameters(url: &str) -> Result<(), UrlError> {
    let query = url.split_once('?').map(|(_, query)| query).unwrap_or_default();
    // Then the question mark is part of a password, and so is what follows.
    if query.contains('@') {
        return Err(UrlError::Invalid("it has a '?' before its '@'".to_owned()));
    }
    let names = query.split('&').filter(|pair| !pair.is_empty()).map(|pair| pair.split('=').next().unwrap_or_default());
    match names.into_iter().find(|name| !PARAMETERS.contains(name)) {
        None => Ok(()),
        Some(name) => Err(UrlError::Parameter(name.to_owned())),
    }
}

/// A name as SQL takes it literally.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "postgres://ada:hunter2@db.example:6432/portway?sslmode=require";

    fn error(url: &str) -> String {
        url.parse::<PostgresOptions>().unwrap_err().to_string()
    }

    #[test]
    fn a_url_says_who_where_and_what() {
        let options: PostgresOptions = URL.parse().unwrap();
        assert_eq!(options.server(), "db.example:6432");
        assert_eq!((options.user(), options.database()), ("ada", "portway"));
        assert!("postgresql://db.example/portway".parse::<PostgresOptions>().is_ok());
        let ipv6: PostgresOptions = "postgres://ada@[::1]:5433/x".parse().unwrap();
        assert_eq!((ipv6.connect.get_host(), &*ipv6.server()), ("::1", "[::1]:5433"));
    }

    #[test]
    fn no_text_shows_the_password() {
        let options: PostgresOptions = URL.parse().unwrap();
        assert!(!format!("{options:?}").contains("hunter2"));
        for url in [
            "postgres://ada:hunter2@db.example:port/x",
            "postgres://ada:hunter2@db.example/x?sslmode=sometimes",
            "postgres://ada:hunter2@db.example/x?no_such=1",
            "postgres://ada:?hunter2@db.example/x",
            "postgres://ada:?a=hunter2&hunter2=@db.example/x",
            "ada:hunter2",
        ] {
            let shown = error(url);
            assert!(!shown.contains("hunter2"), "{shown}");
            assert!(!shown.contains('\n'), "{shown}");
        }
    }

    #[test]
    fn a_parameter_that_means_nothing_is_named() {
        let shown = error("postgres://db.example/x?sslmode=require&channel_binding=require");
        assert!(shown.contains("\"channel_binding\"") && shown.contains("sslrootcert"), "{shown}");
    }

    #[test]
    fn limits_are_set_unless_the_operator_did() {
        let said = |url: &str| {
            let options: PostgresOptions = url.parse().unwrap();
            options.reading().get_options().unwrap().to_owned()
        };
        let ours = said("postgres://h/x");
        for part in ["statement_timeout=30000", "lock_timeout=10000", "default_transaction_read_only=on"] {
            assert!(ours.contains(part), "{ours}");
        }
        let theirs = said("postgres://h/x?options=-c%20statement_timeout%3D5min");
        assert!(theirs.contains("-c statement_timeout=5min"), "{theirs}");
        assert!(!theirs.contains(" statement_timeout=30000") && theirs.contains(" lock_timeout=10000"), "{theirs}");
        assert!(said("postgres://h/x?options=-c%20deadlock_timeout%3D1").contains(" lock_timeout=10000"));
    }

    #[test]
    fn a_schema_is_taken_literally() {
        assert_eq!(quoted("a\"b"), "\"a\"\"b\"");
    }
}
