//! One connection, from its first byte to its last.

use std::convert::Infallible;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::StatusCode;
use axum::response::Response;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::Watcher;
use portway_api::{ApiError, Refused};
use tokio::net::TcpStream;
use tower::Service;

use crate::lingering::Lingering;
use crate::peer::Via;
use crate::wire::{Turn, Wire};

/// How long a peer may take to send the head of a request.
const HEADERS: Duration = Duration::from_secs(10);

/// Most bytes of the head of a request, and so of its URI and of all its headers together.
const HEAD_BYTES: usize = 64 * 1024;

/// Most headers of a request. It is what hyper takes by itself, for which it needs no memory of its own.
const HEADERS_COUNT: usize = 100;

/// How long a peer may take to receive why its request was refused.
const REFUSAL: Duration = Duration::from_secs(5);

/// What stands for a request that could not be read. Nothing follows it.
const UNREAD: &[u8] = b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n";

/// Serves a connection to its end, or until it became a socket.
pub(crate) async fn serve(stream: TcpStream, via: Via, router: Router, watcher: Watcher) {
    let address = via.peer;
    let _ = stream.set_nodelay(true);
    let turn = Arc::new(Turn::default());
    let (wire, mut back) = Wire::new(Lingering::new(stream), Arc::clone(&turn));
    let connection = {
        let (turn, router) = (Arc::clone(&turn), router.clone());
        let service = service_fn(move |mut request: Request<Incoming>| {
            turn.begin(request.version());
            let peer = via.caller(request.headers());
            request.extensions_mut().insert(peer);
            let (turn, response) = (Arc::clone(&turn), respond(router.clone(), request.map(Body::new)));
            async move { Ok::<_, Infallible>(turn.watch(response.await)) }
        });
        builder().serve_connection_with_upgrades(TokioIo::new(wire), service).into_owned()
    };
    let ended = tokio::select! {
        ended = watcher.watch(connection) => ended,
        () = overdue(&turn) => Err(TooSlow.into()),
    };
    let Err(error) = ended else { return };
    let Some(error) = refusal(&*error, &turn) else {
        // Peers that vanish are the ordinary weather of a network.
        tracing::debug!(peer = %address, %error, "a connection ended early");
        return;
    };
    let refused = move || {
        let mut request = Request::new(Body::empty());
        request.extensions_mut().insert(Refused { error: error.clone(), peer: address });
        respond(router.clone(), request)
    };
    match back.try_recv() {
        Ok(stream) if turn.is_listening() => answer(stream, refused).await,
        _ => drop(refused().await),
    }
}

fn builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEADERS).max_buf_size(HEAD_BYTES);
    builder.http2().timer(TokioTimer::new()).max_header_list_size(HEAD_BYTES as u32);
    builder
}

async fn respond(mut router: Router, request: Request<Body>) -> Response {
    router.call(request).await.unwrap_or_else(|never| match never {})
}

/// The first request did not come in time.
#[derive(Debug, thiserror::Error)]
#[error("no request came within {} seconds", HEADERS.as_secs())]
struct TooSlow;

/// Ends if the first request does not come in time. Until hyper knows the version of HTTP, it does not look at the
/// clock.
async fn overdue(turn: &Turn) {
    tokio::time::sleep(HEADERS).await;
    if turn.has_begun() {
        std::future::pending::<()>().await;
    }
}

/// What the peer is told when a connection ended because of its request; `None` if it ended for another reason.
fn refusal(error: &(dyn Error + Send + Sync + 'static), turn: &Turn) -> Option<ApiError> {
    let hyper = error.downcast_ref::<hyper::Error>();
    let refuse = |status, message: String| Some(ApiError::invalid_request(message).with_status(status));
    if hyper.is_some_and(hyper::Error::is_parse_too_large) {
        let message = format!(
            "the head of the request is larger than {HEAD_BYTES} bytes or has more than {HEADERS_COUNT} headers"
        );
        return refuse(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, message);
    }
    if let Some(error) = hyper.filter(|error| error.is_parse()) {
        return refuse(StatusCode::BAD_REQUEST, format!("the request is not valid HTTP: {error}"));
    }
    let is_late = error.is::<TooSlow>() || hyper.is_some_and(hyper::Error::is_timeout);
    // A peer that has said nothing may be keeping a connection for later.
    if is_late && turn.has_heard() {
        let message = format!("the head of the request did not arrive within {} seconds", HEADERS.as_secs());
        return refuse(StatusCode::REQUEST_TIMEOUT, message);
    }
    None
}

/// Writes a response to a peer whose request could not be read, in the way of every other one.
async fn answer<F: Future<Output = Response>>(stream: Lingering, response: impl Fn() -> F) {
    let service = service_fn(|_: Request<Incoming>| {
        let response = response();
        async move { Ok::<_, Infallible>(response.await) }
    });
    let stream = TokioIo::new(tokio::io::join(UNREAD, stream));
    // Half closed is what this connection always is: its peer is not read from.
    let connection = http1::Builder::new().half_close(true).serve_connection(stream, service);
    let _ = tokio::time::timeout(REFUSAL, connection).await;
}
