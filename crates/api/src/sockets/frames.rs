//! What happens in a session, as frames of the session protocol.

use portway_domain::access::Permission;
use portway_domain::engine::{AgentStatus, AuditEntry, Notice, StatusNotice};
use portway_domain::messages::{FinishReason, Message, MessageRole, Part, Segment, TextKind, ToolStatus};
use portway_domain::questions::{Choice, ChoiceKind, Question};
use portway_domain::states::Facts;
use portway_domain::users::Profile;
use portway_ports::pubsub::Presence;
use portway_ports::sessions::Transcript;
use portway_protocol::message as wire;
use portway_protocol::server::{
    AuditEntry as AuditFrame, ConnectedUser, InitData, InitSession, MessageUpdate, ServerFrame, StatusData,
    ToastVariant,
};
use portway_services::Context;

use super::{attachments, models, tunnels, workspaces};
use crate::operations::tunnels::some_urls;

/// Longest text of a toast, in characters.
const MAX_TOAST_CHARS: usize = 240;

/// A message of the transcript.
pub(crate) fn message(message: Message) -> wire::Message {
    let assistant = message.role == MessageRole::Assistant;
    let system = message.role == MessageRole::System;
    let shown = |shown| match part(message.id.as_str(), shown) {
        wire::Part::Image(picture) if system => wire::Part::Screenshot(picture),
        part => part,
    };
    let parts: Vec<wire::Part> = message.parts.into_iter().map(shown).collect();
    let author = message.author;
    wire::Message {
        id: message.id.into(),
        role: role(message.role),
        content: message.content,
        parts: (assistant || !parts.is_empty()).then_some(parts),
        author_id: author.as_ref().map(|author| author.id.to_string()),
        author_email: author.as_ref().map(|author| author.email.clone()),
        author_name: author.as_ref().and_then(|author| author.name.clone()),
        author_avatar_url: author.and_then(|author| author.avatar_url),
        channel_type: message.channel.as_ref().map(|channel| channel.kind().to_owned()),
        channel_id: message.channel.map(|channel| channel.id().to_owned()),
        created_at: message.created_at.as_seconds(),
        position: None,
    }
}

/// A message, of which the last text grows while it is still being written.
pub(super) fn as_shown(shown: Message) -> wire::Message {
    let mut shown = message(shown);
    if shown.is_done() {
        return shown;
    }
    let last = shown.parts.as_mut().and_then(|parts| parts.last_mut());
    if let Some(wire::Part::Text { streaming, .. } | wire::Part::Reasoning { streaming, .. }) = last {
        *streaming = true;
    }
    shown
}

fn role(role: MessageRole) -> wire::MessageRole {
    match role {
        MessageRole::User => wire::MessageRole::User,
        MessageRole::Assistant => wire::MessageRole::Assistant,
        MessageRole::System => wire::MessageRole::System,
    }
}

fn part(message: &str, part: Part) -> wire::Part {
    match part {
        Part::Text { text } => wire::Part::Text { text, streaming: false },
        Part::Reasoning { text } => wire::Part::Reasoning { text, streaming: false },
        Part::ToolCall(call) => wire::Part::ToolCall {
            call_id: call.call_id,
            tool_name: call.tool_name,
            status: match call.status {
                ToolStatus::Pending => wire::ToolStatus::Pending,
                ToolStatus::Running => wire::ToolStatus::Running,
                ToolStatus::Completed => wire::ToolStatus::Completed,
                ToolStatus::Error => wire::ToolStatus::Error,
            },
            args: call.args,
            result: call.result,
            error: call.error,
        },
        Part::Plan { entries } => wire::Part::Plan {
            entries: entries
                .into_iter()
                .map(|entry| wire::PlanEntry { content: entry.content, status: entry.status, priority: entry.priority })
                .collect(),
        },
        Part::Finish { reason } => wire::Part::Finish {
            reason: match reason {
                FinishReason::EndTurn => wire::FinishReason::EndTurn,
                FinishReason::Error => wire::FinishReason::Error,
                FinishReason::Canceled => wire::FinishReason::Canceled,
            },
        },
        Part::Error { message } => wire::Part::Error { message },
        Part::Forwarded(from) => wire::Part::Forwarded {
            source_session_id: from.session.into(),
            source_session_title: from.title,
            original_role: role(from.role),
            original_created_at: from.created_at.as_seconds(),
        },
        Part::Label { title, avatar_key } => wire::Part::Label { system_title: title, system_avatar_key: avatar_key },
        Part::SessionBreak => wire::Part::SessionBreak {},
        Part::TunnelClosed { name } => wire::Part::TunnelClosed { name },
        Part::Attachment(attachment) => attachments::part(message, attachment),
    }
}

fn chunk(segment: Segment) -> ServerFrame {
    let (message_id, content, part, offset) = (segment.message.into(), segment.text, segment.part, segment.offset);
    match segment.kind {
        TextKind::Text => ServerFrame::Chunk { message_id, content, part, offset },
        TextKind::Reasoning => ServerFrame::ReasoningChunk { message_id, content, part, offset },
    }
}

/// A question that is open.
pub(super) fn question(question: &Question) -> ServerFrame {
    let offers = !question.choices.is_empty();
    ServerFrame::Question {
        question_id: question.id.to_string(),
        text: question.text.clone(),
        options: offers.then(|| question.choices.iter().map(|choice| choice.label.clone()).collect()),
        choices: offers.then(|| question.choices.iter().map(choice).collect()),
        expires_at: Some(question.expires_at.as_seconds()),
    }
}

/// Tells the session's owner of a question.
pub(super) fn toast(question: &Question) -> ServerFrame {
    ServerFrame::Toast {
        title: "The agent asks".to_owned(),
        description: Some(question.text.chars().take(MAX_TOAST_CHARS).collect()),
        variant: Some(ToastVariant::Warning),
        duration: None,
    }
}

fn choice(choice: &Choice) -> wire::Choice {
    wire::Choice {
        id: choice.id.clone(),
        label: choice.label.clone(),
        kind: match choice.kind {
            ChoiceKind::AllowOnce => wire::ChoiceKind::AllowOnce,
            ChoiceKind::AllowAlways => wire::ChoiceKind::AllowAlways,
            ChoiceKind::RejectOnce => wire::ChoiceKind::RejectOnce,
            ChoiceKind::RejectAlways => wire::ChoiceKind::RejectAlways,
            ChoiceKind::Other => wire::ChoiceKind::Other,
        },
    }
}

/// The whole state of a session.
pub(super) fn init(transcript: Transcript, users: Vec<Profile>, sockets: usize) -> ServerFrame {
    let engine = transcript.engine.value;
    let facts = Facts::of(&engine);
    let session = transcript.access.session;
    ServerFrame::Init {
        session: InitSession {
            id: session.id.into(),
            status: engine.status.as_str().to_owned(),
            workspace: session.workspace,
            title: session.title,
            messages: transcript.messages.into_iter().map(as_shown).collect(),
            before: None,
            runner_connected: facts.connected,
            seq: engine.seq,
        },
        protocol: None,
        data: InitData {
            sandbox_running: facts.sandbox,
            runner_connected: facts.connected,
            runner_busy: facts.busy,
            prompts_queued: facts.queued,
            queue: engine.queue.into_iter().map(|queued| queued.id.into()).collect(),
            connected_clients: sockets,
            connected_users: users.iter().map(connected_user).collect(),
            available_models: transcript.models.map(models::list),
            audit_log: transcript.audit.into_iter().map(audit).collect(),
        },
    }
}

/// Somebody came or went.
pub(super) fn presence(presence: &Presence) -> ServerFrame {
    let user_id = presence.user.to_string();
    let connected_users = presence.users.iter().map(connected_user).collect();
    if presence.joined {
        ServerFrame::UserJoined { user_id, connected_users }
    } else {
        ServerFrame::UserLeft { user_id, connected_users }
    }
}

pub(super) fn connected_user(user: &Profile) -> ConnectedUser {
    ConnectedUser {
        id: user.id.to_string(),
        name: user.name.clone(),
        email: Some(user.email.clone()),
        avatar_url: user.avatar_url.clone(),
    }
}

pub(super) fn audit(entry: AuditEntry) -> AuditFrame {
    AuditFrame {
        event_type: entry.event_type,
        summary: entry.summary,
        actor_id: entry.actor.map(Into::into),
        created_at: entry.created_at.to_string(),
        seq: None,
    }
}

/// The frame of a notice; hints that are only for runners have none.
pub(super) fn notice(notice: &Notice) -> Option<ServerFrame> {
    let frame = match notice {
        Notice::Message(new) => ServerFrame::Message { data: message(new.clone()) },
        Notice::MessageUpdated(changed) => {
            let shown = as_shown(changed.clone());
            ServerFrame::MessageUpdated {
                data: MessageUpdate {
                    id: shown.id,
                    role: Some(shown.role),
                    content: shown.content,
                    parts: shown.parts,
                },
            }
        }
        Notice::MessagesRemoved(ids) => {
            ServerFrame::MessagesRemoved { message_ids: ids.iter().map(ToString::to_string).collect() }
        }
        Notice::Chunk(segment) => chunk(segment.clone()),
        Notice::Question(asked) => question(asked),
        Notice::QuestionAnswered { id, answer } => status(StatusData {
            question_answered: Some(id.to_string()),
            answer: Some(answer.clone()),
            ..StatusData::default()
        }),
        Notice::QuestionExpired { id } => {
            status(StatusData { question_expired: Some(id.to_string()), ..StatusData::default() })
        }
        Notice::Status(change) => status(status_data(change)),
        Notice::Agent { status, detail } => {
            ServerFrame::AgentStatus { status: agent_status(*status), detail: detail.clone() }
        }
        Notice::Error { message, error } => ServerFrame::Error {
            message_id: Some(message.to_string()),
            error: error.clone(),
            message: error.clone(),
            code: None,
        },
        Notice::Title(title) => ServerFrame::Title { title: title.clone() },
        Notice::Models(offered) => models::models(offered.clone()),
        Notice::ModelSwitched(switch) => models::switched(switch.clone()),
        Notice::ChildOpened { child, title } => {
            ServerFrame::ChildSession { child_session_id: child.to_string(), title: title.clone() }
        }
        Notice::FilesChanged(files) => workspaces::files_changed(files.as_slice()),
        Notice::GitStateChanged(report) => workspaces::git_reported(report),
        Notice::Audit(entry) => ServerFrame::AuditLog { entry: audit(entry.clone()) },
        Notice::AccessWithdrawn { .. }
        | Notice::Commands
        | Notice::RunnerReplaced { .. }
        | Notice::RunnerStop { .. } => return None,
    };
    Some(frame)
}

fn status(data: StatusData) -> ServerFrame {
    ServerFrame::Status { data }
}

pub(super) fn agent_status(status: AgentStatus) -> wire::AgentStatus {
    match status {
        AgentStatus::Idle => wire::AgentStatus::Idle,
        AgentStatus::Thinking => wire::AgentStatus::Thinking,
        AgentStatus::ToolCalling => wire::AgentStatus::ToolCalling,
        AgentStatus::Streaming => wire::AgentStatus::Streaming,
        AgentStatus::Error => wire::AgentStatus::Error,
    }
}

fn status_data(change: &StatusNotice) -> StatusData {
    let none = StatusData::default();
    match change {
        StatusNotice::Lifecycle { status, sandbox, error, urls } => StatusData {
            tunnel_urls: some_urls(urls),
            status: Some(status.as_str().to_owned()),
            sandbox_running: *sandbox,
            error: error.clone(),
            ..none
        },
        StatusNotice::Tunnels(exposure) => tunnels::tunnels_told(exposure),
        StatusNotice::RunnerConnected => StatusData { runner_connected: Some(true), ..none },
        StatusNotice::RunnerDisconnected { queued } => StatusData {
            runner_connected: Some(false),
            queued_prompts: Some(*queued),
            runner_disconnected: Some(true),
            ..none
        },
        StatusNotice::TurnEnded { aborted } => {
            StatusData { runner_busy: Some(false), aborted: aborted.then_some(true), ..none }
        }
        StatusNotice::PromptQueued { position } => {
            StatusData { prompt_queued: Some(true), queue_position: Some(*position), ..none }
        }
        StatusNotice::PromptDequeued { remaining } => {
            StatusData { prompt_dequeued: Some(true), remaining: Some(*remaining), ..none }
        }
        StatusNotice::PromptWithdrawn { prompt, remaining } => {
            StatusData { prompt_withdrawn: Some(prompt.to_string()), remaining: Some(*remaining), ..none }
        }
        StatusNotice::Collecting { count } => {
            StatusData { collect_pending: Some(*count > 0), collect_count: Some(*count), ..none }
        }
        StatusNotice::QueueCleared { cleared } => {
            StatusData { queue_cleared: Some(true), cleared: Some(*cleared), ..none }
        }
    }
}

/// The context of one frame: the caller's credential, with its own time and ids.
pub(super) fn frame_context(
    opened: &Context,
    permission: Permission,
    moment: portway_services::steps::Moment,
) -> Context {
    Context { permission, now: moment.now, ids: moment.ids, idempotency: None, ..opened.clone() }
}
