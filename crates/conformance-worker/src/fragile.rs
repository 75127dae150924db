//! A Durable Object that breaks down when it is asked to.
#![expect(missing_docs, reason = "what the macro makes of a class has no documentation")]

use worker::{DurableObject, Env, Request, Response, Result, State, durable_object, wasm_bindgen};

use crate::trials::break_down;

/// The binding of the class.
pub(crate) const BINDING: &str = "FRAGILE";

/// A path that is answered.
pub(crate) const FINE: &str = "/fine";

/// A path that breaks the module.
pub(crate) const PANIC: &str = "/panic";

/// Answers, or breaks down.
#[durable_object(fetch)]
pub struct Fragile;

impl DurableObject for Fragile {
    fn new(_: State, _: Env) -> Self {
        Self
    }

    async fn fetch(&self, request: Request) -> Result<Response> {
        if request.path() == PANIC {
            break_down();
        }
        Response::ok("fine")
    }
}
