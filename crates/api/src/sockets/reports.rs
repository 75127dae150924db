//! What a runner says, in the words of the domain, and the other way round.

use portway_domain::engine::{AgentStatus, Command, RunnerHello, RunnerReport};
use portway_domain::ids::{InvalidId, MessageId, QuestionId};
use portway_domain::messages::{FinishReason, PlanEntry, TextKind, ToolCall, ToolStatus};
use portway_domain::questions::{Choice, ChoiceKind, Resolution};
use portway_ports::sessions::PendingCommand;
use portway_protocol::message as wire;
use portway_protocol::runner::{Answer, Hello, PromptAttachment, RunnerCommand, RunnerEvent, ToRunner};

use super::{models, tunnels, workspaces};

/// A runner's hello over a connection of that name.
pub(super) fn hello(hello: &Hello, connection: String) -> Result<RunnerHello, InvalidId> {
    Ok(RunnerHello {
        generation: hello.generation,
        connection,
        last_command: hello.last_command,
        last_frame: hello.last_frame,
        turn: hello.turn.clone().map(MessageId::parse).transpose()?,
    })
}

/// What a runner reports. A report with an id that cannot be one is counted and otherwise ignored.
pub(super) fn report(event: RunnerEvent) -> RunnerReport {
    convert(event).unwrap_or(RunnerReport::Unknown)
}

fn convert(event: RunnerEvent) -> Result<RunnerReport, InvalidId> {
    Ok(match event {
        RunnerEvent::Ready { agent_session_id } => RunnerReport::Ready { agent_session: agent_session_id },
        RunnerEvent::Failed { error } => RunnerReport::Failed { error },
        RunnerEvent::MessageCreate { turn_id } => RunnerReport::MessageCreated { message: MessageId::parse(turn_id)? },
        RunnerEvent::TextDelta { turn_id, delta } => text(turn_id, TextKind::Text, delta)?,
        RunnerEvent::ReasoningDelta { turn_id, delta } => text(turn_id, TextKind::Reasoning, delta)?,
        RunnerEvent::ToolUpdate { turn_id, call_id, tool_name, status, args, result, error } => RunnerReport::Tool {
            message: turn_id.map(MessageId::parse).transpose()?,
            call: ToolCall { call_id, tool_name, status: tool_status(status), args, result, error },
        },
        RunnerEvent::Plan { turn_id, entries } => RunnerReport::Plan {
            message: MessageId::parse(turn_id)?,
            entries: entries.into_iter().map(plan_entry).collect(),
        },
        RunnerEvent::MessageFinalize { turn_id, reason, error } => RunnerReport::MessageFinished {
            message: turn_id.map(MessageId::parse).transpose()?,
            reason: finish_reason(reason),
            error,
        },
        RunnerEvent::Question { question_id, text, choices } => RunnerReport::Asked {
            question: QuestionId::parse(question_id)?,
            text,
            choices: choices.into_iter().map(choice).collect(),
        },
        RunnerEvent::QuestionClosed { question_id } => {
            RunnerReport::QuestionClosed { question: QuestionId::parse(question_id)? }
        }
        RunnerEvent::AgentStatus { status, detail } => RunnerReport::Status { status: agent_status(status), detail },
        RunnerEvent::Models { models } => RunnerReport::Models(models::kept(models)),
        RunnerEvent::ModelSwitched { message_id, from_model, to_model, reason } => {
            RunnerReport::ModelSwitched(models::switch(message_id, from_model, to_model, reason)?)
        }
        RunnerEvent::Error { error } => RunnerReport::Error { error },
        RunnerEvent::Complete { message_id } => completed(message_id, false)?,
        RunnerEvent::Aborted { message_id } => completed(message_id, true)?,
        RunnerEvent::FilesChanged { files } => RunnerReport::FilesChanged(workspaces::changed_files(files)),
        RunnerEvent::GitState(state) => RunnerReport::GitState(workspaces::git_report(state)),
        RunnerEvent::Tunnels { tunnels: told } => RunnerReport::Tunnels(tunnels::tunnels(told)),
        RunnerEvent::SessionReset {} => RunnerReport::SessionReset,
        RunnerEvent::Unknown => RunnerReport::Unknown,
    })
}

fn text(message: String, kind: TextKind, delta: String) -> Result<RunnerReport, InvalidId> {
    Ok(RunnerReport::Text { message: MessageId::parse(message)?, kind, delta })
}

fn completed(prompt: String, aborted: bool) -> Result<RunnerReport, InvalidId> {
    Ok(RunnerReport::Completed { prompt: MessageId::parse(prompt)?, aborted })
}

pub(super) fn tool_status(status: wire::ToolStatus) -> ToolStatus {
    match status {
        wire::ToolStatus::Pending => ToolStatus::Pending,
        wire::ToolStatus::Running => ToolStatus::Running,
        wire::ToolStatus::Completed => ToolStatus::Completed,
        wire::ToolStatus::Error => ToolStatus::Error,
    }
}

pub(super) fn finish_reason(reason: wire::FinishReason) -> FinishReason {
    match reason {
        wire::FinishReason::EndTurn => FinishReason::EndTurn,
        wire::FinishReason::Error => FinishReason::Error,
        wire::FinishReason::Canceled => FinishReason::Canceled,
    }
}

fn plan_entry(entry: wire::PlanEntry) -> PlanEntry {
    PlanEntry { content: entry.content, status: entry.status, priority: entry.priority }
}

fn choice(choice: wire::Choice) -> Choice {
    let kind = match choice.kind {
        wire::ChoiceKind::AllowOnce => ChoiceKind::AllowOnce,
        wire::ChoiceKind::AllowAlways => ChoiceKind::AllowAlways,
        wire::ChoiceKind::RejectOnce => ChoiceKind::RejectOnce,
        wire::ChoiceKind::RejectAlways => ChoiceKind::RejectAlways,
        wire::ChoiceKind::Other => ChoiceKind::Other,
    };
    Choice { id: choice.id, label: choice.label, kind }
}

pub(super) fn agent_status(status: wire::AgentStatus) -> AgentStatus {
    match status {
        wire::AgentStatus::Idle => AgentStatus::Idle,
        wire::AgentStatus::Thinking | wire::AgentStatus::Queued => AgentStatus::Thinking,
        wire::AgentStatus::ToolCalling => AgentStatus::ToolCalling,
        wire::AgentStatus::Streaming => AgentStatus::Streaming,
        wire::AgentStatus::Error => AgentStatus::Error,
    }
}

/// What goes with a prompt besides its text.
#[derive(Debug, Default)]
pub(super) struct Beside {
    pub(super) attachments: Vec<PromptAttachment>,
    /// The models that the owner prefers, best first.
    pub(super) model_preferences: Vec<String>,
}

/// A command as it is sent.
pub(super) fn command(pending: PendingCommand, beside: Beside) -> ToRunner {
    let body = match pending.command {
        Command::Prompt { prompt, model, .. } => {
            let content = pending.content.unwrap_or_default();
            let Beside { attachments, model_preferences } = beside;
            RunnerCommand::Prompt { message_id: prompt.into(), content, model, model_preferences, attachments }
        }
        Command::Answer { question, resolution } => {
            RunnerCommand::Answer { question_id: question.into(), answer: answer(resolution) }
        }
        Command::Abort { prompt } => RunnerCommand::Abort { message_id: prompt.into() },
    };
    ToRunner::Command { command: pending.number, body }
}

fn answer(resolution: Resolution) -> Answer {
    match resolution {
        Resolution::Selected { choice } => Answer::Selected { choice },
        Resolution::Text { text } => Answer::Text { text },
        Resolution::Cancelled => Answer::Cancelled {},
    }
}
