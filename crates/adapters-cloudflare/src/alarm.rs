//! When a Durable Object wakes up by itself.

use std::cell::Cell;
use std::fmt;
use std::rc::Rc;

use portway_domain::time::Timestamp;
use worker::js_sys::Date;
use worker::send::SendWrapper;
use worker::wasm_bindgen::JsValue;
use worker::wasm_bindgen_futures::spawn_local;
use worker::{ScheduledTime, Storage};

/// The alarm of a Durable Object, for several reasons at once: it rings at the earliest of their times.
pub struct ObjectAlarm(SendWrapper<Inner>);

struct Inner {
    storage: Rc<Storage>,
    deadline: Cell<Option<Timestamp>>,
    look: Cell<Option<Timestamp>>,
    /// What the platform was told last.
    told: Cell<Option<Timestamp>>,
}

impl fmt::Debug for ObjectAlarm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObjectAlarm").finish_non_exhaustive()
    }
}

impl ObjectAlarm {
    /// The alarm of the object with that storage. One that is set already stays so until another is.
    #[must_use]
    pub fn new(storage: Storage) -> Self {
        let none = || Cell::new(None);
        Self(SendWrapper::new(Inner { storage: Rc::new(storage), deadline: none(), look: none(), told: none() }))
    }

    /// Rings when the session has to be asked again.
    pub fn at_deadline(&self, at: Option<Timestamp>) {
        self.0.deadline.set(at);
        self.0.tell();
    }

    /// Rings when open sockets have to be looked at.
    pub fn at_look(&self, at: Option<Timestamp>) {
        self.0.look.set(at);
        self.0.tell();
    }

    /// When open sockets have to be looked at, if that is known.
    #[must_use]
    pub fn look(&self) -> Option<Timestamp> {
        self.0.look.get()
    }

    /// It rang, and does not again unless it is set.
    pub fn rang(&self) {
        for time in [&self.0.deadline, &self.0.look, &self.0.told] {
            time.set(None);
        }
    }
}

impl Inner {
    fn tell(&self) {
        let at = [self.deadline.get(), self.look.get()].into_iter().flatten().min();
        if at == self.told.replace(at) {
            return;
        }
        let storage = self.storage.clone();
        spawn_local(async move {
            let told = match at {
                Some(at) => storage.set_alarm(time(at)).await,
                None => storage.delete_alarm().await,
            };
            if let Err(error) = told {
                tracing::warn!(%error, "the alarm of an object could not be set; the schedule finds what is due");
            }
        });
    }
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds since the epoch are far below 2^53")]
fn time(at: Timestamp) -> ScheduledTime {
    // Never before its time: what is asked too early is not due.
    ScheduledTime::new(Date::new(&JsValue::from_f64(at.as_millis().saturating_add(1) as f64)))
}
