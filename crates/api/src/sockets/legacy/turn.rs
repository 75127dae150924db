//! The turn that a runner of earlier gateways works on, and how it calls things in it.

use portway_domain::channels::Channel;
use portway_domain::engine::{Engine, MAX_OPEN_QUESTIONS, RunnerName};
use portway_domain::ids::{MessageId, QuestionId};

use super::final_text::Streamed;

/// Most names that are kept: those of open questions.
const MAX_NAMES: usize = MAX_OPEN_QUESTIONS;

/// The turn. Everything that such a runner says of one is about the prompt that it was given last.
#[derive(Debug)]
pub(super) struct Turn {
    pub(super) prompt: MessageId,
    /// Where the prompt came from, if not from a client of the gateway.
    pub(super) channel: Option<Channel>,
    /// Number of the command that gave it.
    pub(super) command: u64,
    /// Whether the runner was told to end it.
    pub(super) is_aborted: bool,
    /// Whether an earlier connection had it, and the runner has said nothing of it over this one.
    pub(super) is_silent_heir: bool,
    pub(super) open: Option<Open>,
    messages: u64,
    questions: u64,
    /// How the runner calls its questions, oldest first.
    names: Vec<RunnerName>,
}

/// The message that is being written.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) ours: MessageId,
    /// How the runner calls it, if that is known.
    theirs: Option<String>,
    pub(super) streamed: Streamed,
}

impl Turn {
    /// A prompt that was just given.
    pub(super) fn new(prompt: MessageId, command: u64) -> Self {
        Self {
            prompt,
            channel: None,
            command,
            is_aborted: false,
            is_silent_heir: false,
            open: None,
            messages: 0,
            questions: 0,
            names: Vec::new(),
        }
    }

    /// The turn that an earlier connection left.
    pub(super) fn left_behind(engine: &Engine) -> Option<Self> {
        let turn = engine.turn.as_ref()?;
        let name_of = |id: &str| turn.names.iter().find(|name| name.id == id).map(|name| name.name.clone());
        let open = engine.open.as_ref().map(|open| Open {
            ours: open.id.clone(),
            theirs: name_of(open.id.as_str()),
            streamed: Streamed::of(open),
        });
        Some(Self {
            channel: turn.queued.channel.clone(),
            is_aborted: turn.abort_deadline.is_some(),
            is_silent_heir: true,
            open,
            messages: turn.last_message,
            questions: turn.last_question,
            names: turn.names.clone(),
            ..Self::new(turn.prompt.clone(), turn.command)
        })
    }

    /// Begins the message that the runner calls `theirs`, unless that is the one that is being written.
    pub(super) fn begin(&mut self, theirs: String) -> Option<(MessageId, RunnerName)> {
        if self.open.as_ref().is_some_and(|open| open.theirs.as_ref() == Some(&theirs)) {
            return None;
        }
        let ours = MessageId::parse(format!("{}.{}", self.prompt, self.messages.saturating_add(1))).ok()?;
        self.messages = self.messages.saturating_add(1);
        let name = RunnerName { id: ours.to_string(), name: theirs.clone() };
        self.open = Some(Open { ours: ours.clone(), theirs: Some(theirs), streamed: Streamed::default() });
        Some((ours, name))
    }

    /// The message that is being written, if it is the one that the runner means. A name that was not kept is learned.
    pub(super) fn open(&mut self, theirs: Option<&str>) -> Option<&mut Open> {
        let open = self.open.as_mut()?;
        if let Some(theirs) = theirs {
            let known = open.theirs.get_or_insert_with(|| theirs.to_owned());
            if known != theirs {
                return None;
            }
        }
        Some(open)
    }

    /// Notes the question that the runner calls `theirs`, unless it was asked before.
    pub(super) fn ask(&mut self, theirs: String) -> Option<(QuestionId, RunnerName)> {
        if self.names.iter().any(|known| known.name == theirs) {
            return None;
        }
        let ours = QuestionId::parse(format!("{}.q{}", self.prompt, self.questions.saturating_add(1))).ok()?;
        self.questions = self.questions.saturating_add(1);
        let name = RunnerName { id: ours.to_string(), name: theirs };
        if self.names.len() >= MAX_NAMES {
            self.names.remove(0);
        }
        self.names.push(name.clone());
        Some((ours, name))
    }

    /// How the runner calls a question.
    pub(super) fn name_of(&self, question: &QuestionId) -> Option<&str> {
        let known = self.names.iter().find(|known| known.id == question.as_str());
        known.map(|known| known.name.as_str())
    }
}
