//! Bodies, read up to a limit and within a time.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, HttpBody};
use bytes::{Bytes, BytesMut};
use futures_util::future::BoxFuture;
use http::StatusCode;
use http_body::{Frame, SizeHint};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use portway_ports::system::Clock;

use crate::error::ApiError;

/// Collects a body of at most `limit` bytes. The limit is enforced while reading, whatever `Content-Length` says.
///
/// # Errors
/// `PAYLOAD_TOO_LARGE` past the limit; `INVALID_REQUEST` when the body cannot be read to its end, with status 408 when
/// it took longer than [`body_timeout`](crate::ApiOptions::body_timeout).
pub async fn read_body(body: Body, limit: usize) -> Result<Bytes, ApiError> {
    let announced = HttpBody::size_hint(&body).lower();
    if usize::try_from(announced).map_or(true, |announced| announced > limit) {
        return Err(ApiError::too_large(limit));
    }
    let whole = HttpBody::size_hint(&body).exact();
    let mut body = Limited::new(body, limit);
    // Most bodies come in one piece, as whole as it was announced.
    let first = match body.frame().await {
        None => return Ok(Bytes::new()),
        Some(Ok(frame)) => frame.into_data().unwrap_or_default(),
        Some(Err(error)) => return Err(unreadable(&*error, limit)),
    };
    if whole == u64::try_from(first.len()).ok() {
        return Ok(first);
    }
    let mut bytes = BytesMut::from(first);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| unreadable(&*error, limit))?;
        bytes.extend_from_slice(frame.data_ref().map_or(&[], |data| data));
    }
    Ok(bytes.freeze())
}

fn unreadable(error: &(dyn std::error::Error + Send + Sync + 'static), limit: usize) -> ApiError {
    if error.is::<LengthLimitError>() {
        return ApiError::too_large(limit);
    }
    if error.is::<axum::Error>() && is_late(error) {
        return ApiError::invalid_request("the request body took too long to arrive")
            .with_status(StatusCode::REQUEST_TIMEOUT);
    }
    ApiError::invalid_request("the request body ended before it was complete")
}

/// The body did not arrive in time.
#[derive(Debug, thiserror::Error)]
#[error("the body took too long to arrive")]
struct Late;

fn is_late(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut causes = std::iter::successors(Some(error), |error| error.source());
    causes.any(|cause| cause.is::<Late>())
}

/// The same body, which fails when it is not complete within `limit` of the first wait for it: otherwise a few peers
/// that send a byte now and then would hold connections for ever.
pub(super) fn punctual(body: Body, clock: &Arc<dyn Clock>, limit: Duration) -> Body {
    if body.is_end_stream() {
        return body;
    }
    Body::new(Punctual { body, is_awaited: false, clock: Arc::clone(clock), limit, end: None })
}

struct Punctual {
    body: Body,
    /// Whether it was waited for already.
    is_awaited: bool,
    clock: Arc<dyn Clock>,
    limit: Duration,
    end: Option<BoxFuture<'static, ()>>,
}

impl HttpBody for Punctual {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) {
            return Poll::Ready(frame);
        }
        // What has come together with the head is there with the next look, and needs no timer.
        if !self.is_awaited {
            self.is_awaited = true;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let (clock, limit) = (Arc::clone(&self.clock), self.limit);
        let end = self.end.get_or_insert_with(|| Box::pin(async move { clock.sleep(limit).await }));
        end.as_mut().poll(context).map(|()| Some(Err(axum::Error::new(Late))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
