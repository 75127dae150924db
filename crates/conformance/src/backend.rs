//! What the suite needs from an adapter.

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::future::{BoxFuture, join_all};
use portway_ports::Store;

use crate::failure::Failure;

/// A future that owns what it needs.
pub type Task = BoxFuture<'static, ()>;

/// One database for one case.
#[async_trait]
pub trait Backend: Send + Sync {
    /// A new, empty store with the current schema. Called once.
    ///
    /// # Errors
    /// [`Failure`] when there is none to be had.
    async fn open(&self) -> Result<Arc<dyn Store>, Failure>;

    /// Closes `store`, which [`Backend::open`] gave out, and opens what it left behind; `None` when nothing is left
    /// behind. Only cases that are marked as durable ask for it.
    ///
    /// # Errors
    /// [`Failure`] when it cannot be opened again.
    async fn reopen(&self, store: Arc<dyn Store>) -> Result<Option<Arc<dyn Store>>, Failure> {
        drop(store);
        Ok(None)
    }

    /// Runs all tasks at the same time. A backend with threads runs them on several; this one takes turns.
    async fn together(&self, tasks: Vec<Task>) {
        join_all(tasks).await;
    }
}
