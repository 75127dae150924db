//! What a store does with the changes of an engine, with all its guards.

use std::collections::{BTreeMap, BTreeSet};

use crate::children::ChildEvent;
use crate::engine::{Change, Command, Effects, Engine, Notice, OpenMessage, OpenPart};
use crate::ids::{MessageId, QuestionId, UserId};
use crate::messages::{FinishReason, Message, MessageRole, Part, Segment, TextKind};
use crate::models::AvailableModels;
use crate::questions::Resolution;
use crate::sessions::SessionStatus;
use crate::sharing::ParticipantRole;

/// The rows of one session.
#[derive(Debug, Clone, Default)]
pub(super) struct Store {
    pub(super) messages: BTreeMap<MessageId, Message>,
    pub(super) commands: Vec<(u32, u64, Command)>,
    pub(super) taken: BTreeMap<u32, u64>,
    pub(super) closed: BTreeMap<QuestionId, (Resolution, bool)>,
    pub(super) ordered: Vec<u32>,
    pub(super) dismissed: Vec<u32>,
    pub(super) hibernated: Vec<u32>,
    pub(super) error: Option<String>,
    pub(super) title: Option<String>,
    pub(super) participants: BTreeMap<UserId, ParticipantRole>,
    pub(super) told_parent: Vec<ChildEvent>,
    pub(super) children_stopped: usize,
    pub(super) models: Option<AvailableModels>,
    open: Option<(MessageId, Vec<Row>)>,
    asked: BTreeSet<QuestionId>,
    status: Option<SessionStatus>,
    seq: u64,
}

/// A row of the open message.
#[derive(Debug, Clone)]
enum Row {
    Text(Segment),
    Part(u32, Part),
}

impl Store {
    /// Writes the changes; fails where a guard of a real store would.
    pub(super) fn write(&mut self, effects: &Effects) {
        for change in &effects.changes {
            self.write_one(change);
        }
        let stored = effects.changes.iter().filter_map(|change| match change {
            Change::TextAppended(segment) => Some(segment),
            _ => None,
        });
        let told = effects.notices.iter().filter_map(|notice| match notice {
            Notice::Chunk(segment) => Some(segment),
            _ => None,
        });
        assert!(stored.eq(told), "what is stored of the text is what is told of it");
    }

    fn write_one(&mut self, change: &Change) {
        match change {
            Change::MessageAdded(message) => self.add(message),
            Change::MessageRemoved { id, seq } => self.remove(id, *seq),
            Change::MessagesRemoved { first, last, seq } => self.remove_between(*first, *last, *seq),
            Change::TextAppended(segment) => self.append(segment),
            Change::PartSet { message, index, part, seq } => {
                self.advance(*seq);
                self.rows(message).push(Row::Part(*index, part.clone()));
            }
            Change::PartsReplaced { message, parts, seq } => {
                self.advance(*seq);
                if let Some(message) = self.messages.get_mut(message) {
                    (message.parts, message.seq) = (parts.clone(), *seq);
                }
            }
            Change::MessageFinished(message) => self.finish(message),
            Change::QuestionAsked { question, seq } => {
                self.advance(*seq);
                assert!(self.asked.insert(question.id.clone()), "{} was asked before", question.id);
            }
            Change::QuestionClosed { id, resolution, expired, seq } => {
                self.advance(*seq);
                assert!(self.asked.contains(id), "{id} was never asked");
                let before = self.closed.insert(id.clone(), (resolution.clone(), *expired));
                assert_eq!(before, None, "{id} was closed before");
            }
            Change::CommandGiven { generation, number, command } => self.command(*generation, *number, command),
            Change::CommandsTaken { generation, number } => {
                let given = self.commands.iter().filter(|(given, ..)| given == generation).count() as u64;
                assert!(*number <= given, "command {number} was never given");
                let before = self.taken.insert(*generation, *number);
                assert!(before < Some(*number), "commands were taken before");
            }
            Change::SandboxOrdered { generation, .. } => self.ordered.push(*generation),
            Change::SandboxHibernated { generation, .. } => {
                assert!(!self.hibernated.contains(generation), "{generation} is put away once");
                self.hibernated.push(*generation);
            }
            Change::SandboxDismissed { generation, .. } => self.dismissed.push(*generation),
            Change::ParentTold { event, .. } => self.told_parent.push(event.clone()),
            Change::ChildrenStopped => self.children_stopped += 1,
            Change::SessionTouched { status, error, title, .. } => {
                self.touch(*status);
                self.error = error.clone().or(self.error.take());
                self.title = title.clone().or(self.title.take());
            }
            Change::ParticipantSet(participant) => {
                self.advance(participant.seq);
                self.participants.insert(participant.user.clone(), participant.role);
            }
            Change::ParticipantRemoved { user } => {
                assert!(self.participants.remove(user).is_some(), "{user} takes part");
            }
            Change::FilesChanged { seq, .. } | Change::GitStateChanged { seq, .. } => self.advance(*seq),
            Change::ModelsSet { models, seq, .. } => {
                self.advance(*seq);
                assert!(!models.is_empty());
                let before = self.models.replace(models.clone());
                assert_ne!(before.as_ref(), Some(models), "only what is new is written");
            }
            Change::Audited(entry) => self.advance(entry.seq),
        }
    }

    fn advance(&mut self, seq: u64) {
        assert!(seq > self.seq, "seq {seq} after {}", self.seq);
        self.seq = seq;
    }

    fn add(&mut self, message: &Message) {
        self.advance(message.seq);
        assert_eq!(message.position, message.seq);
        if message.role == MessageRole::Assistant && message.parts.is_empty() {
            assert!(self.open.is_none(), "two messages are open");
            self.open = Some((message.id.clone(), Vec::new()));
        }
        let before = self.messages.insert(message.id.clone(), message.clone());
        assert!(before.is_none(), "{} exists", message.id);
    }

    fn remove(&mut self, id: &MessageId, seq: u64) {
        self.advance(seq);
        assert!(!self.was_taken(id), "{id} was seen by the agent");
        let removed = self.messages.remove(id);
        assert!(removed.is_some_and(|message| message.role != MessageRole::Assistant));
    }

    fn remove_between(&mut self, first: u64, last: u64, seq: u64) {
        self.advance(seq);
        assert!(first <= last && last < seq);
        let before = self.messages.len();
        self.messages.retain(|_, message| !(first..=last).contains(&message.position));
        assert!(self.messages.len() < before, "something is removed");
        assert!(self.open.as_ref().is_none_or(|(open, _)| self.messages.contains_key(open)), "nobody writes it");
    }

    fn rows(&mut self, message: &MessageId) -> &mut Vec<Row> {
        let (open, rows) = self.open.as_mut().expect("a message is open");
        assert_eq!(open, message);
        rows
    }

    fn append(&mut self, segment: &Segment) {
        assert!(!segment.text.is_empty());
        let rows = self.rows(&segment.message);
        let before: usize = rows.iter().map(|row| row.text_of(segment.part, segment.kind)).sum();
        assert_eq!(segment.offset, before as u64, "the offset counts the bytes before");
        rows.push(Row::Text(segment.clone()));
    }

    fn finish(&mut self, message: &Message) {
        self.advance(message.seq);
        let added = &self.messages[&message.id];
        assert_eq!((added.position, added.created_at), (message.position, message.created_at));
        let open = self.reopen().expect("a message is open");
        assert_eq!(open.id, message.id);
        assert_eq!(texts(&open.snapshot(0)), texts(message));
        assert!(matches!(message.parts.last(), Some(Part::Finish { .. })));
        self.open = None;
        self.messages.insert(message.id.clone(), message.clone());
    }

    fn command(&mut self, generation: u32, number: u64, command: &Command) {
        let before = self.commands.iter().filter(|(given, ..)| *given == generation).count() as u64;
        assert_eq!(number, before + 1, "commands are numbered without gaps");
        if let Command::Prompt { prompt, earlier, .. } = command {
            for said in earlier.iter().chain([prompt]) {
                assert!(self.messages.contains_key(said), "{said} has no text");
                assert!(!self.was_taken(said), "{said} is given again");
            }
        }
        self.commands.push((generation, number, command.clone()));
    }

    fn was_taken(&self, wanted: &MessageId) -> bool {
        self.commands.iter().any(|(generation, number, command)| {
            matches!(command, Command::Prompt { prompt, earlier, .. } if prompt == wanted || earlier.contains(wanted))
                && self.taken.get(generation).is_some_and(|taken| number <= taken)
        })
    }

    fn touch(&mut self, status: Option<SessionStatus>) {
        if let Some(next) = status {
            let last = self.status.unwrap_or(SessionStatus::Initializing);
            assert!(last.may_become(next), "{last:?} becomes {next:?}");
            self.status = Some(next);
        }
    }

    /// Puts the open message together from its rows.
    fn reopen(&self) -> Option<OpenMessage> {
        let (id, rows) = self.open.as_ref()?;
        let message = &self.messages[id];
        let mut parts: BTreeMap<u32, OpenPart> = BTreeMap::new();
        for row in rows {
            row.put(&mut parts);
        }
        assert!(parts.keys().copied().eq(0..parts.len() as u32), "parts are numbered without gaps");
        let channel = message.channel.clone();
        let mut open = OpenMessage { channel, ..OpenMessage::new(id.clone(), message.position, message.created_at) };
        parts.into_values().for_each(|part| open.restore(part));
        Some(open)
    }

    /// The engine as it comes back from the database.
    pub(super) fn reload(&self, engine: &Engine) -> Engine {
        let json = serde_json::to_string(engine).unwrap();
        let mut loaded: Engine = serde_json::from_str(&json).unwrap();
        loaded.open = self.reopen();
        loaded
    }

    /// How a finished message ended.
    pub(super) fn reason(&self, id: &str) -> FinishReason {
        match self.messages[&MessageId::parse(id).unwrap()]
            .parts
            .iter()
            .find(|part| matches!(part, Part::Finish { .. }))
        {
            Some(Part::Finish { reason }) => *reason,
            _ => panic!("{id} is not finished"),
        }
    }
}

impl Row {
    fn text_of(&self, part: u32, kind: TextKind) -> usize {
        match self {
            Self::Text(segment) if segment.part == part => {
                assert_eq!(segment.kind, kind);
                segment.text.len()
            }
            _ => 0,
        }
    }

    fn put(&self, parts: &mut BTreeMap<u32, OpenPart>) {
        match self {
            Self::Text(segment) => {
                let part = parts.entry(segment.part).or_insert(OpenPart::Text(segment.kind, String::new()));
                let OpenPart::Text(kind, text) = part else { panic!("part {} is no text", segment.part) };
                assert_eq!((*kind, text.len() as u64), (segment.kind, segment.offset));
                text.push_str(&segment.text);
            }
            Self::Part(index, Part::ToolCall(call)) => {
                parts.insert(*index, OpenPart::Tool(call.clone()));
            }
            Self::Part(index, Part::Plan { entries }) => {
                parts.insert(*index, OpenPart::Plan(entries.clone()));
            }
            Self::Part(_, part) => panic!("{part:?} is not set while a message is open"),
        }
    }
}

fn texts(message: &Message) -> Vec<&Part> {
    message.parts.iter().filter(|part| matches!(part, Part::Text { .. } | Part::Reasoning { .. })).collect()
}
