//! What a runner of earlier gateways says, in the words of the domain, and the other way round.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use portway_domain::attachments::MAX_ENCODED_CHARS;
use portway_domain::channels::Channel;
use portway_domain::engine::{AgentStatus, Command, Engine, RunnerReport};
use portway_domain::ids::{MessageId, QuestionId};
use portway_domain::messages::{FinishReason, TextKind, ToolCall};
use portway_domain::models::{AvailableModels, ModelSwitch};
use portway_domain::questions::{Choice, ChoiceKind, Resolution};
use portway_domain::runner_requests::RunnerResponse;
use portway_protocol::client::AnswerValue;
use portway_protocol::legacy_runner::{EXPIRED_ANSWER, FromLegacyRunner, ToLegacyRunner};

use super::conversations::{Conversations, News, channel_of};
use super::runner_requests;
use super::turn::Turn;
use crate::sockets::{models, reports, tunnels, workspaces};

/// What a frame leads to.
#[derive(Debug, PartialEq)]
pub(super) enum Outcome {
    /// Something to make durable.
    Report(RunnerReport),
    /// Something to answer.
    Send(ToLegacyRunner),
    /// The runner wants to know whether it is heard.
    Pinged,
    /// The session gets another title.
    Title(String),
    /// Something that the runner was asked on behalf of a client.
    Answered {
        /// Which request.
        request_id: String,
        /// What came of it.
        response: RunnerResponse,
    },
    /// The agent shows a picture.
    Picture {
        /// Its bytes.
        content: Bytes,
        /// What is to be seen.
        description: String,
    },
    /// Somebody wrote down what is said in the sounds of a prompt.
    Transcribed {
        /// The prompt, as the runner names it.
        prompt: String,
        /// What is said.
        transcript: String,
    },
    /// The agent was taken back to before these prompts.
    Reverted {
        /// The prompts.
        prompts: Vec<String>,
    },
    /// The session is done.
    Finished,
    /// The runner speaks another protocol and has to connect again.
    Reconnect,
}

/// When the agent takes prompts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Gate {
    /// Once the configuration was applied, or could not be, and the agent was idle.
    Waits {
        applied: bool,
        idle: bool,
    },
    Open,
}

/// The state of one connection, as far as the meaning of frames depends on it.
#[derive(Debug)]
pub(super) struct Translation {
    turn: Option<Turn>,
    gate: Gate,
    conversations: Conversations,
    /// The last command that was sent over this connection.
    sent: u64,
    /// The last command that the runner took over, as far as its frames prove it.
    taken: u64,
    seems_new: bool,
}

impl Translation {
    /// Begins with the state after the connection was announced.
    pub(super) fn new(engine: &Engine) -> Self {
        let waits = Gate::Waits { applied: false, idle: false };
        Self {
            turn: Turn::left_behind(engine),
            gate: if engine.runner.ready { Gate::Open } else { waits },
            conversations: Conversations::of(&engine.runner),
            sent: engine.runner.taken_command,
            taken: engine.runner.taken_command,
            seems_new: false,
        }
    }

    /// Whether the agent has still to be configured. It gives up what it works on then.
    pub(super) fn wants_config(&self) -> bool {
        self.gate != Gate::Open
    }

    /// Whether a prompt was sent over an earlier connection of which nothing was heard.
    pub(super) fn has_doubtful_prompt(&self) -> bool {
        self.turn.as_ref().is_some_and(|turn| turn.is_silent_heir && turn.command > self.taken)
    }

    /// Whether the runner looks like a new process that knows nothing of the turn: it was idle, and has said nothing of it.
    pub(super) fn seems_new(&self) -> bool {
        self.seems_new
    }

    /// The turn is over since the runner does not know it.
    pub(super) fn forget_turn(&mut self) {
        self.turn = None;
        self.seems_new = false;
    }

    pub(super) fn taken(&self) -> u64 {
        self.taken
    }

    pub(super) fn sent(&self) -> u64 {
        self.sent
    }

    /// The conversation that the prompt of the turn belongs to.
    pub(super) fn agent_session(&self) -> Option<&str> {
        self.conversations.get(self.channel())
    }

    /// Where the prompt of the turn came from.
    pub(super) fn channel(&self) -> Option<&Channel> {
        self.turn.as_ref().and_then(|turn| turn.channel.as_ref())
    }

    /// Notes where the prompt of the turn came from.
    pub(super) fn comes_from(&mut self, channel: Option<Channel>) {
        if let Some(turn) = self.turn.as_mut() {
            turn.channel = channel;
        }
    }

    /// What a frame leads to, in order.
    pub(super) fn frame(&mut self, frame: FromLegacyRunner) -> Vec<Outcome> {
        use FromLegacyRunner as F;
        match frame {
            F::MessageCreate { turn_id, channel_type, channel_id, opencode_session_id } => {
                let mut outcomes = self.created(turn_id);
                if let (Some(kind), Some(id), Some(name)) = (channel_type, channel_id, opencode_session_id) {
                    outcomes.extend(self.conversation(&format!("{kind}:{id}"), name));
                }
                outcomes
            }
            F::TextDelta { turn_id, delta } => self.text(&turn_id, delta),
            F::ToolUpdate { turn_id, call_id, tool_name, status, args, result, error } => {
                let status = reports::tool_status(status);
                self.tool(turn_id.as_deref(), ToolCall { call_id, tool_name, status, args, result, error })
            }
            F::MessageFinalize { turn_id, reason, final_text, error } => {
                self.finalized(turn_id.as_deref(), reports::finish_reason(reason), final_text, error)
            }
            F::Complete {} => self.ended(false),
            F::Aborted {} => self.ended(true),
            F::AgentStatus { status, detail } => self.status(reports::agent_status(status), detail),
            F::Error { error } => {
                self.heard();
                vec![Outcome::Report(RunnerReport::Error { error })]
            }
            F::Question { question_id, text, options } => self.asked(question_id, text, options.unwrap_or_default()),
            F::ChannelSessionCreated { channel_key, opencode_session_id } => {
                self.conversation(&channel_key, opencode_session_id).into_iter().collect()
            }
            F::OpencodeConfigApplied { success, restarted, error } => {
                if !success {
                    tracing::warn!(error = error.unwrap_or_default(), "an agent could not be configured");
                }
                let configured = (success && restarted).then_some(Outcome::Report(RunnerReport::Configured));
                configured.into_iter().chain(self.pass_gate(true, false)).collect()
            }
            F::Screenshot { data, description } => {
                let picture = |content| Outcome::Picture { content, description: description.unwrap_or_default() };
                picture_of(&data).map(picture).into_iter().collect()
            }
            F::AudioTranscript { message_id: prompt, transcript } => vec![Outcome::Transcribed { prompt, transcript }],
            F::FilesChanged { files } => {
                vec![Outcome::Report(RunnerReport::FilesChanged(workspaces::changed_files(files)))]
            }
            F::GitState(state) => vec![Outcome::Report(RunnerReport::GitState(workspaces::git_report(state)))],
            F::Tunnels { tunnels: told } => vec![Outcome::Report(RunnerReport::Tunnels(tunnels::tunnels(told)))],
            F::Models { models } => offered(models::kept(models)),
            F::ModelSwitched { from_model, to_model, reason } => self.switched(from_model, to_model, reason),
            F::Title { title } => vec![Outcome::Title(title)],
            F::SelfTerminate {} => vec![Outcome::Finished],
            F::Hello {} => vec![Outcome::Reconnect],
            F::Ping {} => vec![Outcome::Pinged],
            F::SessionReset { .. } => {
                let reset = Outcome::Report(RunnerReport::SessionReset);
                [reset].into_iter().chain(answered(frame)).collect()
            }
            F::Diff { .. } | F::ReviewResult { .. } | F::CommandResult { .. } => answered(frame).into_iter().collect(),
            F::Reverted { message_ids } => vec![Outcome::Reverted { prompts: message_ids }],
            // Nothing in the gateway keeps or shows these; docs/protocol.md says so of each.
            F::ChildSession {}
            | F::WorkflowChatMessage {}
            | F::WorkflowExecutionResult {}
            | F::PrCreated {}
            | F::Unknown => Vec::new(),
        }
    }

    /// A frame proves that the runner works on its prompt.
    fn heard(&mut self) {
        if let Some(turn) = self.turn.as_mut() {
            turn.is_silent_heir = false;
            self.taken = self.taken.max(turn.command);
            self.seems_new = false;
        }
    }

    fn created(&mut self, theirs: String) -> Vec<Outcome> {
        let Some((message, name)) = self.turn.as_mut().and_then(|turn| turn.begin(theirs)) else {
            return Vec::new();
        };
        self.heard();
        [RunnerReport::MessageCreated { message }, RunnerReport::Named(name)].map(Outcome::Report).into()
    }

    fn text(&mut self, theirs: &str, delta: String) -> Vec<Outcome> {
        let Some(open) = self.turn.as_mut().and_then(|turn| turn.open(Some(theirs))) else {
            return Vec::new();
        };
        open.streamed.push(&delta);
        let text = RunnerReport::Text { message: open.ours.clone(), kind: TextKind::Text, delta };
        self.heard();
        vec![Outcome::Report(text)]
    }

    fn tool(&mut self, theirs: Option<&str>, call: ToolCall) -> Vec<Outcome> {
        let Some(open) = self.turn.as_mut().and_then(|turn| turn.open(theirs)) else {
            return Vec::new();
        };
        open.streamed.tool();
        let tool = RunnerReport::Tool { message: Some(open.ours.clone()), call };
        self.heard();
        vec![Outcome::Report(tool)]
    }

    fn finalized(
        &mut self,
        theirs: Option<&str>,
        reason: FinishReason,
        text: Option<String>,
        error: Option<String>,
    ) -> Vec<Outcome> {
        let Some(turn) = self.turn.as_mut() else {
            return Vec::new();
        };
        let Some(open) = turn.open(theirs) else {
            return Vec::new();
        };
        let message = open.ours.clone();
        let missing = text.as_deref().and_then(|text| open.streamed.missing(text)).map(str::to_owned);
        turn.open = None;
        self.heard();
        let missing = missing.map(|delta| RunnerReport::Text { message: message.clone(), kind: TextKind::Text, delta });
        let finished = RunnerReport::MessageFinished { message: Some(message), reason, error };
        missing.into_iter().chain([finished]).map(Outcome::Report).collect()
    }

    /// The turn ended. An abort that came too late is confirmed nevertheless, after the end and before anything of the
    /// next turn: that confirmation is not the next one's.
    fn ended(&mut self, aborted: bool) -> Vec<Outcome> {
        let Some(turn) = self.turn.take_if(|turn| !aborted || turn.is_aborted) else {
            return Vec::new();
        };
        self.taken = self.sent.max(self.taken).max(turn.command);
        self.seems_new = false;
        vec![Outcome::Report(RunnerReport::Completed { prompt: turn.prompt, aborted })]
    }

    fn status(&mut self, status: AgentStatus, detail: Option<String>) -> Vec<Outcome> {
        let mut outcomes = vec![Outcome::Report(RunnerReport::Status { status, detail })];
        if status == AgentStatus::Idle {
            self.seems_new |= self.turn.as_ref().is_some_and(|turn| turn.is_silent_heir);
            outcomes.extend(self.pass_gate(false, true));
        } else {
            self.heard();
        }
        outcomes
    }

    fn asked(&mut self, theirs: String, text: String, options: Vec<String>) -> Vec<Outcome> {
        let Some(turn) = self.turn.as_mut() else {
            // Without a turn nobody would answer.
            let answer = AnswerValue::Text(EXPIRED_ANSWER.to_owned());
            return vec![Outcome::Send(ToLegacyRunner::Answer { question_id: theirs, answer })];
        };
        let Some((question, name)) = turn.ask(theirs) else {
            return Vec::new();
        };
        self.heard();
        let choice = |label: String| Choice { id: label.clone(), label, kind: ChoiceKind::Other };
        let choices = options.into_iter().map(choice).collect();
        [RunnerReport::Named(name), RunnerReport::Asked { question, text, choices }].map(Outcome::Report).into()
    }

    fn switched(&mut self, from: String, to: String, reason: String) -> Vec<Outcome> {
        let Some(prompt) = self.turn.as_ref().map(|turn| turn.prompt.clone()) else {
            return Vec::new();
        };
        self.heard();
        vec![Outcome::Report(RunnerReport::ModelSwitched(ModelSwitch { prompt, from, to, reason }))]
    }

    /// The agent has a conversation for a channel.
    fn conversation(&mut self, key: &str, name: String) -> Option<Outcome> {
        self.heard();
        let channel = channel_of(key, self.channel())?;
        match self.conversations.set(channel, name)? {
            News::Web if self.gate == Gate::Open => Some(self.ready()),
            News::Web => None,
            News::Channel(session) => Some(Outcome::Report(RunnerReport::ChannelSession(session))),
        }
    }

    fn ready(&self) -> Outcome {
        Outcome::Report(RunnerReport::Ready { agent_session: self.conversations.get(None).map(str::to_owned) })
    }

    fn pass_gate(&mut self, is_applied: bool, is_idle: bool) -> Option<Outcome> {
        let Gate::Waits { applied, idle } = &mut self.gate else {
            return None;
        };
        *applied |= is_applied;
        *idle |= is_idle;
        if !(*applied && *idle) {
            return None;
        }
        self.gate = Gate::Open;
        Some(self.ready())
    }

    /// Notes that a command is sent.
    pub(super) fn sends(&mut self, number: u64, command: &Command) {
        self.sent = number;
        match command {
            Command::Prompt { prompt, .. } => self.sends_prompt(prompt, number),
            Command::Abort { prompt } => {
                if let Some(turn) = self.turn.as_mut().filter(|turn| turn.prompt == *prompt) {
                    turn.is_aborted = true;
                }
            }
            Command::Answer { .. } => {}
        }
    }

    fn sends_prompt(&mut self, prompt: &MessageId, number: u64) {
        if self.turn.as_ref().is_none_or(|turn| turn.prompt != *prompt) {
            self.turn = Some(Turn::new(prompt.clone(), number));
        }
    }

    /// An answer as the runner takes it; `None` when it no longer waits for one.
    pub(super) fn answer(&self, question: &QuestionId, resolution: Resolution) -> Option<ToLegacyRunner> {
        let question_id = self.turn.as_ref()?.name_of(question)?.to_owned();
        let answer = match resolution {
            Resolution::Selected { choice } => choice,
            Resolution::Text { text } => text,
            Resolution::Cancelled => EXPIRED_ANSWER.to_owned(),
        };
        Some(ToLegacyRunner::Answer { question_id, answer: AnswerValue::Text(answer) })
    }
}

/// An empty list says nothing.
fn offered(models: AvailableModels) -> Vec<Outcome> {
    if models.is_empty() { Vec::new() } else { vec![Outcome::Report(RunnerReport::Models(models))] }
}

fn answered(frame: FromLegacyRunner) -> Option<Outcome> {
    runner_requests::response(frame).map(|(request_id, response)| Outcome::Answered { request_id, response })
}

/// The bytes of a picture; `None` for what is none, or is too large to be kept.
fn picture_of(data: &str) -> Option<Bytes> {
    let data = Some(data).filter(|data| data.len() <= MAX_ENCODED_CHARS)?;
    STANDARD.decode(data).ok().map(Bytes::from)
}
