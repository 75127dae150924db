use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::{WebSocketStream, accept_hdr_async};

use super::*;
use crate::client::Connection;
use crate::client::key::Key;
use crate::client::server::Server;

type Peer = WebSocketStream<TcpStream>;

async fn gateway() -> (TcpListener, Api, SessionId) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = Server::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    let key = Key::find(Some("k1".to_owned()), std::path::Path::new("/"), false).unwrap();
    (listener, Api::new(Connection::new(server, key).unwrap()), SessionId::parse("s1").unwrap())
}

#[expect(clippy::result_large_err, reason = "the type is that of the library")]
fn check(request: &Request, response: Response) -> Result<Response, ErrorResponse> {
    assert_eq!(request.uri(), "/api/sessions/s1/ws?role=client");
    assert_eq!(request.headers()["authorization"], "Bearer k1");
    Ok(response)
}

async fn accept(listener: &TcpListener) -> Peer {
    let (stream, _) = listener.accept().await.unwrap();
    accept_hdr_async(stream, check).await.unwrap()
}

async fn say(peer: &mut Peer, frame: Value) {
    peer.send(Message::text(frame.to_string())).await.unwrap();
}

async fn hear(peer: &mut Peer) -> Value {
    serde_json::from_str(peer.next().await.unwrap().unwrap().to_text().unwrap()).unwrap()
}

#[tokio::test]
async fn a_broken_connection_is_made_again() {
    let (listener, api, session) = gateway().await;
    let mut socket = Socket::open(&api, &session);
    let mut peer = accept(&listener).await;
    say(&mut peer, json!({"type": "pong"})).await;
    assert!(matches!(socket.next().await, Some(SocketEvent::Frame(frame)) if *frame == ServerFrame::Pong {}));
    drop(peer);
    assert!(matches!(socket.next().await, Some(SocketEvent::Lost)));
    assert!(socket.send(ClientFrame::ABORT));
    let mut peer = accept(&listener).await;
    assert_eq!(hear(&mut peer).await, json!({"type": "abort"}));
    say(&mut peer, json!({"type": "init", "session": 7})).await;
    assert!(matches!(socket.next().await, Some(SocketEvent::Unreadable(_))));
}

#[tokio::test]
async fn what_waits_is_sent_before_the_socket_is_closed() {
    let (listener, api, session) = gateway().await;
    let socket = Socket::open(&api, &session);
    let mut peer = accept(&listener).await;
    assert!(socket.send(ClientFrame::ABORT));
    let server = async {
        assert_eq!(hear(&mut peer).await, json!({"type": "abort"}));
        assert!(
            matches!(peer.next().await, Some(Ok(Message::Close(Some(frame)))) if frame.code == CLOSE_NORMAL.into())
        );
        while peer.next().await.is_some() {}
    };
    tokio::join!(server, socket.close());
}

#[tokio::test]
async fn another_connection_can_be_asked_for() {
    let (listener, api, session) = gateway().await;
    let mut socket = Socket::open(&api, &session);
    let mut first = accept(&listener).await;
    socket.renew();
    assert!(matches!(first.next().await, Some(Ok(Message::Close(_)))));
    while first.next().await.is_some() {}
    let mut second = accept(&listener).await;
    say(&mut second, json!({"type": "pong"})).await;
    assert!(matches!(socket.next().await, Some(SocketEvent::Frame(_))), "no loss is told");
}

#[test]
fn refused_upgrades_say_what_they_mean() {
    let session = SessionId::parse("s1").unwrap();
    let refusal = |status: u16| {
        let response = tokio_tungstenite::tungstenite::http::Response::builder().status(status).body(None).unwrap();
        of_socket("http://h", &session, Error::Http(Box::new(response)))
    };
    assert_eq!(refusal(401), ApiError::Unauthorized { server: "http://h".to_owned() });
    assert_eq!(refusal(404), ApiError::NoSession("s1".to_owned()));
    for status in [429, 500, 502, 503] {
        assert!(refusal(status).is_passing(), "{status}");
    }
    assert!(!refusal(403).is_passing());
    assert!(of_socket("http://h", &session, Error::ConnectionClosed).is_passing());
}
