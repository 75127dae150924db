//! Requests and answers.

use portway_adapters_cloudflare::Keep;
use serde::{Deserialize, Serialize};
use worker::{Context, Env, Method, Request, Response, Result, event};

use crate::trials;

/// Which trial to run, on which database.
#[derive(Deserialize)]
struct Run {
    trial: String,
    /// Name of the binding.
    database: String,
}

/// How a trial ended.
#[derive(Serialize)]
struct Answer {
    /// What was expected, what was found and where; `None` when the trial passed.
    failure: Option<String>,
}

#[event(start)]
fn start() {
    portway_adapters_cloudflare::report_panics();
}

#[event(fetch)]
async fn fetch(request: Request, env: Env, context: Context) -> Result<Response> {
    Keep::request(context).run(answer(request, env)).await
}

async fn answer(mut request: Request, env: Env) -> Result<Response> {
    match request.method() {
        Method::Get => Response::from_json(&trials::names()),
        Method::Post => {
            let run: Run = request.json().await?;
            let outcome = trials::run(&run.trial, env, run.database).await;
            Response::from_json(&Answer { failure: outcome.err().map(|failure| failure.to_string()) })
        }
        _ => Response::error("GET lists the trials, POST runs one", 405),
    }
}
