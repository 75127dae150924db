//! Everything that happens to one's sessions, on one socket.

use std::sync::Arc;

use portway_domain::access::Permission;
use portway_domain::engine::BusEvent;
use portway_ports::pubsub::{Delivery, Hint, Subscription};
use portway_services::error::Error;
use portway_services::watch::UserWatch;
use portway_services::{Context, Services};
use serde::Serialize;

use super::CLOSE_POLICY;
use super::frames::frame_context;
use super::listening::{Heard, either};
use crate::error::ApiError;
use crate::input::NoInput;
use crate::socket::{Incoming, ServeSocket, Socket, SocketClosed, serve_socket};

/// An event as it is sent.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EventFrame<'a> {
    r#type: &'a str,
    session_id: &'a str,
    user_id: &'a str,
    data: &'a serde_json::Value,
    timestamp: String,
}

pub(super) async fn open(services: Arc<Services>, context: Context, _: NoInput) -> Result<ServeSocket, ApiError> {
    let UserWatch { subscription, guard } = services.watch_user(&context).await?;
    Ok(serve_socket(move |mut socket| async move {
        let _guard = guard;
        // The peer being gone is the ordinary end.
        let _ = run(&mut *socket, subscription, &services, &context).await;
    }))
}

async fn run(
    socket: &mut dyn Socket,
    mut subscription: Box<dyn Subscription>,
    services: &Services,
    context: &Context,
) -> Result<(), SocketClosed> {
    loop {
        match either(socket, &mut *subscription).await {
            Heard::Peer(Some(Incoming::Text(text))) if is_ping(&text) => {
                socket.send(r#"{"type":"pong"}"#.into()).await?;
            }
            Heard::Peer(Some(_)) => {}
            Heard::Watched(Some(Delivery::Hint(hint))) => {
                if let Hint::Bus(event) = &**hint {
                    send(socket, event).await?;
                }
            }
            // Events are hints: whoever needs the state asks for it.
            Heard::Watched(Some(Delivery::Missed)) => Box::pin(check(socket, services, context)).await?,
            Heard::Peer(None) | Heard::Watched(None) => return Ok(()),
        }
    }
}

/// Ends the socket of somebody who is not signed in any more.
async fn check(socket: &mut dyn Socket, services: &Services, context: &Context) -> Result<(), SocketClosed> {
    match services.principal(&frame_context(context, Permission::SignedIn, services.moment())).await {
        Err(Error::Unauthorized) => {
            socket.close(CLOSE_POLICY, "Access was withdrawn").await;
            Err(SocketClosed)
        }
        _ => Ok(()),
    }
}

fn is_ping(text: &str) -> bool {
    #[derive(serde::Deserialize)]
    struct Typed {
        r#type: String,
    }
    serde_json::from_str::<Typed>(text).is_ok_and(|frame| frame.r#type == "ping")
}

async fn send(socket: &mut dyn Socket, event: &BusEvent) -> Result<(), SocketClosed> {
    let frame = EventFrame {
        r#type: &event.kind,
        session_id: event.session.as_str(),
        user_id: event.user.as_str(),
        data: &event.data,
        timestamp: event.at.to_string(),
    };
    super::send(socket, &frame).await
}
