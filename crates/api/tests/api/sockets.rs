//! The seam of sockets.

use axum::body::Body;
use portway_api::Incoming;

use crate::fixture::{Gateway, TOKEN, request, signed_in};

#[derive(Debug, Clone, PartialEq)]
struct Connection(u8);

#[tokio::test]
async fn a_socket_is_served_after_the_caller_was_let_in() {
    let gateway = Gateway::new();
    gateway.script.frames.lock().unwrap().push_back(Incoming::Text("hello".into()));
    let path = format!("/api/notes/n1/ws?role=client&token={TOKEN}");
    let asked = request("GET", &path).header("upgrade", "WebSocket").extension(Connection(7));
    let answer = gateway.send(asked.body(Body::empty()).unwrap()).await;
    assert_eq!(answer.status(), 101);
    assert_eq!(answer.parts.extensions.get(), Some(&Connection(7)));
    assert_eq!(*gateway.state.heard.lock().unwrap(), [Incoming::Text("hello".into())]);
    assert_eq!(*gateway.script.told.lock().unwrap(), ["n1 1", "n1 2", "close 1000 done"]);
}

#[tokio::test]
async fn refusals_come_before_the_upgrade() {
    let gateway = Gateway::new();
    let path = "/api/notes/n1/ws";
    let plain = signed_in("GET", path);
    let (status, code, _) = gateway.send(plain.body(Body::empty()).unwrap()).await.error();
    assert_eq!((status, code.as_str()), (426, "INVALID_REQUEST"));
    let stranger = request("GET", path).header("upgrade", "websocket");
    assert_eq!(gateway.send(stranger.body(Body::empty()).unwrap()).await.error().0, 401);
    let wrong = request("GET", "/api/notes/n1/ws?token=x").header("upgrade", "websocket");
    assert_eq!(gateway.send(wrong.body(Body::empty()).unwrap()).await.error().0, 401);
    let page = signed_in("GET", path).header("upgrade", "websocket").header("origin", "https://evil.example");
    assert_eq!(gateway.send(page.body(Body::empty()).unwrap()).await.error().0, 403);
    assert!(gateway.script.told.lock().unwrap().is_empty());
}
