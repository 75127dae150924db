//! Background tasks on a tokio runtime.

use std::any::Any;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use portway_ports::system::{Spawner, Task};
use tokio::runtime::Handle;
use tokio::sync::Notify;

/// Starts tasks on a tokio runtime and counts them, so a host can wait for them before it ends. Clones share the count.
#[derive(Debug, Clone)]
pub struct TokioSpawner {
    runtime: Handle,
    tasks: Arc<Tasks>,
}

#[derive(Debug, Default)]
struct Tasks {
    running: AtomicUsize,
    none_left: Notify,
}

/// Counts one task for as long as it exists, however it ends.
struct Counted(Arc<Tasks>);

impl Counted {
    fn new(tasks: &Arc<Tasks>) -> Self {
        tasks.running.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(tasks))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        if self.0.running.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.0.none_left.notify_waiters();
        }
    }
}

impl TokioSpawner {
    /// Spawns on `runtime`.
    #[must_use]
    pub fn new(runtime: Handle) -> Self {
        Self { runtime, tasks: Arc::default() }
    }

    /// How many tasks have not ended yet.
    #[must_use]
    pub fn running(&self) -> usize {
        self.tasks.running.load(Ordering::SeqCst)
    }

    /// Waits until no task is left, at most for `limit`. Answers whether none is left. Tasks that are spawned meanwhile
    /// are waited for too.
    pub async fn drained(&self, limit: Duration) -> bool {
        let none_left = async {
            loop {
                let notified = self.tasks.none_left.notified();
                tokio::pin!(notified);
                // Registers before the count is read, so the last task cannot end unseen between the two.
                notified.as_mut().enable();
                if self.running() == 0 {
                    return;
                }
                notified.await;
            }
        };
        tokio::time::timeout(limit, none_left).await.is_ok()
    }
}

impl Spawner for TokioSpawner {
    fn spawn(&self, mut task: Task) {
        let counted = Counted::new(&self.tasks);
        self.runtime.spawn(async move {
            let _counted = counted;
            poll_fn(|context| {
                // The task is never polled again after a panic, so nobody sees what it left half done.
                catch_unwind(AssertUnwindSafe(|| task.as_mut().poll(context))).unwrap_or_else(|panic| {
                    tracing::error!(panic = words(panic.as_ref()), "a background task panicked");
                    Poll::Ready(())
                })
            })
            .await;
        });
    }
}

fn words(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::oneshot;

    const LONG: Duration = Duration::from_secs(30);

    #[tokio::test]
    async fn draining_waits_for_every_task() {
        let spawner = TokioSpawner::new(Handle::current());
        assert!(spawner.drained(Duration::ZERO).await, "nothing was spawned yet");
        let (release, released) = oneshot::channel::<()>();
        let inner = spawner.clone();
        spawner.spawn(Box::pin(async move {
            let _ = released.await;
            inner.spawn(Box::pin(tokio::task::yield_now()));
        }));
        assert!(!spawner.drained(Duration::from_millis(1)).await);
        assert_eq!(spawner.running(), 1);
        drop(release);
        assert!(spawner.drained(LONG).await);
        assert_eq!(spawner.running(), 0);
    }

    #[tokio::test]
    async fn a_panic_ends_only_its_task() {
        let spawner = TokioSpawner::new(Handle::current());
        spawner.spawn(Box::pin(async { panic!("on purpose") }));
        let (done, is_done) = oneshot::channel();
        spawner.spawn(Box::pin(async move {
            let _ = done.send(());
        }));
        assert!(spawner.drained(LONG).await);
        assert_eq!(is_done.await, Ok(()));
    }

    #[test]
    fn a_runtime_that_ends_leaves_no_count() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let spawner = TokioSpawner::new(runtime.handle().clone());
        spawner.spawn(Box::pin(std::future::pending()));
        assert_eq!(spawner.running(), 1);
        drop(runtime);
        assert_eq!(spawner.running(), 0);
    }
}
