//! Requests to sandbox backends.

use async_trait::async_trait;
use futures_util::TryStreamExt;
use portway_adapters_http::{HttpAnswer, HttpClient, HttpError, HttpRequest};
use worker::send::IntoSendFuture;
use worker::{Fetch, Headers, Method, Request, RequestInit, RequestRedirect, Response};

/// Sends requests with the `fetch` of the platform.
#[derive(Debug, Clone, Copy, Default)]
pub struct WorkerClient;

#[async_trait]
impl HttpClient for WorkerClient {
    async fn post(&self, request: HttpRequest) -> Result<HttpAnswer, HttpError> {
        send(request).into_send().await.map_err(|error| HttpError(error.to_string()))
    }
}

async fn send(request: HttpRequest) -> worker::Result<HttpAnswer> {
    let headers = Headers::new();
    headers.set("authorization", &format!("Bearer {}", request.token.reveal()))?;
    headers.set("content-type", "application/json")?;
    let mut init = RequestInit::new();
    init.with_method(Method::Post).with_headers(headers).with_redirect(RequestRedirect::Manual);
    init.with_body(Some(request.body.into()));
    let response = Fetch::Request(Request::new_with_init(&request.url, &init)?).send().await?;
    let status = response.status_code();
    let (body, is_cut) = read(response, request.max_answer_bytes).await?;
    Ok(HttpAnswer { status, body, is_cut })
}

/// The body up to a limit, and whether there is more of it.
async fn read(mut response: Response, limit: usize) -> worker::Result<(Vec<u8>, bool)> {
    // A status that has no body has no stream either.
    let Ok(mut stream) = response.stream() else {
        return Ok((Vec::new(), false));
    };
    let mut body = Vec::new();
    while let Some(chunk) = stream.try_next().await? {
        let room = limit - body.len();
        if chunk.len() > room {
            body.extend_from_slice(&chunk[..room]);
            return Ok((body, true));
        }
        body.extend_from_slice(&chunk);
    }
    Ok((body, false))
}
