//! Cutting a client anywhere, as often as one likes.

use portway_domain::engine::{Event, Prompt, RunnerReport};
use portway_domain::ids::{MessageId, QuestionId};
use portway_domain::messages::{FinishReason, PlanEntry, TextKind, ToolCall, ToolStatus};
use portway_domain::models::{AvailableModels, Model, ProviderModels};
use portway_domain::questions::{AnswerValue, Choice, ChoiceKind};
use portway_domain::sessions::QueueMode;
use portway_domain::workspaces::{FileChange, FileStatus, GitReport};
use portway_protocol::resuming::ResumingFrame;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::rig::{Connection, Rig};
use super::screen::Screen;

/// Something that happens.
#[derive(Debug, Clone)]
enum Act {
    Prompt(Option<QueueMode>),
    Withdraw(usize),
    Promote(usize),
    Clear,
    Abort,
    Rename(u8),
    Begin,
    Text(TextKind, usize),
    Tool(u8, ToolStatus),
    Plan(u8),
    Finish(FinishReason),
    Ask,
    Answer(usize),
    CloseQuestion(usize),
    Fail,
    Files(u8),
    Git(Option<u8>, u8),
    Models(u8),
    Complete(bool),
    /// A whole answer in one change.
    AtOnce,
    /// All watchers are told to look again.
    Miss,
    /// The client reads so many frames more, and is cut.
    Leave(usize),
    Return,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let mode = prop_oneof![
        Just(None),
        Just(Some(QueueMode::Followup)),
        Just(Some(QueueMode::Steer)),
        Just(Some(QueueMode::Collect))
    ];
    let kind = prop_oneof![3 => Just(TextKind::Text), 1 => Just(TextKind::Reasoning)];
    let status = prop_oneof![Just(ToolStatus::Running), Just(ToolStatus::Completed), Just(ToolStatus::Error)];
    let reason = prop_oneof![Just(FinishReason::EndTurn), Just(FinishReason::Error)];
    let act = prop_oneof![
        8 => mode.prop_map(Act::Prompt),
        5 => any::<usize>().prop_map(Act::Withdraw),
        2 => any::<usize>().prop_map(Act::Promote),
        1 => Just(Act::Clear),
        1 => Just(Act::Abort),
        1 => any::<u8>().prop_map(Act::Rename),
        5 => Just(Act::Begin),
        8 => (kind, 1..200_usize).prop_map(|(kind, length)| Act::Text(kind, length)),
        4 => (0..3_u8, status).prop_map(|(call, status)| Act::Tool(call, status)),
        1 => any::<u8>().prop_map(Act::Plan),
        3 => reason.prop_map(Act::Finish),
        3 => Just(Act::Ask),
        2 => any::<usize>().prop_map(Act::Answer),
        1 => any::<usize>().prop_map(Act::CloseQuestion),
        1 => Just(Act::Fail),
        2 => (0..4_u8).prop_map(Act::Files),
        2 => (prop::option::of(0..3_u8), any::<u8>()).prop_map(|(branch, count)| Act::Git(branch, count)),
        2 => (0..3_u8).prop_map(Act::Models),
        3 => any::<bool>().prop_map(Act::Complete),
        2 => Just(Act::AtOnce),
        1 => Just(Act::Miss),
        8 => (0..8_usize).prop_map(Act::Leave),
        6 => Just(Act::Return),
    ];
    prop::collection::vec(act, 1..80)
}

/// Somebody who watches.
#[derive(Default)]
struct Client {
    connection: Option<Connection>,
    screen: Screen,
}

impl Client {
    fn connect(&mut self, rig: &Rig) {
        if self.connection.is_none() {
            self.connection = Some(rig.open(self.screen.seq));
        }
    }

    /// Reads what is there, and says so.
    fn read(&mut self) {
        if let Some(connection) = &mut self.connection {
            connection.poll();
            while let Some(frame) = connection.receive() {
                self.screen.apply(frame);
            }
            let seq = self.screen.seq.unwrap_or_default();
            connection.send(&ResumingFrame::Ack { seq, checkpoint: self.screen.checkpoint });
            assert_eq!(connection.close_code(), None);
        }
    }

    fn leave(&mut self, frames: usize) {
        if let Some(mut connection) = self.connection.take() {
            connection.poll();
            for frame in std::iter::from_fn(|| connection.receive()).take(frames) {
                self.screen.apply(frame);
            }
            self.screen.checkpoint = None;
        }
    }
}

/// A session and what was said in it.
struct Talk {
    rig: Rig,
    said: u32,
    minted: u32,
}

impl Talk {
    fn new() -> Self {
        Self { rig: Rig::new(), said: 0, minted: 0 }
    }

    fn happen(&mut self, act: Act) {
        let by = self.rig.by.clone();
        let engine = self.rig.engine();
        let waiting =
            |pick: usize| engine.queue.get(pick.checked_rem(engine.queue.len())?).map(|queued| queued.id.clone());
        let asked =
            |pick: usize| engine.questions.get(pick.checked_rem(engine.questions.len())?).map(|asked| asked.id.clone());
        let event = match act {
            Act::Prompt(queue_mode) => Some(Event::Prompted(self.prompt(queue_mode))),
            Act::Withdraw(pick) => waiting(pick).map(|prompt| Event::PromptWithdrawn { prompt, by }),
            Act::Promote(pick) => waiting(pick).map(|prompt| Event::PromptPromoted { prompt, by }),
            Act::Clear => Some(Event::QueueCleared),
            Act::Abort => Some(Event::Aborted { channel: None, by }),
            Act::Rename(number) => Some(Event::Renamed { title: format!("title {number}") }),
            Act::Answer(pick) => {
                asked(pick).map(|question| Event::Answered { question, answer: AnswerValue::Flag(true), by })
            }
            Act::CloseQuestion(pick) => {
                asked(pick).into_iter().for_each(|question| self.rig.report(RunnerReport::QuestionClosed { question }));
                None
            }
            Act::Models(count) => {
                self.rig.report(RunnerReport::Models(models(count)));
                None
            }
            Act::Miss => {
                self.rig.miss();
                None
            }
            Act::Files(count) => {
                let file =
                    |n: u8| FileChange { path: format!("f{n}"), status: FileStatus::Added, additions: 1, deletions: 0 };
                let files: Vec<FileChange> = (0..count).map(file).collect();
                self.rig.report(RunnerReport::FilesChanged(files.into()));
                None
            }
            Act::Git(branch, count) => {
                let branch = branch.map(|number| format!("branch {number}"));
                let report = GitReport { branch, base_branch: None, commit_count: Some(count.into()) };
                self.rig.report(RunnerReport::GitState(report));
                None
            }
            other => {
                let reports = self.reports(other);
                if !reports.is_empty() {
                    self.rig.report_all(reports);
                }
                None
            }
        };
        event.into_iter().for_each(|event| self.rig.apply(event));
    }

    fn prompt(&mut self, queue_mode: Option<QueueMode>) -> Prompt {
        self.said += 1;
        let id = MessageId::parse(format!("p{}", self.said)).unwrap();
        Prompt {
            id,
            content: format!("prompt {}", self.said),
            attachments: Vec::new(),
            author: None,
            model: None,
            queue_mode,
            channel: None,
        }
    }

    /// What the runner says, if there is a turn.
    fn reports(&mut self, act: Act) -> Vec<RunnerReport> {
        let engine = self.rig.engine();
        let Some(turn) = engine.turn else {
            return Vec::new();
        };
        let prompt = turn.prompt;
        let message = engine.open.map(|open| open.id);
        self.minted += 1;
        let created = MessageId::parse(format!("{prompt}.{}", self.minted)).unwrap();
        let text = |message: MessageId, kind, length: usize| RunnerReport::Text {
            message,
            kind,
            delta: "\u{e9}x".repeat(length),
        };
        let finish = |reason| RunnerReport::MessageFinished { message: None, reason, error: Some("broke".to_owned()) };
        match act {
            Act::Begin => vec![RunnerReport::MessageCreated { message: created }],
            Act::Text(kind, length) => message.map(|id| text(id, kind, length)).into_iter().collect(),
            Act::Tool(call, status) => vec![RunnerReport::Tool { message: None, call: tool(call, status) }],
            Act::Plan(number) => {
                let entry = |content| PlanEntry { content, status: "pending".to_owned(), priority: "low".to_owned() };
                let entries = vec![entry(format!("step {number}"))];
                message.map(|message| RunnerReport::Plan { message, entries }).into_iter().collect()
            }
            Act::Finish(reason) => vec![finish(reason)],
            Act::Ask => {
                let question = QuestionId::parse(format!("{prompt}.q{}", self.minted)).unwrap();
                let choices = vec![choice("y", ChoiceKind::AllowOnce), choice("n", ChoiceKind::RejectOnce)];
                vec![RunnerReport::Asked { question, text: "May I?".to_owned(), choices }]
            }
            Act::Fail => vec![RunnerReport::Error { error: format!("failure {}", self.minted) }],
            Act::Complete(aborted) => vec![RunnerReport::Completed { prompt, aborted }],
            Act::AtOnce => vec![
                RunnerReport::MessageCreated { message: created.clone() },
                text(created.clone(), TextKind::Text, 3),
                RunnerReport::Tool { message: None, call: tool(9, ToolStatus::Completed) },
                text(created, TextKind::Reasoning, 2),
                finish(FinishReason::EndTurn),
                RunnerReport::Completed { prompt, aborted: false },
            ],
            _ => Vec::new(),
        }
    }
}

fn models(count: u8) -> AvailableModels {
    let model = |number: u8| Model { id: format!("p/{number}"), name: "M".to_owned() };
    AvailableModels::kept([ProviderModels { provider: "P".to_owned(), models: (0..count).map(model).collect() }])
}

fn tool(call: u8, status: ToolStatus) -> ToolCall {
    let (call_id, tool_name) = (format!("c{call}"), "sh".to_owned());
    ToolCall { call_id, tool_name, status, args: None, result: None, error: None }
}

fn choice(id: &str, kind: ChoiceKind) -> Choice {
    Choice { id: id.to_owned(), label: id.to_uppercase(), kind }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 48,
        rng_seed: RngSeed::Fixed(41),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_client_that_was_cut_shows_what_one_shows_that_was_not(acts in acts()) {
        let mut talk = Talk::new();
        let (mut steady, mut cut) = (Client::default(), Client::default());
        steady.connect(&talk.rig);
        for act in acts {
            match act {
                Act::Leave(frames) => cut.leave(frames),
                Act::Return => cut.connect(&talk.rig),
                other => talk.happen(other),
            }
            steady.read();
            steady.screen.check(talk.rig.transcript());
        }
        cut.connect(&talk.rig);
        cut.read();
        cut.screen.check(talk.rig.transcript());
        steady.screen.check_workspace(&talk.rig);
        cut.screen.check_workspace(&talk.rig);
    }
}
