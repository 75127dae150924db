//! Bodies, read up to a limit.

use axum::body::{Body, HttpBody};
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};

use crate::error::ApiError;

/// Collects a body of at most `limit` bytes. The limit is enforced while reading, whatever `Content-Length` says.
///
/// # Errors
/// `PAYLOAD_TOO_LARGE` past the limit; `INVALID_REQUEST` when the body cannot be read to its end.
pub async fn read_body(body: Body, limit: usize) -> Result<Bytes, ApiError> {
    let announced = HttpBody::size_hint(&body).lower();
    if usize::try_from(announced).map_or(true, |announced| announced > limit) {
        return Err(ApiError::too_large(limit));
    }
    match Limited::new(body, limit).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(ApiError::too_large(limit)),
        Err(_) => Err(ApiError::invalid_request("the request body ended before it was complete")),
    }
}
