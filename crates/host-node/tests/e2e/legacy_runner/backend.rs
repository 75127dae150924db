//! A sandbox backend that starts nothing: the tests are the runners.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::harness::eventually;
use crate::harness::gateway::Gateway;

const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// What the gateway ordered last for each session.
type Orders = Arc<Mutex<HashMap<String, Value>>>;

/// What the gateway ordered, and where it is told that sandboxes are reached.
#[derive(Clone)]
struct Desk {
    orders: Orders,
    urls: Value,
}

/// A running backend. It ends when it is dropped.
pub(super) struct Backend {
    address: SocketAddr,
    orders: Orders,
    server: JoinHandle<()>,
}

/// What a runner needs to know.
#[derive(Debug, Clone)]
pub(super) struct Order {
    pub(super) url: String,
    pub(super) token: String,
    pub(super) snapshot: Option<String>,
    pub(super) jwt_secret: Option<String>,
}

impl Backend {
    pub(super) async fn start() -> Self {
        Self::reached_at(json!({})).await
    }

    /// One whose sandboxes are reached there.
    pub(super) async fn reached_at(urls: Value) -> Self {
        let orders = Orders::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let desk = Desk { orders: orders.clone(), urls };
        let router = Router::new().route("/{label}", axum::routing::post(respond)).with_state(desk);
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, orders, server }
    }

    /// A gateway whose sandboxes are here.
    pub(super) async fn gateway(&self, config: &str) -> Gateway {
        let mut gateway = self.prepared(config);
        gateway.launch().await;
        gateway
    }

    /// The same before it is started.
    pub(super) fn prepared(&self, config: &str) -> Gateway {
        let url = format!("http://{}", self.address);
        Gateway::prepared(config).on_backend(&url, TOKEN)
    }

    /// Waits until a sandbox of that generation is ordered.
    pub(super) async fn order(&self, session: &str, generation: u32) -> Order {
        eventually("a sandbox is ordered", async || {
            let orders = self.orders.lock().unwrap();
            let order = orders.get(session).filter(|order| order["generation"] == generation)?;
            let text = |key: &str| order[key].as_str().map(str::to_owned);
            let (url, token) = (text("doWsUrl")?, text("runnerToken")?);
            Some(Order { url, token, snapshot: text("snapshotImageId"), jwt_secret: text("jwtSecret") })
        })
        .await
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn respond(State(Desk { orders, urls }): State<Desk>, Path(label): Path<String>, body: Bytes) -> Json<Value> {
    let body: Value = serde_json::from_slice(&body).unwrap();
    let sandbox = format!("sandbox-{}", body["sessionId"].as_str().unwrap_or_default());
    Json(match &*label {
        "create-session" | "restore-session" => {
            let session = body["sessionId"].as_str().unwrap().to_owned();
            orders.lock().unwrap().insert(session, body);
            json!({"sandboxId": sandbox, "tunnelUrls": urls})
        }
        "hibernate-session" => json!({"success": true, "snapshotImageId": "snapshot"}),
        "session-status" => {
            let is_there = orders
                .lock()
                .unwrap()
                .values()
                .any(|order| order["sessionId"] == body["sessionId"] && order["generation"] == body["generation"]);
            json!({"sandboxId": sandbox, "status": if is_there { "running" } else { "gone" }})
        }
        _ => json!({"success": true}),
    })
}
