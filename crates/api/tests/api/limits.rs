//! What is refused whoever asks.

use std::convert::Infallible;
use std::task::Poll;

use axum::body::Body;
use bytes::Bytes;
use futures_util::stream;

use crate::fixture::{Gateway, LIMIT, request, signed_in};

/// A body that begins and does not go on.
fn endless(beginning: &'static str) -> Body {
    let mut first = Some(Ok::<_, Infallible>(Bytes::from_static(beginning.as_bytes())));
    Body::from_stream(stream::poll_fn(move |_| match first.take() {
        Some(chunk) => Poll::Ready(Some(chunk)),
        None => Poll::Pending,
    }))
}

#[tokio::test]
async fn addresses_are_bounded_before_anybody_is_asked_who_it_is() {
    let gateway = Gateway::new();
    for (path, status) in [
        (format!("/api/notes?x={}", "a".repeat(9_000)), 414),
        (format!("/{}", "a".repeat(9_000)), 414),
        ("/a".repeat(65), 400),
        (format!("/api/notes?{}", "a&".repeat(65)), 400),
    ] {
        let answer = gateway.send(request("GET", &path).body(Body::empty()).unwrap()).await;
        let (found, code, _) = answer.error();
        assert_eq!((found, code.as_str()), (status, "INVALID_REQUEST"), "{path:.40}");
    }
}

#[tokio::test]
async fn a_body_has_to_arrive_in_time() {
    let gateway = Gateway::new();
    for (path, method) in [("/api/notes/n1", "PUT"), ("/api/notes/n1/blob", "PUT")] {
        let slow = signed_in(method, path).body(endless("{\"a\":")).unwrap();
        let (status, code, message) = gateway.send(slow).await.error();
        assert_eq!((status, code.as_str()), (408, "INVALID_REQUEST"), "{message}");
    }
    let unread = signed_in("GET", "/api/notes").body(endless("")).unwrap();
    assert_eq!(gateway.send(unread).await.status(), 200, "who reads no body waits for none");
}

#[tokio::test]
async fn a_body_without_a_length_is_bounded_too() {
    let gateway = Gateway::new();
    let chunks = stream::iter((0..LIMIT).map(|_| Ok::<_, Infallible>(Bytes::from_static(b"  "))));
    let large = signed_in("PUT", "/api/notes/n1").body(Body::from_stream(chunks)).unwrap();
    assert_eq!(gateway.send(large).await.status(), 413);
}

#[tokio::test]
async fn a_large_body_is_read_for_callers_who_are_let_in() {
    let gateway = Gateway::new();
    let never =
        || Body::from_stream(stream::poll_fn(|_| -> Poll<Option<Result<Bytes, Infallible>>> { panic!("it is read") }));
    let strangers = request("POST", "/api/notes/n1/import").header("content-type", "application/json");
    let (status, code, _) = gateway.send(strangers.body(never()).unwrap()).await.error();
    assert_eq!((status, code.as_str()), (401, "UNAUTHORIZED"));
    let large = || Body::from(format!("{{{}}}", " ".repeat(2 * LIMIT)));
    let strangers = request("POST", "/api/notes/n1/import").header("content-type", "application/json");
    assert_eq!(gateway.send(strangers.body(large()).unwrap()).await.status(), 401);
    let ours = gateway.send(signed_in("POST", "/api/notes/n1/import").body(large()).unwrap()).await.status();
    assert_eq!(ours, 200);
}
