//! A session under test, and short words for what happens to it.

use std::collections::BTreeMap;
use std::time::Duration;

use super::store::Store;
use crate::channels::Channel;
use crate::children::SessionName;
use crate::engine::{
    Actor, Change, Command, Effects, Engine, Event, Link, Notice, Prompt, Refusal, RunnerHello, RunnerReport,
    StatusNotice,
};
use crate::ids::{IdStream, MessageId, NodeId, QuestionId, SessionId, UserId};
use crate::messages::{FinishReason, Message, TextKind, ToolCall, ToolStatus};
use crate::questions::{AnswerValue, Choice, ChoiceKind};
use crate::sessions::QueueMode;
use crate::time::Timestamp;
use crate::tunnels::{SandboxUrls, Tunnel, Tunnels};
use crate::workspaces::{ChangedFiles, FileChange, FileStatus, GitReport};

/// An engine, the clock and the store that its changes are written to.
#[derive(Debug, Clone)]
pub(super) struct Rig {
    pub(super) engine: Engine,
    pub(super) store: Store,
    pub(super) now: Timestamp,
    steps: u8,
}

pub(super) fn message(id: &str) -> MessageId {
    MessageId::parse(id).unwrap()
}

pub(super) fn question(id: &str) -> QuestionId {
    QuestionId::parse(id).unwrap()
}

pub(super) fn node() -> NodeId {
    NodeId::parse("node").unwrap()
}

pub(super) fn actor() -> Actor {
    Actor { user: UserId::parse("u").unwrap(), name: "U".to_owned() }
}

/// One of the sessions that may be opened by this one, or by others.
pub(super) fn child(number: u8) -> SessionName {
    let name = format!("child{}", number % 4);
    SessionName { id: SessionId::parse(name.clone()).unwrap(), name }
}

/// One of the people who may be let in; the last one is the owner.
pub(super) fn person(number: u8) -> Actor {
    let name = ["v", "w", "x", "u"][usize::from(number % 4)];
    Actor { user: UserId::parse(name).unwrap(), name: name.to_uppercase() }
}

pub(super) fn prompt(id: &str, mode: Option<QueueMode>) -> Prompt {
    Prompt {
        id: message(id),
        content: format!("do {id}"),
        attachments: Vec::new(),
        author: None,
        model: None,
        queue_mode: mode,
        channel: None,
    }
}

/// A prompt from the channel of that name.
pub(super) fn prompt_from(channel: &str, id: &str, mode: Option<QueueMode>) -> Event {
    Event::Prompted(Prompt { channel: Some(self::channel(channel)), ..prompt(id, mode) })
}

/// The channel of that name.
pub(super) fn channel(name: &str) -> Channel {
    Channel::new("chat", name).unwrap()
}

pub(super) fn tool(call_id: &str, status: ToolStatus) -> ToolCall {
    let call_id = call_id.to_owned();
    ToolCall { call_id, tool_name: "sh".to_owned(), status, args: None, result: None, error: None }
}

/// So many changed files.
pub(super) fn files(count: u32) -> ChangedFiles {
    let file = |n| FileChange { path: format!("f{n}"), status: FileStatus::Added, additions: n, deletions: 0 };
    (0..count).map(file).collect::<Vec<_>>().into()
}

/// What git says after so many commits.
pub(super) fn git(commits: u32) -> GitReport {
    GitReport { branch: Some("main".to_owned()), base_branch: None, commit_count: Some(commits) }
}

/// So many open ports.
pub(super) fn tunnels(count: u16) -> Tunnels {
    let tunnel = |n| Tunnel { name: format!("t{n}"), port: 3000 + n, protocol: None, path: format!("/t/t{n}") };
    Tunnels::from((0..count).map(tunnel).collect::<Vec<_>>())
}

/// Where a sandbox is reached.
pub(super) fn urls() -> SandboxUrls {
    SandboxUrls::from(BTreeMap::from([("gateway".to_owned(), "https://g.example".to_owned())]))
}

pub(super) fn choice(id: &str, label: &str, kind: ChoiceKind) -> Choice {
    Choice { id: id.to_owned(), label: label.to_owned(), kind }
}

/// May it? Yes or no.
pub(super) fn yes_or_no() -> Vec<Choice> {
    vec![choice("y", "Yes", ChoiceKind::AllowOnce), choice("n", "No", ChoiceKind::RejectOnce)]
}

pub(super) fn hello(generation: u32, connection: &str) -> RunnerHello {
    let connection = connection.to_owned();
    RunnerHello { generation, connection, last_command: 0, last_frame: 0, turn: None }
}

impl Rig {
    /// A session that was just opened.
    pub(super) fn opened() -> Self {
        let now = Timestamp::from_millis(1_771_927_200_000);
        let (session, owner) = (SessionId::parse("s").unwrap(), UserId::parse("u").unwrap());
        let engine = Engine::new(session, owner, QueueMode::Followup, now);
        Self::of(engine, now)
    }

    /// The same, opened by the session `parent`.
    pub(super) fn opened_as_child() -> Self {
        let mut engine = Self::opened().engine;
        let now = engine.last_activity;
        engine = Engine::new(engine.session, engine.owner, engine.queue_mode, now);
        engine.parent = SessionId::parse("parent").ok();
        Self::of(engine, now)
    }

    fn of(engine: Engine, now: Timestamp) -> Self {
        let mut rig = Self { engine, store: Store::default(), now, steps: 0 };
        rig.ok(Event::Opened { title: None });
        rig
    }

    /// A session whose runner is connected, while its agent still starts.
    pub(super) fn connected() -> Self {
        let mut rig = Self::opened();
        rig.connect();
        rig
    }

    /// A session whose agent waits for prompts.
    pub(super) fn ready() -> Self {
        let mut rig = Self::connected();
        rig.report(RunnerReport::Ready { agent_session: None });
        rig
    }

    /// A session whose agent works on the prompt `p`, which the runner took over.
    pub(super) fn working() -> Self {
        let mut rig = Self::ready();
        rig.say("p");
        rig.take_all();
        rig
    }

    /// Applies an event, writes what follows and checks that a reloaded state would do the same.
    pub(super) fn apply(&mut self, event: Event) -> Result<Effects, Refusal> {
        self.steps = self.steps.wrapping_add(1);
        let before = self.engine.clone();
        let mut reloaded = self.store.reload(&self.engine);
        assert_eq!(reloaded, self.engine);
        let stream = || IdStream::new(self.now, [self.steps; 32]);
        let outcome = self.engine.apply(event.clone(), self.now, &mut stream());
        assert_eq!(reloaded.apply(event, self.now, &mut stream()), outcome);
        match &outcome {
            Ok(effects) => self.store.write(effects),
            Err(_) => {
                assert_eq!(self.engine, before);
                let bytes = |engine: &Engine| serde_json::to_vec(engine).unwrap();
                assert_eq!(bytes(&self.engine), bytes(&before));
            }
        }
        outcome
    }

    pub(super) fn ok(&mut self, event: Event) -> Effects {
        self.apply(event).unwrap()
    }

    pub(super) fn wait(&mut self, seconds: u64) {
        self.now = self.now.plus(Duration::from_secs(seconds));
    }

    /// Lets time pass and looks at the deadlines.
    pub(super) fn due_after(&mut self, seconds: u64) -> Effects {
        self.wait(seconds);
        self.ok(Event::Due)
    }

    pub(super) fn say(&mut self, id: &str) -> Effects {
        self.ok(Event::Prompted(prompt(id, None)))
    }

    pub(super) fn steer(&mut self, id: &str) -> Effects {
        self.ok(Event::Prompted(prompt(id, Some(QueueMode::Steer))))
    }

    pub(super) fn collect(&mut self, id: &str) -> Effects {
        self.ok(Event::Prompted(prompt(id, Some(QueueMode::Collect))))
    }

    pub(super) fn withdraw(&mut self, id: &str) -> Result<Effects, Refusal> {
        self.apply(Event::PromptWithdrawn { prompt: message(id), by: actor() })
    }

    /// Takes the agent back to before a prompt, as it is asked when it has read everything up to that change.
    pub(super) fn revert(&mut self, prompt: &str, last: u64) -> Effects {
        let first = self.store.messages.get(&message(prompt)).map_or(0, |prompt| prompt.position);
        let reverted = self.reversion(first, last);
        self.ok(reverted)
    }

    /// That what was said in these places is taken back.
    pub(super) fn reversion(&self, first: u64, last: u64) -> Event {
        let mut gone: Vec<&Message> =
            self.store.messages.values().filter(|message| (first..=last).contains(&message.position)).collect();
        gone.sort_by_key(|message| message.position);
        Event::Reverted { first, last, messages: gone.iter().map(|gone| gone.id.clone()).collect(), by: actor() }
    }

    pub(super) fn promote(&mut self, id: &str) -> Result<Effects, Refusal> {
        self.apply(Event::PromptPromoted { prompt: message(id), by: actor() })
    }

    pub(super) fn hibernate(&mut self) -> Effects {
        self.ok(Event::HibernationWanted { by: actor() })
    }

    pub(super) fn wake(&mut self) -> Effects {
        self.ok(Event::WakeWanted { by: actor() })
    }

    /// The sandbox of the generation is put away, and its files are kept in place.
    pub(super) fn put_away(&mut self) -> Effects {
        self.ok(Event::SandboxPutAway { generation: self.generation(), snapshot: None })
    }

    pub(super) fn abort(&mut self) -> Effects {
        self.ok(Event::Aborted { channel: None, by: actor() })
    }

    pub(super) fn terminate(&mut self) -> Effects {
        self.ok(Event::Terminated { by: actor() })
    }

    pub(super) fn answer(&mut self, id: &str, answer: AnswerValue) -> Result<Effects, Refusal> {
        self.apply(Event::Answered { question: question(id), answer, by: actor() })
    }

    pub(super) fn generation(&self) -> u32 {
        self.engine.runner.generation
    }

    /// What an honest runner of this generation says.
    pub(super) fn honest(&self, connection: &str) -> RunnerHello {
        let runner = &self.engine.runner;
        let taken = |command: u64| command <= runner.taken_command;
        RunnerHello {
            last_command: runner.taken_command,
            last_frame: runner.last_frame,
            turn: self.engine.turn.as_ref().filter(|turn| taken(turn.command)).map(|turn| turn.prompt.clone()),
            ..hello(runner.generation, connection)
        }
    }

    pub(super) fn connect(&mut self) -> Effects {
        let hello = self.honest(&format!("c{}", self.generation()));
        self.ok(Event::RunnerConnected(hello))
    }

    pub(super) fn disconnect(&mut self) -> Effects {
        let Link::Connected { connection } = self.engine.runner.link.clone() else { panic!("no connection") };
        self.ok(Event::RunnerDisconnected { generation: self.generation(), connection })
    }

    pub(super) fn gone(&mut self) -> Effects {
        self.ok(Event::SandboxGone { generation: self.generation(), detail: "exit status 1".to_owned() })
    }

    /// Connects the runner of a new sandbox and brings its agent up.
    pub(super) fn revive(&mut self) -> Effects {
        let mut effects = self.connect();
        effects.append(self.report(RunnerReport::Ready { agent_session: None }));
        effects
    }

    pub(super) fn take_all(&mut self) -> Effects {
        let (generation, command) = (self.generation(), self.engine.runner.last_command);
        self.ok(Event::CommandsTaken { generation, command })
    }

    pub(super) fn frame(&mut self, frame: u64, report: RunnerReport) -> Result<Effects, Refusal> {
        self.apply(Event::Reported { generation: self.generation(), frame, report })
    }

    pub(super) fn report(&mut self, report: RunnerReport) -> Effects {
        self.frame(self.engine.runner.last_frame + 1, report).unwrap()
    }

    pub(super) fn create(&mut self, id: &str) -> Effects {
        self.report(RunnerReport::MessageCreated { message: message(id) })
    }

    pub(super) fn text(&mut self, id: &str, delta: &str) -> Effects {
        self.report(RunnerReport::Text { message: message(id), kind: TextKind::Text, delta: delta.to_owned() })
    }

    pub(super) fn finish(&mut self, id: Option<&str>, reason: FinishReason) -> Effects {
        self.report(RunnerReport::MessageFinished { message: id.map(message), reason, error: None })
    }

    pub(super) fn ask(&mut self, id: &str, choices: Vec<Choice>) -> Effects {
        self.report(RunnerReport::Asked { question: question(id), text: "May I?".to_owned(), choices })
    }

    pub(super) fn complete(&mut self, id: &str) -> Effects {
        self.report(RunnerReport::Completed { prompt: message(id), aborted: false })
    }

    pub(super) fn stopped(&mut self, id: &str) -> Effects {
        self.report(RunnerReport::Completed { prompt: message(id), aborted: true })
    }

    /// The prompt that is worked on.
    pub(super) fn turn(&self) -> Option<&str> {
        self.engine.turn.as_ref().map(|turn| turn.prompt.as_str())
    }

    /// The prompts that wait.
    pub(super) fn queue(&self) -> Vec<&str> {
        self.engine.queue.iter().map(|queued| queued.id.as_str()).collect()
    }

    /// Seconds until the engine must be asked again.
    pub(super) fn seconds_left(&self) -> Option<u64> {
        self.engine.next_deadline().map(|deadline| deadline.since(self.now).as_secs())
    }
}

/// The commands among the changes, as words.
pub(super) fn commands(effects: &Effects) -> Vec<String> {
    let given = effects.changes.iter().filter_map(|change| match change {
        Change::CommandGiven { command, .. } => Some(command),
        _ => None,
    });
    given.map(words).collect()
}

fn words(command: &Command) -> String {
    match command {
        Command::Prompt { prompt, earlier, .. } => {
            let all: Vec<&str> = earlier.iter().chain([prompt]).map(MessageId::as_str).collect();
            format!("prompt {}", all.join("+"))
        }
        Command::Answer { question, resolution } => format!("answer {question} {resolution:?}"),
        Command::Abort { prompt } => format!("abort {prompt}"),
    }
}

/// The notices as words, without the hint that commands wait.
pub(super) fn notices(effects: &Effects) -> Vec<String> {
    effects.notices.iter().filter_map(notice_words).collect()
}

fn notice_words(notice: &Notice) -> Option<String> {
    Some(match notice {
        Notice::Message(message) => format!("message {}", message.role.as_str()),
        Notice::MessageUpdated(message) => format!("updated {}", message.id),
        Notice::MessagesRemoved(ids) => {
            format!("removed {}", ids.iter().map(MessageId::as_str).collect::<Vec<_>>().join(" "))
        }
        Notice::Chunk(segment) => format!("chunk {}:{} {}", segment.part, segment.offset, segment.text),
        Notice::Question(question) => format!("question {}", question.id),
        Notice::QuestionAnswered { id, answer } => format!("answered {id} {answer}"),
        Notice::QuestionExpired { id } => format!("expired {id}"),
        Notice::Status(status) => status_words(status),
        Notice::Agent { status, .. } => format!("agent {status:?}").to_lowercase(),
        Notice::Error { .. } => "error".to_owned(),
        Notice::Models(models) => {
            format!("models {}", models.providers().iter().map(|p| p.models.len()).sum::<usize>())
        }
        Notice::ModelSwitched(switch) => format!("switched to {}", switch.to),
        Notice::Title(title) => format!("title {title}"),
        Notice::ChildOpened { child, .. } => format!("child {child}"),
        Notice::FilesChanged(files) => format!("files {}", files.as_slice().len()),
        Notice::GitStateChanged(report) => format!("git {}", report.branch.as_deref().unwrap_or("unchanged")),
        Notice::Audit(entry) => format!("[{}]", entry.event_type),
        Notice::RunnerReplaced { connection } => format!("replaced {connection}"),
        Notice::RunnerStop { .. } => "stop".to_owned(),
        Notice::AccessWithdrawn { user } => format!("access of {user} withdrawn"),
        Notice::Commands => return None,
    })
}

fn status_words(status: &StatusNotice) -> String {
    match status {
        StatusNotice::Lifecycle { status, .. } => status.as_str().to_owned(),
        StatusNotice::Tunnels(exposure) => format!("tunnels {}", exposure.tunnels.as_slice().len()),
        StatusNotice::RunnerConnected => "runner up".to_owned(),
        StatusNotice::RunnerDisconnected { queued } => format!("runner down {queued}"),
        StatusNotice::TurnEnded { aborted: false } => "free".to_owned(),
        StatusNotice::TurnEnded { aborted: true } => "free aborted".to_owned(),
        StatusNotice::PromptQueued { position } => format!("queued {position}"),
        StatusNotice::PromptDequeued { remaining } => format!("dequeued {remaining}"),
        StatusNotice::PromptWithdrawn { prompt, remaining } => format!("withdrawn {prompt} {remaining}"),
        StatusNotice::Collecting { count } => format!("collecting {count}"),
        StatusNotice::QueueCleared { cleared } => format!("cleared {cleared}"),
    }
}
