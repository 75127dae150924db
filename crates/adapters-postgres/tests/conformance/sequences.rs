//! Random commands here and on SQLite: both answer the same.

use std::env;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use portway_adapters_sqlite::SqliteDatabase;
use portway_conformance::{Backend, Failure, random_commands};
use portway_ports::Store;
use portway_sql::SqlStore;
use portway_sql::migrations::SQLITE;

use crate::backend::Postgres;

/// A number of one's own gives one sequence again.
const SEED: &str = "PORTWAY_TEST_SEED";

/// Sequences in a run.
const SEEDS: u64 = 8;

pub(crate) async fn both_answer_the_same() -> Result<(), Failure> {
    let given = env::var(SEED).ok().and_then(|seed| seed.parse().ok());
    let first = RandomState::new().hash_one(0) >> 1;
    let seeds = given.map_or(first..first + SEEDS, |seed: u64| seed..seed + 1);
    for seed in seeds {
        compare(seed).await.map_err(|failure| Failure::new(format!("{SEED}={seed}: {failure}")))?;
    }
    Ok(())
}

async fn compare(seed: u64) -> Result<(), Failure> {
    let sqlite = SqliteDatabase::in_memory().map_err(Failure::new)?;
    sqlite.migrate(SQLITE).await.map_err(Failure::new)?;
    let sqlite: Arc<dyn Store> = Arc::new(SqlStore::new(Arc::new(sqlite)));
    let backend = Postgres::create().await;
    let here = random_commands(&backend.open().await?, seed).await?;
    let there = random_commands(&sqlite, seed).await?;
    for (number, (here, there)) in here.iter().zip(&there).enumerate() {
        if here != there {
            return Err(Failure::new(format!("command {number}\n  Postgres {here}\n  SQLite   {there}")));
        }
    }
    backend.remove().await;
    Ok(())
}
