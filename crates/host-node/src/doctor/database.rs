//! Whether the database is whole and has the schema of this program.

mod postgres;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use portway_adapters_sqlite::{SqliteDatabase, SqliteOptions};
use portway_sql::SqlStore;
use portway_sql::archive::unfinished;
use portway_sql::driver::SqlDriver;
use portway_sql::migrations::{MigrateError, SQLITE};

use super::report::Report;
use crate::data_folder;
use crate::gateway::DatabaseUrl;

const CHECK: &str = "database";

/// Most signs of damage that are told.
const MAX_FINDINGS: u32 = 5;

/// A log of that many bytes is not being written back.
const LARGE_LOG: u64 = 256 << 20;

/// Answers the database if its contents can be looked at. `url` is the configured one, if there is one.
pub(super) async fn check(
    report: &mut Report,
    data: &Path,
    url: Option<&DatabaseUrl>,
    running: bool,
) -> Option<SqlStore> {
    match url {
        None => check_file(report, &data_folder::database_in(data), running).await,
        Some(DatabaseUrl::File(path)) => check_file(report, path, running).await,
        Some(DatabaseUrl::Postgres(options)) => postgres::check(report, options, running).await,
        Some(DatabaseUrl::Memory) => {
            report.note(CHECK, "it is in the gateway's memory and ends with it", "name a file or a server to keep it");
            None
        }
    }
}

async fn check_file(report: &mut Report, path: &Path, running: bool) -> Option<SqlStore> {
    let Ok(size) = std::fs::metadata(path).map(|file| file.len()) else {
        report.note(CHECK, format!("{} does not exist", path.display()), "the gateway makes it when it starts");
        return None;
    };
    let database = match SqliteDatabase::open_read_only(&SqliteOptions::new(path).reader_threads(1)) {
        Ok(database) => Arc::new(database),
        Err(error) => {
            report.problem(CHECK, error.to_string(), "run this as the gateway's user; if that is so, restore a backup");
            return None;
        }
    };
    check_damage(report, &database, size).await;
    check_log(report, path);
    if !check_contents(report, &*database).await {
        return None;
    }
    check_schema(report, database.pending_migrations(SQLITE).await, running).then(|| SqlStore::new(database))
}

async fn check_damage(report: &mut Report, database: &SqliteDatabase, size: u64) {
    let advice = "stop the gateway, keep a copy of the data folder, and restore a backup";
    match database.quick_check(MAX_FINDINGS).await {
        Ok(findings) if findings.is_empty() => report.fine(CHECK, format!("{} KiB without damage", size >> 10)),
        Ok(findings) => report.problem(CHECK, format!("it is damaged:\n{}", findings.join("\n")), advice),
        Err(error) => report.problem(CHECK, format!("it cannot be read: {error}"), advice),
    }
}

fn check_log(report: &mut Report, path: &Path) {
    let mut name = path.as_os_str().to_owned();
    name.push("-wal");
    let size = std::fs::metadata(PathBuf::from(name)).map_or(0, |file| file.len());
    let message = format!("its write-ahead log has {} KiB", size >> 10);
    if size > LARGE_LOG {
        let advice = "find what else has the database open (fuser), end it, and start the gateway again";
        report.problem(CHECK, message, advice);
    } else {
        report.fine(CHECK, message);
    }
}

/// Answers whether the database was filled to the end.
async fn check_contents(report: &mut Report, driver: &dyn SqlDriver) -> bool {
    match unfinished::find(driver).await {
        // What cannot be read is told elsewhere.
        Ok(None) | Err(_) => true,
        Ok(Some(unfinished)) => {
            report.problem(CHECK, unfinished.to_string(), "no gateway starts with it before that");
            false
        }
    }
}

/// Answers whether this program can read the tables.
fn check_schema(report: &mut Report, pending: Result<usize, MigrateError>, running: bool) -> bool {
    match pending {
        Ok(0) => {
            report.fine(CHECK, "its schema is that of this program");
            true
        }
        Ok(count) if running => {
            let advice = "run portway doctor of the gateway's own version, or start the gateway with this one";
            report.problem(CHECK, format!("a gateway runs that is {count} migrations older than this program"), advice);
            false
        }
        Ok(count) => {
            report.note(CHECK, format!("{count} migrations are to be run"), "the gateway runs them when it starts");
            false
        }
        Err(error) => {
            report.problem(
                CHECK,
                format!("its schema is not that of this program: {error}"),
                "use the program that wrote it, or a newer one",
            );
            false
        }
    }
}
