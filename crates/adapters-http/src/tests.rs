//! The adapter with a backend that answers as the test says.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use portway_domain::ids::{SandboxId, SessionId, SnapshotId, UserId};
use portway_domain::sandbox_tokens::{SandboxKey, SandboxRootKey};
use portway_domain::time::Timestamp;
use portway_domain::tokens::TokenSecret;
use portway_ports::sandboxes::{AgentCommand, SandboxError, SandboxOrder, SandboxRef, Sandboxes, StartedSandbox};
use portway_ports::system::Clock;
use serde_json::{Value, json};

use crate::{HttpAnswer, HttpClient, HttpError, HttpRequest, HttpSandboxOptions, HttpSandboxes};

/// What a backend does with a request.
enum Act {
    Answer(u16, String),
    /// More than is read.
    TooMuch,
    Refuse,
    Hang,
}

/// A backend that does one thing after the other, and a clock that runs while nothing happens.
#[derive(Default)]
struct Script {
    acts: Mutex<VecDeque<Act>>,
    heard: Mutex<Vec<HttpRequest>>,
    slept: Mutex<Vec<Duration>>,
}

#[async_trait]
impl HttpClient for Script {
    async fn post(&self, request: HttpRequest) -> Result<HttpAnswer, HttpError> {
        self.heard.lock().unwrap().push(request);
        let act = self.acts.lock().unwrap().pop_front().expect("nothing more is asked");
        match act {
            Act::Answer(status, body) => Ok(HttpAnswer { status, body: body.into_bytes(), is_cut: false }),
            Act::TooMuch => Ok(HttpAnswer { status: 200, body: b"{\"sandboxId\":".to_vec(), is_cut: true }),
            Act::Refuse => Err(HttpError("connection refused".to_owned())),
            Act::Hang => std::future::pending().await,
        }
    }
}

#[async_trait]
impl Clock for Script {
    fn now(&self) -> Timestamp {
        let slept: Duration = self.slept.lock().unwrap().iter().sum();
        Timestamp::from_millis(0).plus(slept)
    }

    async fn sleep(&self, span: Duration) {
        self.slept.lock().unwrap().push(span);
    }
}

fn backend(acts: impl IntoIterator<Item = Act>) -> (HttpSandboxes, Arc<Script>) {
    let script = Arc::new(Script { acts: Mutex::new(acts.into_iter().collect()), ..Script::default() });
    let options = HttpSandboxOptions {
        url: "http://127.0.0.1:9/{label}".parse().unwrap(),
        token: TokenSecret::opaque("hunter2").unwrap(),
        gateway_url: "wss://gateway.example".parse().unwrap(),
    };
    (HttpSandboxes::new(options, script.clone(), script.clone()), script)
}

fn answer(status: u16, body: &Value) -> Act {
    Act::Answer(status, body.to_string())
}

fn key() -> SandboxKey {
    let root = SandboxRootKey::new(TokenSecret::opaque("root").unwrap());
    root.of_session(&SessionId::parse("s").unwrap())
}

fn order() -> SandboxOrder {
    SandboxOrder {
        session: SessionId::parse("s").unwrap(),
        owner: UserId::parse("u").unwrap(),
        generation: 3,
        agent_name: "codex".to_owned(),
        agent: AgentCommand {
            env: BTreeMap::from([("KEY".to_owned(), "value".to_owned())]),
            mode: Some("ask".to_owned()),
            ..AgentCommand::new(["codex-acp"])
        },
        directory: None,
        token: TokenSecret::opaque("runner-secret").unwrap(),
        key: Some(key()),
        agent_session: Some("talk".to_owned()),
        snapshot: None,
    }
}

fn started<const N: usize>(id: &str, urls: [(&str, &str); N]) -> StartedSandbox {
    let urls = BTreeMap::from(urls.map(|(name, url)| (name.to_owned(), url.to_owned())));
    StartedSandbox { id: SandboxId::parse(id).ok(), urls: urls.into() }
}

fn sandbox(id: Option<&str>) -> SandboxRef {
    let id = id.map(|id| SandboxId::parse(id).unwrap());
    SandboxRef { session: SessionId::parse("s").unwrap(), generation: 3, id }
}

impl Script {
    /// The only request.
    fn only(&self) -> (String, Value) {
        let heard = self.heard.lock().unwrap();
        assert_eq!(heard.len(), 1);
        assert_eq!((heard[0].token.reveal(), heard[0].max_answer_bytes), ("hunter2", 64 * 1_024));
        (heard[0].url.clone(), serde_json::from_str(&heard[0].body).unwrap())
    }
}

#[tokio::test]
async fn a_start_says_all_that_a_backend_needs() {
    let (sandboxes, script) = backend([answer(200, &json!({"sandboxId": "sb-1", "tunnelUrls": {}}))]);
    assert_eq!(sandboxes.start(order()).await, Ok(started("sb-1", [])));
    let (url, body) = script.only();
    assert_eq!(url, "http://127.0.0.1:9/create-session");
    assert_eq!(
        body,
        json!({
            "sessionId": "s",
            "userId": "u",
            "workspace": "s",
            "imageType": "base",
            "doWsUrl": "wss://gateway.example/api/sessions/s/ws",
            "runnerToken": "runner-secret",
            "jwtSecret": key().reveal(),
            "idleTimeoutSeconds": 86_400,
            "envVars": {"KEY": "value"},
            "generation": 3,
            "agent": {"name": "codex", "command": ["codex-acp"], "mode": "ask"},
            "agentSession": "talk",
        })
    );
}

#[tokio::test]
async fn where_a_sandbox_is_reached_is_read_leniently() {
    let gateway = ("gateway", "https://g.example");
    for (told, expected) in [
        (json!({"gateway": "https://g.example", "vscode": null, "vnc": 7, "ttyd": "ftp://x"}), vec![gateway]),
        (json!({"": "https://g.example"}), vec![]),
        (json!(null), vec![]),
        (json!(["https://g.example"]), vec![]),
    ] {
        let (sandboxes, _) = backend([answer(200, &json!({"sandboxId": "sb-1", "tunnelUrls": told}))]);
        let started = sandboxes.start(order()).await.unwrap();
        let urls: Vec<_> = started.urls.as_map().iter().map(|(name, url)| (name.as_str(), url.as_str())).collect();
        assert_eq!(urls, expected, "{told}");
    }
}

#[tokio::test]
async fn what_was_put_away_is_restored_from_its_snapshot() {
    let (sandboxes, script) = backend([answer(200, &json!({"sandboxId": "sb-2"}))]);
    let order = SandboxOrder { snapshot: SnapshotId::parse("im-1").ok(), key: None, ..order() };
    assert_eq!(sandboxes.start(order).await, Ok(started("sb-2", [])));
    let (url, body) = script.only();
    assert_eq!(url, "http://127.0.0.1:9/restore-session");
    assert_eq!((&body["snapshotImageId"], body.get("jwtSecret")), (&json!("im-1"), None));
}

#[tokio::test]
async fn a_sandbox_is_named_in_both_ways() {
    let (sandboxes, script) = backend([answer(200, &json!({"success": true}))]);
    sandboxes.stop(&sandbox(Some("sb-1"))).await.unwrap();
    let (url, body) = script.only();
    assert_eq!(url, "http://127.0.0.1:9/terminate-session");
    assert_eq!(body, json!({"sandboxId": "sb-1", "sessionId": "s", "generation": 3}));
    let (sandboxes, script) = backend([answer(200, &json!({"status": "running"}))]);
    assert_eq!(sandboxes.is_alive(&sandbox(None)).await, Ok(true));
    assert_eq!(script.only().1, json!({"sessionId": "s", "generation": 3}));
}

#[tokio::test]
async fn what_is_gone_is_stopped_and_put_away() {
    for status in [404, 409, 410] {
        let gone = || answer(status, &json!({"error": "already finished"}));
        let (sandboxes, _) = backend([gone(), gone(), gone()]);
        assert_eq!(sandboxes.stop(&sandbox(None)).await, Ok(()));
        assert_eq!(sandboxes.hibernate(&sandbox(None)).await, Ok(None));
        assert_eq!(sandboxes.is_alive(&sandbox(None)).await, Ok(false));
    }
}

#[tokio::test]
async fn only_what_is_said_to_be_gone_is_gone() {
    let alive = async |status: u16, body: Value, id: Option<&str>| {
        let (sandboxes, _) = backend([answer(status, &body)]);
        sandboxes.is_alive(&sandbox(id)).await.ok()
    };
    assert_eq!(alive(200, json!({"status": "Terminated"}), None).await, Some(false));
    assert_eq!(alive(200, json!({"status": "whatever"}), None).await, Some(true));
    assert_eq!(alive(400, json!({"error": "sandboxId is required"}), None).await, Some(false));
    assert_eq!(alive(400, json!({"error": "broken"}), Some("sb-1")).await, None);
    assert_eq!(alive(500, json!({}), Some("sb-1")).await, None);
    assert_eq!(alive(200, json!({"status": 1}), Some("sb-1")).await, None);
}

#[tokio::test]
async fn a_snapshot_is_kept_if_it_has_a_name() {
    let hibernate = async |body: Value| {
        let (sandboxes, _) = backend([answer(200, &body)]);
        sandboxes.hibernate(&sandbox(Some("sb-1"))).await
    };
    assert_eq!(hibernate(json!({"snapshotImageId": "im-1"})).await, Ok(SnapshotId::parse("im-1").ok()));
    assert_eq!(hibernate(json!({})).await, Ok(None));
    assert!(matches!(hibernate(json!({"snapshotImageId": "a b"})).await, Err(SandboxError::Refused(_))));
}

/// What becomes of a start that is answered like this: whether it makes sense to try again, and the words.
async fn failed(act: Act) -> (bool, String) {
    let (sandboxes, _) = backend([act]);
    match sandboxes.start(order()).await {
        Err(SandboxError::Unavailable(text)) => (true, text),
        Err(SandboxError::Refused(text)) => (false, text),
        Ok(id) => panic!("it started: {id:?}"),
    }
}

#[tokio::test]
async fn every_failure_says_what_to_do() {
    let error = |status| answer(status, &json!({"error": "no\nroom"}));
    for (act, again, parts) in [
        (Act::Refuse, true, ["http://127.0.0.1:9 cannot be reached: connection refused", "portway sandbox serve"]),
        (Act::Hang, true, ["did not answer create-session within 30 seconds", "log"]),
        (Act::TooMuch, false, ["cannot be understood: it is too long", "sandbox URL"]),
        (error(302), false, ["redirect", "Correct the sandbox URL"]),
        (error(401), false, ["refuses the token (401)", "PORTWAY_SANDBOX_TOKEN"]),
        (error(404), false, ["does not offer create-session", "sandbox URL"]),
        (error(409), false, ["refuses create-session (409): no room", ""]),
        (error(429), true, ["with status 429: no room", ""]),
        (error(503), true, ["with status 503: no room", ""]),
        (Act::Answer(200, "<html>".to_owned()), false, ["cannot be understood", "sandbox URL"]),
        (answer(200, &json!({})), false, ["sandboxId", ""]),
        (answer(200, &json!({"sandboxId": "../x y"})), false, ["sandboxId: expected an id", ""]),
        (Act::Answer(500, "<html>".to_owned()), true, ["answers create-session with status 500", ""]),
    ] {
        let (is_passing, text) = failed(act).await;
        assert_eq!(is_passing, again, "{text}");
        assert!(parts.iter().all(|part| text.contains(part)), "{text}");
        assert!(!text.contains("hunter2") && !text.contains("runner-secret"), "{text}");
    }
}

#[tokio::test]
async fn words_of_a_backend_stay_within_bounds() {
    let (_, text) = failed(answer(400, &json!({"error": "\u{1b}[31m".repeat(10_000)}))).await;
    assert!(text.chars().count() < 500 && !text.contains('\u{1b}'), "{text}");
}

#[tokio::test]
async fn a_sandbox_is_watched_until_its_end_is_told() {
    let (sandboxes, script) = backend([
        answer(200, &json!({"status": "running"})),
        Act::Refuse,
        answer(503, &json!({})),
        answer(200, &json!({"status": "gone", "detail": "exit code 3"})),
    ]);
    assert_eq!(sandboxes.ended(&sandbox(Some("sb-1"))).await, "exit code 3");
    let five = Duration::from_secs(5);
    assert_eq!(*script.slept.lock().unwrap(), [five; 3], "a backend that answers at once is not asked without end");
    let heard = script.heard.lock().unwrap();
    assert!(heard.iter().all(|request| request.body.contains("\"waitSeconds\":25")));
}

#[tokio::test]
async fn the_check_tells_a_backend_from_other_servers() {
    let check = async |act: Act| backend([act]).0.check().await;
    assert_eq!(check(answer(200, &json!({"status": "gone"}))).await, Ok(()));
    assert_eq!(check(answer(404, &json!({"error": "no such sandbox"}))).await, Ok(()));
    for act in [
        Act::Refuse,
        answer(401, &json!({"error": "no"})),
        answer(503, &json!({"error": "no"})),
        Act::Answer(200, "<html>".to_owned()),
        Act::Answer(404, "<html>".to_owned()),
        Act::Answer(301, String::new()),
    ] {
        assert!(check(act).await.is_err());
    }
}

#[tokio::test]
async fn a_workspace_is_deleted_by_its_session() {
    let (sandboxes, script) = backend([answer(200, &json!({"success": true, "deleted": true}))]);
    assert_eq!(sandboxes.delete_workspace(&SessionId::parse("s").unwrap()).await, Ok(true));
    assert_eq!(script.only(), ("http://127.0.0.1:9/delete-workspace".to_owned(), json!({"sessionId": "s"})));
    let delete = async |act: Act| backend([act]).0.delete_workspace(&SessionId::parse("s").unwrap()).await;
    assert_eq!(delete(answer(404, &json!({"error": "no such route"}))).await, Ok(false));
    assert!(matches!(delete(answer(409, &json!({"error": "it runs"}))).await, Err(SandboxError::Refused(_))));
    assert!(matches!(delete(Act::Refuse).await, Err(SandboxError::Unavailable(_))));
}
