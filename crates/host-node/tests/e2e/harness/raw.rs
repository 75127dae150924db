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
    let text = String::from_utf8_lossy(answer);
    let codes = text.split("HTTP/1.").skip(1);
    codes.filter_map(|rest| rest.split(' ').nth(1)?.parse().ok()).collect()
}
