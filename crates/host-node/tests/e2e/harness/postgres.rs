//! A place of one's own on the Postgres server of the tests.

use std::process;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::trials::Component;

static NEXT: AtomicU64 = AtomicU64::new(0);

/// The server.
pub(crate) const POSTGRES: Component<fn() -> Option<Server>> = Component {
    missing: "there is no Postgres server: run `cargo xtask test`, or set PORTWAY_TEST_POSTGRES to its URL",
    find: Server::find,
};

/// Where the server is.
#[derive(Clone)]
pub(crate) struct Server(String);

impl Server {
    fn find() -> Option<Self> {
        std::env::var("PORTWAY_TEST_POSTGRES").ok().map(Self)
    }

    /// The server, where all gateways of the tests are to use it.
    pub(crate) fn for_all() -> Option<Self> {
        let chosen = std::env::var("PORTWAY_TEST_DATABASE").is_ok_and(|database| database == "postgres");
        chosen.then(|| Self::find().expect(POSTGRES.missing))
    }

    /// The URL of another database, user or machine than the server's.
    pub(crate) fn with(&self, change: impl FnOnce(&str) -> String) -> String {
        change(&self.0)
    }

    /// The password in its URL.
    pub(crate) fn password(&self) -> Option<String> {
        let (who, _) = self.0.split_once("://")?.1.rsplit_once('@')?;
        who.split_once(':').map(|(_, password)| password.to_owned())
    }

    async fn run(&self, sql: &str) {
        let mut connection = PgConnection::connect(&self.0).await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    }
}

/// A schema that goes when it is dropped.
pub(crate) struct Schema {
    server: Server,
    name: String,
}

impl Schema {
    pub(crate) async fn create(server: Server) -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
        let name = format!("e{}_{since}_{}", process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        server.run(&format!("CREATE SCHEMA {name}")).await;
        Self { server, name }
    }

    /// What a gateway finds it by.
    pub(crate) fn url(&self) -> String {
        format!("{0}?application_name={1}&options=-c%20search_path%3D{1}", self.server.0, self.name)
    }

    /// Ends all connections of gateways to it.
    pub(crate) async fn end_connections(&self) {
        // Gateways call their connections as their URL says.
        let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE application_name = current_schema() AND pid <> pg_backend_pid()";
        self.run(sql).await;
    }

    /// The text that a query gives, if it gives any.
    pub(crate) async fn text(&self, query: &str) -> Option<String> {
        let mut connection = PgConnection::connect(&self.url()).await.unwrap();
        let found = sqlx::query_scalar(AssertSqlSafe(query.to_owned())).fetch_optional(&mut connection).await;
        connection.close().await.unwrap();
        found.ok().flatten().flatten()
    }

    /// Runs SQL in it.
    pub(crate) async fn run(&self, sql: &str) {
        self.server.run(&format!("SET search_path = {}; {sql}", self.name)).await;
    }
}

impl Drop for Schema {
    fn drop(&mut self) {
        let (server, sql) = (self.server.clone(), format!("DROP SCHEMA {} CASCADE", self.name));
        // The runtime of the test cannot wait here.
        let removing = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(server.run(&format!("SET client_min_messages = warning; {sql}")));
        });
        let _ = removing.join();
    }
}
