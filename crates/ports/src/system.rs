//! What the platform gives: time, randomness, tasks.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use async_trait::async_trait;
use portway_domain::ids::IdStream;
use portway_domain::time::Timestamp;

/// A future that owns what it needs.
pub type Task = Pin<Box<dyn Future<Output = ()> + Send + 'static>>;

/// Tells and waits for the time.
#[async_trait]
pub trait Clock: Send + Sync {
    /// The time.
    fn now(&self) -> Timestamp;

    /// Returns after `span`. May be dropped early.
    async fn sleep(&self, span: Duration);
}

/// Unpredictable bytes, fit for secrets.
pub trait Entropy: Send + Sync {
    /// 32 new bytes.
    fn draw(&self) -> [u8; 32];

    /// A source of ids for one operation.
    fn ids(&self, now: Timestamp) -> IdStream {
        IdStream::new(now, self.draw())
    }
}

/// Starts background work.
pub trait Spawner: Send + Sync {
    /// Runs `task` on its own. A panic of the task ends only the task.
    fn spawn(&self, task: Task);
}
