//! One WebSocket to the gateway: opening it, and a task that writes to it.

use std::time::Duration;

use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use portway_protocol::{MAX_FRAME_BYTES, RUNNER_PROTOCOL};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::{HeaderValue, header};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

use crate::config::Config;

type Stream = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Frames from the gateway.
pub(crate) type Frames = SplitStream<Stream>;

/// An open socket.
pub(crate) struct Socket {
    /// Frames to the gateway. Closed when the socket broke.
    pub(crate) sender: mpsc::Sender<Message>,
    pub(crate) frames: Frames,
    writer: tokio::task::JoinHandle<()>,
}

/// Why no socket could be opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    /// The gateway is there and does not want this runner.
    #[error("the gateway refuses this runner with status {0}")]
    Refused(u16),
    /// Anything that may pass.
    #[error("{0}")]
    Unreachable(String),
}

impl Socket {
    /// Connects as the runner of the session.
    pub(crate) async fn open(config: &Config) -> Result<Self, ConnectError> {
        let mark = if config.url.contains('?') { '&' } else { '?' };
        let unreachable = |error: Error| ConnectError::Unreachable(error.to_string());
        let mut request = format!("{}{mark}role=runner&protocol={RUNNER_PROTOCOL}", config.url)
            .into_client_request()
            .map_err(unreachable)?;
        let mut token = HeaderValue::try_from(format!("Bearer {}", config.token.expose()))
            .map_err(|error| ConnectError::Unreachable(error.to_string()))?;
        token.set_sensitive(true);
        request.headers_mut().insert(header::AUTHORIZATION, token);
        let limits =
            WebSocketConfig::default().max_message_size(Some(MAX_FRAME_BYTES)).max_frame_size(Some(MAX_FRAME_BYTES));
        let connecting = connect_async_with_config(request, Some(limits), true);
        match tokio::time::timeout(config.timing.connect, connecting).await {
            Ok(Ok((stream, _))) => Ok(Self::over(stream)),
            Ok(Err(Error::Http(response))) => match response.status().as_u16() {
                status @ (401 | 403 | 404 | 410) => Err(ConnectError::Refused(status)),
                status => Err(ConnectError::Unreachable(format!("the gateway answered with status {status}"))),
            },
            Ok(Err(error)) => Err(unreachable(error)),
            Err(_) => Err(ConnectError::Unreachable("the gateway did not answer in time".to_owned())),
        }
    }

    fn over(stream: Stream) -> Self {
        let (sink, frames) = stream.split();
        // Writing in a task of its own: a gateway that does not read must not keep this side from reading.
        let (sender, receiver) = mpsc::channel(1);
        Self { sender, frames, writer: tokio::spawn(write(sink, receiver)) }
    }

    /// Says goodbye and waits for what is on its way, a moment at most.
    pub(crate) async fn close(self) {
        let _ = self.sender.try_send(Message::Close(None));
        drop(self.sender);
        let stop = self.writer.abort_handle();
        if tokio::time::timeout(Duration::from_secs(1), self.writer).await.is_err() {
            stop.abort();
        }
    }

    /// Gives the socket up.
    pub(crate) fn abandon(self) {
        self.writer.abort();
    }
}

async fn write(mut sink: SplitSink<Stream, Message>, mut receiver: mpsc::Receiver<Message>) {
    while let Some(message) = receiver.recv().await {
        if let Err(error) = sink.send(message).await {
            tracing::debug!(%error, "cannot write to the gateway");
            return;
        }
    }
}
