//! `docs/protocol.md` says what the types say: every frame is named there, and every example is a frame of its section that
//! is written back as it stands there.

#![cfg(test)]

use std::fmt::Debug;

use portway_protocol::client::ClientFrame;
use portway_protocol::legacy_runner::{FromLegacyRunner, RequestBody, RequestName, ToLegacyRunner};
use portway_protocol::requests::{RunnerRequest, RunnerResponse};
use portway_protocol::resuming::{ResumingFrame, Sequenced};
use portway_protocol::runner::{FromRunner, RunnerCommand, RunnerEvent, ToRunner};
use portway_protocol::server::ServerFrame;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

const DOCUMENT: &str = include_str!("../../../docs/protocol.md");

const CLIENTS: &str = "## Clients:";
const EVENTS: &str = "## Everything of one's own:";
const RUNNERS: &str = "## Runners, protocol 2:";
const LEGACY_RUNNERS: &str = "## Runners of earlier gateways:";

/// A kind of frame, and the `type` of each of its variants.
trait Frame: Serialize + DeserializeOwned + PartialEq + Debug {
    const TYPES: &'static [&'static str];

    /// The `type` of the frame; `None` for one that its reader does not know.
    fn name(&self) -> Option<&'static str>;
}

/// Names the variants of a frame. Who adds a variant has to add it here, which does not compile otherwise.
macro_rules! frame {
    ($frame:ident { $($variant:ident = $name:literal),+ $(,)? } else $unknown:ident) => {
        impl Frame for $frame {
            const TYPES: &'static [&'static str] = &[$($name),+];

            fn name(&self) -> Option<&'static str> {
                match self {
                    $(Self::$variant { .. } => Some($name),)+
                    Self::$unknown => None,
                }
            }
        }
    };
}

frame!(ClientFrame {
    Prompt = "prompt",
    Answer = "answer",
    Withdraw = "withdraw",
    Promote = "promote",
    Abort = "abort",
    Revert = "revert",
    Diff = "diff",
    Review = "review",
    Command = "command",
    Ping = "ping",
} else Unknown);

frame!(ServerFrame {
    Init = "init",
    Resumed = "resumed",
    History = "history",
    Checkpoint = "checkpoint",
    Lagging = "lagging",
    Message = "message",
    MessageUpdated = "message.updated",
    MessagesRemoved = "messages.removed",
    Chunk = "chunk",
    ReasoningChunk = "chunk.reasoning",
    Question = "question",
    Status = "status",
    AgentStatus = "agentStatus",
    Error = "error",
    UserJoined = "user.joined",
    UserLeft = "user.left",
    Title = "title",
    Models = "models",
    ModelSwitched = "model-switched",
    ChildSession = "child-session",
    FilesChanged = "files-changed",
    GitState = "git-state",
    AuditLog = "audit_log",
    Diff = "diff",
    ReviewResult = "review-result",
    CommandResult = "command-result",
    Toast = "toast",
    Pong = "pong",
} else Unknown);

frame!(ResumingFrame { Ack = "ack", History = "history" } else Other);

frame!(FromRunner { Hello = "hello", Event = "event", Ack = "ack", Response = "response", Ping = "ping" } else Unknown);

frame!(ToRunner {
    Welcome = "welcome",
    Command = "command",
    Request = "request",
    Ack = "ack",
    Stop = "stop",
    Pong = "pong",
} else Unknown);

frame!(RunnerEvent {
    Ready = "ready",
    Failed = "failed",
    MessageCreate = "message.create",
    TextDelta = "message.part.text-delta",
    ReasoningDelta = "message.part.reasoning-delta",
    ToolUpdate = "message.part.tool-update",
    Plan = "message.part.plan",
    MessageFinalize = "message.finalize",
    Question = "question",
    QuestionClosed = "question.closed",
    AgentStatus = "agentStatus",
    Models = "models",
    ModelSwitched = "model-switched",
    Error = "error",
    Complete = "complete",
    Aborted = "aborted",
    FilesChanged = "files-changed",
    GitState = "git-state",
    Tunnels = "tunnels",
    SessionReset = "session-reset",
} else Unknown);

frame!(RunnerCommand { Prompt = "prompt", Answer = "answer", Abort = "abort" } else Unknown);

frame!(RunnerRequest {
    Diff = "diff",
    Review = "review",
    Revert = "revert",
    NewSession = "new-session",
    Command = "command",
    CloseTunnel = "close-tunnel",
} else Unknown);

frame!(RunnerResponse {
    Diff = "diff",
    Review = "review",
    Done = "done",
    Prompt = "prompt",
    Failed = "failed",
} else Unknown);

frame!(FromLegacyRunner {
    MessageCreate = "message.create",
    TextDelta = "message.part.text-delta",
    ToolUpdate = "message.part.tool-update",
    MessageFinalize = "message.finalize",
    Complete = "complete",
    Aborted = "aborted",
    AgentStatus = "agentStatus",
    Error = "error",
    Question = "question",
    ChannelSessionCreated = "channel-session-created",
    OpencodeConfigApplied = "opencode-config-applied",
    Title = "title",
    SelfTerminate = "self-terminate",
    Hello = "hello",
    Ping = "ping",
    Models = "models",
    ModelSwitched = "model-switched",
    Screenshot = "screenshot",
    AudioTranscript = "audio-transcript",
    ChildSession = "child-session",
    WorkflowChatMessage = "workflow-chat-message",
    WorkflowExecutionResult = "workflow-execution-result",
    GitState = "git-state",
    PrCreated = "pr-created",
    FilesChanged = "files-changed",
    Tunnels = "tunnels",
    SessionReset = "session-reset",
    Reverted = "reverted",
    Diff = "diff",
    ReviewResult = "review-result",
    CommandResult = "command-result",
} else Unknown);

frame!(ToLegacyRunner {
    Init = "init",
    OpencodeConfig = "opencode-config",
    Prompt = "prompt",
    Answer = "answer",
    Abort = "abort",
    Diff = "diff",
    Review = "review",
    OpencodeCommand = "opencode-command",
    NewSession = "new-session",
    TunnelDelete = "tunnel-delete",
    Stop = "stop",
    Pong = "pong",
    Error = "error",
    Revert = "revert",
} else Unknown);

/// The text of a section, up to the next one of its level.
fn section(heading: &str) -> &'static str {
    let begin = DOCUMENT.find(&format!("\n{heading}")).unwrap_or_else(|| panic!("there is no section {heading}")) + 1;
    let rest = &DOCUMENT[begin..];
    rest.find("\n## ").map_or(rest, |end| &rest[..end])
}

/// Every example of a section.
fn examples(section: &str) -> Vec<Value> {
    let blocks = section.split("```json\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    blocks
        .flat_map(|block| serde_json::Deserializer::from_str(block).into_iter::<Value>().map(Result::unwrap))
        .collect()
}

/// Whether the example is such a frame. If it is, it has to be written back as it stands there.
fn is_frame<T: Frame>(example: &Value) -> bool {
    let Ok(frame) = serde_json::from_value::<T>(example.clone()) else {
        return false;
    };
    let Some(name) = frame.name() else {
        return false;
    };
    assert_eq!(example["type"], name, "{example}");
    serde_json::to_value(&frame).unwrap() == *example
}

/// Whether the example is a frame of the gateway with or without a counter beside its keys.
fn is_sequenced(example: &Value) -> bool {
    let frame = serde_json::from_value::<Sequenced>(example.clone());
    frame.is_ok_and(|frame| frame.frame.name().is_some() && serde_json::to_value(&frame).unwrap() == *example)
}

/// Whether the example is a request; the id stands beside its fields.
fn is_request(example: &Value) -> bool {
    let mut fields = example.clone();
    let has_id = fields.as_object_mut().and_then(|fields| fields.remove("requestId")).is_some();
    let body = serde_json::from_value::<RequestBody>(fields.clone());
    let is_served = body.as_ref().is_ok_and(|body| *body != RequestBody::NotAvailable);
    has_id && is_served && serde_json::to_value(body.unwrap()).unwrap() == fields
}

#[track_caller]
fn all_are(heading: &str, checks: &[fn(&Value) -> bool]) {
    let examples = examples(section(heading));
    assert!(!examples.is_empty(), "{heading} has no examples");
    for example in examples {
        assert!(checks.iter().any(|check| check(&example)), "no frame of {heading}: {example}");
    }
}

/// Every type of `T` is one that it reads, and stands in the section.
#[track_caller]
fn names_all<T: Frame>(heading: &str) {
    let text = section(heading);
    for name in T::TYPES {
        let read = serde_json::from_value::<T>(serde_json::json!({"type": name}));
        assert!(read.is_ok_and(|frame| frame.name().is_some()) || is_missing_something::<T>(name), "{name} is no type");
        assert!(text.contains(&format!("`{name}`")), "{heading} does not name `{name}`");
    }
}

/// Whether a frame of that type is known, and needs more than its type.
fn is_missing_something<T: Frame>(name: &str) -> bool {
    let error = serde_json::from_value::<T>(serde_json::json!({"type": name})).err();
    error.is_some_and(|error| error.to_string().contains("missing field"))
}

#[test]
fn clients_find_every_frame() {
    names_all::<ClientFrame>(CLIENTS);
    names_all::<ServerFrame>(CLIENTS);
    names_all::<ResumingFrame>(CLIENTS);
    all_are(CLIENTS, &[is_frame::<ClientFrame>, is_frame::<ResumingFrame>, is_sequenced]);
}

#[test]
fn events_have_their_keys() {
    let has_keys =
        |event: &Value| ["type", "sessionId", "userId", "data", "timestamp"].iter().all(|key| event.get(key).is_some());
    all_are(EVENTS, &[has_keys]);
}

#[test]
fn runners_find_every_frame() {
    names_all::<FromRunner>(RUNNERS);
    names_all::<ToRunner>(RUNNERS);
    names_all::<RunnerEvent>(RUNNERS);
    names_all::<RunnerCommand>(RUNNERS);
    names_all::<RunnerRequest>(RUNNERS);
    names_all::<RunnerResponse>(RUNNERS);
    all_are(RUNNERS, &[is_frame::<FromRunner>, is_frame::<ToRunner>]);
}

#[test]
fn runners_of_earlier_gateways_find_every_frame() {
    names_all::<FromLegacyRunner>(LEGACY_RUNNERS);
    names_all::<ToLegacyRunner>(LEGACY_RUNNERS);
    all_are(LEGACY_RUNNERS, &[is_frame::<FromLegacyRunner>, is_frame::<ToLegacyRunner>, is_request]);
}

#[test]
fn the_requests_that_are_not_available_are_those_of_the_types() {
    let is_missing = |name: &&RequestName| {
        let read = serde_json::from_value::<RequestBody>(serde_json::json!({"type": name.as_str()}));
        read.is_ok_and(|body| body == RequestBody::NotAvailable)
    };
    let (missing, served): (Vec<&RequestName>, Vec<&RequestName>) = RequestName::ALL.iter().partition(is_missing);
    let text = section(LEGACY_RUNNERS);
    let (before, table) = text.split_once("| request not available |\n|---|\n").expect("there is such a table");
    let listed: Vec<&str> = table.lines().map_while(|line| line.strip_prefix("| `")?.strip_suffix("` |")).collect();
    let missing: Vec<&str> = missing.into_iter().map(|name| name.as_str()).collect();
    assert_eq!(listed, missing);
    for name in served {
        assert!(before.contains(&format!("| `{}` |", name.as_str())), "`{}` is answered", name.as_str());
    }
}
