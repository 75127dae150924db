//! The side of a caller's object.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use portway_domain::time::Timestamp;
use portway_ports::system::Clock;
use worker::wasm_bindgen_futures::spawn_local;
use worker::{Request, Response, Result};

use super::caller::LimitedCaller;
use super::message::Question;
use crate::clock::WorkerClock;
use crate::timer::Timer;

/// A bucket that is full so soon is full before its object is put away, for which the platform waits ten seconds.
const SOON: Duration = Duration::from_secs(5);

/// The Durable Object of one caller.
pub struct CallerObject {
    caller: RefCell<LimitedCaller>,
    clock: Rc<WorkerClock>,
    /// Until when a timer keeps it in memory, while one does. Objects with a timer are not put away, as long as it takes
    /// less than the 70 seconds after which every object may be.
    awake_until: Rc<Cell<Option<Timestamp>>>,
}

impl fmt::Debug for CallerObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallerObject").finish_non_exhaustive()
    }
}

impl Default for CallerObject {
    fn default() -> Self {
        Self::new()
    }
}

impl CallerObject {
    /// Of a caller who has all there is.
    #[must_use]
    pub fn new() -> Self {
        Self { caller: RefCell::default(), clock: Rc::new(WorkerClock::new()), awake_until: Rc::default() }
    }

    /// Answers an instance.
    ///
    /// # Errors
    /// Of the platform.
    pub async fn fetch(&self, mut request: Request) -> Result<Response> {
        let Some(question) = Question::read(&request.text().await?) else {
            return Response::error("it is not understood", 400);
        };
        let (answer, full_in) = self.caller.borrow_mut().answer(question);
        if full_in > SOON {
            self.stay_awake(full_in);
        }
        Response::ok(answer.write())
    }

    fn stay_awake(&self, span: Duration) {
        let until = self.clock.now().plus(span);
        let before = self.awake_until.get();
        self.awake_until.set(before.max(Some(until)));
        if before.is_some() {
            return;
        }
        let (clock, awake_until) = (self.clock.clone(), self.awake_until.clone());
        spawn_local(async move {
            while let Some(left) = awake_until.get().map(|end| end.since(clock.now())).filter(|left| !left.is_zero()) {
                Timer::new(left).await;
            }
            awake_until.set(None);
        });
    }
}
