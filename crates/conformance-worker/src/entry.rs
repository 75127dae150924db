//! Requests and answers.

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
async fn fetch(mut request: Request, env: Env, _: Context) -> Result<Response> {
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
