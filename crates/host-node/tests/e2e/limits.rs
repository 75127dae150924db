//! What is refused before anybody is asked who it is.

use std::time::Instant;

use reqwest::Method;

use crate::harness::api::send;
use crate::harness::gateway::Gateway;
use crate::harness::{PATIENCE, raw};
use crate::trials::Trials;

pub(crate) fn add(trials: &mut Trials) {
    trials.add("limits::heads_are_bounded", heads_are_bounded);
    trials.add("limits::slow_heads_are_given_up", slow_heads_are_given_up);
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

async fn slow_heads_are_given_up() {
    let gateway = Gateway::start("").await;
    let begun = Instant::now();
    let answer = raw::exchange(gateway.address(), b"GET /health HTTP/1.1\r\nHost: local", PATIENCE).await;
    assert!(begun.elapsed() < PATIENCE, "the connection is closed");
    assert!(raw::statuses(&answer).iter().all(|status| *status == 408), "{answer:?}");
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
