//! The session wire protocol: what clients, runners and the gateway say to each other over WebSockets.
//!
//! Every frame is one JSON object in one text message.
//!
//! * [`client`]: client to gateway; [`server`]: gateway to client.
//! * [`runner`]: both directions between the gateway and the runner that sits beside an agent.
//! * [`legacy_runner`]: the same for runners of earlier gateways of this family, which do not number anything.
//! * [`requests`]: what is asked of runners on behalf of somebody who waits, and what comes of it.
//! * [`resuming`]: what protocol 2 of clients adds to both.
//! * [`message`]: the transcript as clients see it.
//! * [`workspaces`]: what is told of a session's workspace.
//!
//! Keys that have no value are left out, never `null`. Readers ignore keys and frame types that they do not know.

pub mod client;
pub mod legacy_runner;
pub mod message;
pub mod models;
pub mod parts;
pub mod requests;
pub mod resuming;
pub mod runner;
pub mod server;
pub mod tunnels;
pub mod workspaces;

/// The version of the runner protocol that this crate describes.
pub const RUNNER_PROTOCOL: u32 = 2;

/// The version of the client protocol that gets on where a client left off.
pub const RESUMING_PROTOCOL: u32 = 2;

/// Largest frame that is accepted from a client or a runner, in bytes. A prompt may carry 25 MB of attachments.
pub const MAX_FRAME_BYTES: usize = 32 * 1024 * 1024;

/// How often a peer says `ping`, in seconds.
pub const PING_SECONDS: u64 = 30;

/// Close code of a normal end.
pub const CLOSE_NORMAL: u16 = 1000;

/// Close code when the gateway goes away and the peer should come back.
pub const CLOSE_RESTART: u16 = 1012;

/// Close code when the peer broke the protocol.
pub const CLOSE_PROTOCOL: u16 = 1002;

/// Close code for a client that has not acknowledged what it was sent.
pub const CLOSE_LAGGING: u16 = 4008;

/// Close reason for a runner whose place was taken by a newer one; runners test for exactly this text and exit.
pub const REPLACED_REASON: &str = "Replaced by new runner connection";
