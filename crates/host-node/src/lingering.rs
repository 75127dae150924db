//! Closing a connection so that the last response arrives.
//!
//! Who closes a socket while bytes wait in it unread makes the system reset the connection, and the peer may lose the
//! response that told it why: a refusal of a body that was too large, say. So what still comes is thrown away first,
//! for a moment.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::runtime::Handle;

/// How long a peer has to see that it is not listened to any more.
const LINGER: Duration = Duration::from_secs(2);

/// What is thrown away is read in pieces of that many bytes.
const PIECE: usize = 16 * 1024;

/// A connection that lingers when it is dropped, unless the peer has ended its side.
#[derive(Debug)]
pub(crate) struct Lingering {
    /// There until it is dropped.
    stream: Option<TcpStream>,
    /// Whether the peer still sends.
    open: bool,
}

impl Lingering {
    pub(crate) fn new(stream: TcpStream) -> Self {
        Self { stream: Some(stream), open: true }
    }

    fn stream(&mut self) -> io::Result<Pin<&mut TcpStream>> {
        self.stream.as_mut().map(Pin::new).ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    fn noted<T>(&mut self, result: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if let Poll::Ready(Err(_)) = &result {
            self.open = false;
        }
        result
    }
}

impl AsyncRead for Lingering {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let result = self.stream()?.poll_read(context, buffer);
        if result.is_ready() && buffer.filled().len() == before && buffer.remaining() > 0 {
            self.open = false;
        }
        self.noted(result)
    }
}

impl AsyncWrite for Lingering {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let result = self.stream()?.poll_write(context, bytes);
        self.noted(result)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream()?.poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream()?.poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = self.stream()?.poll_write_vectored(context, pieces);
        self.noted(result)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.as_ref().is_some_and(AsyncWrite::is_write_vectored)
    }
}

impl Drop for Lingering {
    fn drop(&mut self) {
        let Some(stream) = self.stream.take().filter(|_| self.open) else {
            return;
        };
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(tokio::time::timeout(LINGER, read_off(stream)));
        }
    }
}

async fn read_off(mut stream: TcpStream) {
    let mut piece = vec![0; PIECE];
    if tokio::io::AsyncWriteExt::shutdown(&mut stream).await.is_err() {
        return;
    }
    while stream.read(&mut piece).await.is_ok_and(|count| count > 0) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;

    /// Two ends of a connection.
    async fn pair() -> (Lingering, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let peer = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        (Lingering::new(listener.accept().await.unwrap().0), peer)
    }

    #[tokio::test]
    async fn the_last_words_arrive_though_the_peer_goes_on_talking() {
        let (mut server, peer) = pair().await;
        let (mut read, mut write) = peer.into_split();
        let talking = tokio::spawn(async move {
            let sent = write.write_all(&vec![b'x'; 32 << 20]).await;
            drop(write);
            sent
        });
        let mut first = [0; 1];
        server.read_exact(&mut first).await.unwrap();
        server.write_all(b"too much").await.unwrap();
        drop(server);
        assert!(talking.await.unwrap().is_ok(), "nothing is reset");
        let mut heard = String::new();
        read.read_to_string(&mut heard).await.unwrap();
        assert_eq!(heard, "too much");
    }

    #[tokio::test]
    async fn a_peer_that_has_ended_is_not_waited_for() {
        let (mut server, peer) = pair().await;
        drop(peer);
        assert_eq!(server.read(&mut [0; 1]).await.unwrap(), 0);
        assert!(!server.open);
    }
}
