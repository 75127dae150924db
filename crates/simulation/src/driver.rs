//! The way from a node to the database, on which things get lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use portway_adapters_sqlite::SqliteDatabase;
use portway_sql::dialect::Dialect;
use portway_sql::driver::{Read, SqlDriver, SqlError, Step, WriteOutcome};
use portway_sql::row::Row;

use crate::simulation::Simulation;

/// The table that every step of a session writes.
const ENGINES: &str = "engines";

/// What takes a session away, with all its rows.
const REMOVAL: &str = "DELETE FROM \"sessions\"";

/// Until when the database does not work, in microseconds since the beginning.
#[derive(Default)]
pub(crate) struct Outage(AtomicU64);

impl Outage {
    pub(crate) fn set(&self, until: u64) {
        self.0.store(until, Ordering::Relaxed);
    }

    fn is_on(&self, simulation: &Simulation) -> bool {
        !simulation.is_calm() && simulation.now() < self.0.load(Ordering::Relaxed)
    }
}

/// The one database as one node reaches it.
pub(crate) struct FaultyDriver {
    pub(crate) simulation: Arc<Simulation>,
    pub(crate) database: Arc<SqliteDatabase>,
    pub(crate) node: usize,
    /// The node cannot reach the database.
    pub(crate) cut_off: Arc<Outage>,
    /// Nothing can be written by anybody.
    pub(crate) disk_full: Arc<Outage>,
}

impl FaultyDriver {
    async fn latency(&self) {
        let late = self.simulation.strikes(self.simulation.plan.faults.slow);
        let most = if late { 2_000 } else { 3 };
        self.simulation.pause(0, most).await;
    }

    async fn reach(&self) -> Result<(), SqlError> {
        self.latency().await;
        let is_lost = self.simulation.strikes(self.simulation.plan.faults.unavailable);
        if is_lost || self.cut_off.is_on(&self.simulation) {
            self.simulation.note(format_args!("node {} does not reach the database", self.node));
            return Err(SqlError::Unavailable("simulated".to_owned()));
        }
        Ok(())
    }
}

#[async_trait]
impl SqlDriver for FaultyDriver {
    fn dialect(&self) -> Dialect {
        self.database.dialect()
    }

    async fn read(&self, read: Read) -> Result<Vec<Vec<Row>>, SqlError> {
        self.reach().await?;
        let rows = self.database.read(read).await;
        self.simulation.pause(0, 1).await;
        rows
    }

    async fn write(&self, steps: Vec<Step>) -> Result<WriteOutcome, SqlError> {
        self.reach().await?;
        if self.disk_full.is_on(&self.simulation) {
            return Err(SqlError::Unavailable("simulated: the disk is full".to_owned()));
        }
        let is_unknown = self.simulation.strikes(self.simulation.plan.faults.unknown);
        let unknown = || {
            // What took the answer away may last.
            if self.simulation.strikes(300) {
                let span = self.simulation.draw(|random| random.below(3_000_000));
                self.cut_off.set(self.simulation.now() + span);
            }
            Err(SqlError::Unknown("simulated".to_owned()))
        };
        if is_unknown && self.simulation.strikes(500) {
            self.simulation.note(format_args!("node {} loses a write, and does not know", self.node));
            return unknown();
        }
        // Others, such as claims of jobs, change no session.
        let steps_a_session =
            steps.iter().any(|step| step.statement.text.contains(ENGINES) || step.statement.text.starts_with(REMOVAL));
        let outcome = self.database.write(steps).await;
        if steps_a_session {
            self.simulation.wrote();
        }
        self.latency().await;
        if is_unknown {
            self.simulation.note(format_args!("node {} wrote, and does not know", self.node));
            return unknown();
        }
        outcome
    }
}
