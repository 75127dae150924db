//! A runner of earlier gateways, driven by hand: it keeps what it says while it has no connection, and says that first on
//! the next one.

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::backend::Order;
use crate::harness::gateway::Gateway;
use crate::harness::socket::Stream;
use crate::harness::{PATIENCE, eventually};
use crate::wire::recorder::Recorder;

pub(super) struct Runner {
    order: Order,
    recorder: Recorder,
    is_connected: bool,
    kept: Vec<Value>,
}

/// Dials as a runner does; it knows no header.
pub(super) async fn dial(order: &Order) -> Result<Stream, Error> {
    connect_async(format!("{}?role=runner&token={}", order.url, order.token)).await.map(|(stream, _)| stream)
}

impl Runner {
    /// Connects for the first time.
    pub(super) async fn connect(gateway: &Gateway, order: Order) -> Self {
        let recorder = Recorder::over(dial(&order).await.unwrap(), gateway);
        Self { order, recorder, is_connected: true, kept: Vec::new() }
    }

    /// The same, and its agent takes prompts.
    pub(super) async fn ready(gateway: &Gateway, order: Order) -> Self {
        let mut runner = Self::connect(gateway, order).await;
        runner.until("opencode-config").await;
        runner
            .say(json!({"type": "models", "models": [{"provider": "p", "models": [{"id": "p/m", "name": "M"}]}]}))
            .await;
        runner.say(json!({"type": "opencode-config-applied", "success": true, "restarted": true})).await;
        runner.idle().await;
        runner
    }

    /// Says something, or keeps it for the next connection.
    pub(super) async fn say(&mut self, frame: Value) {
        if self.is_connected {
            self.recorder.send(&frame).await;
        } else {
            self.kept.push(frame);
        }
    }

    pub(super) async fn idle(&mut self) {
        self.say(json!({"type": "agentStatus", "status": "idle"})).await;
    }

    /// The agent begins to write.
    pub(super) async fn begin(&mut self, turn: &str) {
        self.say(json!({"type": "agentStatus", "status": "thinking"})).await;
        self.say(json!({"type": "agentStatus", "status": "streaming"})).await;
        self.say(json!({"type": "message.create", "turnId": turn, "channelType": "web", "channelId": "default"})).await;
    }

    pub(super) async fn text(&mut self, turn: &str, delta: &str) {
        self.say(json!({"type": "message.part.text-delta", "turnId": turn, "delta": delta})).await;
    }

    /// The agent ends its turn.
    pub(super) async fn end(&mut self, turn: &str, text: &str) {
        self.say(json!({"type": "message.finalize", "turnId": turn, "reason": "end_turn", "finalText": text})).await;
        self.say(json!({"type": "complete"})).await;
        self.idle().await;
    }

    /// Waits for a frame of that type.
    pub(super) async fn until(&mut self, kind: &str) -> Value {
        self.recorder.until(|frame| frame["type"] == kind).await
    }

    /// Waits for a prompt with that text; answers with its id.
    pub(super) async fn prompted(&mut self, content: &str) -> String {
        let prompt = self.until("prompt").await;
        assert_eq!(prompt["content"], content, "{prompt}");
        prompt["messageId"].as_str().unwrap().to_owned()
    }

    /// Waits until everything that was said so far has been read.
    pub(super) async fn heard(&mut self) {
        self.say(json!({"type": "ping"})).await;
        self.until("pong").await;
    }

    /// Loses the connection without a word.
    pub(super) fn lose(&mut self) {
        self.recorder.lose();
        self.is_connected = false;
    }

    /// Connects anew, with growing waits until the gateway is there, and says what was kept.
    pub(super) async fn reconnect(&mut self) {
        let stream = eventually("the gateway lets the runner in", async || dial(&self.order).await.ok()).await;
        self.recorder.go_on(stream);
        self.is_connected = true;
        for frame in std::mem::take(&mut self.kept) {
            self.recorder.send(&frame).await;
        }
    }

    /// Reads to the end; answers with code and reason of the gateway.
    pub(super) async fn closed(&mut self) -> (u16, String) {
        let reading = async {
            loop {
                match self.recorder.stream().next().await {
                    Some(Ok(Message::Close(Some(close)))) => return (close.code.into(), close.reason.to_string()),
                    Some(Ok(Message::Text(text))) => self.recorder.keep(serde_json::from_str(&text).unwrap()),
                    Some(Ok(_)) => {}
                    other => panic!("no close frame but {other:?}"),
                }
            }
        };
        tokio::time::timeout(PATIENCE, reading).await.expect("the connection is not closed")
    }

    /// Every frame so far.
    pub(super) fn frames(&self) -> &[Value] {
        self.recorder.frames()
    }

    /// Sends bytes that need not be a frame.
    pub(super) async fn say_bytes(&mut self, message: Message) {
        self.recorder.stream().send(message).await.unwrap();
    }

    /// What it was started with.
    pub(super) fn order(&self) -> &Order {
        &self.order
    }

    pub(super) fn recorder(&mut self) -> &mut Recorder {
        &mut self.recorder
    }

    /// Compares what the gateway sent with what is written down.
    pub(super) fn compare(self, name: &str) {
        self.recorder.compare(name);
    }
}
