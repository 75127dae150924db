//! What is due, all at once: for a host that is called now and then and runs no loops.

use std::sync::Arc;

use crate::Services;
use crate::error::Error;

/// Most rounds of each kind in one tick; what is left over is done by the next one.
const ROUNDS: usize = 16;

impl Services {
    /// One round of what [`Services::run_jobs`], [`Services::run_deadlines`] and [`Services::fill_search_index`] do in
    /// their loops: starts the jobs that are due, on tasks of their own, asks the sessions whose deadlines have passed,
    /// and puts some older messages into the search index.
    ///
    /// # Errors
    /// The first failure of the store; the rest is tried all the same.
    pub async fn tick(self: &Arc<Self>) -> Result<(), Error> {
        let deadlines = self.ask_all_due_sessions().await;
        // Deadlines order work.
        let jobs = self.start_all_due_jobs().await;
        let index = self.fill_some_of_the_search_index().await;
        deadlines.and(jobs).and(index.map(drop))
    }

    async fn ask_all_due_sessions(&self) -> Result<(), Error> {
        for _ in 0..ROUNDS {
            if self.ask_due_sessions().await? == 0 {
                break;
            }
        }
        Ok(())
    }

    async fn start_all_due_jobs(self: &Arc<Self>) -> Result<(), Error> {
        for _ in 0..ROUNDS {
            if self.start_due_jobs().await? == 0 {
                break;
            }
        }
        Ok(())
    }
}
