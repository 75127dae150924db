//! Random things that happen to a session: honest, late, repeated, wrong.

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use super::models::{models, switch};
use super::rig::{
    Rig, actor, channel, child, choice, files, git, message, node, person, prompt, prompt_from, question, tool,
    tunnels, urls, yes_or_no,
};
use crate::attachments::{Attachment, MediaType};
use crate::children::{ChildEvent, ParentStop};
use crate::engine::{AgentStatus, ChannelSession, Event, Link, RunnerHello, RunnerName, RunnerReport};
use crate::ids::{MessageId, SnapshotId};
use crate::messages::{FinishReason, Message, MessageRole, Part, PlanEntry, TextKind, ToolStatus};
use crate::questions::{AnswerValue, Choice, ChoiceKind};
use crate::sessions::QueueMode;
use crate::sharing::ParticipantRole;
use crate::tokens::TokenHash;

/// Something that happens, in terms of the state that it happens to.
#[derive(Debug, Clone)]
pub(super) enum Op {
    /// The runner does what an honest one does next.
    Work(u8),
    /// How, and from which channel, if any.
    Prompt(Option<QueueMode>, Option<&'static str>),
    Answer(u8, AnswerValue),
    /// From which channel, if any.
    Abort(Option<&'static str>),
    Clear,
    Hibernate,
    Wake,
    Withdraw(u8),
    Promote(u8),
    /// To before which prompt.
    Revert(u8),
    Rename,
    CloseTunnel,
    /// Which person, and as what.
    Share(u8, ParticipantRole),
    Unshare(u8),
    OpenChild(u8),
    Tell(u8, ChildEvent),
    Forward(u8),
    StopByParent(ParentStop),
    Terminate,
    OpenAgain,
    Sandbox(SandboxOp, u32),
    /// Generations back, same connection again, commands and frames more or less, which turn.
    Hello(u32, bool, i64, i64, Turns),
    Disconnect(bool),
    Taken(u32, i64),
    /// Generations back, distance from the next frame, what.
    Report(u32, i64, Report),
    Restart,
    Retire,
    Wait(u64),
    Due,
    /// Waits for the next deadline.
    Skip,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum SandboxOp {
    Prepared,
    Started,
    NodeLost,
    Failed,
    Gone,
    PutAway,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Turns {
    Own,
    None,
    Other,
}

#[derive(Debug, Clone)]
pub(super) enum Report {
    Ready,
    Failed,
    Create(Turns, u64),
    Text(u64, TextKind, &'static str),
    Tool(Option<u64>, &'static str, ToolStatus),
    Plan(u64),
    Finish(Option<u64>, FinishReason),
    Ask(Turns, u64, u8),
    Close(u64),
    Named(u64),
    Channel(&'static str),
    /// So many pictures.
    Show(u32),
    /// Which prompt, and what is said in it.
    Transcribe(u8, &'static str),
    Configured,
    Status,
    Error,
    Models(u8),
    Switched(Turns),
    Complete(Turns, bool),
    Files(u32),
    Git(u32),
    Tunnels(u16),
    Reset,
    Unknown,
}

pub(super) fn op() -> impl Strategy<Value = Op> {
    let back = || prop_oneof![9 => Just(0_u32), 1 => 1_u32..3];
    let off = || prop_oneof![6 => Just(0_i64), 1 => -3_i64..0, 1 => 1_i64..3];
    let mode =
        select(vec![None, None, None, Some(QueueMode::Steer), Some(QueueMode::Collect), Some(QueueMode::Collect)]);
    let channel = select(vec![None, None, Some("a"), Some("b")]);
    prop_oneof![
        40 => any::<u8>().prop_map(Op::Work),
        12 => (mode, channel.clone()).prop_map(|(mode, channel)| Op::Prompt(mode, channel)),
        4 => (any::<u8>(), answer()).prop_map(|(which, value)| Op::Answer(which, value)),
        3 => channel.clone().prop_map(Op::Abort),
        1 => Just(Op::Clear),
        2 => Just(Op::Hibernate),
        1 => Just(Op::Wake),
        2 => any::<u8>().prop_map(Op::Withdraw),
        2 => any::<u8>().prop_map(Op::Promote),
        2 => any::<u8>().prop_map(Op::Revert),
        1 => select(vec![Op::Rename, Op::CloseTunnel]),
        1 => (0_u8..4, role()).prop_map(|(who, role)| Op::Share(who, role)),
        1 => (0_u8..4).prop_map(Op::Unshare),
        1 => (0_u8..4).prop_map(Op::OpenChild),
        3 => (0_u8..4, child_event()).prop_map(|(child, event)| Op::Tell(child, event)),
        1 => (0_u8..3).prop_map(Op::Forward),
        1 => prop_oneof![2 => Just(Op::Terminate), 4 => Just(Op::OpenAgain), 1 => stop().prop_map(Op::StopByParent)],
        4 => (sandbox(), back()).prop_map(|(what, back)| Op::Sandbox(what, back)),
        5 => (back(), any::<bool>(), off(), off(), turns()).prop_map(|(b, s, c, f, t)| Op::Hello(b, s, c, f, t)),
        4 => any::<bool>().prop_map(Op::Disconnect),
        5 => (back(), off()).prop_map(|(back, off)| Op::Taken(back, off)),
        30 => (back(), off(), report()).prop_map(|(back, off, report)| Op::Report(back, off, report)),
        2 => Just(Op::Restart),
        1 => Just(Op::Retire),
        6 => select(vec![1_u64, 2, 7, 29, 30, 100, 400, 2_000]).prop_map(Op::Wait),
        4 => Just(Op::Due),
        3 => Just(Op::Skip),
    ]
}

fn role() -> impl Strategy<Value = ParticipantRole> {
    select(vec![ParticipantRole::Viewer, ParticipantRole::Collaborator])
}

fn child_event() -> impl Strategy<Value = ChildEvent> {
    let error = || "oh".to_owned();
    select(vec![
        ChildEvent::Idle,
        ChildEvent::Completed,
        ChildEvent::Error { error: error() },
        ChildEvent::Failed { error: error() },
    ])
}

fn stop() -> impl Strategy<Value = ParentStop> {
    select(vec![ParentStop::Wanted, ParentStop::ParentEnded])
}

fn sandbox() -> impl Strategy<Value = SandboxOp> {
    use SandboxOp as S;
    select(vec![
        S::Prepared,
        S::Prepared,
        S::Started,
        S::Started,
        S::Started,
        S::Failed,
        S::Gone,
        S::NodeLost,
        S::PutAway,
    ])
}

fn turns() -> impl Strategy<Value = Turns> {
    select(vec![Turns::Own, Turns::Own, Turns::Own, Turns::None, Turns::Other])
}

fn answer() -> impl Strategy<Value = AnswerValue> {
    let texts = select(vec!["y", "No", "blue"]).prop_map(|text| AnswerValue::Text(text.to_owned()));
    prop_oneof![any::<bool>().prop_map(AnswerValue::Flag), texts]
}

fn report() -> impl Strategy<Value = Report> {
    let kind = || select(vec![TextKind::Text, TextKind::Reasoning]);
    let reason = select(vec![FinishReason::EndTurn, FinishReason::Error, FinishReason::Canceled]);
    let status = select(vec![ToolStatus::Pending, ToolStatus::Running, ToolStatus::Completed, ToolStatus::Error]);
    let n = || 1_u64..4;
    prop_oneof![
        1 => select(vec![Report::Ready, Report::Ready, Report::Ready, Report::Failed]),
        6 => (turns(), 0_u64..5).prop_map(|(turn, n)| Report::Create(turn, n)),
        8 => (n(), kind(), select(vec!["a", "é", "🦀\n", ""])).prop_map(|(n, kind, text)| Report::Text(n, kind, text)),
        4 => (prop::option::of(n()), select(vec!["k", "l"]), status).prop_map(|(n, id, s)| Report::Tool(n, id, s)),
        1 => n().prop_map(Report::Plan),
        3 => (prop::option::of(n()), reason).prop_map(|(n, reason)| Report::Finish(n, reason)),
        4 => (turns(), 0_u64..5, any::<u8>()).prop_map(|(turn, n, choices)| Report::Ask(turn, n, choices)),
        1 => n().prop_map(Report::Close),
        1 => n().prop_map(Report::Named),
        1 => (0_u32..3).prop_map(Report::Files),
        1 => (0_u32..3).prop_map(Report::Git),
        1 => (0_u16..3).prop_map(Report::Tunnels),
        1 => (0_u8..3).prop_map(Report::Models),
        1 => turns().prop_map(Report::Switched),
        1 => select(vec!["a", "b"]).prop_map(Report::Channel),
        1 => (0_u32..3).prop_map(Report::Show),
        1 => (any::<u8>(), select(vec!["", "hm"])).prop_map(|(which, said)| Report::Transcribe(which, said)),
        1 => select(vec![Report::Status, Report::Error, Report::Reset, Report::Configured, Report::Unknown]),
        5 => (turns(), any::<bool>()).prop_map(|(turn, aborted)| Report::Complete(turn, aborted)),
    ]
}

fn choices(kind: u8) -> Vec<Choice> {
    match kind % 3 {
        0 => yes_or_no(),
        1 => vec![choice("y", "Yes", ChoiceKind::AllowAlways)],
        _ => Vec::new(),
    }
}

impl Op {
    /// The event that this is now, or `None` when it only lets time pass or cannot be.
    pub(super) fn event(self, rig: &mut Rig, step: usize) -> Option<Event> {
        let generation = |back: u32| rig.generation().saturating_sub(back);
        let runner = &rig.engine.runner;
        Some(match self {
            Self::Work(variant) => work(rig, step, variant)?,
            Self::Prompt(mode, None) => Event::Prompted(prompt(&format!("p{step}"), mode)),
            Self::Prompt(mode, Some(channel)) => prompt_from(channel, &format!("p{step}"), mode),
            Self::Answer(which, answer) => {
                let open = &rig.engine.questions;
                let id = open.get(usize::from(which) % open.len().max(1)).map(|question| question.id.clone());
                Event::Answered { question: id.unwrap_or(question("gone")), answer, by: actor() }
            }
            Self::Abort(from) => Event::Aborted { channel: from.map(channel), by: actor() },
            Self::Clear => Event::QueueCleared,
            Self::Hibernate => Event::HibernationWanted { by: actor() },
            Self::Wake => Event::WakeWanted { by: actor() },
            Self::Withdraw(which) => Event::PromptWithdrawn { prompt: waiting(rig, which), by: actor() },
            Self::Promote(which) => Event::PromptPromoted { prompt: waiting(rig, which), by: actor() },
            Self::Revert(which) => reverted(rig, which)?,
            Self::CloseTunnel => Event::TunnelClosed { name: "t0".to_owned(), by: actor() },
            Self::Rename => Event::Renamed { title: format!("t{step}") },
            Self::Share(who, role) => Event::ParticipantSet { who: person(who), role, by: actor() },
            Self::Unshare(who) => Event::ParticipantRemoved { user: person(who).user, by: actor() },
            Self::OpenChild(number) => Event::ChildOpened { child: child(number).id, title: None, by: actor().user },
            Self::Tell(number, event) => Event::ChildTold { child: child(number), event },
            Self::Forward(count) => Event::Forwarded { source: child(0), messages: copies(rig, count) },
            Self::StopByParent(reason) => Event::StoppedByParent { reason },
            Self::Terminate => Event::Terminated { by: actor() },
            Self::OpenAgain => Event::Opened { title: None },
            Self::Sandbox(what, back) => what.event(generation(back)),
            Self::Hello(back, same, commands, frames, turn) => {
                let (same, honest) = (connection(rig).filter(|_| same), rig.honest(&format!("c{step}")));
                Event::RunnerConnected(RunnerHello {
                    generation: generation(back),
                    connection: same.unwrap_or(honest.connection),
                    last_command: honest.last_command.saturating_add_signed(commands),
                    last_frame: honest.last_frame.saturating_add_signed(frames),
                    turn: match turn {
                        Turns::Own => honest.turn,
                        Turns::None => None,
                        Turns::Other => Some(message("other")),
                    },
                })
            }
            Self::Disconnect(old) => {
                let connection = connection(rig).filter(|_| !old).unwrap_or("old".to_owned());
                Event::RunnerDisconnected { generation: generation(0), connection }
            }
            Self::Taken(back, off) => Event::CommandsTaken {
                generation: generation(back),
                command: runner.last_command.saturating_add_signed(off),
            },
            Self::Report(back, off, report) => {
                let (generation, frame) = (generation(back), (runner.last_frame + 1).saturating_add_signed(off));
                Event::Reported { generation, frame, report: report.of(rig, step) }
            }
            Self::Restart => Event::GatewayRestarted,
            Self::Retire => Event::SandboxRetired,
            Self::Wait(seconds) => {
                rig.wait(seconds);
                return None;
            }
            Self::Due => Event::Due,
            Self::Skip => {
                rig.now = rig.engine.next_deadline().map_or(rig.now, |deadline| deadline.max(rig.now));
                Event::Due
            }
        })
    }
}

fn copies(rig: &Rig, count: u8) -> Vec<Message> {
    rig.store.messages.values().take(count.into()).cloned().collect()
}

fn attached(number: u32, media_type: &str) -> Attachment {
    Attachment::of(number, MediaType::parse(media_type).unwrap(), None, b"abc")
}

/// What somebody said aloud, which may be taken back already.
fn spoken(rig: &Rig, which: u8) -> Message {
    let said: Vec<&Message> = rig.store.messages.values().filter(|message| message.role == MessageRole::User).collect();
    let gone = || Message {
        id: message("gone"),
        seq: 0,
        position: 0,
        role: MessageRole::User,
        content: String::new(),
        parts: Vec::new(),
        author: None,
        channel: None,
        created_at: rig.now,
    };
    let mut message = said.get(usize::from(which) % (said.len() + 1)).map_or_else(gone, |message| (*message).clone());
    if message.parts.is_empty() {
        message.parts = vec![Part::Attachment(attached(1, "audio/ogg"))];
    }
    message
}

fn waiting(rig: &Rig, which: u8) -> MessageId {
    let queue = &rig.engine.queue;
    let queued = queue.get(usize::from(which) % (queue.len() + 1));
    queued.map_or_else(|| message("gone"), |queued| queued.id.clone())
}

/// That the agent was taken back, which it is only while it rests.
fn reverted(rig: &Rig, which: u8) -> Option<Event> {
    let rests = rig.engine.turn.is_none() && rig.engine.queue.is_empty();
    let said: Vec<&Message> = rig.store.messages.values().filter(|message| message.role == MessageRole::User).collect();
    let prompt = said.get(usize::from(which) % said.len().max(1)).filter(|_| rests)?;
    Some(rig.reversion(prompt.position, rig.engine.seq))
}

fn connection(rig: &Rig) -> Option<String> {
    match &rig.engine.runner.link {
        Link::Connected { connection } => Some(connection.clone()),
        _ => None,
    }
}

impl SandboxOp {
    fn event(self, generation: u32) -> Event {
        match self {
            Self::Prepared => Event::SandboxPrepared { generation, node: node(), token: TokenHash::of("secret") },
            Self::NodeLost => Event::NodeLost { node: node() },
            Self::Started => Event::SandboxStarted { generation, node: node(), sandbox: None, urls: urls() },
            Self::Failed => Event::SandboxFailed { generation, node: node(), error: "no room".to_owned() },
            Self::PutAway => Event::SandboxPutAway { generation, snapshot: SnapshotId::parse("files").ok() },
            Self::Gone => Event::SandboxGone { generation, detail: "killed".to_owned() },
        }
    }
}

fn work(rig: &Rig, step: usize, variant: u8) -> Option<Event> {
    let (engine, generation) = (&rig.engine, rig.generation());
    let report = |report: Report| Event::Reported {
        generation,
        frame: engine.runner.last_frame + 1,
        report: report.of(rig, step),
    };
    if let Link::Parting { .. } = engine.runner.link {
        return Some(SandboxOp::PutAway.event(generation));
    }
    let Link::Connected { .. } = engine.runner.link else {
        let expected = engine.has_sandbox();
        return expected.then(|| Event::RunnerConnected(rig.honest(&format!("c{step}"))));
    };
    let Some(turn) = &engine.turn else {
        return Some(report(if engine.runner.ready { Report::Status } else { Report::Ready }));
    };
    if turn.command > engine.runner.taken_command && !variant.is_multiple_of(4) {
        return Some(Event::CommandsTaken { generation, command: turn.command });
    }
    let aborting = turn.abort_deadline.is_some();
    Some(report(match (&turn.message, variant % 8) {
        (_, 0) => Report::Complete(Turns::Own, aborting),
        (_, 1) => Report::Ask(Turns::Own, turn.last_question + 1, variant / 8),
        (None, _) => Report::Create(Turns::Own, turn.last_message + 1),
        (_, 2) => Report::Finish(None, FinishReason::EndTurn),
        (_, 3) => Report::Tool(None, "k", ToolStatus::Running),
        (_, n) if n % 2 == 0 => Report::Text(turn.last_message, TextKind::Text, "né"),
        _ => Report::Text(turn.last_message, TextKind::Reasoning, "hm"),
    }))
}

impl Report {
    fn of(self, rig: &Rig, step: usize) -> RunnerReport {
        let own = || rig.engine.turn.as_ref().map_or("none".to_owned(), |turn| turn.prompt.as_str().to_owned());
        let prompt = |turns: Turns| if matches!(turns, Turns::Own) { own() } else { "other".to_owned() };
        let message_of = |turns: Turns, n: u64| message(&format!("{}.{n}", prompt(turns)));
        let question_of = |turns: Turns, n: u64| question(&format!("{}.q{n}", prompt(turns)));
        let here = |n: u64| message_of(Turns::Own, n);
        match self {
            Self::Ready => RunnerReport::Ready { agent_session: Some("a".to_owned()) },
            Self::Failed => RunnerReport::Failed { error: "no agent".to_owned() },
            Self::Create(turns, n) => RunnerReport::MessageCreated { message: message_of(turns, n) },
            Self::Text(n, kind, text) => RunnerReport::Text { message: here(n), kind, delta: text.to_owned() },
            Self::Tool(n, id, status) => RunnerReport::Tool { message: n.map(here), call: tool(id, status) },
            Self::Plan(n) => {
                let word = |text: &str| text.to_owned();
                let entry = PlanEntry { content: word("x"), status: word("pending"), priority: word("low") };
                RunnerReport::Plan { message: here(n), entries: vec![entry] }
            }
            Self::Finish(n, reason) => {
                RunnerReport::MessageFinished { message: n.map(here), reason, error: Some("why".to_owned()) }
            }
            Self::Ask(turns, n, kind) => {
                let (question, text) = (question_of(turns, n), "May I?".to_owned());
                RunnerReport::Asked { question, text, choices: choices(kind) }
            }
            Self::Close(n) => RunnerReport::QuestionClosed { question: question_of(Turns::Own, n) },
            Self::Named(n) => {
                RunnerReport::Named(RunnerName { id: here(n).as_str().to_owned(), name: format!("their {n}") })
            }
            Self::Channel(name) => {
                let agent_session = format!("conversation of {name}");
                RunnerReport::ChannelSession(ChannelSession { channel: channel(name), agent_session })
            }
            Self::Show(count) => RunnerReport::Showed {
                message: message(&format!("shown{step}")),
                description: "a page".to_owned(),
                pictures: (1..=count).map(|number| attached(number, "image/png")).collect(),
            },
            Self::Transcribe(which, said) => {
                let message = Box::new(spoken(rig, which));
                RunnerReport::Transcribed { message, transcript: said.to_owned() }
            }
            Self::Configured => RunnerReport::Configured,
            Self::Status => RunnerReport::Status { status: AgentStatus::Thinking, detail: None },
            Self::Models(count) => RunnerReport::Models(models(count)),
            Self::Switched(turns) => RunnerReport::ModelSwitched(switch(&prompt(turns))),
            Self::Error => RunnerReport::Error { error: "oh".to_owned() },
            Self::Complete(turns, aborted) => RunnerReport::Completed { prompt: message(&prompt(turns)), aborted },
            Self::Files(count) => RunnerReport::FilesChanged(files(count)),
            Self::Git(count) => RunnerReport::GitState(git(count)),
            Self::Tunnels(count) => RunnerReport::Tunnels(tunnels(count)),
            Self::Reset => RunnerReport::SessionReset,
            Self::Unknown => RunnerReport::Unknown,
        }
    }
}

/// Names the reports that there are. Who adds one has to add it here, which does not compile otherwise.
macro_rules! reports {
    ($($report:ident),+ $(,)?) => {
        const REPORTS: &[&str] = &[$(stringify!($report)),+];

        fn name(report: &RunnerReport) -> &'static str {
            match report {
                $(RunnerReport::$report { .. } => stringify!($report),)+
            }
        }
    };
}

reports!(
    Ready,
    Failed,
    MessageCreated,
    Text,
    Tool,
    Plan,
    MessageFinished,
    Asked,
    QuestionClosed,
    Named,
    ChannelSession,
    Showed,
    Transcribed,
    Configured,
    Status,
    Models,
    ModelSwitched,
    Error,
    Completed,
    FilesChanged,
    GitState,
    Tunnels,
    SessionReset,
    Unknown,
);

#[test]
fn every_report_is_drawn() {
    let (rig, mut runner) = (Rig::working(), TestRunner::deterministic());
    let mut left: BTreeSet<&str> = REPORTS.iter().copied().collect();
    for step in 0..2_000 {
        let drawn = report().new_tree(&mut runner).unwrap().current();
        left.remove(name(&drawn.of(&rig, step)));
    }
    assert_eq!(left, BTreeSet::new());
}
