//! What the demo agent does in a turn.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::sleep;

use super::client::Client;
use super::models::{LONG, Model};
use crate::jsonrpc::{INTERNAL_ERROR, RpcError};
use crate::review;

/// Between two pieces of the greeting.
const GREETING_PAUSE: Duration = Duration::from_millis(25);

/// Between two words of `/slow`.
const SLOW_PAUSE: Duration = Duration::from_millis(50);

/// Most words of `/slow`.
const MAX_SLOW: u32 = 100_000;

/// One turn.
pub(super) struct Script {
    pub(super) client: Arc<Client>,
    pub(super) session: String,
    pub(super) cwd: PathBuf,
    pub(super) always: Arc<AtomicBool>,
    pub(super) prompt: String,
    pub(super) pictures: Vec<String>,
    pub(super) model: Model,
}

impl Script {
    /// Whether it ignores `session/cancel`.
    pub(super) fn is_deaf(&self) -> bool {
        self.command() == "/hang"
    }

    fn command(&self) -> &str {
        self.prompt.split_whitespace().next().unwrap_or_default()
    }

    /// Plays the turn; the result answers the prompt.
    pub(super) async fn play(&self) -> Result<Value, RpcError> {
        let argument = self.prompt.trim_start().strip_prefix(self.command()).unwrap_or_default().trim();
        if self.prompt.starts_with(review::ASKED) {
            self.say("{\"overallSummary\": \"The demo agent has no opinion.\"}");
            return Ok(json!({"stopReason": "end_turn"}));
        }
        match self.command() {
            "/look" => self.look(argument),
            "/model" => self.say(&format!("I pretend to be {}.", self.model.id())),
            "/say" => self.words(argument, Duration::ZERO).await,
            "/slow" => {
                for n in 1..=argument.parse().unwrap_or(10).min(MAX_SLOW) {
                    self.say(&format!("word{n} "));
                    sleep(SLOW_PAUSE).await;
                }
            }
            "/crash" => {
                self.say("I am about to crash.");
                // Where a reason for the end is looked for.
                let _ = std::io::stderr().write_all(b"demo crash\n");
                std::process::exit(3);
            }
            "/hang" => std::future::pending().await,
            "/garbage" => {
                for line in ["Loading model...", "{not json", "\u{1b}[31mwarning\u{1b}[0m", "42"] {
                    self.client.line(line.to_owned());
                    self.say("noise ");
                }
            }
            "/tally" => self.tally(argument).await,
            "/ask" => self.ask(argument).await,
            "/fail" => {
                self.say("This will not go well.");
                return Err(RpcError::new(INTERNAL_ERROR, "the demo was asked to fail"));
            }
            _ => self.tour().await,
        }
        Ok(json!({"stopReason": "end_turn"}))
    }

    fn look(&self, said: &str) {
        for picture in &self.pictures {
            self.say(&format!("I see {picture}. "));
        }
        self.say(&format!("I was told: {said}"));
    }

    /// What a coding agent does, in small.
    async fn tour(&self) {
        let greeting = format!(
            "Hello! I am the demo agent: no model, only the motions of one. You said: \u{201c}{}\u{201d}.\n\n",
            self.prompt.trim()
        );
        self.words(&greeting, GREETING_PAUSE).await;
        if self.model.id() == LONG {
            self.words("And since I pretend to be a model with more to say, I say this.\n\n", GREETING_PAUSE).await;
        }
        self.plan(["in_progress", "pending"]);
        self.read_notes().await;
        self.plan(["completed", "in_progress"]);
        let end = self.write_demo().await;
        self.plan(["completed", "completed"]);
        self.say(end);
    }

    async fn words(&self, text: &str, pause: Duration) {
        for word in text.split_inclusive(' ') {
            self.say(word);
            sleep(pause).await;
        }
    }

    pub(super) fn say(&self, text: &str) {
        self.client.say(&self.session, text);
    }

    fn update(&self, update: Value) {
        self.client.update(&self.session, update);
    }

    fn plan(&self, status: [&str; 2]) {
        let entry = |content: &str, status| json!({"content": content, "priority": "medium", "status": status});
        let [read, write] = status;
        self.update(json!({
            "sessionUpdate": "plan",
            "entries": [entry("Read NOTES.md", read), entry("Write demo.md", write)],
        }));
    }

    async fn read_notes(&self) {
        let path = self.cwd.join("NOTES.md");
        self.update(json!({
            "sessionUpdate": "tool_call",
            "toolCallId": "read-notes",
            "title": "Read NOTES.md",
            "kind": "read",
            "status": "in_progress",
            "locations": [{"path": path}],
            "rawInput": {"path": path},
        }));
        let params = json!({"sessionId": self.session, "path": path, "limit": 20});
        let text = match self.client.ask("fs/read_text_file", params).await {
            Ok(result) => result["content"].as_str().unwrap_or_default().to_owned(),
            Err(error) => format!("No notes: {}", error.message),
        };
        self.finish("read-notes", "completed", &text);
    }

    /// Writes the prompt into `demo.md` if that is allowed, and tells what to say at the end.
    async fn write_demo(&self) -> &'static str {
        let path = self.cwd.join("demo.md");
        let call = json!({
            "toolCallId": "write-demo",
            "title": "Write demo.md",
            "kind": "edit",
            "status": "pending",
            "content": [{"type": "diff", "path": path, "oldText": null, "newText": self.prompt}],
            "locations": [{"path": path}],
            "rawInput": {"path": path, "content": self.prompt},
        });
        let mut announced = call.clone();
        announced["sessionUpdate"] = json!("tool_call");
        self.update(announced);
        if !self.allowed(call).await {
            self.finish("write-demo", "failed", "Refused.");
            return "You refused, so I left everything as it was.";
        }
        let params = json!({"sessionId": self.session, "path": path, "content": self.prompt});
        match self.client.ask("fs/write_text_file", params).await {
            Ok(_) => {
                self.finish("write-demo", "completed", "Wrote demo.md.");
                "I wrote your prompt into demo.md. That is all I can do."
            }
            Err(error) => {
                self.finish("write-demo", "failed", &error.message);
                "I could not write demo.md."
            }
        }
    }

    async fn allowed(&self, call: Value) -> bool {
        if self.always.load(Ordering::Relaxed) {
            return true;
        }
        match self.choose(call).await.as_deref() {
            Some("allow-always") => {
                self.always.store(true, Ordering::Relaxed);
                true
            }
            Some("allow-once") => true,
            _ => false,
        }
    }

    /// Asks for permission; `None` when nobody answers.
    pub(super) async fn choose(&self, call: Value) -> Option<String> {
        let params = json!({
            "sessionId": self.session,
            "toolCall": call,
            "options": [
                {"optionId": "allow-once", "name": "Allow once", "kind": "allow_once"},
                {"optionId": "allow-always", "name": "Always allow", "kind": "allow_always"},
                {"optionId": "reject-once", "name": "Refuse", "kind": "reject_once"},
            ],
        });
        let answer = self.client.ask("session/request_permission", params).await;
        answer.unwrap_or_default()["outcome"]["optionId"].as_str().map(str::to_owned)
    }

    fn finish(&self, call: &str, status: &str, text: &str) {
        self.update(json!({
            "sessionUpdate": "tool_call_update",
            "toolCallId": call,
            "status": status,
            "content": [{"type": "content", "content": {"type": "text", "text": text}}],
        }));
    }
}
