//! Work on a connection that comes to its end, whoever waits for it.

use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::runtime::Handle;

/// The work panicked.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Panicked;

/// Work that runs in the task that awaits it. Dropped before its end it goes on in a task of its own: what was sent is
/// answered, and the connection stays in order. A task for each would cost two wakes of a thread.
pub(crate) struct Completion<T: Send + 'static> {
    /// `None` once it has ended.
    work: Option<BoxFuture<'static, Result<T, Panicked>>>,
}

impl<T: Send + 'static> Completion<T> {
    pub(crate) fn of(work: impl Future<Output = T> + Send + 'static) -> Self {
        let work = AssertUnwindSafe(work).catch_unwind().map(|result| result.map_err(|_| Panicked));
        Self { work: Some(work.boxed()) }
    }
}

impl<T: Send + 'static> Future for Completion<T> {
    type Output = Result<T, Panicked>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(work) = &mut self.work else {
            return Poll::Pending;
        };
        let result = work.poll_unpin(context);
        if result.is_ready() {
            self.work = None;
        }
        result
    }
}

impl<T: Send + 'static> Drop for Completion<T> {
    fn drop(&mut self) {
        // Without a runtime nothing can go on; the connection is closed with the work.
        if let (Some(work), Ok(runtime)) = (self.work.take(), Handle::try_current()) {
            runtime.spawn(work);
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn work_goes_on_when_nobody_waits() {
        let (begin, began) = oneshot::channel::<()>();
        let (end, ended) = oneshot::channel();
        let mut work = Completion::of(async move {
            began.await.unwrap();
            end.send(7).unwrap();
        });
        assert!((&mut work).now_or_never().is_none());
        drop(work);
        begin.send(()).unwrap();
        assert_eq!(ended.await, Ok(7));
    }

    #[tokio::test]
    async fn a_panic_is_an_error() {
        assert_eq!(Completion::of(async { 7 }).await, Ok(7));
        let panicking = Completion::of(async { panic!("on purpose") });
        assert_eq!(panicking.await.map(|(): ()| ()), Err(Panicked));
    }
}
