//! How an answer is sent: by itself, or at the end of an event stream.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures_util::future::{BoxFuture, Either, select};
use futures_util::stream::unfold;
use futures_util::{FutureExt, Stream};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, StatusCode};
use portway_ports::system::Clock;
use tokio::sync::mpsc::UnboundedReceiver;

use crate::error::ApiError;
use crate::mcp::McpError;
use crate::rest::serve::content;

/// After so much silence a comment is sent, which keeps proxies from closing the connection.
const HEARTBEAT: Duration = Duration::from_secs(30);

/// What is answered to a request.
pub(super) enum Answer {
    /// A message, whose status counts if nothing came before.
    Message { status: StatusCode, text: String },
    /// What REST would answer, if nothing came before.
    Refused { id: String, request_id: String, error: ApiError },
}

impl Answer {
    pub(super) fn result(id: &str, result: &str) -> Self {
        Self::Message { status: StatusCode::OK, text: format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#) }
    }

    fn into_text(self) -> String {
        match self {
            Self::Message { text, .. } => text,
            Self::Refused { id, request_id, error } => McpError::of_api(&error, &request_id).text(&id),
        }
    }
}

/// An answer that is being made, and what is sent before it.
struct Making {
    work: BoxFuture<'static, Answer>,
    messages: UnboundedReceiver<String>,
    clock: Arc<dyn Clock>,
}

enum Step {
    Message(String),
    Done(Answer),
}

impl Making {
    async fn next(&mut self) -> Step {
        let message = self.messages.recv().then(|message| async {
            match message {
                Some(message) => message,
                // Nobody can send any more; the answer is still to come.
                None => std::future::pending().await,
            }
        });
        match select(pin!(message), &mut self.work).await {
            Either::Left((message, _)) => Step::Message(message),
            Either::Right((answer, _)) => Step::Done(answer),
        }
    }

    /// The same; `None` after some silence.
    async fn next_or_silence(&mut self) -> Option<Step> {
        let clock = Arc::clone(&self.clock);
        match select(pin!(self.next()), clock.sleep(HEARTBEAT)).await {
            Either::Left((step, _)) => Some(step),
            Either::Right(_) => None,
        }
    }

    /// What was sent and not taken yet.
    fn rest(&mut self) -> String {
        let mut events = String::new();
        while let Ok(message) = self.messages.try_recv() {
            events.push_str(&event(&message));
        }
        events
    }
}

/// The response to a request that `work` answers.
///
/// # Errors
/// What REST would answer, if nothing comes before.
pub(super) async fn respond(
    work: BoxFuture<'static, Answer>,
    messages: UnboundedReceiver<String>,
    clock: Arc<dyn Clock>,
) -> Result<Response, ApiError> {
    let mut making = Making { work, messages, clock };
    let first = match making.next().await {
        Step::Message(message) => event(&message),
        Step::Done(answer) => {
            let before = making.rest();
            return match answer {
                answer if !before.is_empty() => Ok(events(once(before + &event(&answer.into_text())))),
                Answer::Message { status, text } => Ok(content(status, "application/json", text.into())),
                Answer::Refused { error, .. } => Err(error),
            };
        }
    };
    Ok(events(unfold(Some((Some(first), making)), |state| async move {
        let (first, mut making) = state?;
        if let Some(first) = first {
            return Some((Ok(Bytes::from(first)), Some((None, making))));
        }
        let (text, goes_on) = match making.next_or_silence().await {
            None => (":\n\n".to_owned(), true),
            Some(Step::Message(message)) => (event(&message), true),
            Some(Step::Done(answer)) => (making.rest() + &event(&answer.into_text()), false),
        };
        Some((Ok(Bytes::from(text)), goes_on.then_some((None, making))))
    })))
}

fn once(text: String) -> impl Stream<Item = Result<Bytes, Infallible>> + Send + 'static {
    futures_util::stream::once(async move { Ok(Bytes::from(text)) })
}

/// A response that is an event stream.
pub(super) fn events(stream: impl Stream<Item = Result<Bytes, Infallible>> + Send + 'static) -> Response {
    let mut response = Response::new(Body::from_stream(stream));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    // Some proxies keep what they are not told to pass on.
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    response
}

/// A message, which is JSON on one line, as an event.
pub(super) fn event(message: &str) -> String {
    format!("event: message\ndata: {message}\n\n")
}
