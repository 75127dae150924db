//! Work that goes on beside the requests. None of it runs before the host lets it.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use portway_adapters_system::TokioSpawner;
use portway_ports::system::{Spawner, Task};
use portway_services::Services;
use tokio::sync::watch;

/// How long a loop that broke rests before it is begun again.
const REST: Duration = Duration::from_secs(1);

/// How far the gateway is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    /// Everything is done.
    Working,
    /// Sandboxes are put away: only ordered work is done.
    Stopping,
    /// Nothing is done any more.
    Ended,
}

/// Keeps tasks until it is released, and starts them from then on.
#[derive(Clone)]
pub(super) struct HeldSpawner {
    runtime: TokioSpawner,
    /// What waits; `None` once released.
    held: Arc<Mutex<Option<Vec<Task>>>>,
}

impl HeldSpawner {
    pub(super) fn new(runtime: TokioSpawner) -> Self {
        Self { runtime, held: Arc::new(Mutex::new(Some(Vec::new()))) }
    }

    fn release(&self) {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner).take();
        for task in held.into_iter().flatten() {
            self.runtime.spawn(task);
        }
    }
}

impl Spawner for HeldSpawner {
    fn spawn(&self, task: Task) {
        match &mut *self.held.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(held) => held.push(task),
            None => self.runtime.spawn(task),
        }
    }
}

/// Whether others work on the same database, or may begin to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sharing {
    /// Never.
    Never,
    /// At any time.
    Possible,
}

/// Does the work until the phase says that nothing is to be done any more, or nobody is left to say so.
pub(super) async fn run(
    services: Arc<Services>,
    spawner: HeldSpawner,
    phase: watch::Receiver<Phase>,
    sharing: Sharing,
) {
    spawner.release();
    let jobs = until(Phase::Ended, phase.clone(), forever("jobs", REST, || services.clone().run_jobs()));
    let deadlines =
        until(Phase::Stopping, phase.clone(), forever("deadlines", REST, || services.clone().run_deadlines()));
    let index =
        until(Phase::Stopping, phase.clone(), to_the_end("search index", REST, || services.fill_search_index()));
    let sign_ins =
        until(Phase::Stopping, phase.clone(), forever("sign-ins", REST, || services.clone().run_sign_in_checks()));
    let objects = until(Phase::Stopping, phase.clone(), forever("object sweep", REST, || services.run_object_sweep()));
    let expiry = until(Phase::Stopping, phase.clone(), forever("expiry sweep", REST, || services.run_expiry_sweep()));
    let node = async {
        if sharing == Sharing::Possible {
            until(Phase::Ended, phase, forever("node", REST, || services.clone().run_node())).await;
        }
    };
    tokio::join!(jobs, deadlines, index, sign_ins, objects, expiry, node);
}

async fn until(end: Phase, mut phase: watch::Receiver<Phase>, work: impl Future<Output = ()>) {
    tokio::select! {
        () = work => {}
        _ = phase.wait_for(|phase| *phase >= end) => {}
    }
}

/// Begins a loop again that ended or panicked: without it the gateway would take requests and do nothing about them.
async fn forever<F: Future<Output = ()>>(name: &str, rest: Duration, begin: impl Fn() -> F) {
    loop {
        let ended = AssertUnwindSafe(begin()).catch_unwind().await;
        tracing::error!(name, panicked = ended.is_err(), "a background loop broke; it is begun again");
        tokio::time::sleep(rest).await;
    }
}

/// Begins work again that panicked, until it is done.
async fn to_the_end<F: Future<Output = ()>>(name: &str, rest: Duration, begin: impl Fn() -> F) {
    while AssertUnwindSafe(begin()).catch_unwind().await.is_err() {
        tracing::error!(name, "work in the background broke; it is begun again");
        tokio::time::sleep(rest).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tokio::runtime::Handle;
    use tokio::sync::{Notify, oneshot};

    #[tokio::test]
    async fn tasks_wait_until_they_are_released() {
        let spawner = HeldSpawner::new(TokioSpawner::new(Handle::current()));
        let (first, mut first_ran) = oneshot::channel();
        spawner.spawn(Box::pin(async move {
            let _ = first.send(());
        }));
        tokio::task::yield_now().await;
        assert!(first_ran.try_recv().is_err());
        spawner.release();
        assert_eq!(first_ran.await, Ok(()));
        let (second, second_ran) = oneshot::channel();
        spawner.spawn(Box::pin(async move {
            let _ = second.send(());
        }));
        assert_eq!(second_ran.await, Ok(()));
    }

    #[tokio::test]
    async fn a_loop_that_panics_is_begun_again() {
        let times = AtomicUsize::new(0);
        let again = Notify::new();
        let begin = || async {
            assert!(times.fetch_add(1, Ordering::SeqCst) > 0, "on purpose");
            again.notify_one();
            std::future::pending().await
        };
        tokio::select! {
            () = forever("test", Duration::ZERO, begin) => {}
            () = again.notified() => {}
        }
        assert_eq!(times.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn work_that_panics_is_begun_again_and_ends_when_it_is_done() {
        let times = AtomicUsize::new(0);
        to_the_end("test", Duration::ZERO, || async {
            assert!(times.fetch_add(1, Ordering::SeqCst) > 0, "on purpose");
        })
        .await;
        assert_eq!(times.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn work_ends_with_its_phase_and_with_its_gateway() {
        let (sender, phase) = watch::channel(Phase::Working);
        sender.send_replace(Phase::Ended);
        until(Phase::Stopping, phase.clone(), std::future::pending()).await;
        sender.send_replace(Phase::Working);
        drop(sender);
        until(Phase::Ended, phase, std::future::pending()).await;
    }
}
