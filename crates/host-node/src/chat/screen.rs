//! What the terminal shows: frames in, text to print out. Nothing here touches a terminal or a network.

mod messages;
mod page;
mod statuses;
mod tools;
mod transcript;

#[cfg(test)]
mod tests;

use portway_protocol::client::{AnswerValue, ClientFrame};
use portway_protocol::server::ServerFrame;

pub(super) use self::page::{Print, Style, Tone};

use self::messages::Kind;
use self::page::Page;
use self::transcript::Transcript;
use super::activity::Activity;
use super::questions::{Asked, Policy, Questions, Reception};

/// How a conversation is shown.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Manner {
    /// What the terminal can do.
    pub(super) style: Style,
    /// Only one prompt is sent: nothing is shown of what went before it.
    pub(super) once: bool,
    /// Answers questions in the user's place.
    pub(super) policy: Option<Policy>,
    /// Whether somebody can type.
    pub(super) typed: bool,
}

/// The state of the terminal and of the conversation in it.
#[derive(Debug, Default)]
pub(super) struct Screen {
    manner: Manner,
    page: Page,
    activity: Activity,
    transcript: Transcript,
    questions: Questions,
    /// Frames to send.
    frames: Vec<ClientFrame>,
    /// Prompts that were typed here and are on their way.
    own: Vec<String>,
    /// The text part that is being printed: message and index.
    current: Option<(String, usize)>,
    /// The question that is on the screen.
    shown_question: Option<String>,
    last_error: Option<String>,
    /// Messages that are not shown until an own prompt comes.
    muted: bool,
    seen_init: bool,
    lost: bool,
    runner_lost: bool,
    /// There is no agent yet.
    starting: bool,
    /// That was said.
    said_starting: bool,
    failed: bool,
    ended: Option<String>,
    resync: bool,
    resynced: Option<(String, usize)>,
}

impl Screen {
    pub(super) fn new(manner: Manner) -> Self {
        Self { manner, page: Page::new(manner.style), muted: manner.once, ..Self::default() }
    }

    /// Takes what is to be written.
    pub(super) fn take_prints(&mut self) -> Vec<Print> {
        self.page.take()
    }

    /// Takes the frames that are to be sent.
    pub(super) fn take_frames(&mut self) -> Vec<ClientFrame> {
        std::mem::take(&mut self.frames)
    }

    /// Whether text was missed and the state has to be asked for anew. Asks once.
    pub(super) fn take_resync(&mut self) -> bool {
        std::mem::take(&mut self.resync)
    }

    /// Whether a turn goes on or is to come.
    pub(super) fn is_working(&self) -> bool {
        self.activity.is_working()
    }

    /// Whether the gateway told the state of the session.
    pub(super) fn has_begun(&self) -> bool {
        self.seen_init
    }

    /// Whether a turn that was shown ended badly, or the session did.
    pub(super) fn has_failed(&self) -> bool {
        self.failed
    }

    /// The session's last status, once it takes nothing more.
    pub(super) fn ended(&self) -> Option<&str> {
        self.ended.as_deref()
    }

    /// Whether a question waits for the user.
    pub(super) fn is_asking(&self) -> bool {
        self.questions.current().is_some()
    }

    /// A frame of the gateway.
    pub(super) fn frame(&mut self, frame: ServerFrame) {
        match frame {
            ServerFrame::Init { session, data, .. } => self.init(&session, &data),
            ServerFrame::Message { data } => self.message(&data),
            ServerFrame::MessageUpdated { data } => self.updated(&data),
            ServerFrame::Chunk { message_id, content, part, offset } => {
                self.chunk(Kind::Prose, &message_id, part, offset, &content);
            }
            ServerFrame::ReasoningChunk { message_id, content, part, offset } => {
                self.chunk(Kind::Reasoning, &message_id, part, offset, &content);
            }
            ServerFrame::Question { question_id, text, options, choices, .. } => {
                self.asked(Asked::new(&question_id, &text, options.as_deref(), choices.as_deref()));
            }
            ServerFrame::Status { data } => self.status(&data),
            ServerFrame::AgentStatus { status, .. } => self.activity.agent(status),
            ServerFrame::Error { message_id, error, code, .. } => {
                self.error(message_id.as_deref(), &error, code.as_deref());
            }
            ServerFrame::AuditLog { entry } if entry.event_type == "user.abort" => self.activity.aborted(),
            ServerFrame::Title { .. }
            | ServerFrame::Models { .. }
            | ServerFrame::ModelSwitched { .. }
            | ServerFrame::ChildSession { .. }
            | ServerFrame::FilesChanged { .. }
            | ServerFrame::GitState { .. }
            | ServerFrame::MessagesRemoved { .. }
            | ServerFrame::UserJoined { .. }
            | ServerFrame::UserLeft { .. }
            | ServerFrame::AuditLog { .. }
            | ServerFrame::Resumed { .. }
            | ServerFrame::History { .. }
            | ServerFrame::Checkpoint { .. }
            | ServerFrame::Lagging { .. }
            | ServerFrame::Diff { .. }
            | ServerFrame::ReviewResult { .. }
            | ServerFrame::CommandResult { .. }
            | ServerFrame::Toast { .. }
            | ServerFrame::Pong {}
            | ServerFrame::Unknown => {}
        }
    }

    /// Shows what asks for input, if something does. To be called when there is nothing else to do at the moment.
    pub(super) fn settle(&mut self) {
        if !self.manner.typed {
            return;
        }
        if let Some(asked) = self.questions.current() {
            if self.shown_question.as_deref() != Some(&asked.id) {
                let lines = asked.lines();
                self.shown_question = Some(asked.id.clone());
                self.page.line(Tone::Asking, &lines);
            }
            let prompt = asked.prompt();
            self.page.prompt(&prompt);
        } else if !self.manner.once && self.seen_init && !self.is_working() {
            self.page.prompt("> ");
        }
    }

    /// Ends the last line.
    pub(super) fn finish(&mut self) {
        self.page.fresh_line();
    }

    /// The user ended a line of input.
    pub(super) fn entered(&mut self) {
        self.page.entered();
    }

    /// Says something.
    pub(super) fn notice(&mut self, tone: Tone, text: &str) {
        self.page.line(tone, text);
    }

    /// A prompt is on its way.
    pub(super) fn sending(&mut self, content: &str) {
        self.activity.sending();
        self.own.push(content.trim().to_owned());
        self.last_error = None;
    }

    /// The gateway took the prompt.
    pub(super) fn accepted(&mut self, id: &str, content: &str) {
        let echoed = self.transcript.knows(id);
        self.activity.accepted(id, echoed);
        if !echoed {
            self.transcript.add(id);
            self.forget_own(content);
            self.muted = false;
        }
    }

    /// The gateway did not take the prompt.
    pub(super) fn refused(&mut self, content: &str, why: &str) {
        self.activity.refused();
        self.forget_own(content);
        self.page.line(Tone::Bad, &format!("✗ not sent: {why}"));
        self.failed = true;
    }

    /// The user ends the turn.
    pub(super) fn aborting(&mut self) {
        self.failed = true;
        self.shown_question = None;
    }

    /// Answers the current question with a line of input.
    pub(super) fn answer_line(&mut self, line: &str) {
        let Some(asked) = self.questions.current() else {
            return;
        };
        match asked.read(line) {
            Ok(answer) => self.answer(answer),
            Err(hint) => self.page.line(Tone::Plain, &hint),
        }
    }

    /// The connection is lost.
    pub(super) fn connection_lost(&mut self) {
        if !self.lost {
            self.lost = true;
            self.page.line(Tone::Dim, "connection lost, reconnecting…");
        }
    }

    fn asked(&mut self, asked: Asked) {
        match self.questions.receive(asked.clone()) {
            Reception::Ask => self.decide(&asked),
            Reception::Known => {}
            Reception::Resend(answer) => self.frames.push(ClientFrame::Answer { question_id: asked.id, answer }),
        }
    }

    /// Answers a question at once where a policy says how, and ends a turn that asks what nobody can answer.
    fn decide(&mut self, asked: &Asked) {
        let Some(policy) = self.manner.policy else {
            return;
        };
        self.page.line(Tone::Asking, &asked.lines());
        match asked.decide(policy) {
            Some(answer) => {
                self.page.line(Tone::Plain, &format!("  answered: {}", asked.words(&answer)));
                self.answer(answer);
            }
            None => {
                self.page.line(Tone::Bad, "✗ nobody is here to choose: the turn is aborted");
                self.questions.close(&asked.id);
                self.failed = true;
                self.frames.push(ClientFrame::ABORT);
            }
        }
    }

    fn answer(&mut self, answer: AnswerValue) {
        if let Some(question_id) = self.questions.answer(answer.clone()) {
            self.shown_question = None;
            self.frames.push(ClientFrame::Answer { question_id, answer });
        }
    }

    /// Forgets a prompt that was typed here; tells whether it was.
    fn forget_own(&mut self, content: &str) -> bool {
        let index = self.own.iter().position(|own| own == content.trim());
        index.map(|index| self.own.remove(index)).is_some()
    }
}
