//! The adapter of sandboxes and this client, with a server that writes what the test says.

use std::net::SocketAddr;
use std::sync::Arc;

use portway_adapters_http::{HttpSandboxOptions, HttpSandboxes};
use portway_adapters_system::SystemClock;
use portway_domain::ids::{SandboxId, SessionId, UserId};
use portway_domain::time::Timestamp;
use portway_domain::tokens::TokenSecret;
use portway_domain::tunnels::SandboxUrls;
use portway_ports::sandboxes::{AgentCommand, SandboxError, SandboxOrder, SandboxRef, Sandboxes, StartedSandbox};
use portway_ports::system::Clock;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::*;

/// Takes one connection, reads a request, and writes these bytes; answers with the request.
async fn peer(answer: Vec<u8>) -> (SocketAddr, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let served = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let request = request(&mut stream).await;
        // A client that has read enough goes away.
        let _ = stream.write_all(&answer).await;
        request
    });
    (address, served)
}

async fn request(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    loop {
        assert!(stream.read_buf(&mut bytes).await.unwrap() > 0, "the request breaks off");
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length =
            head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
        if length.is_some_and(|length: usize| body.len() >= length) {
            return text;
        }
    }
}

fn answer(status: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

fn sandboxes(address: SocketAddr) -> HttpSandboxes {
    sandboxes_by(address, Arc::new(SystemClock::new()))
}

fn sandboxes_by(address: SocketAddr, clock: Arc<dyn Clock>) -> HttpSandboxes {
    let options = HttpSandboxOptions {
        url: format!("http://{address}").parse().unwrap(),
        token: TokenSecret::opaque("hunter2").unwrap(),
        gateway_url: "ws://127.0.0.1:1".parse().unwrap(),
    };
    HttpSandboxes::new(options, Arc::new(ReqwestClient::new(false).unwrap()), clock)
}

fn order() -> SandboxOrder {
    SandboxOrder {
        session: SessionId::parse("s").unwrap(),
        owner: UserId::parse("u").unwrap(),
        generation: 1,
        agent_name: "demo".to_owned(),
        agent: AgentCommand::new(["demo"]),
        directory: None,
        token: TokenSecret::opaque("secret").unwrap(),
        key: None,
        agent_session: None,
        snapshot: None,
    }
}

async fn failed(bytes: Vec<u8>) -> SandboxError {
    let (address, served) = peer(bytes).await;
    let error = sandboxes(address).start(order()).await.unwrap_err();
    served.await.unwrap();
    error
}

fn refused(error: SandboxError) -> String {
    match error {
        SandboxError::Refused(text) => text,
        SandboxError::Unavailable(text) => panic!("it would be tried again: {text}"),
    }
}

fn unavailable(error: SandboxError) -> String {
    match error {
        SandboxError::Unavailable(text) => text,
        SandboxError::Refused(text) => panic!("it would not be tried again: {text}"),
    }
}

#[tokio::test]
async fn a_call_is_a_post_with_the_token() {
    let (address, served) = peer(answer("200 OK", "{\"sandboxId\":\"sb-1\"}")).await;
    assert_eq!(
        sandboxes(address).start(order()).await,
        Ok(StartedSandbox { id: SandboxId::parse("sb-1").ok(), urls: SandboxUrls::default() })
    );
    let request = served.await.unwrap();
    assert!(request.starts_with("POST /create-session HTTP/1.1\r\n"), "{request}");
    assert!(request.contains("authorization: Bearer hunter2\r\n"), "{request}");
    assert!(request.contains("content-type: application/json\r\n"), "{request}");
}

#[tokio::test]
async fn refusals_are_told_and_passing_trouble_is_tried_again() {
    assert!(refused(failed(answer("401 Unauthorized", "{}")).await).contains("refuses the token"));
    let conflict = answer("409 Conflict", "{\"error\":\"generation 5 runs already\"}");
    assert!(refused(failed(conflict).await).ends_with("(409): generation 5 runs already"));
    assert!(unavailable(failed(answer("500 Internal Server Error", "oops")).await).contains("status 500"));
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let (elsewhere, other) = peer(answer("200 OK", "{\"sandboxId\":\"sb-1\"}")).await;
    let redirect =
        format!("HTTP/1.1 307 Temporary Redirect\r\nlocation: http://{elsewhere}/\r\ncontent-length: 0\r\n\r\n");
    assert!(refused(failed(redirect.into_bytes()).await).contains("redirect"));
    assert!(!other.is_finished(), "nobody came");
    other.abort();
}

#[tokio::test]
async fn garbage_is_no_answer() {
    unavailable(failed(b"SSH-2.0-OpenSSH_9.9\r\n\r\n".to_vec()).await);
    assert!(refused(failed(answer("200 OK", "\u{0}\u{1}")).await).contains("cannot be understood"));
    let cut = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"sandboxId\"".to_vec();
    unavailable(failed(cut).await);
}

#[tokio::test]
async fn an_endless_body_is_read_up_to_its_limit() {
    let mut endless = b"HTTP/1.1 200 OK\r\n\r\n{\"sandboxId\":\"".to_vec();
    endless.extend(std::iter::repeat_n(b'a', 8 << 20));
    assert!(refused(failed(endless).await).contains("too long"));
}

#[tokio::test]
async fn nobody_there_is_told_with_what_to_do() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let text = unavailable(sandboxes(address).stop(&SandboxRef::new(order().session, 1)).await.unwrap_err());
    let begin = format!("the sandbox backend at http://{address} cannot be reached: Connection refused");
    assert!(text.starts_with(&begin) && text.contains("portway sandbox serve"), "{text}");
}

/// All time passes once the server has the request.
struct Hasty(Arc<Notify>);

#[async_trait]
impl Clock for Hasty {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(0)
    }

    async fn sleep(&self, _: Duration) {
        self.0.notified().await;
    }
}

#[tokio::test]
async fn a_silent_backend_is_waited_for_within_bounds() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let heard = Arc::new(Notify::new());
    let sandboxes = sandboxes_by(listener.local_addr().unwrap(), Arc::new(Hasty(heard.clone())));
    let silent = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        request(&mut stream).await;
        heard.notify_one();
        stream.read_u8().await
    });
    let text = unavailable(sandboxes.start(order()).await.unwrap_err());
    assert!(silent.await.unwrap().is_err(), "the connection is given up");
    assert!(text.contains("did not answer create-session within 30 seconds"), "{text}");
}
