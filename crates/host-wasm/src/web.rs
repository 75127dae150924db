//! Requests and answers, between the platform and the router.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use axum::body::{Body, HttpBody};
use axum::response::Response;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::header::CONTENT_LENGTH;
use http::request::Parts;
use http::{HeaderMap, Request};
use worker::js_sys::Uint8Array;
use worker::send::IntoSendFuture;
use worker::wasm_bindgen::prelude::{JsValue, wasm_bindgen};
use worker::wasm_bindgen_futures::JsFuture;
use worker::{Error, Headers, IntoResponse, Method, RequestInit, Result, WebSocket, web_sys};

/// A body up to this size is taken in one piece, in bytes. For larger ones the router decides how much it takes.
const MAX_PIECE: u64 = 1024 * 1024;

#[wasm_bindgen(wasm_bindgen = worker::wasm_bindgen, module = "/src/web.js")]
extern "C" {
    fn head(request: &web_sys::Request) -> String;
    #[wasm_bindgen(catch)]
    fn respond(status: u16, head: &str, body: &[u8]) -> Result<web_sys::Response, JsValue>;
}

/// What a request asks for. Its body is left to whoever answers it: see [`with_body`].
///
/// # Errors
/// Of a request that is none of HTTP.
pub(crate) fn parts(request: &web_sys::Request) -> Result<Parts> {
    let head = head(request);
    let mut lines = head.split('\n');
    let mut line = || lines.next().unwrap_or_default();
    let mut builder = Request::builder().method(line()).uri(line());
    while let (Some(name), Some(value)) = (lines.next(), lines.next()) {
        builder = builder.header(name, value);
    }
    let request = builder.body(()).map_err(|error| Error::RustError(error.to_string()))?;
    Ok(request.into_parts().0)
}

/// The request as the router takes it.
pub(crate) fn with_body(parts: Parts, request: &web_sys::Request) -> Request<Body> {
    let body = match length(&parts.headers) {
        _ if parts.method.is_safe() => Body::empty(),
        Some(0) => Body::empty(),
        Some(length) if length <= MAX_PIECE => piece(Clone::clone(request)),
        _ => request.body().map_or_else(Body::empty, |stream| Body::new(worker::Body::new(stream))),
    };
    Request::from_parts(parts, body)
}

fn length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// The body in one piece.
fn piece(request: web_sys::Request) -> Body {
    let read = async move {
        let failed = |error| Error::Internal(error);
        let buffer = JsFuture::from(request.array_buffer().map_err(failed)?).await.map_err(failed)?;
        Ok::<_, Error>(Bytes::from(Uint8Array::new(&buffer).to_vec()))
    };
    Body::from_stream(stream::once(read.into_send()))
}

/// A request as the platform takes it.
///
/// # Errors
/// Of the platform.
pub(crate) fn request(parts: &Parts, body: String) -> Result<worker::Request> {
    let headers = Headers::new();
    for (name, value) in &parts.headers {
        if let Ok(value) = value.to_str() {
            headers.append(name.as_str(), value)?;
        }
    }
    let mut init = RequestInit::new();
    init.with_method(Method::from(parts.method.to_string())).with_headers(headers).with_body(Some(body.into()));
    worker::Request::new_with_init(&parts.uri.to_string(), &init)
}

/// The answer as the platform takes it.
///
/// # Errors
/// Of the platform.
pub(crate) fn response(mut response: Response) -> Result<worker::Response> {
    if response.extensions().get::<WebSocket>().is_none()
        && let Some(body) = whole(response.body_mut())
    {
        let (status, head) = (response.status().as_u16(), lines(response.headers()));
        return respond(status, &head, &body).map(Into::into).map_err(Error::Internal);
    }
    let raw = response.into_raw().map_err(|error| {
        let error: Box<dyn std::error::Error> = error.into();
        Error::RustError(error.to_string())
    })?;
    Ok(raw.into())
}

/// Headers as pairs of lines. What is no text is left out: no platform of the web has such values.
fn lines(headers: &HeaderMap) -> String {
    let mut text = String::with_capacity(64 * headers.len());
    for (name, value) in headers {
        if let Ok(value) = value.to_str() {
            text.extend([name.as_str(), "\n", value, "\n"]);
        }
    }
    text
}

/// The body, if all of it is there already; otherwise it is as it was.
fn whole(body: &mut Body) -> Option<Bytes> {
    if body.is_end_stream() {
        return Some(Bytes::new());
    }
    let first = match Pin::new(&mut *body).poll_frame(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Some(first)) => first.map(|frame| frame.into_data().unwrap_or_default()),
        Poll::Ready(None) => return Some(Bytes::new()),
        Poll::Pending => return None,
    };
    match first {
        Ok(first) if body.is_end_stream() => Some(first),
        first => {
            let rest = std::mem::take(body).into_data_stream();
            *body = Body::from_stream(stream::once(async { first }).chain(rest));
            None
        }
    }
}
