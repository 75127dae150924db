//! The server of the tests from other sides: under other names, and who is connected to it.

use std::time::Duration;

use portway_adapters_postgres::PostgresOptions;
use sqlx::{AssertSqlSafe, PgConnection, Row as _};

use crate::scratch::{Scratch, execute};

/// The key of the lock that tests stop statements with.
pub(crate) const KEY: i64 = 4_711;

impl Scratch {
    /// User and password, machine, port, and the rest of the server's URL.
    fn parts(&self) -> (&str, &str, u16, &str) {
        let rest = self.url.split_once("://").unwrap().1;
        let (who, rest) = rest.rsplit_once('@').unwrap_or(("", rest));
        let (place, database) = rest.split_once('/').unwrap_or((rest, ""));
        let (machine, port) = place.split_once(':').unwrap_or((place, "5432"));
        (who, machine, port.parse().unwrap(), database)
    }

    /// Machine and port of the server.
    pub(crate) fn address(&self) -> (String, u16) {
        let (_, machine, port, _) = self.parts();
        (machine.to_owned(), port)
    }

    /// The schema, reached through another port.
    pub(crate) fn options_through(&self, port: u16) -> PostgresOptions {
        let (who, _, _, database) = self.parts();
        self.options_of(&format!("postgres://{who}@127.0.0.1:{port}/{database}?sslmode=disable"))
    }

    /// The schema, reached by another user.
    pub(crate) fn options_as(&self, user: &str, password: &str) -> PostgresOptions {
        let (_, machine, port, database) = self.parts();
        self.options_of(&format!("postgres://{user}:{password}@{machine}:{port}/{database}"))
    }

    /// Another database of the server.
    pub(crate) fn options_in(&self, database: &str) -> PostgresOptions {
        let (who, machine, port, _) = self.parts();
        format!("postgres://{who}@{machine}:{port}/{database}").parse().unwrap()
    }

    /// The schema, with more in the URL.
    pub(crate) fn options_with(&self, parameters: &str) -> PostgresOptions {
        self.options_of(&format!("{}?{parameters}", self.url))
    }
}

/// Somebody who holds the lock, and sees who waits for it.
pub(crate) struct Guard {
    connection: PgConnection,
    name: String,
}

impl Guard {
    /// Takes the lock.
    pub(crate) async fn hold(scratch: &Scratch) -> Self {
        let mut connection = scratch.other().await;
        execute(&mut connection, &format!("SELECT {}", lock(scratch))).await;
        Self { connection, name: scratch.name.clone() }
    }

    /// Waits until that many statements wait for a lock, and answers the processes that run them.
    pub(crate) async fn waiting(&mut self, count: usize) -> Vec<i32> {
        self.until(count, "wait_event_type = 'Lock'").await
    }

    /// Waits until a condition applies to that many connections of the database, and answers their processes.
    pub(crate) async fn until(&mut self, count: usize, condition: &str) -> Vec<i32> {
        loop {
            let processes = self.processes(condition).await;
            if processes.len() == count {
                return processes;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// The processes of the database's connections to which a condition applies.
    pub(crate) async fn processes(&mut self, condition: &str) -> Vec<i32> {
        let text = format!("SELECT pid FROM pg_stat_activity WHERE application_name = '{}' AND {condition}", self.name);
        let rows = sqlx::raw_sql(AssertSqlSafe(text)).fetch_all(&mut self.connection).await.unwrap();
        rows.iter().map(|row| row.try_get_raw(0).unwrap().as_str().unwrap().parse().unwrap()).collect()
    }

    /// Ends connections, and waits until they are gone.
    pub(crate) async fn end(&mut self, processes: &[i32]) {
        for process in processes {
            execute(&mut self.connection, &format!("SELECT pg_terminate_backend({process}, 10000)")).await;
        }
    }

    /// Gives the lock back.
    pub(crate) async fn release(&mut self) {
        execute(&mut self.connection, "SELECT pg_advisory_unlock_all()").await;
    }
}

/// An expression that waits for the lock. Each schema has its own.
pub(crate) fn lock(scratch: &Scratch) -> String {
    format!("pg_advisory_lock(hashtext('{}'), {KEY})", scratch.name)
}

/// The same until the end of the transaction.
pub(crate) fn transaction_lock(scratch: &Scratch) -> String {
    lock(scratch).replace("pg_advisory_lock", "pg_advisory_xact_lock")
}
