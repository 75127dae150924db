//! One line in the log for each request.

use std::net::SocketAddr;
use std::time::Duration;

use axum::body::HttpBody;
use axum::response::Response;
use http::request::Parts;
use http::{Method, StatusCode, Uri};
use portway_services::context::{CallerSlot, Context};

use super::draw::Draw;
use crate::refused::Refused;
use crate::row::Row;

/// Longest path that is logged whole, in bytes.
const MAX_PATH_BYTES: usize = 256;

/// A request that is being answered: what its line will say. Queries may carry tokens, so they are left out.
pub(super) struct Visit<'a> {
    row: Option<&'a Row>,
    asked: Asked,
    caller: CallerSlot,
}

/// What is known of the request itself.
enum Asked {
    /// What it asks for.
    For(Method, Uri),
    /// Only who sent it, since it could not be read.
    By(SocketAddr),
}

impl<'a> Visit<'a> {
    pub(super) fn begin(row: Option<&'a Row>, parts: &Parts, draw: &Draw) -> Self {
        let asked = match parts.extensions.get::<Refused>() {
            Some(refused) => Asked::By(refused.peer),
            None => Asked::For(parts.method.clone(), parts.uri.clone()),
        };
        Self { row, asked, caller: draw.caller.clone() }
    }

    /// Writes the line.
    pub(super) fn log(&self, request_id: &str, response: &Response, duration: Duration) {
        let (method, path, peer) = match &self.asked {
            Asked::For(method, uri) => (Some(method.as_str()), Some(shortened(uri.path())), None),
            Asked::By(peer) => (None, None, Some(tracing::field::display(peer))),
        };
        macro_rules! line {
            ($level:expr) => {
                tracing::event!(
                    target: "portway::access",
                    $level,
                    request_id,
                    method,
                    path,
                    peer,
                    route = self.row.map(|row| row.name),
                    status = response.status().as_u16(),
                    duration_ms = duration.as_micros() as f64 / 1_000.0,
                    caller = self.caller.get().map(|user| user.as_str()),
                    bytes = response.body().size_hint().exact(),
                    "request"
                )
            };
        }
        if self.row.is_some_and(|row| row.quiet) {
            line!(tracing::Level::DEBUG);
        } else {
            line!(tracing::Level::INFO);
        }
    }
}

/// A call that came on another surface than REST, perhaps with others in one request, which has a line of its own.
pub(super) struct CallVisit<'a> {
    row: &'a Row,
    request_id: String,
    caller: CallerSlot,
}

impl<'a> CallVisit<'a> {
    pub(super) fn begin(row: &'a Row, context: &Context) -> Self {
        Self { row, request_id: context.request_id.clone(), caller: context.caller.clone() }
    }

    /// Writes the line.
    pub(super) fn log(&self, status: StatusCode, duration: Duration) {
        tracing::info!(
            target: "portway::access",
            request_id = self.request_id,
            route = self.row.name,
            status = status.as_u16(),
            duration_ms = duration.as_micros() as f64 / 1_000.0,
            caller = self.caller.get().map(|user| user.as_str()),
            "call"
        );
    }
}

fn shortened(path: &str) -> &str {
    let mut end = path.len().min(MAX_PATH_BYTES);
    while !path.is_char_boundary(end) {
        end -= 1;
    }
    &path[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_paths_are_cut_between_characters() {
        assert_eq!(shortened("/a"), "/a");
        let long = format!("/{}", "ü".repeat(MAX_PATH_BYTES));
        assert_eq!(shortened(&long).len(), MAX_PATH_BYTES - 1);
    }
}
