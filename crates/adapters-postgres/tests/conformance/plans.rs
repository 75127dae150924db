//! How Postgres runs the statements of the product: every one that the suite causes is explained.
//!
//! A table of a test has a few rows, which a server would read from end to end, and rightly so. It is told not to: what
//! it does so nevertheless it can do in no other way.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use portway_adapters_postgres::PostgresDatabase;
use portway_conformance::Failure;
use portway_sql::dialect::Dialect;
use portway_sql::driver::{Read, SqlDriver, SqlError, Statement, Step, WriteOutcome};
use portway_sql::row::Row;
use sea_query::Value;

use crate::backend::Postgres;

/// Statements that may read a whole table: they end at the first rows that fit, or are never run for a user.
const SCANS: &[(&str, &str)] = &[
    // Any row will do.
    (r#"SELECT "id" FROM "users" LIMIT $1"#, "Index Only Scan using users_pkey"),
    // The first entry of an index, which has nothing but what is asked for.
    (r#"SELECT MIN("due_at") AS "next_at" FROM "deadlines""#, "Index Only Scan using deadlines_due"),
    (
        r#"SELECT MIN("lease_until") AS "next_at" FROM "jobs" WHERE "lease_until" IS NOT NULL AND ("jobs"."node_id" IS NULL OR "jobs"."node_id" = $1 OR (NOT EXISTS(SELECT 1 FROM "nodes" WHERE "nodes"."id" = "jobs"."node_id" AND "nodes"."lease_until" > $2)))"#,
        "Index Only Scan using jobs_leased",
    ),
    // The first jobs of all, for an operator.
    (
        r#"SELECT "id", "kind", "attempts", "run_at", "lease_until", "last_error" FROM "jobs" ORDER BY "run_at" ASC, "id" ASC LIMIT $1"#,
        "Index Scan using jobs_due",
    ),
    // Counts for the metrics, every few seconds at most.
    (
        r#"SELECT "status", COUNT("id") AS "sessions" FROM "sessions" GROUP BY "status" ORDER BY "status" ASC"#,
        "Index Only Scan using sessions_list_by_status",
    ),
    // The messages that are not in the search index yet: the index of the query has no others.
    (
        r#"SELECT "message_words"."session_id", "message_words"."message_id", substr("messages"."content", 1, 32768) AS "text" FROM "message_words" INNER JOIN "messages" ON "messages"."session_id" = "message_words"."session_id" AND "messages"."id" = "message_words"."message_id" WHERE "message_words"."words" IS NULL ORDER BY "message_words"."row_number" ASC LIMIT $1"#,
        "Index Scan using message_words_missing",
    ),
];

/// Texts that were explained already, by whichever case.
static EXPLAINED: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// A database that remembers what it was asked.
pub(crate) struct Recorder {
    database: Arc<PostgresDatabase>,
    seen: Mutex<Vec<Statement>>,
}

impl Recorder {
    pub(crate) fn new(database: Arc<PostgresDatabase>) -> Self {
        Self { database, seen: Mutex::default() }
    }

    fn record(&self, statements: impl IntoIterator<Item = Statement>) {
        let mut explained = EXPLAINED.lock().unwrap();
        let mut seen = self.seen.lock().unwrap();
        seen.extend(statements.into_iter().filter(|statement| explained.insert(statement.text.to_string())));
    }

    /// Explains what was asked here for the first time.
    pub(crate) async fn check(&self) -> Result<(), Failure> {
        let seen = std::mem::take(&mut *self.seen.lock().unwrap());
        for statement in seen {
            if let Some(finding) = finding(&self.database, &statement).await? {
                return Err(Failure::new(finding));
            }
        }
        Ok(())
    }
}

#[async_trait]
impl SqlDriver for Recorder {
    fn dialect(&self) -> Dialect {
        self.database.dialect()
    }

    async fn read(&self, read: Read) -> Result<Vec<Vec<Row>>, SqlError> {
        self.record(read.statements.iter().cloned());
        self.database.read(read).await
    }

    async fn write(&self, steps: Vec<Step>) -> Result<WriteOutcome, SqlError> {
        self.record(steps.iter().map(|step| step.statement.clone()));
        self.database.write(steps).await
    }
}

/// What is wrong with the plan of a statement, if anything is.
async fn finding(database: &PostgresDatabase, statement: &Statement) -> Result<Option<String>, Failure> {
    let plan = plan(database, statement).await.map_err(Failure::new)?;
    let is_costly = (0..plan.len()).any(|index| is_costly(&statement.text, &plan[index..]));
    let text = || format!("this looks at more rows than it answers:\n{}\n{}", statement.text, plan.join("\n"));
    Ok(is_costly.then(text))
}

/// The steps of the plan that a statement has whatever its arguments are.
async fn plan(database: &PostgresDatabase, statement: &Statement) -> Result<Vec<String>, SqlError> {
    let step = |text: String| Step::new(Statement { text: text.into(), args: Vec::new() });
    let off = |name: &str| step(format!("SELECT set_config('{name}', 'off', true) AS setting"));
    let (types, nothing): (Vec<_>, Vec<_>) = statement.args.iter().map(|arg| (type_of(arg), "NULL")).unzip();
    let list = |items: &[&str]| if items.is_empty() { String::new() } else { format!("({})", items.join(", ")) };
    let mut steps = vec![off("enable_seqscan")];
    // Words are only found by a bitmap, and what they find is sorted by how well it fits.
    if !is_search(&statement.text) {
        steps.extend([off("enable_sort"), off("enable_bitmapscan")]);
    }
    steps.extend([
        step(format!("PREPARE explained {} AS {}", list(&types), statement.text)),
        step(format!("EXPLAIN (COSTS OFF) EXECUTE explained {}", list(&nothing))),
        step("DEALLOCATE explained".to_owned()),
    ]);
    let explained = steps.len() - 2;
    match database.write(steps).await? {
        WriteOutcome::Committed(rows) => {
            rows[explained].iter().map(|row| row.get("QUERY PLAN")).collect::<Result<_, _>>()
        }
        WriteOutcome::Conflict { .. } => Err(SqlError::Statement("a plan cannot conflict".into())),
    }
}

fn type_of(arg: &Value) -> &'static str {
    match arg {
        Value::Bool(_) => "boolean",
        Value::String(_) | Value::Char(_) => "text",
        Value::Bytes(_) => "bytea",
        Value::Json(_) => "jsonb",
        Value::TimeDateTimeWithTimeZone(_) => "timestamptz",
        Value::Float(_) | Value::Double(_) => "double precision",
        _ => "bigint",
    }
}

fn is_search(text: &str) -> bool {
    text.contains(" @@ ")
}

/// Whether the first of these steps of a plan looks at more rows than it answers.
fn is_costly(text: &str, steps: &[String]) -> bool {
    let step = steps[0].trim_start().trim_start_matches("->").trim_start();
    // What belongs to the step follows it.
    let details = || steps[1..].iter().take_while(|line| !line.contains("->"));
    let by_index = step.starts_with("Index Scan") || step.starts_with("Index Only Scan");
    let walks = by_index && !details().any(|line| line.contains("Index Cond"));
    let allowed = SCANS.iter().any(|(statement, prefix)| *statement == text && step.starts_with(prefix));
    let sorts = step == "Sort" && !is_search(text);
    (step.starts_with("Seq Scan") || sorts || walks) && !allowed
}

/// Otherwise a plan that cannot be read would pass for a good one.
pub(crate) async fn a_scan_and_a_sort_are_found() -> Result<(), Failure> {
    let postgres = Postgres::create().await;
    let database = postgres.database().await?;
    let explained = async |text: &str| {
        let statement = Statement { text: text.to_owned().into(), args: vec!["x".into()] };
        finding(&database, &statement).await
    };
    for text in [
        "SELECT id FROM sessions WHERE title = $1",
        "SELECT id FROM sessions WHERE id = $1 OR title = $1 ORDER BY id",
        "SELECT id FROM sessions WHERE owner_id = $1 ORDER BY title",
        "UPDATE users SET name = $1",
    ] {
        assert!(explained(text).await?.is_some(), "{text}");
    }
    assert_eq!(explained("SELECT id FROM sessions WHERE owner_id = $1 ORDER BY created_at DESC, id DESC").await?, None);
    postgres.remove().await;
    Ok(())
}
