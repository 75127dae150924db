//! Bytes on a connection, as no client library would send them.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::PATIENCE;

/// Sends bytes and reads to the end of the connection, or for as long as `patience` lets it.
pub(crate) async fn exchange(address: SocketAddr, bytes: &[u8], patience: Duration) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // The gateway may have heard enough before the last byte.
    let _ = stream.write_all(bytes).await;
    read_all(&mut stream, patience).await
}

/// Reads to the end of the connection, or for as long as `patience` lets it.
pub(crate) async fn read_all(stream: &mut TcpStream, patience: Duration) -> Vec<u8> {
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(patience, stream.read_to_end(&mut answer)).await;
    answer
}

/// Sends one request that asks for the end of the connection; answers with the status, or `None` without one.
pub(crate) async fn status(address: SocketAddr, request: &str) -> Option<u16> {
    statuses(&exchange(address, request.as_bytes(), PATIENCE).await).first().copied()
}

/// The statuses of all responses in the bytes.
pub(crate) fn statuses(answer: &[u8]) -> Vec<u16> {
    heads(answer).into_iter().map(|head| head.status).collect()
}

/// The beginning of a response.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) status: u16,
    /// The line of the status and the headers.
    text: String,
}

/// The heads of all responses in the bytes, whose bodies do not look like another one.
pub(crate) fn heads(answer: &[u8]) -> Vec<Head> {
    let text = String::from_utf8_lossy(answer);
    let heads = text.split("HTTP/1.").skip(1).filter_map(|rest| {
        let (head, _) = rest.split_once("\r\n\r\n")?;
        Some(Head { status: head.split(' ').nth(1)?.parse().ok()?, text: head.to_owned() })
    });
    heads.collect()
}

impl Head {
    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        header(&self.text, name)
    }
}

/// The value of a header in the head of a response.
pub(crate) fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}
