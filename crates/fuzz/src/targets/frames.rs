//! Frames of clients and runners.

use std::fmt::Debug;

use portway_protocol::client::ClientFrame;
use portway_protocol::legacy_runner::{FromLegacyRunner, Received, RequestBody, ToLegacyRunner, read};
use portway_protocol::runner::{FromRunner, ToRunner};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Target, kind};

pub(super) struct Frames;

impl Target for Frames {
    fn feed(&mut self, input: &[u8]) -> Result<String, String> {
        let Ok(input) = std::str::from_utf8(input) else {
            return Ok("no text".to_owned());
        };
        let outcomes = [
            read_again::<ClientFrame>(input)?,
            read_again::<FromRunner>(input)?,
            read_again::<ToRunner>(input)?,
            read_again::<FromLegacyRunner>(input)?,
            read_again::<ToLegacyRunner>(input)?,
            read_again::<RequestBody>(input)?,
            received(input),
        ];
        Ok(outcomes.join("; "))
    }
}

/// What was read is the same after it was written and read again.
fn read_again<T: Serialize + DeserializeOwned + PartialEq + Debug>(input: &str) -> Result<String, String> {
    let frame: T = match serde_json::from_str(input) {
        Ok(frame) => frame,
        Err(error) => return Ok(kind(&error.to_string())),
    };
    let Ok(text) = serde_json::to_string(&frame) else {
        // Kinds that only other versions know are never written.
        return Ok("unknown".to_owned());
    };
    match serde_json::from_str::<T>(&text) {
        Ok(again) if again == frame => Ok(text.split(',').next().unwrap_or_default().chars().take(40).collect()),
        other => Err(format!("{frame:?} is written as {text} and read as {other:?}")),
    }
}

/// What the gateway takes a frame of a runner of earlier gateways for.
fn received(input: &str) -> String {
    match read(input) {
        Ok(Received::Frame(_)) => "frame".to_owned(),
        Ok(Received::Request { name, body, .. }) => format!("{} {}", name.as_str(), body.is_ok()),
        Err(error) => kind(&error.to_string()),
    }
}
