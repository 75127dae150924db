//! The events of a Worker.

use axum::body::Body;
use axum::response::Response;
use portway_adapters_cloudflare::Keep;
use worker::{Context, Env, HttpRequest, IntoResponse, Result, ScheduleContext, ScheduledEvent, event};

use crate::gateway::{Gateway, unavailable};
use crate::{console, forward};

/// The schedule on which attachments are looked for that nothing refers to; on every other one, what is due is done.
const SWEEP: &str = "17 * * * *";

#[event(start)]
fn start() {
    portway_adapters_cloudflare::report_panics();
    console::begin();
}

#[event(fetch)]
async fn fetch(request: worker::Request, env: Env, context: Context) -> Result<worker::Response> {
    if let Some(object) = forward::object_for(&request) {
        // The schema is there before any object uses it.
        return match Gateway::of_instance(&env).await {
            Ok(_) => forward::ask(&env, &object, request).await,
            Err(error) => response(unavailable(&error)),
        };
    }
    let request = HttpRequest::try_from(request)?;
    let answer = async move {
        match Gateway::of_instance(&env).await {
            Ok(gateway) => gateway.answer(request.map(Body::new)).await,
            Err(error) => unavailable(&error),
        }
    };
    let answer = Keep::request(context).run(answer).await;
    response(answer.map_err(|ended| worker::Error::RustError(ended.to_string()))?)
}

/// The response as the platform takes it.
pub(crate) fn response(response: Response) -> Result<worker::Response> {
    let raw = response.into_raw().map_err(|error| {
        let error: Box<dyn std::error::Error> = error.into();
        worker::Error::RustError(error.to_string())
    })?;
    Ok(raw.into())
}

#[event(scheduled)]
async fn scheduled(event: ScheduledEvent, env: Env, context: ScheduleContext) {
    let is_sweep = event.cron() == SWEEP;
    let work = async move {
        match Gateway::of_instance(&env).await {
            Ok(gateway) if is_sweep => gateway.sweep().await,
            Ok(gateway) => gateway.tick().await,
            Err(error) => tracing::error!(%error, "the gateway cannot be used"),
        }
    };
    if let Err(error) = Keep::schedule(context).run(work).await {
        tracing::error!(%error, "what is due was not done to its end");
    }
}
