//! A database of a Postgres server.

use std::sync::Arc;
use std::time::{Duration, Instant};

use portway_adapters_postgres::{PostgresDatabase, PostgresOptions};
use portway_sql::SqlStore;
use portway_sql::migrations::POSTGRES;

use super::super::report::Report;
use super::{CHECK, check_contents, check_schema};

/// Every request waits for several answers that take as long as this.
const SLOW: Duration = Duration::from_millis(50);

/// Answers the database if its contents can be looked at.
pub(super) async fn check(report: &mut Report, options: &PostgresOptions, running: bool) -> Option<SqlStore> {
    let database = match PostgresDatabase::open(options).await {
        Ok(database) => Arc::new(database),
        Err(error) => {
            report.problem(CHECK, error.to_string(), "correct it: the gateway does not start without its database");
            return None;
        }
    };
    report.fine(CHECK, format!("\"{}\" on {} can be reached", options.database(), options.server()));
    // The first question opens a connection.
    check_settings(report, &database).await;
    let began = Instant::now();
    let pending = database.pending_migrations(POSTGRES).await;
    check_distance(report, began.elapsed());
    if !check_contents(report, &*database).await {
        return None;
    }
    check_schema(report, pending, running).then(|| SqlStore::new(database))
}

async fn check_settings(report: &mut Report, database: &PostgresDatabase) {
    match database.careless_settings().await {
        Ok(settings) if settings.is_empty() => report.fine(CHECK, "the server keeps what it acknowledges"),
        Ok(settings) => {
            let message =
                format!("the server forgets what it acknowledged when it crashes: {} = off", settings.join(", "));
            report.problem(CHECK, message, "switch it on in the server's configuration");
        }
        Err(error) => report.problem(CHECK, format!("it cannot be read: {error}"), "see the server's log"),
    }
}

fn check_distance(report: &mut Report, span: Duration) {
    let message = format!("it answers after {span:.1?}");
    if span > SLOW {
        report.note(CHECK, message, "run the gateway near the server: each request waits for it several times");
    } else {
        report.fine(CHECK, message);
    }
}
