//! A client of HTTP/1.1 that costs next to nothing: prepared requests on a kept connection, answers with a length.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::failure::Failure;

/// The end of the head of an answer.
const END_OF_HEAD: &[u8] = b"\r\n\r\n";

/// A request as it is written on the connection.
#[derive(Clone)]
pub(crate) struct Request {
    head: String,
    body: String,
}

impl Request {
    /// `GET` of a path.
    pub(crate) fn get(path: &str) -> Self {
        Self { head: format!("GET {path} HTTP/1.1\r\n"), body: String::new() }
    }

    /// `POST` of JSON to a path.
    pub(crate) fn post(path: &str, body: &str) -> Self {
        let head =
            format!("POST {path} HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: {}\r\n", body.len());
        Self { head, body: body.to_owned() }
    }

    /// `PATCH` of a path with JSON.
    pub(crate) fn patch(path: &str, body: &str) -> Self {
        let Self { head, body } = Self::post(path, body);
        Self { head: head.replacen("POST", "PATCH", 1), body }
    }

    /// With the token of its caller.
    pub(crate) fn by(mut self, token: &str) -> Self {
        self.head.push_str(&format!("Authorization: Bearer {token}\r\n"));
        self
    }

    /// Asks for a WebSocket.
    pub(crate) fn upgrade(mut self) -> Self {
        self.head.push_str("Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n");
        self.head.push_str("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n");
        self
    }

    /// The bytes for a server at that address.
    pub(crate) fn bytes(&self, address: SocketAddr) -> Vec<u8> {
        format!("{}Host: {address}\r\n\r\n{}", self.head, self.body).into_bytes()
    }
}

/// A kept connection.
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// An answer: its status, and where its body is in the buffer of the connection.
struct Head {
    status: u16,
    body: usize,
    length: usize,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> Result<Self, Failure> {
        let failed = || Failure::io(format!("connecting to {address}"));
        let stream = TcpStream::connect(address).await.map_err(failed())?;
        stream.set_nodelay(true).map_err(failed())?;
        Ok(Self { stream, buffer: Vec::with_capacity(32 * 1024) })
    }

    /// Sends a request and reads its answer to the end. Answers the status.
    pub(crate) async fn send(&mut self, request: &[u8]) -> Result<u16, Failure> {
        let head = self.exchange(request).await?;
        while self.buffer.len() < head.body + head.length {
            self.fill().await?;
        }
        Ok(head.status)
    }

    /// Sends a request and answers its status and body.
    pub(crate) async fn fetch(&mut self, request: &[u8]) -> Result<(u16, &[u8]), Failure> {
        let head = self.exchange(request).await?;
        while self.buffer.len() < head.body + head.length {
            self.fill().await?;
        }
        Ok((head.status, &self.buffer[head.body..head.body + head.length]))
    }

    /// Sends a request that asks for a WebSocket, and waits until the first frame has begun to arrive. What comes
    /// later stays where it is until the connection is dropped.
    pub(crate) async fn into_socket(mut self, request: &[u8]) -> Result<TcpStream, Failure> {
        let head = self.exchange(request).await?;
        if head.status != 101 {
            return Err(Failure::Server(format!("a socket was refused with status {}", head.status)));
        }
        while self.buffer.len() == head.body {
            self.fill().await?;
        }
        Ok(self.stream)
    }

    async fn exchange(&mut self, request: &[u8]) -> Result<Head, Failure> {
        self.stream.write_all(request).await.map_err(Failure::io("sending a request"))?;
        self.buffer.clear();
        loop {
            self.fill().await?;
            if let Some(end) = find(&self.buffer, END_OF_HEAD) {
                return read_head(&self.buffer[..end]).ok_or_else(|| {
                    Failure::Server(format!("an answer without a length: {}", self.buffer.escape_ascii()))
                });
            }
        }
    }

    async fn fill(&mut self) -> Result<(), Failure> {
        let read = self.stream.read_buf(&mut self.buffer).await.map_err(Failure::io("reading an answer"))?;
        if read == 0 { Err(Failure::Server("a server closed the connection".into())) } else { Ok(()) }
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

fn read_head(head: &[u8]) -> Option<Head> {
    let text = str::from_utf8(head).ok()?;
    let mut lines = text.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let length = lines.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
    });
    let length = if status == 101 { Some(0) } else { length };
    Some(Head { status, body: head.len() + END_OF_HEAD.len(), length: length? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_tells_status_and_length() {
        let head = read_head(b"HTTP/1.1 201 Created\r\nX: 1\r\nContent-length: 17").unwrap();
        assert_eq!((head.status, head.length), (201, 17));
        assert_eq!(read_head(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket").unwrap().status, 101);
        for bad in ["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked", "", "HTTP/1.1 x"] {
            assert!(read_head(bad.as_bytes()).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_request_ends_with_its_body() {
        let request = Request::post("/a", "{}").by("t").bytes("127.0.0.1:80".parse().unwrap());
        let text = String::from_utf8(request).unwrap();
        assert!(text.starts_with("POST /a HTTP/1.1\r\n"));
        assert!(text.contains("\r\nContent-Length: 2\r\n") && text.contains("\r\nAuthorization: Bearer t\r\n"));
        assert!(text.ends_with("\r\nHost: 127.0.0.1:80\r\n\r\n{}"));
    }
}
