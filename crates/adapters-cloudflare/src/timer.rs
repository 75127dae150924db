//! Time that passes.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use worker::js_sys::{Function, Reflect, global};
use worker::wasm_bindgen::prelude::Closure;
use worker::wasm_bindgen::{JsCast, JsValue};

/// Is done after a time.
///
/// It may be dropped anywhere, unlike [`worker::Delay`]: where no event is dealt with, such as when the peer of a stream is
/// gone, the platform refuses to take a timer back, and that ends the instance of the module there.
pub(crate) struct Timer {
    span: Duration,
    set: Option<Set>,
}

/// A timer of the platform.
struct Set {
    id: JsValue,
    end: Rc<End>,
    callback: Closure<dyn FnMut()>,
}

#[derive(Default)]
struct End {
    has_come: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

impl Timer {
    pub(crate) fn new(span: Duration) -> Self {
        Self { span, set: None }
    }
}

impl Future for Timer {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let span = self.span;
        let set = self.set.get_or_insert_with(|| Set::begin(span));
        if set.end.has_come.get() {
            return Poll::Ready(());
        }
        *set.end.waker.borrow_mut() = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        if let Some(set) = self.set.take().filter(|set| !set.end.has_come.get())
            && call("clearTimeout", &[&set.id]).is_err()
        {
            set.end.waker.take();
            // The platform calls it all the same.
            set.callback.forget();
        }
    }
}

impl Set {
    fn begin(span: Duration) -> Self {
        let end = Rc::new(End::default());
        let called = Rc::clone(&end);
        let callback = Closure::wrap_assert_unwind_safe(Box::new(move || {
            called.has_come.set(true);
            if let Some(waker) = called.waker.take() {
                waker.wake();
            }
        }) as Box<dyn FnMut()>);
        let millis = i32::try_from(span.as_millis()).unwrap_or(i32::MAX);
        let id = call("setTimeout", &[callback.as_ref(), &JsValue::from(millis)]).unwrap_or_else(|error| {
            tracing::error!(?error, "no timer can be set");
            JsValue::UNDEFINED
        });
        Self { id, end, callback }
    }
}

/// Calls a global function of the platform.
fn call(name: &str, arguments: &[&JsValue]) -> Result<JsValue, JsValue> {
    let function: Function = Reflect::get(&global(), &JsValue::from_str(name))?.dyn_into()?;
    function.apply(&JsValue::UNDEFINED, &arguments.iter().copied().collect())
}
