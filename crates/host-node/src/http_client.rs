//! Requests to sandbox backends.

use std::error::Error;
use std::time::Duration;

use async_trait::async_trait;
use portway_adapters_http::{HttpAnswer, HttpClient, HttpError, HttpRequest};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{Client, Response};

/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long an idle connection is kept: less than servers usually do.
const IDLE_TIMEOUT: Duration = Duration::from_secs(15);

/// Sends requests as they are: no redirect is followed, no proxy of the environment is asked, nothing is repeated.
#[derive(Debug, Clone)]
pub(crate) struct ReqwestClient(Client);

impl ReqwestClient {
    /// A client for URLs of `https`, or of `http` alone: a machine without any certificates must do for that.
    ///
    /// # Errors
    /// [`HttpError`] when the certificates of the system cannot be used.
    pub(crate) fn new(is_encrypted: bool) -> Result<Self, HttpError> {
        // An error means that a provider is there already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .no_proxy();
        if !is_encrypted {
            builder = builder.tls_certs_only([]);
        }
        builder.build().map(Self).map_err(in_words)
    }
}

#[async_trait]
impl HttpClient for ReqwestClient {
    async fn post(&self, request: HttpRequest) -> Result<HttpAnswer, HttpError> {
        let mut token = HeaderValue::from_str(&format!("Bearer {}", request.token.reveal()))
            .map_err(|_| HttpError("the token cannot be sent in a header".to_owned()))?;
        token.set_sensitive(true);
        let sent = self.0.post(&request.url).header(AUTHORIZATION, token).header(CONTENT_TYPE, "application/json");
        let response = sent.body(request.body).send().await.map_err(in_words)?;
        let status = response.status().as_u16();
        let (body, is_cut) = read(response, request.max_answer_bytes).await?;
        Ok(HttpAnswer { status, body, is_cut })
    }
}

/// The body up to a limit, and whether there is more of it.
async fn read(mut response: Response, limit: usize) -> Result<(Vec<u8>, bool), HttpError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(in_words)? {
        let room = limit - body.len();
        if chunk.len() > room {
            body.extend_from_slice(&chunk[..room]);
            return Ok((body, true));
        }
        body.extend_from_slice(&chunk);
    }
    Ok((body, false))
}

/// The innermost cause says most, such as that the connection was refused.
fn in_words(error: reqwest::Error) -> HttpError {
    let error = error.without_url();
    let causes = std::iter::successors(Some(&error as &(dyn Error + 'static)), |error| (*error).source());
    HttpError(causes.last().map_or_else(String::new, ToString::to_string))
}

#[cfg(test)]
mod tests;
