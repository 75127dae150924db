//! Requests of all kinds, to the router of a whole gateway that keeps everything in memory.

use std::sync::Arc;

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use http::Request;
use http_body_util::BodyExt;
use portway::Gateway;
use portway::ports::sandboxes::{AgentCommand, SandboxError, SandboxOrder, SandboxRef, Sandboxes, StartedSandbox};
use tokio::runtime::Runtime;
use tower::ServiceExt;

use super::{Target, kind};

/// Nothing is ever started: nobody gets as far as that.
struct NoSandboxes;

#[async_trait]
impl Sandboxes for NoSandboxes {
    async fn start(&self, _: SandboxOrder) -> Result<StartedSandbox, SandboxError> {
        Err(SandboxError::Refused("there are none".to_owned()))
    }

    async fn stop(&self, _: &SandboxRef) -> Result<(), SandboxError> {
        Ok(())
    }

    async fn is_alive(&self, _: &SandboxRef) -> Result<bool, SandboxError> {
        Ok(false)
    }

    async fn ended(&self, _: &SandboxRef) -> String {
        "there was none".to_owned()
    }
}

pub(super) struct Http {
    runtime: Runtime,
    router: Router,
    _gateway: Gateway,
}

impl Http {
    pub(super) fn open() -> Result<Self, Box<dyn std::error::Error>> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let builder = Gateway::builder()
            .database("sqlite::memory:")
            .sandboxes(Arc::new(NoSandboxes))
            .agent("none", AgentCommand::new(["none"]))
            .access_log(false)
            .public_url("https://gateway.example.com")
            .allowed_hosts(["*.example.org"])
            .allowed_origins(["https://*.example.com"]);
        let gateway = runtime.block_on(builder.build())?;
        Ok(Self { runtime, router: gateway.service(), _gateway: gateway })
    }
}

impl Target for Http {
    fn feed(&mut self, input: &[u8]) -> Result<String, String> {
        let Some(request) = request(input) else {
            return Ok("no request".to_owned());
        };
        let router = self.router.clone();
        let (parts, body) = self.runtime.block_on(async {
            let (parts, body) = router.oneshot(request).await.unwrap_or_else(|never| match never {}).into_parts();
            (parts, body.collect().await)
        });
        let body = body.map_err(|error| format!("the body breaks off: {error}"))?.to_bytes();
        let status = parts.status.as_u16();
        let text = String::from_utf8_lossy(&body);
        if status >= 500 && !matches!(status, 501 | 503) {
            return Err(format!("status {status}: {text}"));
        }
        if !parts.headers.contains_key("x-request-id") {
            return Err(format!("status {status} without a request id"));
        }
        let answer: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
        let part = |name: &str| answer[name].as_str().map(kind).unwrap_or_default();
        Ok(format!("{status} {} {}", part("code"), part("error")))
    }
}

/// A request as it stands in a file: request line, headers, an empty line, the body.
fn request(input: &[u8]) -> Option<Request<Body>> {
    let end = input.windows(2).position(|pair| pair == b"\n\n").unwrap_or(input.len());
    let body = input.get(end + 2..).unwrap_or_default().to_vec();
    let mut lines = input[..end].split(|byte| *byte == b'\n');
    let mut words = lines.next()?.splitn(2, |byte| *byte == b' ');
    let mut request = Request::builder().method(words.next()?).uri(words.next()?);
    for line in lines {
        let at = line.iter().position(|byte| *byte == b':')?;
        request = request.header(&line[..at], line[at + 1..].trim_ascii());
    }
    request.body(Body::from(body)).ok()
}
