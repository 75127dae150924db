//! What a client shows, by the rules of the protocol alone.

use std::collections::{BTreeMap, BTreeSet};

use portway_domain::messages::MessageRole;
use portway_ports::sessions::Transcript;
use portway_protocol::message::{Message, Part};
use portway_protocol::models::ProviderModels;
use portway_protocol::resuming::Sequenced;
use portway_protocol::server::{AuditEntry, ServerFrame};
use portway_protocol::workspaces::GitState;

use super::rig::Rig;
use crate::sockets::{frames, models};

/// What a client shows of a session.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Screen {
    /// The last `seq`.
    pub(super) seq: Option<u64>,
    /// The last checkpoint.
    pub(super) checkpoint: Option<u64>,
    /// The place that messages which are not shown are before.
    pub(super) before: Option<u64>,
    pub(super) messages: Vec<Shown>,
    questions: BTreeSet<String>,
    audit: BTreeMap<u64, String>,
    title: Option<String>,
    status: String,
    /// What was told of the workspace since the last `init`, which says nothing of it.
    files: Option<Vec<String>>,
    git: GitState,
    models: Option<Vec<ProviderModels>>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Shown {
    pub(super) id: String,
    /// Not known of a failure that was told as such.
    position: Option<u64>,
    content: String,
    parts: Vec<Part>,
}

impl From<Message> for Shown {
    fn from(message: Message) -> Self {
        let parts = message.parts.unwrap_or_default().into_iter().map(settled).collect();
        Self { id: message.id, position: message.position, content: message.content, parts }
    }
}

/// A part without the sign that more may come, which follows from there being no end.
fn settled(part: Part) -> Part {
    match part {
        Part::Text { text, .. } => Part::Text { text, streaming: false },
        Part::Reasoning { text, .. } => Part::Reasoning { text, streaming: false },
        other => other,
    }
}

impl Screen {
    /// Takes a frame over.
    pub(super) fn apply(&mut self, sequenced: Sequenced) {
        self.frame(sequenced.frame);
        if let Some(seq) = sequenced.seq {
            assert!(self.seq.is_none_or(|known| known <= seq), "{seq} after {:?}", self.seq);
            self.seq = Some(seq);
        }
    }

    fn frame(&mut self, frame: ServerFrame) {
        match frame {
            ServerFrame::Init { session, data, protocol } => {
                assert_eq!(protocol, Some(2));
                *self =
                    Self { status: session.status, title: session.title, before: session.before, ..Self::default() };
                self.messages = session.messages.into_iter().map(Shown::from).collect();
                self.models = data.available_models;
                data.audit_log.into_iter().for_each(|entry| self.entry(entry));
            }
            ServerFrame::Resumed { session, .. } => {
                self.status = session.status;
                self.title = session.title;
            }
            ServerFrame::Message { data } => self.place(data.into()),
            ServerFrame::MessageUpdated { data } => {
                let is_older = self.before.is_some();
                match self.shown(&data.id) {
                    Some(shown) => {
                        shown.content = data.content;
                        shown.parts = data.parts.unwrap_or_default().into_iter().map(settled).collect();
                    }
                    None => assert!(is_older, "{} is not known", data.id),
                }
            }
            ServerFrame::MessagesRemoved { message_ids } => {
                self.messages.retain(|shown| !message_ids.contains(&shown.id));
            }
            ServerFrame::Chunk { message_id, content, part, offset } => {
                self.append(&message_id, &content, part, offset, true)
            }
            ServerFrame::ReasoningChunk { message_id, content, part, offset } => {
                self.append(&message_id, &content, part, offset, false);
            }
            ServerFrame::Question { question_id, .. } => drop(self.questions.insert(question_id)),
            ServerFrame::Error { message_id: Some(id), error, .. } => {
                let content = format!("Error: {error}");
                self.place(Shown { id, position: None, content, parts: Vec::new() });
            }
            ServerFrame::Status { data } => {
                for closed in [data.question_answered, data.question_expired].into_iter().flatten() {
                    self.questions.remove(&closed);
                }
                self.status = data.status.unwrap_or_else(|| std::mem::take(&mut self.status));
            }
            ServerFrame::FilesChanged { files } => {
                self.files = Some(files.into_iter().map(|file| file.path).collect());
            }
            ServerFrame::GitState { data } => {
                self.git.branch = data.branch.or(self.git.branch.take());
                self.git.commit_count = data.commit_count.or(self.git.commit_count.take());
            }
            ServerFrame::Models { models } => self.models = Some(models),
            ServerFrame::Title { title } => self.title = Some(title),
            ServerFrame::AuditLog { entry } => self.entry(entry),
            ServerFrame::Checkpoint { checkpoint } => self.checkpoint = Some(checkpoint),
            ServerFrame::History { data } => {
                let older = data.messages.into_iter().map(Shown::from);
                self.messages.splice(..0, older);
                self.before = data.before;
            }
            _ => {}
        }
    }

    fn shown(&mut self, id: &str) -> Option<&mut Shown> {
        self.messages.iter_mut().find(|shown| shown.id == id)
    }

    /// Puts a message where it belongs.
    fn place(&mut self, new: Shown) {
        if let Some(known) = self.shown(&new.id) {
            *known = new;
            return;
        }
        // What is older than the oldest that is shown comes with a page.
        if new.position.zip(self.before).is_some_and(|(position, before)| position < before) {
            return;
        }
        let is_later = |shown: &Shown| shown.position.zip(new.position).is_some_and(|(shown, new)| shown > new);
        let index = self.messages.iter().position(is_later).unwrap_or(self.messages.len());
        self.messages.insert(index, new);
    }

    fn append(&mut self, id: &str, content: &str, part: u32, offset: u64, is_prose: bool) {
        let is_older = self.before.is_some();
        let Some(shown) = self.shown(id) else {
            assert!(is_older, "text of {id}, which is not known");
            return;
        };
        let part = part as usize;
        if part == shown.parts.len() && offset == 0 {
            let text = String::new();
            shown.parts.push(if is_prose {
                Part::Text { text, streaming: false }
            } else {
                Part::Reasoning { text, streaming: false }
            });
        }
        let (Part::Text { text, .. } | Part::Reasoning { text, .. }) = &mut shown.parts[part] else {
            panic!("text in another part of {id}");
        };
        assert_eq!(text.len() as u64, offset, "a hole in {id}");
        text.push_str(content);
        if is_prose {
            shown.content.push_str(content);
        }
    }

    fn entry(&mut self, entry: AuditEntry) {
        let seq = entry.seq.expect("entries are numbered");
        // What a client has everything of does not come again.
        assert!(self.seq.is_none_or(|known| seq > known), "entry {seq} after {:?}", self.seq);
        self.audit.insert(seq, entry.summary);
    }

    /// Whether what it was told of the workspace is what is stored.
    pub(super) fn check_workspace(&self, rig: &Rig) {
        let (files, git) = rig.workspace();
        if let Some(shown) = &self.files {
            let files: Vec<String> = files.into_iter().map(|file| file.change.path).collect();
            assert_eq!(*shown, files);
        }
        if let Some(count) = self.git.commit_count {
            let git = git.expect("git said something");
            assert_eq!(count, u64::from(git.commit_count));
            assert!(self.git.branch.is_none() || self.git.branch == git.branch, "{:?} {git:?}", self.git);
        }
    }

    /// Whether it shows what is stored.
    pub(super) fn check(&self, stored: Transcript) {
        let engine = &stored.engine.value;
        assert_eq!(self.status, engine.status.as_str());
        assert_eq!(self.title, stored.access.session.title);
        assert_eq!(self.models, stored.models.map(models::list));
        let open: BTreeSet<String> = engine.questions.iter().map(|question| question.id.to_string()).collect();
        assert_eq!(self.questions, open);
        let oldest = self.audit.keys().next().copied().unwrap_or_default();
        let entries = stored.audit.into_iter().filter(|entry| entry.seq >= oldest);
        let entries: BTreeMap<u64, String> = entries.map(|entry| (entry.seq, entry.summary)).collect();
        assert!(
            entries.iter().all(|(seq, summary)| self.audit.get(seq) == Some(summary)),
            "{entries:?} {:?}",
            self.audit
        );
        let from = self.before.unwrap_or_default();
        let messages = stored.messages.into_iter().filter(|message| message.position >= from);
        let expected: Vec<Shown> = messages
            .map(|message| {
                let is_failure = message.role == MessageRole::System;
                let position = (!is_failure).then_some(message.position);
                Shown { position, ..frames::as_shown(message).into() }
            })
            .collect();
        let shown: Vec<Shown> = self
            .messages
            .iter()
            .map(|shown| {
                let is_failure = shown.content.starts_with("Error: ");
                Shown { position: shown.position.filter(|_| !is_failure), ..shown.clone() }
            })
            .collect();
        assert_eq!(shown, expected);
    }
}
