//! A place of one's own on the server of the tests.

use std::process;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use libtest_mimic::Trial;
use portway_adapters_postgres::PostgresOptions;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

/// Names the server. Its user may make schemas and end the connections of others.
const SERVER: &str = "PORTWAY_TEST_POSTGRES";

/// Where there is no server.
const MISSING: &str = "there is no Postgres server: run `cargo xtask test`, or set PORTWAY_TEST_POSTGRES to its URL";

static NEXT: AtomicU64 = AtomicU64::new(0);

/// A schema that nobody else uses.
pub(crate) struct Scratch {
    pub(crate) name: String,
    /// Of the server.
    pub(crate) url: String,
}

impl Scratch {
    pub(crate) async fn create() -> Self {
        let url = std::env::var(SERVER).expect(MISSING);
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
        let name = format!("t{}_{since}_{}", process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let scratch = Self { name, url };
        scratch.run(&format!("CREATE SCHEMA {}", scratch.name)).await;
        scratch
    }

    /// For a database in the schema. Its connections are called like the schema.
    pub(crate) fn options(&self) -> PostgresOptions {
        self.options_of(&self.url)
    }

    pub(crate) fn options_of(&self, url: &str) -> PostgresOptions {
        let options: PostgresOptions = url.parse().unwrap();
        options.schema(&self.name).application_name(&self.name)
    }

    /// Somebody else's connection to the schema.
    pub(crate) async fn other(&self) -> PgConnection {
        let mut other = PgConnection::connect(&self.url).await.unwrap();
        execute(&mut other, &format!("SET search_path = {}", self.name)).await;
        other
    }

    /// Runs SQL as somebody else.
    pub(crate) async fn run(&self, sql: &str) {
        let mut other = self.other().await;
        execute(&mut other, sql).await;
        other.close().await.unwrap();
    }

    /// Removes everything in it.
    pub(crate) async fn remove(&self) {
        self.run(&format!("SET client_min_messages = warning; DROP SCHEMA {} CASCADE", self.name)).await;
    }
}

/// Runs SQL that answers nothing.
pub(crate) async fn execute(connection: &mut PgConnection, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await.unwrap();
}

/// A test that needs the server. Without it the test shows as ignored, or fails in continuous integration.
pub(crate) fn trial(
    name: impl Into<String>,
    test: impl FnOnce() -> Result<(), libtest_mimic::Failed> + Send + 'static,
) -> Trial {
    let is_there = std::env::var_os(SERVER).is_some();
    let is_skipped = !is_there && !is_required();
    let kind = if is_skipped { "skipped: set PORTWAY_TEST_POSTGRES" } else { "" };
    let trial = Trial::test(name, move || if is_there { test() } else { Err(MISSING.into()) });
    trial.with_kind(kind).with_ignored_flag(is_skipped)
}

fn is_required() -> bool {
    let is_set = |name| std::env::var(name).is_ok_and(|value| !matches!(value.as_str(), "" | "0" | "false"));
    is_set("CI") || is_set("PORTWAY_REQUIRE_COMPONENTS")
}
