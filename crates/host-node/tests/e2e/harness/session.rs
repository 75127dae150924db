//! A session over HTTP.

use reqwest::Method;
use serde_json::{Value, json};

use super::api::{Api, Reply, send};
use super::eventually;
use super::mirror::Entry;
use super::socket::ClientSocket;

/// A session and who acts in it.
#[derive(Clone)]
pub(crate) struct Session {
    pub(crate) api: Api,
    pub(crate) id: String,
}

impl Session {
    pub(crate) fn new(api: Api, id: &str) -> Self {
        Self { api, id: id.to_owned() }
    }

    pub(crate) fn path(&self, rest: &str) -> String {
        format!("/api/sessions/{}{rest}", self.id)
    }

    /// Says something; answers with the id of the prompt.
    pub(crate) async fn prompt(&self, text: &str) -> String {
        self.prompt_with(json!({"content": text})).await
    }

    /// Says something; answers with the id of the prompt.
    pub(crate) async fn prompt_with(&self, body: Value) -> String {
        let created = self.try_prompt(body).await.expect(200);
        created["messageId"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn try_prompt(&self, body: Value) -> Reply {
        self.api.post(&self.path("/messages"), &body).await
    }

    pub(crate) async fn answer(&self, question: &str, answer: Value) -> Reply {
        self.api.post(&self.path(&format!("/questions/{question}")), &json!({"answer": answer})).await
    }

    pub(crate) async fn abort(&self) -> Reply {
        send(self.api.request(Method::POST, &self.path("/abort"))).await
    }

    pub(crate) async fn terminate(&self) {
        self.api.delete(&self.path("")).await.expect(200);
    }

    /// The session and what goes on in it.
    pub(crate) async fn detail(&self) -> Value {
        self.api.get(&self.path("")).await.expect(200)
    }

    /// Where it is in its life.
    pub(crate) async fn status(&self) -> String {
        self.detail().await["session"]["status"].as_str().unwrap().to_owned()
    }

    /// Waits until its status is that one; answers with its detail.
    pub(crate) async fn reaches(&self, status: &str) -> Value {
        eventually(&format!("the session is {status}"), async || {
            let detail = self.detail().await;
            (detail["session"]["status"] == status).then_some(detail)
        })
        .await
    }

    /// How often its sandbox was started.
    pub(crate) async fn generation(&self) -> u32 {
        let detail = self.detail().await;
        let sandbox = detail["doStatus"]["sandboxId"].as_str().unwrap_or_else(|| panic!("no sandbox: {detail}"));
        sandbox.rsplit_once('.').unwrap().1.parse().unwrap()
    }

    /// The transcript, read page by page.
    pub(crate) async fn transcript(&self) -> Vec<Entry> {
        const PAGE: usize = 50;
        let mut entries: Vec<Entry> = Vec::new();
        loop {
            let after = entries.last().map_or(String::new(), |last| format!("&after={}", last.id));
            let path = self.path(&format!("/messages?limit={PAGE}{after}"));
            let page = self.api.get(&path).await.expect(200)["messages"].take();
            let page: Vec<Entry> = serde_json::from_value(page).unwrap();
            let is_last = page.len() < PAGE;
            entries.extend(page.into_iter().map(Entry::settled));
            if is_last {
                return entries;
            }
        }
    }

    /// A client's socket.
    pub(crate) async fn socket(&self) -> ClientSocket {
        ClientSocket::open(&self.api, &self.id).await
    }

    /// A client's socket, if the gateway is there.
    pub(crate) async fn try_socket(&self) -> Option<ClientSocket> {
        ClientSocket::try_open(&self.api, &self.id).await.ok()
    }
}
