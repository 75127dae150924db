//! The socket of a session: keeps it open, and opens it again.

use std::time::{Duration, Instant};

use futures_util::{SinkExt as _, StreamExt as _};
use portway_domain::ids::SessionId;
use portway_protocol::client::ClientFrame;
use portway_protocol::server::ServerFrame;
use portway_protocol::{CLOSE_NORMAL, PING_SECONDS};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::http::header::AUTHORIZATION;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

use super::api::Api;
use super::backoff::Backoff;
use crate::client::error::ApiError;

/// Largest frame that is read, in bytes. The first one holds the whole transcript.
const MAX_FRAME: usize = 256 * 1024 * 1024;

/// How long opening, sending and closing may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// A gateway that says nothing for so long is gone: it answers pings.
const SILENCE: Duration = Duration::from_secs(PING_SECONDS * 5 / 2);

/// How long leaving may take.
const FAREWELL: Duration = Duration::from_secs(1);

/// Events and orders that wait.
const MAX_WAITING: usize = 64;

type Stream = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// What happened on the socket.
#[derive(Debug)]
pub(super) enum SocketEvent {
    /// A frame.
    Frame(Box<ServerFrame>),
    /// A frame that makes no sense here.
    Unreadable(String),
    /// The connection broke, or could not be made. It is being made again.
    Lost,
    /// The gateway does not let us in. Nothing follows.
    Refused(ApiError),
}

#[derive(Debug)]
enum Order {
    Send(ClientFrame),
    Renew,
}

/// A socket that stays open.
#[derive(Debug)]
pub(super) struct Socket {
    events: mpsc::Receiver<SocketEvent>,
    orders: Option<mpsc::Sender<Order>>,
    task: JoinHandle<()>,
}

impl Socket {
    /// Opens the socket of a session.
    pub(super) fn open(api: &Api, session: &SessionId) -> Self {
        let (sender, events) = mpsc::channel(MAX_WAITING);
        let (orders, received) = mpsc::channel(MAX_WAITING);
        let keeper = Keeper {
            url: api.server().socket(session),
            api: api.clone(),
            session: session.clone(),
            events: sender,
            orders: received,
            unsent: None,
        };
        Self { events, orders: Some(orders), task: tokio::spawn(keeper.keep()) }
    }

    /// What happens next. Cancel-safe.
    pub(super) async fn next(&mut self) -> Option<SocketEvent> {
        self.events.recv().await
    }

    /// Sends a frame, now or once the connection is back. `false` when too many wait.
    pub(super) fn send(&self, frame: ClientFrame) -> bool {
        self.order(Order::Send(frame))
    }

    /// Asks for the whole state anew, by a new connection.
    pub(super) fn renew(&self) {
        self.order(Order::Renew);
    }

    /// Closes the socket after what waits was sent, if that takes no time.
    pub(super) async fn close(mut self) {
        self.orders = None;
        self.events.close();
        let _ = timeout(FAREWELL, &mut self.task).await;
    }

    fn order(&self, order: Order) -> bool {
        self.orders.as_ref().is_some_and(|orders| orders.try_send(order).is_ok())
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Why a connection ended.
enum End {
    /// Nobody needs it any more.
    Left,
    /// It broke.
    Lost,
    /// Another one is wanted.
    Renewed,
}

struct Keeper {
    url: String,
    api: Api,
    session: SessionId,
    events: mpsc::Sender<SocketEvent>,
    orders: mpsc::Receiver<Order>,
    unsent: Option<ClientFrame>,
}

impl Keeper {
    async fn keep(mut self) {
        let mut backoff = Backoff::new();
        loop {
            match self.connect().await {
                Ok(stream) => {
                    let begun = Instant::now();
                    match self.follow(stream).await {
                        End::Left => return,
                        End::Renewed => continue,
                        End::Lost => {}
                    }
                    // A connection that lasted was no failed attempt.
                    if begun.elapsed() >= PATIENCE {
                        backoff = Backoff::new();
                    }
                }
                Err(error) if error.is_passing() => {}
                Err(error) => {
                    let _ = self.events.send(SocketEvent::Refused(error)).await;
                    return;
                }
            }
            if self.events.send(SocketEvent::Lost).await.is_err() {
                return;
            }
            tokio::select! {
                () = sleep(backoff.next()) => {}
                () = self.events.closed() => return,
            }
        }
    }

    async fn connect(&self) -> Result<Stream, ApiError> {
        let server = self.api.server().to_string();
        let mut request =
            self.url.as_str().into_client_request().map_err(|error| of_socket(&server, &self.session, error))?;
        let mut key = HeaderValue::from_str(&self.api.key().header())
            .map_err(|_| ApiError::Unauthorized { server: server.clone() })?;
        key.set_sensitive(true);
        request.headers_mut().insert(AUTHORIZATION, key);
        let config = WebSocketConfig::default().max_message_size(Some(MAX_FRAME)).max_frame_size(Some(MAX_FRAME));
        match timeout(PATIENCE, connect_async_with_config(request, Some(config), true)).await {
            Ok(Ok((stream, _))) => Ok(stream),
            Ok(Err(error)) => Err(of_socket(&server, &self.session, error)),
            Err(_) => Err(ApiError::Unreachable { server, detail: "it takes too long".to_owned() }),
        }
    }

    async fn follow(&mut self, mut stream: Stream) -> End {
        let mut ping = interval(Duration::from_secs(PING_SECONDS));
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ping.reset();
        let mut heard = Instant::now();
        if let Some(frame) = self.unsent.take()
            && !self.send(&mut stream, frame).await
        {
            return End::Lost;
        }
        loop {
            tokio::select! {
                incoming = stream.next() => {
                    heard = Instant::now();
                    match incoming {
                        Some(Ok(message)) => self.receive(message).await,
                        Some(Err(_)) | None => return End::Lost,
                    }
                }
                order = self.orders.recv() => match order {
                    Some(Order::Send(frame)) => if !self.send(&mut stream, frame).await { return End::Lost },
                    Some(Order::Renew) => {
                        leave(&mut stream).await;
                        return End::Renewed;
                    }
                    None => {
                        leave(&mut stream).await;
                        return End::Left;
                    }
                },
                _ = ping.tick() => {
                    if heard.elapsed() > SILENCE || !self.send(&mut stream, ClientFrame::Ping {}).await {
                        return End::Lost;
                    }
                }
            }
        }
    }

    async fn receive(&self, message: Message) {
        let parsed = match &message {
            Message::Text(text) => serde_json::from_str::<ServerFrame>(text.as_str()),
            Message::Binary(bytes) => serde_json::from_slice(bytes),
            _ => return,
        };
        let event = match parsed {
            Ok(frame) => SocketEvent::Frame(Box::new(frame)),
            Err(error) => SocketEvent::Unreadable(error.to_string()),
        };
        // Nobody listens while the socket is being closed: the orders that wait are still carried out.
        let _ = self.events.send(event).await;
    }

    async fn send(&mut self, stream: &mut Stream, frame: ClientFrame) -> bool {
        let Ok(text) = serde_json::to_string(&frame) else {
            return true;
        };
        let sent = matches!(timeout(PATIENCE, stream.send(Message::text(text))).await, Ok(Ok(())));
        if !sent && frame != (ClientFrame::Ping {}) {
            self.unsent = Some(frame);
        }
        sent
    }
}

async fn leave(stream: &mut Stream) {
    let frame = CloseFrame { code: CLOSE_NORMAL.into(), reason: "".into() };
    let _ = timeout(FAREWELL, stream.close(Some(frame))).await;
}

/// What a failure to open a socket means.
fn of_socket(server: &str, session: &SessionId, error: Error) -> ApiError {
    let server = server.to_owned();
    match error {
        Error::Http(response) => match response.status().as_u16() {
            401 => ApiError::Unauthorized { server },
            404 => ApiError::NoSession(session.to_string()),
            status @ (408 | 429 | 500..=599) => {
                ApiError::Unreachable { server, detail: format!("its socket answers {status}") }
            }
            status => ApiError::Refused {
                status,
                code: "the socket was not opened".to_owned(),
                message: format!("{server} answered {status}"),
            },
        },
        Error::Url(error) => ApiError::Address(format!("{server} ({error})")),
        error => ApiError::Unreachable { server, detail: error.to_string() },
    }
}

#[cfg(test)]
mod tests;
