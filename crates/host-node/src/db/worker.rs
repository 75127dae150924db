//! The database of a Worker.

use std::env;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use portway_adapters_http::{BackendUrl, HttpClient, HttpRequest};
use portway_domain::tokens::TokenSecret;
use portway_sql::remote::{PATH, RemoteDatabase, Transport, TransportError};
use serde_json::Value;

use super::error::DbError;
use crate::http_client::ReqwestClient;

/// What the Worker is told that this program is let in by. It has the same name there.
const KEY: &str = "PORTWAY_TRANSFER_KEY";

/// As many as D1 takes.
const MOST_ARGUMENTS: usize = 100;

/// Most bytes of a reply: a page, or one row that is larger.
const MAX_REPLY_BYTES: usize = 32 * 1024 * 1024;

/// How long a call may take. D1 gives a batch up after thirty seconds.
const PATIENCE: Duration = Duration::from_secs(60);

/// Whether a URL is that of a Worker.
pub(super) fn is_worker(url: &str) -> bool {
    ["http:", "https:"]
        .iter()
        .any(|scheme| url.get(..scheme.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(scheme)))
}

/// Reads the URL of a Worker.
pub(super) fn url(text: &str) -> Result<BackendUrl, DbError> {
    let url: BackendUrl = text
        .parse()
        .map_err(|_| DbError::refused("the URL of a Worker is like https://portway.example.workers.dev"))?;
    if url.is_open() {
        return Err(DbError::refused("the database and its key could be read on the way: use https"));
    }
    Ok(url)
}

/// The database of the Worker there.
pub(super) fn open(url: &BackendUrl) -> Result<RemoteDatabase, DbError> {
    let missing = || {
        DbError::Refused(format!(
            "a Worker shows its database to whoever has its {KEY}: make one (`openssl rand -hex 32`), give it to the Worker \
             (`wrangler secret put {KEY}`), and set it here"
        ))
    };
    let key = env::var(KEY).map_err(|_| missing())?;
    let key = TokenSecret::opaque(key.trim()).map_err(|error| DbError::Refused(format!("{KEY}: {error}")))?;
    let client = ReqwestClient::new(url.is_encrypted()).map_err(DbError::refused)?;
    let worker = Worker { client, url: format!("{url}{PATH}"), key };
    Ok(RemoteDatabase::new(Arc::new(worker), MOST_ARGUMENTS))
}

struct Worker {
    client: ReqwestClient,
    url: String,
    key: TokenSecret,
}

#[async_trait]
impl Transport for Worker {
    async fn call(&self, call: String) -> Result<String, TransportError> {
        let request = HttpRequest {
            url: self.url.clone(),
            token: self.key.clone(),
            body: call,
            max_answer_bytes: MAX_REPLY_BYTES,
        };
        let no_reply = |why: &str| TransportError::NoReply(format!("{} does not answer: {why}", self.url));
        let answer = tokio::time::timeout(PATIENCE, self.client.post(request)).await;
        let answer =
            answer.map_err(|_| no_reply("it takes too long"))?.map_err(|error| no_reply(&error.to_string()))?;
        let text = String::from_utf8_lossy(&answer.body);
        match answer.status {
            200 if answer.is_cut => Err(no_reply("its reply is too long")),
            200 => Ok(text.into_owned()),
            401 => Err(TransportError::NotAsked(format!(
                "{} refuses the key: it is not the {KEY} of the Worker",
                self.url
            ))),
            404 | 405 | 426 => Err(TransportError::NotAsked(format!(
                "{} serves a gateway: give the Worker its {KEY}, and it hands out its database instead",
                self.url
            ))),
            status => Err(TransportError::NoReply(format!("{} answers {status}: {}", self.url, said(&text)))),
        }
    }
}

/// What an error says in its own words.
fn said(body: &str) -> String {
    let body: Option<Value> = serde_json::from_str(body).ok();
    let text = body.as_ref().and_then(|body| body["error"]["message"].as_str().or(body["error"].as_str()));
    text.unwrap_or("without a reason").chars().filter(|c| !c.is_control()).take(300).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_are_known_by_their_scheme() {
        for (text, expected) in [
            ("https://a.example", true),
            ("HTTP://127.0.0.1:8787", true),
            ("postgres://a", false),
            ("http", false),
            ("h\u{e9}ttp:", false),
        ] {
            assert_eq!(is_worker(text), expected, "{text}");
        }
        assert!(url("http://127.0.0.1:1").is_ok() && url("https://a.example").is_ok());
        assert!(url("http://a.example").is_err() && url("https://").is_err());
    }
}
