//! What a Worker does while its database is copied: `portway db` asks it from another machine, and nobody else is served.

use axum::body::Body;
use axum::response::Response;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method, Request};
use portway_adapters_cloudflare::{D1Database, WorkerClock, WorkerEntropy};
use portway_api::{ApiError, ErrorCode};
use portway_domain::tokens::TokenHash;
use portway_ports::system::{Clock, Entropy};
use portway_sql::archive::up_to;
use portway_sql::driver::SqlError;
use portway_sql::migrations::{MigrateError, SQLITE};
use portway_sql::remote::{self, Call, Reply};
use worker::Env;

use crate::gateway::DATABASE;

/// Most bytes of a call: a page, or a row that is larger.
const MAX_CALL_BYTES: usize = 16 * 1024 * 1024;

/// When callers of the gateway should try again, in seconds.
const RETRY_AFTER: u32 = 60;

/// Answers a request while there is that key.
pub(crate) async fn answer(key: &TokenHash, env: &Env, request: Request<Body>) -> Response {
    match reply(key, env, request).await {
        Ok(text) => {
            let mut response = Response::new(Body::from(text));
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            response
        }
        Err(error) => error.into_response(&WorkerEntropy.ids(WorkerClock::new().now()).draw_text()),
    }
}

async fn reply(key: &TokenHash, env: &Env, request: Request<Body>) -> Result<String, ApiError> {
    if request.method() != Method::POST || request.uri().path() != remote::PATH {
        let message = "The database is being copied. Its administrator removes PORTWAY_TRANSFER_KEY once that is done";
        return Err(ApiError::new(ErrorCode::Unavailable, message).with_retry_after(RETRY_AFTER));
    }
    let given = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    if given.map(TokenHash::of).as_ref() != Some(key) {
        return Err(ApiError::unauthorized());
    }
    let body = portway_api::read_body(request.into_body(), MAX_CALL_BYTES).await?;
    let text = std::str::from_utf8(&body).map_err(|_| ApiError::invalid_request("the call is no text"))?;
    let call = serde_json::from_str(text).map_err(|error| ApiError::invalid_request(format!("no call: {error}")))?;
    let database = env.d1(DATABASE).map(D1Database::new).map_err(|error| ApiError::internal(error.to_string()))?;
    let reply = match call {
        Call::Migrate { to } => migrate(&database, to).await,
        call => remote::answer(&database, call).await,
    };
    serde_json::to_string(&reply).map_err(|error| ApiError::internal(error.to_string()))
}

async fn migrate(database: &D1Database, to: u32) -> Reply {
    match database.migrate(up_to(SQLITE, to)).await {
        Ok(count) => Reply::Migrated { count },
        Err(MigrateError::Database(error)) => error.into(),
        Err(refused) => SqlError::Rejected(refused.to_string()).into(),
    }
}
