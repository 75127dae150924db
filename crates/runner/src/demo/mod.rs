//! The demo agent: an ACP agent without a model, to try a gateway out and to test one.
//!
//! On a prompt it greets, makes a plan, reads `NOTES.md` of the workspace through the client, asks for permission
//! to write the prompt into `demo.md`, and writes it there if it may. *Always allow* is remembered for the life of
//! the process. `session/cancel` ends a turn at any time.
//!
//! Some prompts do something else:
//!
//! | prompt | what happens |
//! |---|---|
//! | `/say TEXT` | says `TEXT` word by word |
//! | `/look` | says which pictures it was given, and everything else that was said about attachments |
//! | `/slow N` | says `N` words, one every 50 ms (`N` at most 100 000) |
//! | `/crash` | says something and exits with code 3 in the middle of the turn |
//! | `/hang` | never answers, not even to `session/cancel` |
//! | `/garbage` | writes lines that are no JSON to stdout between its words |
//! | `/fail` | answers the prompt with an error |
//! | `/model` | says which of its two pretended models, `demo/short` and `demo/long`, it was told to use |
//! | `/tally TEXT` | appends `prompt TEXT` to `tally.log` of the workspace, then says `TEXT.1 TEXT.2 ` and so on up to 24 |
//! | `/ask TEXT` | appends `prompt TEXT`, asks for permission, appends `answer TEXT OPTION` and says which option it was |
//!
//! A request for a review is answered with one that has no opinion. Conversations can be loaded again by any process; one
//! earlier message is replayed.

mod client;
mod models;
mod script;
mod tally;

use std::collections::HashMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use portway_protocol::MAX_FRAME_BYTES;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::acp;
use crate::jsonrpc::{self, INVALID_PARAMS, Incoming, RpcError};
use crate::lines::LineReader;

use client::Client;
use models::Model;
use script::Script;

/// The commands that are announced.
const COMMANDS: [(&str, &str); 2] = [("say", "Says something word by word"), ("slow", "Says so many words")];

/// Speaks ACP on stdin and stdout until stdin ends.
pub async fn run() -> ExitCode {
    let client = Arc::new(Client::new());
    let mut agent =
        Agent { client: Arc::clone(&client), sessions: HashMap::new(), always: Arc::new(AtomicBool::new(false)) };
    let mut lines = LineReader::new(tokio::io::stdin(), MAX_FRAME_BYTES);
    loop {
        match lines.next().await {
            Ok(Some(line)) => {
                for message in jsonrpc::parse(&line).unwrap_or_default() {
                    agent.take(message);
                }
            }
            Ok(None) => return ExitCode::SUCCESS,
            Err(error) => {
                tracing::error!(%error, "cannot read stdin");
                return ExitCode::FAILURE;
            }
        }
    }
}

struct Agent {
    client: Arc<Client>,
    sessions: HashMap<String, Session>,
    /// Whether writing was allowed for good.
    always: Arc<AtomicBool>,
}

struct Session {
    cwd: PathBuf,
    cancel: watch::Sender<bool>,
    busy: Arc<AtomicBool>,
    model: Model,
}

impl Agent {
    fn take(&mut self, message: Incoming) {
        match message {
            Incoming::Request { id, method, params } => {
                if method == "session/prompt" {
                    if let Err(error) = self.prompt(&id, &params) {
                        self.client.answer(&id, Err(error));
                    }
                    return;
                }
                let outcome = self.request(&method, &params);
                let opened = outcome.as_ref().ok().and_then(|result| {
                    let named = if method == "session/load" { &params } else { result };
                    named["sessionId"].as_str().map(str::to_owned)
                });
                self.client.answer(&id, outcome);
                if let Some(session) = opened {
                    self.announce(&session);
                }
            }
            Incoming::Notification { method, params } if method == "session/cancel" => {
                if let Ok(session) = self.session(&params) {
                    session.cancel.send_replace(true);
                }
            }
            Incoming::Notification { .. } => {}
            Incoming::Response { id, outcome } => self.client.answered(id, outcome),
        }
    }

    fn request(&mut self, method: &str, params: &Value) -> Result<Value, RpcError> {
        match method {
            "initialize" => Ok(json!({
                "protocolVersion": acp::VERSION,
                "agentCapabilities": {"loadSession": true, "promptCapabilities": {"image": true}},
                "agentInfo": {
                    "name": "portway-demo-agent",
                    "title": "Portway demo agent",
                    "version": env!("CARGO_PKG_VERSION"),
                },
                "authMethods": [],
            })),
            "session/new" => {
                let id = format!("demo-{}-{}", std::process::id(), self.sessions.len() + 1);
                self.open(&id, params)?;
                Ok(json!({"sessionId": id, "models": Model::default().offer()}))
            }
            "session/load" => {
                let id = params["sessionId"]
                    .as_str()
                    .ok_or_else(|| RpcError::new(INVALID_PARAMS, "sessionId is missing"))?;
                self.open(id, params)?;
                self.client.say(id, "(what was said before)");
                Ok(json!({"models": Model::default().offer()}))
            }
            "session/set_model" => {
                let model = Model::named(params)?;
                self.session_mut(params)?.model = model;
                Ok(json!({}))
            }
            _ => Err(RpcError::method_not_found(method)),
        }
    }

    fn open(&mut self, id: &str, params: &Value) -> Result<(), RpcError> {
        let cwd = params["cwd"].as_str().ok_or_else(|| RpcError::new(INVALID_PARAMS, "cwd is missing"))?;
        self.sessions.insert(
            id.to_owned(),
            Session {
                cwd: PathBuf::from(cwd),
                cancel: watch::Sender::new(false),
                busy: Arc::new(AtomicBool::new(false)),
                model: Model::default(),
            },
        );
        Ok(())
    }

    /// Tells which commands there are.
    fn announce(&self, session: &str) {
        let command = |(name, description): &(&str, &str)| json!({"name": name, "description": description});
        let commands: Vec<Value> = COMMANDS.iter().map(command).collect();
        self.client
            .update(session, json!({"sessionUpdate": "available_commands_update", "availableCommands": commands}));
    }

    fn session(&self, params: &Value) -> Result<&Session, RpcError> {
        params["sessionId"].as_str().and_then(|id| self.sessions.get(id)).ok_or_else(unknown_session)
    }

    fn session_mut(&mut self, params: &Value) -> Result<&mut Session, RpcError> {
        params["sessionId"].as_str().and_then(|id| self.sessions.get_mut(id)).ok_or_else(unknown_session)
    }

    /// Begins a turn; it is answered when it ends.
    fn prompt(&self, id: &Value, params: &Value) -> Result<(), RpcError> {
        let session = self.session(params)?;
        if session.busy.swap(true, Ordering::Relaxed) {
            return Err(RpcError::new(INVALID_PARAMS, "a turn is under way"));
        }
        session.cancel.send_replace(false);
        let script = Script {
            client: Arc::clone(&self.client),
            session: params["sessionId"].as_str().unwrap_or_default().to_owned(),
            cwd: session.cwd.clone(),
            always: Arc::clone(&self.always),
            prompt: text(&params["prompt"]),
            pictures: pictures(&params["prompt"]),
            model: session.model,
        };
        let (client, busy, id) = (Arc::clone(&self.client), Arc::clone(&session.busy), id.clone());
        let mut cancel = session.cancel.subscribe();
        tokio::spawn(async move {
            let deaf = script.is_deaf();
            let outcome = tokio::select! {
                biased;
                Ok(_) = cancel.wait_for(|cancelled| *cancelled), if !deaf => {
                    Ok(json!({"stopReason": "cancelled"}))
                }
                outcome = script.play() => outcome,
            };
            busy.store(false, Ordering::Relaxed);
            client.answer(&id, outcome);
        });
        Ok(())
    }
}

fn unknown_session() -> RpcError {
    RpcError::new(INVALID_PARAMS, "unknown session")
}

/// The text blocks of a prompt.
fn text(blocks: &Value) -> String {
    let blocks = blocks.as_array().map(Vec::as_slice).unwrap_or_default();
    let texts: Vec<_> = blocks.iter().filter_map(|block| block["text"].as_str()).collect();
    texts.join("\n")
}

/// The picture blocks of a prompt, in words.
fn pictures(blocks: &Value) -> Vec<String> {
    let blocks = blocks.as_array().map(Vec::as_slice).unwrap_or_default();
    let pictures = blocks.iter().filter(|block| block["type"] == "image");
    let in_words = |block: &Value| {
        let [kind, data] = ["mimeType", "data"].map(|name| block[name].as_str().unwrap_or_default());
        format!("{kind} of {} characters", data.len())
    };
    pictures.map(in_words).collect()
}
