//! The Durable Objects of callers whose requests are counted.

use portway_adapters_cloudflare::CallerObject;
use worker::{DurableObject, Env, Request, Response, Result, State, durable_object, wasm_bindgen};

/// Binding of their class.
pub(crate) const CALLERS: &str = "CALLERS";

/// The object of a caller, as in the gateway.
#[durable_object(fetch)]
pub struct Callers(CallerObject);

impl DurableObject for Callers {
    fn new(_: State, _: Env) -> Self {
        Self(CallerObject::new())
    }

    async fn fetch(&self, request: Request) -> Result<Response> {
        self.0.fetch(request).await
    }
}
