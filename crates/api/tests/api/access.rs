//! Who calls: tokens, idempotency keys, and where the request comes from.

use axum::body::Body;
use portway_api::Peer;
use portway_domain::tokens::TokenHash;

use crate::fixture::{Gateway, TOKEN, options, request, signed_in};

#[tokio::test]
async fn without_a_token_nothing_is_read() {
    let gateway = Gateway::new();
    for (method, path) in [("GET", "/api/notes?limit=x"), ("PUT", "/api/notes/n1"), ("DELETE", "/api/notes/n1")] {
        let answer = gateway.send(request(method, path).body(Body::from("no json")).unwrap()).await;
        assert_eq!(answer.error(), (401, "UNAUTHORIZED".into(), "Missing or invalid authentication".into()));
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
    }
    assert!(gateway.state.contexts.lock().unwrap().is_empty());
}

#[tokio::test]
async fn the_token_comes_from_the_header_or_the_query() {
    let gateway = Gateway::new();
    let ask = async |header: Option<&str>, path: &str| {
        let mut request = request("GET", path);
        if let Some(header) = header {
            request = request.header("authorization", header);
        }
        gateway.send(request.body(Body::empty()).unwrap()).await.status()
    };
    assert_eq!(ask(Some(&format!("bearer {TOKEN}")), "/api/notes").await, 200);
    assert_eq!(ask(None, &format!("/api/notes?limit=2&token={TOKEN}")).await, 200);
    assert_eq!(ask(Some("Bearer wrong"), &format!("/api/notes?token={TOKEN}")).await, 401);
    assert_eq!(ask(Some(&format!("Bearer {}", "a".repeat(4000))), "/api/notes").await, 401);
    assert_eq!(ask(None, "/api/notes?token=").await, 401);
}

#[tokio::test]
async fn a_public_operation_needs_no_token() {
    let gateway = Gateway::new();
    let answer = gateway.send(request("GET", "/health").body(Body::empty()).unwrap()).await;
    assert_eq!(answer.body, r#"{"status":"ok","timestamp":"2026-02-24T10:00:00.000Z"}"#);
    let strange = request("GET", "/health").header("host", "10.0.0.7");
    assert_eq!(gateway.send(strange.body(Body::empty()).unwrap()).await.status(), 200);
}

#[tokio::test]
async fn the_context_says_what_is_known() {
    let gateway = Gateway::new();
    gateway.call("GET", "/api/notes", "").await;
    let mut context = gateway.last_context();
    assert_eq!(context.credential, Some(TokenHash::of(TOKEN)));
    assert_eq!(context.base_url, "http://localhost:8787");
    assert_eq!(context.now.to_string(), "2026-02-24T10:00:00.000Z");
    assert_ne!(context.ids.draw_text(), context.request_id);
    assert!(!context.local && context.idempotency.is_none());
    let mut public = options();
    public.public_url = Some("https://gw.example.com/".into());
    let gateway = Gateway::with(public);
    gateway.call("GET", "/api/notes", "").await;
    assert_eq!(gateway.last_context().base_url, "https://gw.example.com");
}

#[tokio::test]
async fn local_is_only_what_comes_straight_from_here() {
    let gateway = Gateway::new();
    let cases = [
        (Some(true), None, true),
        (Some(false), None, false),
        (None, None, false),
        (Some(true), Some("x-forwarded-for"), false),
        (Some(true), Some("forwarded"), false),
    ];
    for (loopback, header, local) in cases {
        let mut request = signed_in("GET", "/api/notes");
        if let Some(header) = header {
            request = request.header(header, "127.0.0.1");
        }
        if let Some(loopback) = loopback {
            request = request.extension(Peer { loopback, address: None });
        }
        gateway.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(gateway.last_context().local, local, "{loopback:?} {header:?}");
    }
}

#[tokio::test]
async fn the_idempotency_key_stands_for_the_whole_request() {
    let gateway = Gateway::new();
    let digest = async |path: &str, body: &str| {
        let request = signed_in("PUT", path).header("idempotency-key", "once");
        let answer = gateway.send(request.body(Body::from(body.to_owned())).unwrap()).await;
        assert_eq!(answer.status(), 200);
        let key = gateway.last_context().idempotency.unwrap();
        assert_eq!(key.key, "once");
        key.digest
    };
    let first = digest("/api/notes/n1", r#"{"title":"a"}"#).await;
    assert_eq!(digest(&format!("/api/notes/n1?token={TOKEN}"), r#"{"title":"a"}"#).await, first);
    assert_ne!(digest("/api/notes/n2", r#"{"title":"a"}"#).await, first);
    assert_ne!(digest("/api/notes/n1", r#"{"title":"b"}"#).await, first);
    assert_eq!(digest("/api/notes/n1?title=a", "").await, first, "where the input stands does not count");
}

#[tokio::test]
async fn a_bad_idempotency_key_is_refused_where_keys_count() {
    let gateway = Gateway::new();
    let bad = signed_in("PUT", "/api/notes/n1").header("idempotency-key", "a".repeat(256));
    assert_eq!(gateway.send(bad.body(Body::empty()).unwrap()).await.error().1, "INVALID_REQUEST");
    let ignored = signed_in("GET", "/api/notes").header("idempotency-key", "a".repeat(256));
    assert_eq!(gateway.send(ignored.body(Body::empty()).unwrap()).await.status(), 200);
    assert!(gateway.last_context().idempotency.is_none());
}
