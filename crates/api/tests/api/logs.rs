//! What is written about requests, and what is not.

use std::io;
use std::sync::{Arc, Mutex, Once};

use axum::body::Body;
use http::StatusCode;
use portway_api::{ApiError, Refused};
use serde_json::Value;
use tracing::level_filters::LevelFilter;
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::fmt::MakeWriter;

use crate::detached::{self, hang_up_at};
use crate::fixture::{Gateway, TOKEN, options, request, signed_in};

/// Keeps what is logged on this thread.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

impl Log {
    fn keep(level: LevelFilter) -> (Self, DefaultGuard) {
        // What is of no interest to any thread at one moment would be passed over by all of them for a while.
        static LISTENER: Once = Once::new();
        LISTENER.call_once(|| {
            let everything = tracing_subscriber::fmt().with_max_level(LevelFilter::TRACE).with_writer(io::sink);
            tracing::subscriber::set_global_default(everything.finish()).unwrap();
        });
        let log = Self::default();
        let subscriber =
            tracing_subscriber::fmt().json().flatten_event(true).with_max_level(level).with_writer(log.clone());
        (log, tracing::subscriber::set_default(subscriber.finish()))
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    fn lines(&self) -> Vec<Value> {
        self.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

#[tokio::test]
async fn every_request_has_one_line() {
    let (log, _guard) = Log::keep(LevelFilter::INFO);
    let gateway = Gateway::new();
    let asked = signed_in("GET", "/api/notes?limit=3").header("x-request-id", "r-1").body(Body::empty()).unwrap();
    let bytes = gateway.send(asked).await.body.len();
    let lines = log.lines();
    let [line] = &*lines else { panic!("{lines:?}") };
    assert_eq!(line["target"], "portway::access");
    assert_eq!(line["level"], "INFO");
    assert_eq!(line["request_id"], "r-1");
    assert_eq!((&line["method"], &line["path"]), (&"GET".into(), &"/api/notes".into()));
    assert_eq!((&line["route"], &line["status"]), (&"notes.list".into(), &200.into()));
    assert_eq!((&line["duration_ms"], &line["bytes"]), (&0.0.into(), &bytes.into()));
    assert_eq!((&line["caller"], &line["peer"]), (&"u-notes".into(), &Value::Null));
}

#[tokio::test]
async fn refusals_have_their_line_too() {
    let (log, _guard) = Log::keep(LevelFilter::INFO);
    let gateway = Gateway::new();
    gateway.send(request("GET", "/api/notes").body(Body::empty()).unwrap()).await;
    gateway.call("GET", "/nowhere", "").await;
    gateway.call("PATCH", "/api/notes", "").await;
    gateway.call("GET", &format!("/{}", "a".repeat(9_000)), "").await;
    gateway.call("GET", "/api/notes/%zz/ws", "").await;
    let lines = log.lines();
    let statuses: Vec<u64> = lines.iter().map(|line| line["status"].as_u64().unwrap()).collect();
    assert_eq!(statuses, [401, 404, 405, 414, 400]);
    assert!(lines.iter().all(|line| line["caller"].is_null() && line["request_id"].is_string()), "{lines:#?}");
    assert_eq!((&lines[0]["route"], &lines[1]["route"]), (&"notes.list".into(), &Value::Null));
    assert_eq!(lines[3]["path"].as_str().unwrap().len(), 256);
}

#[tokio::test]
async fn what_the_host_refused_is_answered_and_logged_too() {
    let (log, _guard) = Log::keep(LevelFilter::INFO);
    let error = ApiError::invalid_request("no HTTP").with_status(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    let refused = Refused { error, peer: "192.0.2.7:50000".parse().unwrap() };
    // Whatever the rest of it looks like.
    let unread = request("GET", "/health").header("host", "elsewhere.example").extension(refused);
    let answer = Gateway::new().send(unread.body(Body::empty()).unwrap()).await;
    assert_eq!(answer.error(), (431, "INVALID_REQUEST".into(), "no HTTP".into()));
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    let lines = log.lines();
    let [line] = &*lines else { panic!("{lines:?}") };
    assert_eq!((&line["status"], &line["request_id"]), (&431.into(), &answer.json()["requestId"]));
    assert_eq!(line["peer"], "192.0.2.7:50000");
    for unknown in ["method", "path", "route", "caller"] {
        assert!(line[unknown].is_null(), "{unknown}: {line}");
    }
}

#[tokio::test]
async fn probes_are_quiet_and_the_log_can_be_switched_off() {
    let health = || request("GET", "/health").body(Body::empty()).unwrap();
    let (log, guard) = Log::keep(LevelFilter::INFO);
    Gateway::new().send(health()).await;
    assert_eq!(log.text(), "");
    drop(guard);
    let (log, guard) = Log::keep(LevelFilter::DEBUG);
    Gateway::new().send(health()).await;
    assert_eq!(log.lines()[0]["level"], "DEBUG");
    drop(guard);
    let (log, _guard) = Log::keep(LevelFilter::DEBUG);
    let mut options = options();
    options.access_log = false;
    Gateway::with(options).call("GET", "/api/notes", "").await;
    assert_eq!(log.text(), "");
}

#[tokio::test]
async fn a_panic_is_a_500_that_the_log_explains() {
    let (log, _guard) = Log::keep(LevelFilter::INFO);
    let gateway = Gateway::new();
    let answer = gateway.call("DELETE", "/api/notes/panics", "").await;
    assert_eq!(answer.error(), (500, "INTERNAL_ERROR".into(), "Internal server error".into()));
    assert!(answer.header("x-content-type-options").is_some());
    let lines = log.lines();
    let [fault, access] = &*lines else { panic!("{lines:?}") };
    assert_eq!((&fault["level"], &fault["request_id"]), (&"ERROR".into(), &answer.json()["requestId"]));
    assert_eq!(fault["reason"], "the handler panicked: the note bites");
    assert_eq!((&access["status"], &access["request_id"]), (&500.into(), &fault["request_id"]));
    assert_eq!(gateway.call("GET", "/api/notes", "").await.status(), 200, "nothing else is harmed");
}

#[tokio::test]
async fn no_line_has_a_secret() {
    let (log, _guard) = Log::keep(LevelFilter::TRACE);
    let gateway = Gateway::new();
    gateway.call("GET", "/api/notes?token=sk_test_in_query", "").await;
    gateway.call("PUT", "/api/notes/n1?token=sk_test_in_query", r#"{"title":"a secret of the body"}"#).await;
    gateway.call("PUT", "/api/notes/n1", r#"{"title":7,"x":"a secret of the body"}"#).await;
    gateway.send(signed_in("GET", "/api/notes/n1/ws?token=sk_test_in_query").body(Body::empty()).unwrap()).await;
    assert!(log.lines().len() >= 4);
    for secret in [TOKEN, "sk_test_in_query", "a secret of the body"] {
        assert!(!log.text().contains(secret), "{secret}: {}", log.text());
    }
}

#[tokio::test]
async fn what_goes_wrong_when_the_caller_is_gone_is_logged() {
    let (log, _guard) = Log::keep(LevelFilter::ERROR);
    let (gateway, tasks) = detached::gateway();
    hang_up_at(&gateway.state.gate, gateway.call("DELETE", "/api/notes/held", "")).await;
    gateway.state.gate.open();
    tasks.ended().await;
    let lines = log.lines();
    let [line] = &*lines else { panic!("{lines:?}") };
    assert_eq!(line["reason"], "the shredder jams");
    assert!(line["request_id"].is_string());
}
