//! How SQLite runs the statements of the product: every one that the suite causes is explained.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use libtest_mimic::Failed;
use portway_adapters_sqlite::SqliteDatabase;
use portway_conformance::{Backend, Failure, Fixture, cases};
use portway_ports::Store;
use portway_sql::SqlStore;
use portway_sql::dialect::Dialect;
use portway_sql::driver::{Read, SqlDriver, SqlError, Statement, Step, WriteOutcome};
use portway_sql::migrations::SQLITE;
use portway_sql::row::Row;

/// The statements that were run, by their text.
type Seen = Arc<Mutex<BTreeMap<String, Statement>>>;

/// Statements that may walk through a whole index: they end at the first rows that fit, or are never run for a user.
const SCANS: &[(&str, &str)] = &[
    // Any row will do.
    (r#"SELECT "id" FROM "users" LIMIT ?"#, "SCAN users"),
    // The first jobs of all, for an operator.
    (
        r#"SELECT "id", "kind", "attempts", "run_at", "lease_until", "last_error" FROM "jobs" ORDER BY "run_at" ASC, "id" ASC LIMIT ?"#,
        "SCAN jobs USING INDEX jobs_due",
    ),
    // Counts for the metrics, every few seconds at most.
    (COUNT_SESSIONS, "SCAN sessions USING COVERING INDEX"),
    (COUNT_SESSIONS, "USE TEMP B-TREE FOR GROUP BY"),
    // The messages that are not in the search index yet: the index of the query has no others.
    (
        r#"SELECT "message_words"."session_id", "message_words"."message_id", substr("messages"."content", 1, 32768) AS "text" FROM "message_words" INNER JOIN "messages" ON "messages"."session_id" = "message_words"."session_id" AND "messages"."id" = "message_words"."message_id" WHERE "message_words"."words" IS NULL ORDER BY "message_words"."row_number" ASC LIMIT ?"#,
        "SCAN message_words USING INDEX message_words_missing",
    ),
];

const COUNT_SESSIONS: &str =
    r#"SELECT "status", COUNT("id") AS "sessions" FROM "sessions" GROUP BY "status" ORDER BY "status" ASC"#;

/// A database that remembers what it was asked.
struct Recorder {
    database: SqliteDatabase,
    seen: Seen,
}

impl Recorder {
    fn record<'a>(&self, statements: impl IntoIterator<Item = &'a Statement>) {
        let mut seen = self.seen.lock().unwrap();
        for statement in statements {
            seen.entry(statement.text.to_string()).or_insert_with(|| statement.clone());
        }
    }
}

#[async_trait]
impl SqlDriver for Recorder {
    fn dialect(&self) -> Dialect {
        self.database.dialect()
    }

    async fn read(&self, read: Read) -> Result<Vec<Vec<Row>>, SqlError> {
        self.record(&read.statements);
        self.database.read(read).await
    }

    async fn write(&self, steps: Vec<Step>) -> Result<WriteOutcome, SqlError> {
        self.record(steps.iter().map(|step| &step.statement));
        self.database.write(steps).await
    }
}

struct Recording(Seen);

#[async_trait]
impl Backend for Recording {
    async fn open(&self) -> Result<Arc<dyn Store>, Failure> {
        let database = migrated().await.map_err(Failure::new)?;
        Ok(Arc::new(SqlStore::new(Arc::new(Recorder { database, seen: self.0.clone() }))))
    }
}

async fn migrated() -> Result<SqliteDatabase, Failure> {
    let database = SqliteDatabase::in_memory().map_err(Failure::new)?;
    database.migrate(SQLITE).await.map_err(Failure::new)?;
    Ok(database)
}

/// The steps of the plan of a statement. Explaining a write counts as one.
async fn plan(database: &SqliteDatabase, statement: &Statement) -> Result<Vec<String>, SqlError> {
    let text = format!("EXPLAIN QUERY PLAN {}", statement.text).into();
    let step = Step::new(Statement { text, args: statement.args.clone() });
    match database.write(vec![step]).await? {
        WriteOutcome::Committed(rows) => rows.iter().flatten().map(|row| row.get("detail")).collect(),
        WriteOutcome::Conflict { .. } => Err(SqlError::Statement("a plan cannot conflict".into())),
    }
}

/// Whether a step of a plan looks at more rows than it answers.
fn is_costly(text: &str, step: &str) -> bool {
    let allowed = SCANS.iter().any(|(statement, prefix)| *statement == text && step.starts_with(prefix));
    // A search looks at the rows that have its words, and at what remains of them.
    let searches = text.contains(" MATCH ");
    let index = step.contains("_search VIRTUAL TABLE INDEX") && step.ends_with(":M1");
    let found = searches && (index || ["SCAN newest", "SCAN hits"].contains(&step));
    let given = step.starts_with("SCAN json_each VIRTUAL TABLE");
    let scans = step.starts_with("SCAN") && step != "SCAN CONSTANT ROW" && !found && !given;
    let sorts = step.contains("TEMP B-TREE") && !searches;
    (scans || sorts || step.contains("AUTOMATIC")) && !allowed
}

async fn check() -> Result<(), Failed> {
    let seen = Seen::default();
    for case in cases().into_iter().filter(|case| !case.durable) {
        (case.run)(Fixture::open(Arc::new(Recording(seen.clone()))).await?).await?;
    }
    let database = migrated().await?;
    let statements: Vec<Statement> = seen.lock().unwrap().values().cloned().collect();
    let mut findings = Vec::new();
    for statement in &statements {
        for step in plan(&database, statement).await? {
            if is_costly(&statement.text, &step) {
                findings.push(format!("{step}\n    {}", statement.text));
            }
        }
    }
    assert!(statements.len() > 40, "only {} statements were seen", statements.len());
    if findings.is_empty() { Ok(()) } else { Err(findings.join("\n").into()) }
}

/// No list and no lookup walks through a table, and none sorts what an index could give in order.
pub(crate) fn no_statement_scans_a_table() -> Result<(), Failed> {
    tokio::runtime::Builder::new_current_thread().build()?.block_on(check())
}
