//! Futures of one event among those of others.
//!
//! An instance of a Worker serves many events at once in one thread, and what an event begins belongs to it: a request to
//! another server or a timer that is begun while another event is at work ends with that other one. A future that is
//! woken by another event, because it waited for a lock that this one held, must not go on there and then. So it waits
//! for a promise of its own event, which the platform settles where it was made.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use portway_ports::system::{Spawner, Task};
use tokio::sync::oneshot;
use worker::js_sys::{Function, Promise};
use worker::send::{IntoSendFuture, SendWrapper};
use worker::wasm_bindgen::JsValue;
use worker::wasm_bindgen_futures::{JsFuture, spawn_local};

/// Keeps an event alive until a task of it has ended.
#[derive(Clone)]
pub struct Keep(Rc<dyn Fn(Task)>);

thread_local! {
    /// What keeps the event alive whose future runs at the moment.
    static CURRENT: RefCell<Option<Keep>> = const { RefCell::new(None) };
}

/// Nobody is left to tell how a task of an event ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the event ended before its task")]
pub struct EventEnded;

impl Keep {
    /// Keeps a request alive, for some time also when the caller is gone.
    #[must_use]
    pub fn request(context: worker::Context) -> Self {
        Self(Rc::new(move |task| context.wait_until(task)))
    }

    /// Keeps an event of a schedule alive.
    #[must_use]
    pub fn schedule(context: worker::ScheduleContext) -> Self {
        Self(Rc::new(move |task| context.wait_until(task)))
    }

    /// Nothing has to be kept alive: the events of a Durable Object share all that they begin.
    #[must_use]
    pub fn object() -> Self {
        Self(Rc::new(spawn_local::<Task>))
    }

    /// Runs a future as a part of the event, to its end also when the caller is gone: what it has locked is let go of.
    /// Tasks that it spawns belong to the event as well.
    ///
    /// # Errors
    /// [`EventEnded`] when it could not come to its end.
    pub async fn run<F>(&self, future: F) -> Result<F::Output, EventEnded>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        let (sender, ended) = oneshot::channel();
        self.start(Box::pin(async move {
            // The caller may be gone.
            let _ = sender.send(future.await);
        }));
        ended.await.map_err(|_| EventEnded)
    }

    /// Starts a task as a part of the event.
    pub fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        self.start(Box::pin(task));
    }

    fn start(&self, task: Pin<Box<dyn Future<Output = ()>>>) {
        let within = Within { keep: self.clone(), future: task, bell: Bell::new(), rung: None };
        (self.0)(Box::pin(within.into_send()));
    }
}

/// Starts tasks that belong to the event which starts them, and keep it alive.
#[derive(Debug, Clone, Copy, Default)]
pub struct WorkerSpawner;

impl Spawner for WorkerSpawner {
    fn spawn(&self, task: Task) {
        let keep = CURRENT.with_borrow(Clone::clone).unwrap_or_else(Keep::object);
        keep.start(task);
    }
}

struct Within {
    keep: Keep,
    bell: Arc<Bell>,
    /// Settled once the bell was rung; none when the future has to be looked at.
    rung: Option<JsFuture>,
    future: Pin<Box<dyn Future<Output = ()>>>,
}

impl Within {
    fn run(&mut self) -> Poll<()> {
        let outer = CURRENT.replace(Some(self.keep.clone()));
        let waker = Waker::from(self.bell.clone());
        let polled = self.future.as_mut().poll(&mut Context::from_waker(&waker));
        CURRENT.set(outer);
        polled
    }
}

impl Future for Within {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        loop {
            if let Some(rung) = &mut self.rung {
                if Pin::new(rung).poll(context).is_pending() {
                    return Poll::Pending;
                }
                self.rung = None;
            }
            let promise = self.bell.hang();
            if self.run().is_ready() {
                return Poll::Ready(());
            }
            self.rung = Some(JsFuture::from(promise));
        }
    }
}

/// Wakes a future by settling a promise.
struct Bell(SendWrapper<RefCell<Option<Function>>>);

impl Bell {
    fn new() -> Arc<Self> {
        Arc::new(Self(SendWrapper::new(RefCell::new(None))))
    }

    /// A promise that is settled when the bell is rung next.
    fn hang(&self) -> Promise {
        Promise::new(&mut |resolve, _| {
            self.0.replace(Some(resolve));
        })
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        let ring = self.0.take();
        if let Some(ring) = ring {
            // A promise takes whatever it is settled with, so this does not fail.
            let _ = ring.call1(&JsValue::UNDEFINED, &JsValue::UNDEFINED);
        }
    }
}
