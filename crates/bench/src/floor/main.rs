//! The floor: the least that a server in Rust can do for the same answers. Axum on tokio, rusqlite, prepared statements,
//! one lookup of the token by its hash. No access log, no limits, no request ids, no security headers, no services.
//!
//! Reads run on the thread that took the request, on a connection of its own. Inserts go to one thread that commits
//! each of them alone, on disk before it is answered.

mod database;
mod views;
mod watch;
mod writer;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use clap::Parser;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::database::{Caller, Database, hex};
use crate::views::{Accepted, Health, NewKey, timestamp};
use crate::watch::Watchers;
use crate::writer::{Key, Said, Writer};

/// Rows of a page unless the request says otherwise.
const PAGE: u32 = 20;

#[derive(Parser)]
struct Arguments {
    /// A database that the gateway made.
    #[arg(long)]
    database: PathBuf,
    /// Address to listen on.
    #[arg(long)]
    listen: SocketAddr,
}

struct Floor {
    database: Database,
    writer: Writer,
}

/// Whatever goes wrong is a status without a body.
struct Refusal(StatusCode);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        self.0.into_response()
    }
}

impl From<rusqlite::Error> for Refusal {
    fn from(_: rusqlite::Error) -> Self {
        Self(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

type Answer<T> = Result<T, Refusal>;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments = Arguments::parse();
    let writer = Writer::start(&arguments.database)?;
    let floor = Arc::new(Floor { database: Database::new(arguments.database), writer });
    let router = Router::new()
        .route("/health", get(health))
        .route("/api/sessions", get(list))
        .route("/api/sessions/{id}", get(one).patch(watch::rename))
        .route("/api/sessions/{id}/ws", get(watch::watch))
        .route("/api/sessions/{id}/messages", post(say))
        .route("/api/api-keys", post(create_key))
        .layer(Extension(Watchers::new()))
        .with_state(floor);
    let listener = tokio::net::TcpListener::bind(arguments.listen).await?;
    axum::serve(listener, router).await?;
    Ok(())
}

fn caller(floor: &Floor, headers: &HeaderMap) -> Answer<Caller> {
    let header = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = header.and_then(|value| value.strip_prefix("Bearer ")).ok_or(Refusal(StatusCode::UNAUTHORIZED))?;
    let digits = hex(&Sha256::digest(token.as_bytes()));
    // A key begins with the time at which it was made, and so does its hash.
    let time = token.get(8..20).ok_or(Refusal(StatusCode::UNAUTHORIZED))?;
    floor.database.caller(&format!("{time}{}", &digits[12..]))?.ok_or(Refusal(StatusCode::UNAUTHORIZED))
}

async fn health() -> Json<Health> {
    Json(Health { status: "ok", timestamp: timestamp(jiff::Timestamp::now().as_microsecond()) })
}

#[derive(Deserialize)]
struct Page {
    limit: Option<u32>,
}

async fn list(State(floor): State<Arc<Floor>>, Query(page): Query<Page>, headers: HeaderMap) -> Answer<Response> {
    let caller = caller(&floor, &headers)?;
    let page = floor.database.sessions(&caller, page.limit.unwrap_or(PAGE).clamp(1, 100))?;
    Ok(Json(page).into_response())
}

async fn one(State(floor): State<Arc<Floor>>, Path(id): Path<String>, headers: HeaderMap) -> Answer<Response> {
    let caller = caller(&floor, &headers)?;
    let found = floor.database.session(&caller, &id)?;
    Ok(Json(found.ok_or(Refusal(StatusCode::NOT_FOUND))?).into_response())
}

#[derive(Deserialize)]
struct CreateKey {
    name: String,
}

async fn create_key(
    State(floor): State<Arc<Floor>>,
    headers: HeaderMap,
    Json(wanted): Json<CreateKey>,
) -> Answer<Response> {
    let caller = caller(&floor, &headers)?;
    let failed = || Refusal(StatusCode::INTERNAL_SERVER_ERROR);
    let key = Key::new(caller.user, wanted.name).ok_or_else(failed)?;
    let view = NewKey::of(&key);
    if !floor.writer.insert(key).await {
        return Err(failed());
    }
    Ok((StatusCode::CREATED, Json(view)).into_response())
}

#[derive(Deserialize)]
struct Prompt {
    content: String,
}

async fn say(
    State(floor): State<Arc<Floor>>,
    Path(session): Path<String>,
    headers: HeaderMap,
    Json(prompt): Json<Prompt>,
) -> Answer<Response> {
    let caller = caller(&floor, &headers)?;
    if !floor.database.owns(&caller, &session)? {
        return Err(Refusal(StatusCode::NOT_FOUND));
    }
    let failed = || Refusal(StatusCode::INTERNAL_SERVER_ERROR);
    let message = Said::new(session, caller.user, prompt.content).ok_or_else(failed)?;
    let answer = Accepted { success: true, message_id: message.id.clone() };
    if !floor.writer.say(message).await {
        return Err(failed());
    }
    Ok(Json(answer).into_response())
}
