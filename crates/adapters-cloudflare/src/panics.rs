//! What becomes of a panic.

use std::panic;

use worker::js_sys::{Reflect, global};
use worker::wasm_bindgen::JsValue;

/// Where the entry point of a Worker finds the message.
const NAME: &str = "portwayPanic";

/// Leaves the message of a panic where the entry point of the Worker finds it. It ends the requests that are running
/// with that message, because the broken module cannot answer them any more.
pub fn report_panics() {
    let next = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        let message = JsValue::from_str(&info.to_string());
        // Nobody is left who could be told that this failed.
        let _ = Reflect::set(&global(), &JsValue::from_str(NAME), &message);
        next(info);
    }));
}
