//! Who watches a session: one broadcast channel, and one task for each socket.

use std::sync::Arc;

use axum::extract::ws::{Message, Utf8Bytes, WebSocket, WebSocketUpgrade};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use crate::{Answer, Floor, Refusal, caller};

/// Frames that wait for a slow watcher before it misses some.
const WAITING: usize = 1_024;

/// What each socket begins with.
const BUFFER_BYTES: usize = 1024;

/// Everybody who watches. All sessions share it: the benchmarks watch one.
#[derive(Clone)]
pub(crate) struct Watchers(broadcast::Sender<Utf8Bytes>);

impl Watchers {
    pub(crate) fn new() -> Self {
        Self(broadcast::channel(WAITING).0)
    }
}

pub(crate) async fn watch(
    State(floor): State<Arc<Floor>>,
    Extension(watchers): Extension<Watchers>,
    Path(session): Path<String>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Answer<Response> {
    let caller = caller(&floor, &headers)?;
    if !floor.database.owns(&caller, &session)? {
        return Err(Refusal(StatusCode::NOT_FOUND));
    }
    let frames = watchers.0.subscribe();
    // As small as the gateway's: the default buffer is cleared for each read, which costs more than the frame.
    let upgrade = upgrade.read_buffer_size(BUFFER_BYTES).write_buffer_size(BUFFER_BYTES);
    Ok(upgrade.on_upgrade(move |socket| async move {
        // The peer being gone is the ordinary end.
        let _ = tell(socket, frames).await;
    }))
}

async fn tell(mut socket: WebSocket, mut frames: broadcast::Receiver<Utf8Bytes>) -> Result<(), axum::Error> {
    socket.send(Message::Text(r#"{"type":"init"}"#.into())).await?;
    loop {
        tokio::select! {
            incoming = socket.recv() => if incoming.is_none() { return Ok(()) },
            frame = frames.recv() => match frame {
                Ok(text) => socket.send(Message::Text(text)).await?,
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return Ok(()),
            },
        }
    }
}

#[derive(Deserialize)]
pub(crate) struct Rename {
    title: String,
}

#[derive(Serialize)]
struct TitleFrame<'a> {
    r#type: &'static str,
    title: &'a str,
}

#[derive(Serialize)]
pub(crate) struct Renamed {
    success: bool,
}

pub(crate) async fn rename(
    State(floor): State<Arc<Floor>>,
    Extension(watchers): Extension<Watchers>,
    Path(session): Path<String>,
    headers: HeaderMap,
    Json(rename): Json<Rename>,
) -> Answer<Json<Renamed>> {
    let caller = caller(&floor, &headers)?;
    if !floor.database.owns(&caller, &session)? {
        return Err(Refusal(StatusCode::NOT_FOUND));
    }
    let failed = || Refusal(StatusCode::INTERNAL_SERVER_ERROR);
    let frame = TitleFrame { r#type: "title", title: &rename.title };
    let frame = serde_json::to_string(&frame).map_err(|_| failed())?;
    if !floor.writer.rename(session, rename.title).await {
        return Err(failed());
    }
    // Nobody watching is no failure.
    let _ = watchers.0.send(frame.into());
    Ok(Json(Renamed { success: true }))
}
