//! What clients were asked, and have not answered yet.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use futures_util::FutureExt;
use serde_json::Value;
use tokio::sync::oneshot;

/// The result, or the error, as the client says it.
pub(crate) type Answer = Result<Value, Value>;

/// Session and number of a request.
type Key = (String, u64);

/// The requests to clients that wait for their answers on this node.
#[derive(Default)]
pub(crate) struct Requests {
    waiting: Mutex<HashMap<Key, oneshot::Sender<Answer>>>,
    last: AtomicU64,
}

impl Requests {
    /// A new request to the client of that session. It is forgotten when it is dropped.
    pub(crate) fn ask(self: &Arc<Self>, session: &str) -> Asked {
        let key = (session.to_owned(), self.last.fetch_add(1, Ordering::Relaxed) + 1);
        let (sender, answer) = oneshot::channel();
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).insert(key.clone(), sender);
        Asked { requests: Arc::clone(self), key, answer }
    }

    /// Takes the answer of the client of that session; one that nobody waits for is dropped.
    pub(crate) fn answered(&self, session: &str, id: u64, answer: Answer) {
        let waiting = self.remove(&(session.to_owned(), id));
        if let Some(waiting) = waiting {
            let _ = waiting.send(answer);
        }
    }

    fn remove(&self, key: &Key) -> Option<oneshot::Sender<Answer>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(key)
    }
}

/// A request that waits for its answer; `None` if there will be none.
pub(crate) struct Asked {
    requests: Arc<Requests>,
    key: Key,
    answer: oneshot::Receiver<Answer>,
}

impl Asked {
    /// What the answer is known by.
    pub(crate) fn id(&self) -> u64 {
        self.key.1
    }
}

impl Future for Asked {
    type Output = Option<Answer>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.answer.poll_unpin(context).map(Result::ok)
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        drop(self.requests.remove(&self.key));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[tokio::test]
    async fn an_answer_reaches_who_asked() {
        let requests = Arc::new(Requests::default());
        let (first, second) = (requests.ask("a"), requests.ask("a"));
        requests.answered("b", first.id(), Ok(json!("of another session")));
        requests.answered("a", second.id(), Err(json!({})));
        requests.answered("a", first.id(), Ok(json!(1)));
        assert_eq!(first.await, Some(Ok(json!(1))));
        assert_eq!(second.await, Some(Err(json!({}))));
    }

    #[tokio::test]
    async fn what_nobody_waits_for_is_forgotten() {
        let requests = Arc::new(Requests::default());
        drop(requests.ask("a"));
        assert!(requests.waiting.lock().unwrap().is_empty());
        requests.answered("a", 1, Ok(json!(1)));
    }
}
