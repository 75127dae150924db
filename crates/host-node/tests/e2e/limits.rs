//! What is refused before anybody is asked who it is.

use std::time::Instant;

use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::harness::api::send;
use crate::harness::gateway::Gateway;
use crate::harness::{PATIENCE, raw};
use crate::logs::requests;
use crate::trials::Trials;

pub(crate) fn add(trials: &mut Trials) {
    trials.add("limits::heads_are_bounded", heads_are_bounded);
    trials.add("limits::slow_heads_are_given_up", slow_heads_are_given_up);
    trials.add("limits::what_is_no_request_is_refused_like_one", what_is_no_request_is_refused_like_one);
    trials.add("limits::documents_are_bounded_in_depth", documents_are_bounded_in_depth);
    trials.add("limits::frames_are_bounded", frames_are_bounded);
}

async fn heads_are_bounded() {
    let gateway = Gateway::start("").await;
    let get = |path: &str, headers: &str| {
        format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n")
    };
    let many: String = (0..120).map(|number| format!("X-{number}: a\r\n")).collect();
    let few: String = (0..90).map(|number| format!("X-{number}: a\r\n")).collect();
    for (request, status) in [
        (get("/health", ""), 200),
        (get("/health", &few), 200),
        (get("/health", &many), 431),
        (get("/health", &format!("X-Long: {}\r\n", "a".repeat(70_000))), 431),
        (get(&format!("/{}", "a".repeat(9_000)), ""), 414),
        (get(&format!("/health?{}", "a".repeat(9_000)), ""), 414),
        (get(&"/a".repeat(100), ""), 400),
        (get("/api/sessions/%zz", ""), 400),
        (get(&format!("/api/sessions?{}", "a=1&".repeat(100)), "Authorization: Bearer x\r\n"), 400),
    ] {
        assert_eq!(raw::status(gateway.address(), &request).await, Some(status), "{request:.200}");
    }
    let endless = format!("GET /{} HTTP/1.1\r\n", "a".repeat(200_000));
    assert!(matches!(raw::status(gateway.address(), &endless).await, Some(400 | 414 | 431)));
    gateway.api().get("/api/auth/me").await.expect(200);
}

/// Also those that might still become HTTP/2, and those that follow another request.
async fn slow_heads_are_given_up() {
    let gateway = Gateway::start("").await;
    let exchange = async |bytes: &[u8]| {
        let begun = Instant::now();
        let answer = raw::exchange(gateway.address(), bytes, PATIENCE).await;
        assert!(begun.elapsed() < PATIENCE, "the connection is closed");
        answer
    };
    let second = async {
        let mut stream = TcpStream::connect(gateway.address()).await.unwrap();
        stream.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
        // Its answer is on its way when the next head begins.
        stream.readable().await.unwrap();
        stream.write_all(b"GET").await.unwrap();
        raw::read_all(&mut stream, PATIENCE).await
    };
    let (first, preface, second, silent) = tokio::join!(
        exchange(b"GET /health HTTP/1.1\r\nHost: local"),
        exchange(b"PRI * HTTP/2.0\r\n"),
        second,
        exchange(b""),
    );
    for answer in [&first, &preface] {
        check_refusal(&gateway, answer, 408);
    }
    assert_eq!(raw::statuses(&second), [200, 408], "{second:?}");
    assert_eq!(silent, b"", "a connection in store is closed without a word");
}

/// What the HTTP library answers by itself elsewhere.
async fn what_is_no_request_is_refused_like_one() {
    let gateway = Gateway::start("").await;
    let get = |rest: &str| format!("GET /health HTTP/1.1\r\nHost: localhost\r\n{rest}\r\n");
    let many: String = (0..120).map(|number| format!("X-{number}: a\r\n")).collect();
    let long = format!("X-Long: {}\r\n", "a".repeat(70_000));
    for (request, status) in [
        ("\u{0}\u{1}\u{2}\r\n\r\n".to_owned(), 400),
        ("GET /health\r\n\r\n".to_owned(), 400),
        ("GET /health HTTP/9.9\r\n\r\n".to_owned(), 400),
        ("GET /hea\u{1}lth HTTP/1.1\r\n\r\n".to_owned(), 400),
        ("PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n and so on".to_owned(), 400),
        (get("no colon\r\n"), 400),
        (get("Content-Length: many\r\n"), 400),
        (get("Content-Length: 1\r\nContent-Length: 2\r\n"), 400),
        (get("Transfer-Encoding: gzip\r\n"), 400),
        (get(&many), 431),
        (get(&long), 431),
    ] {
        let answer = raw::exchange(gateway.address(), request.as_bytes(), PATIENCE).await;
        check_refusal(&gateway, &answer, status);
    }
    // After a request that made sense.
    let later = get("") + "nonsense\r\n\r\n";
    let answer = raw::exchange(gateway.address(), later.as_bytes(), PATIENCE).await;
    assert_eq!(raw::statuses(&answer), [200, 400], "{answer:?}");
    let refusal = answer.windows(13).position(|bytes| bytes == b"HTTP/1.1 400 ").unwrap();
    check_refusal(&gateway, &answer[refusal..], 400);
    let counted = gateway.api().get("/metrics").await.text;
    let expected = r#"portway_http_requests_total{operation="none",class="4xx"} 12"#;
    assert!(counted.contains(expected), "{counted}");
}

/// A refusal as the gateway makes them, with a line in the log that says who got it.
fn check_refusal(gateway: &Gateway, answer: &[u8], status: u16) {
    let text = String::from_utf8(answer.to_vec()).unwrap();
    let heads = raw::heads(answer);
    let [head] = &*heads else { panic!("{text:?}") };
    assert_eq!(head.status, status, "{text}");
    let id = head.header("x-request-id").unwrap_or_else(|| panic!("no id: {text}"));
    for (name, value) in [
        ("content-type", "application/json"),
        ("x-content-type-options", "nosniff"),
        ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
        ("cache-control", "no-store"),
        ("connection", "close"),
    ] {
        assert_eq!(head.header(name), Some(value), "{name} in {text}");
    }
    assert!(head.header("date").is_some(), "{text}");
    let body: Value = serde_json::from_str(text.split_once("\r\n\r\n").unwrap().1).unwrap();
    assert_eq!((&body["code"], &body["requestId"]), (&json!("INVALID_REQUEST"), &json!(id)));
    assert!(body["error"].as_str().is_some_and(|error| !error.is_empty()), "{body}");
    let lines: Vec<Value> = requests(&gateway.log()).into_iter().filter(|line| line["request_id"] == id).collect();
    let [line] = &*lines else { panic!("{lines:#?}") };
    assert_eq!((&line["status"], &line["method"], &line["path"]), (&json!(status), &Value::Null, &Value::Null));
    assert!(line["peer"].as_str().is_some_and(|peer| peer.starts_with("127.0.0.1:")), "{line}");
}

async fn documents_are_bounded_in_depth() {
    let gateway = Gateway::start("").await;
    let deep = |field: &str, levels: usize| format!(r#"{{"{field}":{}1{}}}"#, "[".repeat(levels), "]".repeat(levels));
    for (body, status) in [
        (deep("name", 200), 400),
        (deep("name", 100_000), 400),
        (deep("modelPreferences", 100_000), 400),
        // What is not known is not looked at.
        (deep("other", 100_000), 200),
    ] {
        let request = gateway.api().request(Method::PATCH, "/api/auth/me").header("content-type", "application/json");
        assert_eq!(send(request.body(body)).await.status, status);
    }
}

async fn frames_are_bounded() {
    let gateway = Gateway::start("").await;
    let session = gateway.api().demo_session().await;
    let mut socket = session.socket().await;
    socket.try_send_text(&"x".repeat(portway_protocol::MAX_FRAME_BYTES + 1)).await;
    socket.close_code().await;
    let mut again = session.socket().await;
    let prompt = again.prompt("/say fine", None).await;
    assert_eq!(again.answer_to(&prompt).await.content, "fine");
}
