use std::sync::{Arc, Mutex};

use axum::Json;
use axum::http::{Method, StatusCode, Uri};
use clap::Parser;
use serde_json::{Value, json};

use super::*;

#[derive(Debug, Parser)]
struct Line {
    #[command(flatten)]
    chat: ChatArgs,
}

const ALL: Terminals = Terminals { stdin: true, stdout: true, stderr: true };

fn args(line: &[&str]) -> ChatArgs {
    Line::try_parse_from([&["chat"], line].concat()).unwrap().chat
}

fn arranged(line: &[&str], terminals: Terminals) -> (Plan, Manner) {
    arrange(&args(line), terminals).unwrap()
}

#[test]
fn a_terminal_is_talked_with() {
    let (plan, manner) = arranged(&["hello"], ALL);
    assert_eq!(plan.prompt.as_deref(), Some("hello"));
    assert!(!plan.once && !plan.split && plan.typed);
    assert_eq!(manner.policy, None);
    assert_eq!(arranged(&["--yes"], ALL).1.policy, Some(Policy::Allow));
}

#[test]
fn a_pipe_gets_one_answer_and_refuses() {
    for terminals in [Terminals { stdin: false, ..ALL }, Terminals { stdin: false, stdout: false, stderr: false }] {
        let (plan, manner) = arranged(&["hello"], terminals);
        assert!(plan.once && plan.split && !plan.typed);
        assert_eq!(manner.policy, Some(Policy::Refuse));
    }
    let piped = Terminals { stdout: false, ..ALL };
    let (plan, manner) = arranged(&["hello"], piped);
    assert!(plan.once && plan.typed, "somebody is there to answer");
    assert_eq!(manner.policy, None);
    assert_eq!(arranged(&["--yes", "hello"], piped).1.policy, Some(Policy::Allow));
}

#[test]
fn lines_that_cannot_be_followed_are_refused() {
    for line in [["--yes", "--no"], ["--session=s", "--agent=a"], ["--session=s", "--dir=/"]] {
        assert!(Line::try_parse_from([&["chat"][..], &line].concat()).is_err(), "{line:?}");
    }
    assert!(matches!(arrange(&args(&["--once"]), ALL), Err(Failure::Usage(_))));
    assert!(matches!(arrange(&args(&["--once", " "]), ALL), Err(Failure::Usage(_))));
    assert_eq!(Failure::Usage(String::new()).exit().code(), 2);
}

#[test]
fn a_folder_becomes_the_workspace() {
    let folder = std::env::temp_dir().join(format!("portway-chat-{}", std::process::id())).join("demo");
    std::fs::create_dir_all(&folder).unwrap();
    let unclean = folder.join("..").join("demo");
    let new = new_session(&args(&["--dir", unclean.to_str().unwrap(), "--agent", "a"])).unwrap();
    assert_eq!(new.workspace, "demo");
    assert_eq!(new.directory.as_deref(), folder.canonicalize().unwrap().to_str());
    assert_eq!(new.agent.as_deref(), Some("a"));
    let file = folder.join("file");
    std::fs::write(&file, "").unwrap();
    for wrong in [file, folder.join("absent")] {
        assert!(matches!(directory(&wrong), Err(Failure::Usage(_))), "{}", wrong.display());
    }
    std::fs::remove_dir_all(folder.parent().unwrap()).unwrap();
    assert_eq!(new_session(&args(&[])).unwrap().workspace, "chat");
}

#[tokio::test]
async fn without_a_gateway_that_is_said_first() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let server = format!("http://{free}");
    let failure = chat(args(&["--server", &server, "--data", "/nonexistent", "hi"]), ALL).await.unwrap_err();
    assert_eq!(failure.exit().code(), 3);
    assert!(failure.to_string().contains("Start one with `portway serve`"), "{failure}");
}

/// A gateway that is full, or that opens sessions whose sockets nobody may open. It keeps what it was asked.
struct Gateway {
    address: String,
    data: tempfile::TempDir,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Gateway {
    async fn start(full: bool) -> Self {
        let data = tempfile::tempdir().unwrap();
        std::fs::write(data.path().join("bootstrap-key"), "k1").unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let seen = Arc::clone(&asked);
        let router = axum::Router::new().fallback(async move |method: Method, uri: Uri| {
            seen.lock().unwrap().push(format!("{method} {uri}"));
            answer(full, &method, &uri)
        });
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, data, asked }
    }

    async fn chat(&self, line: &[&str]) -> Result<Exit, Failure> {
        let data = self.data.path().to_str().unwrap();
        let args = args(&[&["--server", &self.address, "--data", data, "hi"], line].concat());
        chat(args, Terminals { stdin: false, stdout: false, stderr: false }).await
    }

    fn has_ended(&self, session: &str) -> bool {
        self.asked.lock().unwrap().contains(&format!("DELETE /api/sessions/{session}"))
    }
}

fn answer(full: bool, method: &Method, uri: &Uri) -> (StatusCode, Json<Value>) {
    let is = |wanted: &Method, path: &str| method == wanted && uri.path() == path;
    if is(&Method::POST, "/api/sessions") && full {
        let refusal = json!({"error": "Too many active sessions", "code": "SESSION_QUOTA_EXCEEDED"});
        return (StatusCode::TOO_MANY_REQUESTS, Json(refusal));
    }
    let body = if is(&Method::GET, "/api/sessions") {
        let status = if uri.query().unwrap_or_default().contains("status=running") { "up" } else { "starting" };
        let row = json!({"id": format!("s-{status}"), "workspace": "chat", "lastActiveAt": "?", "isOwner": true});
        json!({"sessions": [row], "hasMore": false})
    } else if is(&Method::POST, "/api/sessions") {
        json!({"ok": true, "session": {"id": "s1"}})
    } else if uri.path().ends_with("/ws") {
        return (StatusCode::NOT_FOUND, Json(Value::Null));
    } else {
        json!({"success": true})
    };
    (StatusCode::OK, Json(body))
}

#[tokio::test]
async fn a_session_for_one_prompt_is_ended_after_it() {
    let gateway = Gateway::start(false).await;
    assert_eq!(gateway.chat(&[]).await.unwrap(), Exit::Failed);
    assert!(gateway.has_ended("s1"));
}

#[tokio::test]
async fn a_session_that_was_joined_or_is_to_be_kept_is_not_ended() {
    let gateway = Gateway::start(false).await;
    gateway.chat(&["--keep"]).await.unwrap();
    gateway.chat(&["--session", "s1"]).await.unwrap();
    assert!(!gateway.has_ended("s1"));
}

#[tokio::test]
async fn a_full_gateway_tells_what_is_active() {
    let gateway = Gateway::start(true).await;
    let failure = gateway.chat(&[]).await.unwrap_err();
    assert_eq!(failure.exit(), Exit::Failed);
    let expected = "Too many active sessions (SESSION_QUOTA_EXCEEDED)
Active now:
  s-up  chat, last active ?
  s-starting  chat, last active ?
Join one with `portway chat --session ID`, and end it there with /end";
    assert_eq!(failure.to_string(), expected);
}
