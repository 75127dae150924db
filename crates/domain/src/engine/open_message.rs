//! The message that an agent is writing.

use std::io;

use crate::channels::Channel;
use crate::ids::MessageId;
use crate::messages::{
    Author, FinishReason, MAX_MESSAGE_BYTES, Message, MessageRole, Part, PlanEntry, Segment, TextKind, ToolCall, prose,
};
use crate::time::Timestamp;

/// Most parts that one message may have; further ones are dropped.
pub(super) const MAX_PARTS: usize = 2_000;

/// Most bytes that the tool calls of one message may have as JSON; what comes after is dropped but for their status.
pub(super) const MAX_TOOL_BYTES: usize = 8 * 1024 * 1024;

/// Most bytes that one character takes in UTF-8.
const MAX_CHAR_BYTES: usize = 4;

/// A message that is not finished. It is put together from its rows when a session is loaded, and grows with the
/// reports of the runner.
#[derive(Debug, Clone, PartialEq)]
pub struct OpenMessage {
    /// Its id.
    pub id: MessageId,
    /// Its place in the transcript.
    pub position: u64,
    /// When it was begun.
    pub created_at: Timestamp,
    /// Where the prompt came from that it answers.
    pub channel: Option<Channel>,
    /// Its parts so far.
    pub parts: Vec<OpenPart>,
    /// Bytes of text so far.
    pub text_bytes: usize,
}

/// A part of an unfinished message.
#[derive(Debug, Clone, PartialEq)]
pub enum OpenPart {
    /// Text that may grow.
    Text(TextKind, String),
    /// A tool call.
    Tool(ToolCall),
    /// The plan.
    Plan(Vec<PlanEntry>),
}

impl OpenMessage {
    /// A message without parts.
    #[must_use]
    pub fn new(id: MessageId, position: u64, created_at: Timestamp) -> Self {
        Self { id, position, created_at, channel: None, parts: Vec::new(), text_bytes: 0 }
    }

    /// Appends text; a new part begins when the last one is of another kind. Text past the bound is cut, and `None` is
    /// the answer when nothing is left.
    pub fn append(&mut self, kind: TextKind, delta: &str) -> Option<Segment> {
        let room = MAX_MESSAGE_BYTES.saturating_sub(self.text_bytes);
        // With less room than a character may need, the message counts as full: nothing may follow a cut.
        if room < MAX_CHAR_BYTES || delta.is_empty() {
            return None;
        }
        let delta = &delta[..delta.floor_char_boundary(room)];
        let extends = matches!(self.parts.last(), Some(OpenPart::Text(last, _)) if *last == kind);
        if !extends {
            self.push(OpenPart::Text(kind, String::new()))?;
        }
        let part = u32::try_from(self.parts.len() - 1).ok()?;
        let Some(OpenPart::Text(_, text)) = self.parts.last_mut() else {
            return None;
        };
        let offset = text.len() as u64;
        text.push_str(delta);
        self.text_bytes += delta.len();
        Some(Segment { message: self.id.clone(), part, kind, offset, text: delta.to_owned() })
    }

    /// Takes over what is known of a tool call; absent values stay as they were, and so do those that are too large.
    /// Answers the part's index and value, or `None` when the message is full.
    pub fn set_tool(&mut self, update: ToolCall) -> Option<(u32, Part)> {
        let known = self.parts.iter().enumerate().find_map(|(index, part)| match part {
            OpenPart::Tool(call) if call.call_id == update.call_id => Some((index, call)),
            _ => None,
        });
        let room = MAX_TOOL_BYTES.saturating_sub(self.tool_bytes_without(&update.call_id));
        let call = match known {
            Some((_, call)) => call.updated(update, room),
            None => update.within(room)?,
        };
        let index = match known.map(|(index, _)| index) {
            Some(index) => index,
            None => self.push(OpenPart::Tool(call.clone()))?,
        };
        self.parts[index] = OpenPart::Tool(call.clone());
        Some((u32::try_from(index).ok()?, Part::ToolCall(call)))
    }

    fn tool_bytes_without(&self, call_id: &str) -> usize {
        let others = self.parts.iter().filter_map(|part| match part {
            OpenPart::Tool(call) if call.call_id != call_id => Some(call.bytes()),
            _ => None,
        });
        others.fold(0, usize::saturating_add)
    }

    /// Sets the plan. Answers the part's index and value, or `None` when the message is full.
    pub fn set_plan(&mut self, entries: Vec<PlanEntry>) -> Option<(u32, Part)> {
        let known = self.parts.iter().position(|part| matches!(part, OpenPart::Plan(_)));
        let index = match known {
            Some(index) => index,
            None => self.push(OpenPart::Plan(Vec::new()))?,
        };
        self.parts[index] = OpenPart::Plan(entries.clone());
        Some((u32::try_from(index).ok()?, Part::Plan { entries }))
    }

    /// Puts a stored part in its place while the message is put together again from its rows.
    pub fn restore(&mut self, part: OpenPart) {
        if let OpenPart::Text(_, text) = &part {
            self.text_bytes += text.len();
        }
        self.parts.push(part);
    }

    /// The message as it stands.
    #[must_use]
    pub fn snapshot(&self, seq: u64) -> Message {
        self.message(seq, self.parts.iter().map(OpenPart::to_part).collect())
    }

    /// The finished message. Tool calls that are still open are closed with it.
    #[must_use]
    pub fn finish(self, seq: u64, reason: FinishReason, error: Option<String>) -> Message {
        let mut parts: Vec<Part> = self.parts.iter().map(OpenPart::to_part).collect();
        for part in &mut parts {
            if let Part::ToolCall(call) = part {
                call.close(reason);
            }
        }
        if let Some(message) = error.filter(|_| reason == FinishReason::Error) {
            parts.push(Part::Error { message });
        }
        parts.push(Part::Finish { reason });
        self.message(seq, parts)
    }

    fn push(&mut self, part: OpenPart) -> Option<usize> {
        if self.parts.len() >= MAX_PARTS {
            return None;
        }
        self.parts.push(part);
        Some(self.parts.len() - 1)
    }

    fn message(&self, seq: u64, parts: Vec<Part>) -> Message {
        Message {
            id: self.id.clone(),
            seq,
            position: self.position,
            role: MessageRole::Assistant,
            content: prose(&parts),
            parts,
            author: None::<Author>,
            channel: self.channel.clone(),
            created_at: self.created_at,
        }
    }
}

impl OpenPart {
    fn to_part(&self) -> Part {
        match self {
            Self::Text(kind, text) => kind.part(text.clone()),
            Self::Tool(call) => Part::ToolCall(call.clone()),
            Self::Plan(entries) => Part::Plan { entries: entries.clone() },
        }
    }
}

impl ToolCall {
    /// The call with what an update says of it; only its status where the whole would take more than `room` bytes.
    fn updated(&self, update: Self, room: usize) -> Self {
        let tool_name = if update.tool_name.is_empty() { self.tool_name.clone() } else { update.tool_name };
        let call = Self {
            call_id: update.call_id,
            tool_name,
            status: update.status,
            args: update.args.or_else(|| self.args.clone()),
            result: update.result.or_else(|| self.result.clone()),
            error: update.error.or_else(|| self.error.clone()),
        };
        if call.bytes() <= room { call } else { Self { status: update.status, ..self.clone() } }
    }

    /// The call, without its values if it takes more than `room` bytes with them; `None` when even that is too much.
    fn within(self, room: usize) -> Option<Self> {
        if self.bytes() <= room {
            return Some(self);
        }
        let bare = Self { args: None, result: None, error: None, ..self };
        (bare.bytes() <= room).then_some(bare)
    }

    /// How much room the call takes: the length of its JSON.
    fn bytes(&self) -> usize {
        let mut length = Length(0);
        match serde_json::to_writer(&mut length, self) {
            Ok(()) => length.0,
            Err(_) => usize::MAX,
        }
    }

    /// Closes a call that never reported its own end.
    fn close(&mut self, reason: FinishReason) {
        use crate::messages::ToolStatus as S;
        if matches!(self.status, S::Pending | S::Running) {
            self.status = match reason {
                FinishReason::EndTurn => S::Completed,
                FinishReason::Error | FinishReason::Canceled => S::Error,
            };
        }
    }
}

/// Counts what is written to it.
struct Length(usize);

impl io::Write for Length {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
