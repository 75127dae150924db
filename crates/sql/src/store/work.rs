//! Jobs and deadlines.

use async_trait::async_trait;
use portway_domain::ids::{NodeId, SessionId};
use portway_domain::jobs::Job;
use portway_domain::time::Timestamp;
use portway_ports::StoreError;
use portway_ports::work::WorkStore;

use super::SqlStore;
use crate::driver::{Read, SqlError, Statement, WriteOutcome};
use crate::{deadlines, jobs};

impl SqlStore {
    /// The earliest time that one of the statements answers.
    async fn earliest(&self, statements: Vec<Statement>) -> Result<Option<Timestamp>, SqlError> {
        let results = self.driver.read(Read::bounded(statements)).await?;
        let times: Vec<Option<Timestamp>> =
            results.iter().flatten().map(|row| row.get("next_at")).collect::<Result<_, _>>()?;
        Ok(times.into_iter().flatten().min())
    }
}

#[async_trait]
impl WorkStore for SqlStore {
    async fn claim_jobs(
        &self,
        node: &NodeId,
        now: Timestamp,
        lease_until: Timestamp,
        limit: u32,
    ) -> Result<Vec<Job>, StoreError> {
        let claim = jobs::claim(self.driver.dialect(), node, now, lease_until, limit);
        match self.driver.write(vec![claim]).await? {
            WriteOutcome::Committed(rows) => Ok(jobs::decode(rows.into_iter().next().unwrap_or_default())?),
            // Somebody else was faster.
            WriteOutcome::Conflict { .. } => Ok(Vec::new()),
        }
    }

    async fn next_job_at(&self, node: &NodeId, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        let dialect = self.driver.dialect();
        let next = vec![jobs::next_free(dialect, node, now), jobs::next_lease_end(dialect, node, now)];
        Ok(self.earliest(next).await?)
    }

    async fn release_leases(&self, node: Option<&NodeId>) -> Result<(), StoreError> {
        let dialect = self.driver.dialect();
        let release = node.map_or_else(|| jobs::release_all(dialect), |node| jobs::release_of(dialect, node));
        self.driver.write(vec![release]).await?;
        Ok(())
    }

    async fn due_sessions(&self, now: Timestamp, limit: u32) -> Result<Vec<SessionId>, StoreError> {
        let statement = deadlines::due(self.driver.dialect(), now, limit);
        let rows = self.read(Read::bounded(vec![statement])).await?.next()?;
        Ok(rows.iter().map(|row| row.get("session_id")).collect::<Result<_, _>>()?)
    }

    async fn next_deadline(&self) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.earliest(vec![deadlines::next(self.driver.dialect())]).await?)
    }
}
