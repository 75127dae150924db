//! The events of a Worker.

use portway_adapters_cloudflare::Keep;
use worker::wasm_bindgen::JsValue;
use worker::wasm_bindgen::prelude::wasm_bindgen;
use worker::{Context, Env, Result, ScheduleContext, ScheduledEvent, event, web_sys};

use crate::gateway::{Gateway, StartError, unavailable};
use crate::{console, forward, transfer, web};

/// The schedule on which is removed what nobody needs any more; on every other one, what is due is done.
const SWEEP: &str = "17 * * * *";

#[event(start)]
fn start() {
    portway_adapters_cloudflare::report_panics();
    console::begin();
}

#[event(fetch)]
async fn fetch(request: web_sys::Request, env: Env, context: Context) -> Result<worker::Response> {
    let answering = async move {
        let asked = web::parts(&request)?;
        let gateway = match Gateway::of_instance(&env).await {
            Ok(gateway) => gateway,
            Err(StartError::Transfer(key)) => {
                return web::response(transfer::answer(&key, &env, web::with_body(asked, &request)).await);
            }
            Err(error) => return web::response(unavailable(&error)),
        };
        // The schema is there before any object uses it.
        match forward::object_for(&asked) {
            Some(object) => forward::ask(&env, &object, request.into()).await,
            None => web::response(gateway.answer(web::with_body(asked, &request)).await),
        }
    };
    Keep::request(context).run(answering).await
}

#[event(scheduled)]
async fn scheduled(event: ScheduledEvent, env: Env, context: ScheduleContext) {
    let is_sweep = event.cron() == SWEEP;
    let work = async move {
        match Gateway::of_instance(&env).await {
            Ok(gateway) if is_sweep => gateway.sweep().await,
            Ok(gateway) => gateway.tick().await,
            Err(StartError::Transfer(_)) => {}
            Err(error) => tracing::error!(%error, "the gateway cannot be used"),
        }
    };
    Keep::schedule(context).run(work).await;
}

/// Does the work that was ordered. When that fails the platform begins another event. The macro of `worker` would end the
/// instance instead.
#[expect(unreachable_pub, reason = "JavaScript reaches it")]
#[wasm_bindgen(
    wasm_bindgen = worker::wasm_bindgen,
    wasm_bindgen_futures = worker::wasm_bindgen_futures,
    js_sys = worker::js_sys
)]
pub async fn queue(_batch: JsValue, env: Env, _context: JsValue) -> std::result::Result<(), JsValue> {
    let gateway = Keep::whole(Gateway::of_instance(&env)).await.map_err(|error| error.to_string())?;
    Ok(gateway.do_due_jobs().await.map_err(|error| error.to_string())?)
}
