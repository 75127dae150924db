//! Waiting for a peer and for what it watches at once.

use std::future::poll_fn;

use portway_ports::pubsub::{Delivery, Subscription};

use crate::socket::{Incoming, Socket};

/// What came first.
#[derive(Debug)]
pub(super) enum Heard {
    /// A frame of the peer; `None` once it is gone.
    Peer(Option<Incoming>),
    /// What is watched has news; `None` when the system shuts down.
    Watched(Option<Delivery>),
}

/// Waits for the peer and for what it watches. May be dropped early without losing anything.
///
/// The peer is asked first, so it is heard however much there is to tell it. When the task is woken, the news are: one
/// that many watch wakes all of them, and to ask a socket costs more.
pub(super) async fn either(socket: &mut dyn Socket, subscription: &mut dyn Subscription) -> Heard {
    let mut has_waited = false;
    poll_fn(|cx| {
        let is_woken = std::mem::replace(&mut has_waited, true);
        if is_woken {
            let news = subscription.poll_next(cx).map(Heard::Watched);
            return if news.is_ready() { news } else { socket.poll_receive(cx).map(Heard::Peer) };
        }
        let frame = socket.poll_receive(cx).map(Heard::Peer);
        if frame.is_ready() { frame } else { subscription.poll_next(cx).map(Heard::Watched) }
    })
    .await
}
