//! One turn: what an agent does between a prompt and its end, as events.

use portway_protocol::message::{AgentStatus, Choice, ChoiceKind, FinishReason, PlanEntry};
use portway_protocol::runner::{Answer, RunnerEvent};
use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::{Error as NoValue, StrDeserializer};
use serde_json::Value;

use crate::acp::{self, PermissionOption, PermissionRequest, PlanItem, StopReason, ToolFields, Update};
use crate::tools::{Tools, clip};

/// Longest text of one event, in bytes; longer chunks are split.
const MAX_DELTA: usize = 64 * 1024;

/// Steps of a plan that are shown, and bytes of each.
const MAX_PLAN: usize = 200;
const MAX_PLAN_TEXT: usize = 4 * 1024;

/// Questions that may be open, options of each, and bytes of labels and ids.
const MAX_QUESTIONS: usize = 32;
const MAX_OPTIONS: usize = 32;
const MAX_LABEL: usize = 1024;
const MAX_OPTION_ID: usize = 1024;

/// A turn that is under way.
#[derive(Debug)]
pub(crate) struct Turn {
    message_id: String,
    turn_id: String,
    created: bool,
    status: Option<(AgentStatus, Option<String>)>,
    tools: Tools,
    asked: u64,
    questions: Vec<Question>,
    aborted: bool,
}

#[derive(Debug)]
struct Question {
    id: String,
    /// The agent's id of its request.
    request: Value,
    choices: Vec<Choice>,
    /// The tool call that waits for the permission.
    call_id: Option<String>,
}

/// How a turn ends.
#[derive(Debug)]
pub(crate) enum TurnEnd {
    /// The agent says so.
    Stopped(StopReason),
    /// It failed, for this reason.
    Failed(String),
    /// It was aborted and the agent did not end it itself.
    Forced,
}

/// An answer to a request of the agent: its id and the result.
pub(crate) type Reply = (Value, Value);

impl Turn {
    /// A turn of the prompt with that id begins.
    pub(crate) fn begin(message_id: &str, out: &mut Vec<RunnerEvent>) -> Self {
        let mut turn = Self {
            message_id: message_id.to_owned(),
            turn_id: format!("{message_id}.1"),
            created: false,
            status: None,
            tools: Tools::default(),
            asked: 0,
            questions: Vec::new(),
            aborted: false,
        };
        turn.set_status(AgentStatus::Thinking, None, out);
        turn
    }

    /// The prompt that it answers.
    pub(crate) fn message_id(&self) -> &str {
        &self.message_id
    }

    /// The agent did something.
    pub(crate) fn update(&mut self, update: Update, out: &mut Vec<RunnerEvent>) {
        match update {
            Update::Message(content) => {
                if let Some(text) = content.into_text() {
                    self.create(out);
                    self.set_status(AgentStatus::Streaming, None, out);
                    let turn_id = &self.turn_id;
                    out.extend(
                        pieces(&text)
                            .map(|delta| RunnerEvent::TextDelta { turn_id: turn_id.clone(), delta: delta.to_owned() }),
                    );
                }
            }
            Update::Thought(content) => {
                if let Some(text) = content.into_text() {
                    self.create(out);
                    self.set_status(AgentStatus::Thinking, None, out);
                    let turn_id = &self.turn_id;
                    out.extend(pieces(&text).map(|delta| RunnerEvent::ReasoningDelta {
                        turn_id: turn_id.clone(),
                        delta: delta.to_owned(),
                    }));
                }
            }
            Update::Tool(fields) => self.tool(fields, out),
            Update::Plan(items) => {
                self.create(out);
                out.push(RunnerEvent::Plan {
                    turn_id: self.turn_id.clone(),
                    entries: items.into_iter().take(MAX_PLAN).map(plan_entry).collect(),
                });
            }
            Update::Options(_) | Update::Other => {}
        }
    }

    fn tool(&mut self, fields: ToolFields, out: &mut Vec<RunnerEvent>) {
        let Some(change) = self.tools.merge(&self.turn_id, fields) else {
            return;
        };
        self.create(out);
        match change.at_work {
            Some(name) => self.set_status(AgentStatus::ToolCalling, Some(name), out),
            None if !self.tools.any_active() => self.set_status(AgentStatus::Thinking, None, out),
            None => {}
        }
        out.push(change.event);
    }

    /// The agent asks. What cannot be asked is answered at once.
    pub(crate) fn ask(
        &mut self,
        request: Value,
        asked: PermissionRequest,
        out: &mut Vec<RunnerEvent>,
    ) -> Option<Reply> {
        let choices = choices(asked.options);
        if self.aborted || choices.is_empty() || self.questions.len() >= MAX_QUESTIONS {
            return Some((request, acp::permission_cancelled()));
        }
        let call_id = asked.tool_call.map(|fields| {
            let call_id = fields.tool_call_id.clone();
            self.tool(fields, out);
            call_id
        });
        let title = call_id.as_deref().and_then(|call_id| self.tools.title(call_id));
        self.asked += 1;
        let id = format!("{}.q{}", self.message_id, self.asked);
        let question = Question { id, request, choices: choices.clone(), call_id };
        out.push(RunnerEvent::Question {
            question_id: question.id.clone(),
            text: title.unwrap_or_else(|| "Allow this action?".to_owned()),
            choices,
        });
        self.questions.push(question);
        None
    }

    /// Somebody answered; `None` if the question is not open (any more).
    ///
    /// A tool call that was refused has failed, also when the agent says no more about it.
    pub(crate) fn answer(&mut self, question_id: &str, answer: &Answer, out: &mut Vec<RunnerEvent>) -> Option<Reply> {
        let index = self.questions.iter().position(|open| open.id == question_id)?;
        let question = self.questions.remove(index);
        let wanted = match answer {
            Answer::Selected { choice } => question.choices.iter().find(|offered| offered.id == *choice),
            Answer::Text { text } => {
                question.choices.iter().find(|offered| offered.label.eq_ignore_ascii_case(text.trim()))
            }
            Answer::Cancelled {} => None,
        };
        let refuses = |choice: &&Choice| matches!(choice.kind, ChoiceKind::RejectOnce | ChoiceKind::RejectAlways);
        if let Some(call_id) = question.call_id.filter(|_| wanted.is_some_and(|choice| refuses(&choice))) {
            self.tool(ToolFields::refused(call_id), out);
        }
        // Nothing is allowed by an answer that does not say so.
        let outcome = wanted.map_or_else(acp::permission_cancelled, |choice| acp::permission_selected(&choice.id));
        Some((question.request, outcome))
    }

    /// The agent no longer waits for an answer to its request.
    pub(crate) fn withdraw(&mut self, request: &Value, out: &mut Vec<RunnerEvent>) -> Option<Reply> {
        let index = self.questions.iter().position(|open| open.request == *request)?;
        let question = self.questions.remove(index);
        Some(close(question, out))
    }

    /// The turn is to end; tells what to answer the agent's open requests.
    pub(crate) fn abort(&mut self, out: &mut Vec<RunnerEvent>) -> Vec<Reply> {
        self.aborted = true;
        self.close_questions(out)
    }

    fn close_questions(&mut self, out: &mut Vec<RunnerEvent>) -> Vec<Reply> {
        self.questions.drain(..).map(|question| close(question, out)).collect()
    }

    /// The turn ends; tells what to answer the agent's open requests.
    pub(crate) fn end(mut self, end: TurnEnd, out: &mut Vec<RunnerEvent>) -> Vec<Reply> {
        let replies = self.close_questions(out);
        let message_id = self.message_id.clone();
        let aborted = self.aborted || matches!(end, TurnEnd::Forced);
        if aborted {
            self.finalize(FinishReason::Canceled, None, out);
            out.push(RunnerEvent::Aborted { message_id });
        } else {
            self.finish(end, out);
            out.push(RunnerEvent::Complete { message_id });
        }
        self.set_status(AgentStatus::Idle, None, out);
        replies
    }

    fn finish(&mut self, end: TurnEnd, out: &mut Vec<RunnerEvent>) {
        let error = match end {
            TurnEnd::Stopped(StopReason::EndTurn) => {
                return self.finalize(FinishReason::EndTurn, None, out);
            }
            TurnEnd::Stopped(StopReason::Cancelled) | TurnEnd::Forced => {
                return self.finalize(FinishReason::Canceled, None, out);
            }
            TurnEnd::Stopped(StopReason::Refusal) => "The agent refused to go on.".to_owned(),
            TurnEnd::Stopped(StopReason::MaxTurnRequests) => {
                "The agent made as many model requests as it may in one turn and stopped.".to_owned()
            }
            TurnEnd::Failed(error) => error,
        };
        out.push(RunnerEvent::Error { error: error.clone() });
        self.finalize(FinishReason::Error, Some(error), out);
    }

    fn finalize(&self, reason: FinishReason, error: Option<String>, out: &mut Vec<RunnerEvent>) {
        if self.created {
            out.push(RunnerEvent::MessageFinalize { turn_id: Some(self.turn_id.clone()), reason, error });
        }
    }

    fn create(&mut self, out: &mut Vec<RunnerEvent>) {
        if !self.created {
            self.created = true;
            out.push(RunnerEvent::MessageCreate { turn_id: self.turn_id.clone() });
        }
    }

    fn set_status(&mut self, status: AgentStatus, detail: Option<String>, out: &mut Vec<RunnerEvent>) {
        let next = Some((status, detail.clone()));
        if self.status != next {
            self.status = next;
            out.push(RunnerEvent::AgentStatus { status, detail });
        }
    }
}

fn close(question: Question, out: &mut Vec<RunnerEvent>) -> Reply {
    out.push(RunnerEvent::QuestionClosed { question_id: question.id });
    (question.request, acp::permission_cancelled())
}

fn plan_entry(item: PlanItem) -> PlanEntry {
    let known = |value: Option<String>, allowed: [&str; 3], default: &str| {
        value.filter(|value| allowed.contains(&value.as_str())).unwrap_or_else(|| default.to_owned())
    };
    PlanEntry {
        content: clip(item.content, MAX_PLAN_TEXT),
        status: known(item.status, ["pending", "in_progress", "completed"], "pending"),
        priority: known(item.priority, ["high", "medium", "low"], "medium"),
    }
}

/// The options as choices with labels that differ.
fn choices(options: Vec<PermissionOption>) -> Vec<Choice> {
    let mut choices: Vec<Choice> = Vec::new();
    for option in options {
        let taken = |id: &str| choices.iter().any(|choice| choice.id == id);
        if choices.len() >= MAX_OPTIONS || option.option_id.len() > MAX_OPTION_ID || taken(&option.option_id) {
            continue;
        }
        let kind = option.kind.as_deref().map_or(ChoiceKind::Other, kind);
        let label = option
            .name
            .filter(|name| !name.trim().is_empty())
            .map_or_else(|| option.option_id.clone(), |name| clip(name, MAX_LABEL));
        choices.push(Choice { label: unique(label, &choices), id: option.option_id, kind });
    }
    choices
}

fn kind(text: &str) -> ChoiceKind {
    let text: StrDeserializer<'_, NoValue> = text.into_deserializer();
    ChoiceKind::deserialize(text).unwrap_or(ChoiceKind::Other)
}

fn unique(label: String, taken: &[Choice]) -> String {
    let free = |label: &str| !taken.iter().any(|choice| choice.label == label);
    if free(&label) {
        return label;
    }
    (2..).map(|n: usize| format!("{label} ({n})")).find(|label| free(label)).unwrap_or(label)
}

/// The text in pieces that fit an event.
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let (piece, more) = rest.split_at(rest.floor_char_boundary(MAX_DELTA));
        rest = more;
        Some(piece).filter(|piece| !piece.is_empty())
    })
}

#[cfg(test)]
#[path = "turn_tests.rs"]
mod tests;
