//! Looking at everything.

use async_trait::async_trait;
use portway_domain::engine::Engine;
use portway_domain::ids::SessionId;
use portway_domain::sessions::SessionStatus;
use portway_domain::time::Timestamp;
use portway_ports::StoreError;
use portway_ports::diagnosis::{Diagnosis, PendingJob, Waiting};

use super::SqlStore;
use crate::diagnosis;
use crate::driver::Read;

#[async_trait]
impl Diagnosis for SqlStore {
    async fn count_sessions(&self) -> Result<Vec<(SessionStatus, u64)>, StoreError> {
        let count = diagnosis::count_sessions(self.driver.dialect());
        let rows = self.read(Read::unbounded(vec![count])).await?.next()?;
        Ok(diagnosis::decode_counts(&rows)?)
    }

    async fn engines_with_sandbox(&self, after: Option<&SessionId>, limit: u32) -> Result<Vec<Engine>, StoreError> {
        let engines = diagnosis::engines_with_sandbox(self.driver.dialect(), after, limit);
        let rows = self.read(Read::unbounded(vec![engines])).await?.next()?;
        Ok(diagnosis::decode_engines(rows)?)
    }

    async fn overdue_sessions(&self, at: Timestamp, limit: u32) -> Result<Vec<Waiting>, StoreError> {
        let overdue = diagnosis::overdue_sessions(self.driver.dialect(), at, limit);
        let rows = self.read(Read::unbounded(vec![overdue])).await?.next()?;
        Ok(diagnosis::decode_waiting(&rows)?)
    }

    async fn pending_jobs(&self, limit: u32) -> Result<Vec<PendingJob>, StoreError> {
        let jobs = diagnosis::pending_jobs(self.driver.dialect(), limit);
        let rows = self.read(Read::unbounded(vec![jobs])).await?.next()?;
        Ok(diagnosis::decode_jobs(rows)?)
    }
}
