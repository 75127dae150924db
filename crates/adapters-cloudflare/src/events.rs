//! Futures of one event among those of others.
//!
//! An instance of a Worker serves many events at once in one thread, and what an event begins belongs to it: a request to
//! another server or a timer that is begun while another event is at work ends with that other one. A future that is
//! woken by another event, because it waited for a lock that this one held, must not go on there and then. So it waits
//! for a promise of its own event, which the platform settles where it was made.

use std::cell::RefCell;
use std::ops::DerefMut;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use futures_util::future::join;
use futures_util::{StreamExt, stream};
use portway_ports::system::{Spawner, Task};
use tokio::sync::mpsc;
use worker::js_sys::{Function, Promise};
use worker::send::{IntoSendFuture, SendWrapper};
use worker::wasm_bindgen::JsValue;
use worker::wasm_bindgen_futures::{JsFuture, spawn_local};

use crate::objects::ObjectName;
use crate::outbox::Outbox;

/// Keeps an event alive until a task of it has ended.
#[derive(Clone)]
pub struct Keep {
    start: Rc<dyn Fn(Task)>,
    /// What the event has to tell objects.
    outbox: Rc<Outbox<ObjectName>>,
}

thread_local! {
    /// What keeps the event alive whose future runs at the moment.
    static CURRENT: RefCell<Option<Keep>> = const { RefCell::new(None) };
}

impl Keep {
    /// Keeps a request alive, for some time also when the caller is gone.
    #[must_use]
    pub fn request(context: worker::Context) -> Self {
        Self::starting(move |task| context.wait_until(task))
    }

    /// Keeps an event of a schedule alive.
    #[must_use]
    pub fn schedule(context: worker::ScheduleContext) -> Self {
        Self::starting(move |task| context.wait_until(task))
    }

    fn starting(start: impl Fn(Task) + 'static) -> Self {
        Self { start: Rc::new(start), outbox: Rc::default() }
    }

    /// Runs a future as an event that ends with the last task that it has spawned: one that may take as long as the event of
    /// a queue, and not as long as what is left to do after a request.
    pub async fn whole<F: Future>(future: F) -> F::Output {
        let (start, mut started) = mpsc::unbounded_channel::<Task>();
        let keep = Self::starting(move |task| {
            // Whoever starts a task is polled below, so the receiver is there.
            let _ = start.send(task);
        });
        // The last sender is gone with the last task.
        let tasks = stream::poll_fn(move |context| started.poll_recv(context)).for_each_concurrent(None, |task| task);
        join(async move { keep.run(future).await }, tasks).await.0
    }

    /// Nothing has to be kept alive: the events of a Durable Object share all that they begin.
    #[must_use]
    pub fn object() -> Self {
        Self::starting(spawn_local::<Task>)
    }

    /// Runs a future as a part of the event. Tasks that it spawns belong to the event as well.
    ///
    /// What is awaited here is what the handler of the event promised the platform. The entry point has it keep the event
    /// alive, so it comes to its end also when the caller is gone: what it has locked is let go of.
    pub async fn run<F: Future>(&self, future: F) -> F::Output {
        self.within(pin!(future)).await
    }

    /// Starts a task as a part of the event.
    pub fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        self.start(Box::pin(task));
    }

    fn start(&self, task: Pin<Box<dyn Future<Output = ()>>>) {
        (self.start)(Box::pin(self.within(task).into_send()));
    }

    fn within<F>(&self, future: Pin<F>) -> Within<F> {
        Within { keep: self.clone(), future, bell: Bell::new(), rung: None }
    }
}

/// What keeps the event alive that is at work.
fn current() -> Keep {
    CURRENT.with_borrow(Clone::clone).unwrap_or_else(Keep::object)
}

/// What the event that is at work has to tell objects.
pub(crate) fn outbox() -> Rc<Outbox<ObjectName>> {
    current().outbox
}

/// Starts tasks that belong to the event which starts them, and keep it alive.
#[derive(Debug, Clone, Copy, Default)]
pub struct WorkerSpawner;

impl Spawner for WorkerSpawner {
    fn spawn(&self, task: Task) {
        current().start(task);
    }
}

struct Within<F> {
    keep: Keep,
    bell: Arc<Bell>,
    /// Settled once the bell was rung; none when the future has to be looked at.
    rung: Option<JsFuture>,
    future: Pin<F>,
}

impl<F: DerefMut<Target: Future>> Within<F> {
    fn run(&mut self) -> Poll<<F::Target as Future>::Output> {
        let outer = CURRENT.replace(Some(self.keep.clone()));
        let waker = Waker::from(self.bell.clone());
        let polled = self.future.as_mut().poll(&mut Context::from_waker(&waker));
        CURRENT.set(outer);
        polled
    }
}

impl<F: DerefMut<Target: Future> + Unpin> Future for Within<F> {
    type Output = <F::Target as Future>::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            if let Some(rung) = &mut self.rung {
                if Pin::new(rung).poll(context).is_pending() {
                    return Poll::Pending;
                }
                self.rung = None;
            }
            self.bell.take_down();
            if let Poll::Ready(output) = self.run() {
                return Poll::Ready(output);
            }
            self.rung = Some(JsFuture::from(self.bell.hang()));
        }
    }
}

/// Wakes a future by settling a promise.
struct Bell(SendWrapper<RefCell<Rope>>);

/// Whether the bell can be rung. Most futures are done when they are looked at, so it is hung only when one waits.
enum Rope {
    /// It does not hang, and nobody wanted to ring it.
    Down,
    /// It was rung, or somebody wanted to.
    Rung,
    /// It hangs, and rings with this.
    Hanging(Function),
}

impl Bell {
    fn new() -> Arc<Self> {
        Arc::new(Self(SendWrapper::new(RefCell::new(Rope::Down))))
    }

    /// From now on it is known whether anybody wants to ring it.
    fn take_down(&self) {
        self.0.replace(Rope::Down);
    }

    /// A promise that is settled when the bell is rung next, or already if somebody wanted to.
    fn hang(&self) -> Promise {
        if matches!(*self.0.borrow(), Rope::Rung) {
            return Promise::resolve(&JsValue::UNDEFINED);
        }
        Promise::new(&mut |resolve, _| {
            self.0.replace(Rope::Hanging(resolve));
        })
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        if let Rope::Hanging(ring) = self.0.replace(Rope::Rung) {
            // A promise takes whatever it is settled with, so this does not fail.
            let _ = ring.call1(&JsValue::UNDEFINED, &JsValue::UNDEFINED);
        }
    }
}
