//! A client that sends whatever it is told to, and reads what comes back.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::raw::header;

/// How long the gateway may take to answer, or to close the connection.
const PATIENCE: Duration = Duration::from_secs(5);

/// A client with at most one connection.
pub(super) struct Client {
    address: SocketAddr,
    stream: Option<TcpStream>,
}

/// The head of a response.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) request_id: Option<String>,
}

impl Client {
    pub(super) fn new(address: SocketAddr) -> Self {
        Self { address, stream: None }
    }

    /// Sends a request; `None` when the gateway closed the connection without an answer.
    pub(super) async fn send(&mut self, request: &[u8]) -> Option<Answer> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => TcpStream::connect(self.address).await.unwrap(),
        };
        let _ = stream.write_all(request).await;
        let answer = tokio::time::timeout(PATIENCE, read(&mut stream, request.starts_with(b"HEAD ")))
            .await
            .unwrap_or_else(|_| panic!("no answer, and no end, for {:?}", String::from_utf8_lossy(request)));
        let (head, keep) = answer?;
        if keep {
            self.stream = Some(stream);
        }
        let status = head.split(' ').nth(1)?.parse().ok()?;
        Some(Answer { status, request_id: header(&head, "x-request-id").map(str::to_owned) })
    }
}

/// Reads one response with its body; answers with its head and whether another may follow.
async fn read(stream: &mut TcpStream, without_body: bool) -> Option<(String, bool)> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let length = header(&head, "content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
    let length: usize = if without_body { 0 } else { length };
    while bytes.len() < end + length {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return Some((head, false));
        }
    }
    let keep = header(&head, "connection") != Some("close") && !head.starts_with("HTTP/1.1 101");
    Some((head, keep && bytes.len() == end + length))
}
