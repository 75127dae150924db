//! What the host has to bring: something that sends requests.

use async_trait::async_trait;
use portway_domain::tokens::TokenSecret;

/// A POST of JSON.
#[derive(Debug, Clone)]
pub struct HttpRequest {
    /// Where to: an `http` or `https` URL.
    pub url: String,
    /// Goes into the `Authorization` header as a bearer token.
    pub token: TokenSecret,
    /// The JSON text. It holds secrets.
    pub body: String,
    /// Most bytes to read of the answer's body.
    pub max_answer_bytes: usize,
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpAnswer {
    /// The status.
    pub status: u16,
    /// The body, or its beginning.
    pub body: Vec<u8>,
    /// Whether there was more of it than was to be read.
    pub is_cut: bool,
}

/// No answer came.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct HttpError(
    /// Why, without the URL.
    pub String,
);

/// Sends requests. Redirects are answers like any other: they are never followed, since the token would go along.
#[async_trait]
pub trait HttpClient: Send + Sync {
    /// Sends one request, once. May be dropped early; whoever calls does that after some time, so no time has to be kept
    /// here.
    ///
    /// # Errors
    /// [`HttpError`] when no answer came, or its body broke off.
    async fn post(&self, request: HttpRequest) -> Result<HttpAnswer, HttpError>;
}
