//! What a client knows of a session that does no more than follow the frames.

use portway_protocol::message::{FinishReason, Message, MessageRole, Part, ToolStatus};
use portway_protocol::models::ProviderModels;
use portway_protocol::server::ServerFrame;
use serde::Deserialize;

/// A message, without what may differ between two ways of reading it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct Entry {
    pub(crate) id: String,
    pub(crate) role: MessageRole,
    pub(crate) content: String,
    /// `null` and absent are the same as none.
    #[serde(default, deserialize_with = "parts")]
    pub(crate) parts: Vec<Part>,
}

fn parts<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<Part>, D::Error> {
    Ok(portway_protocol::parts::deserialize(deserializer)?.unwrap_or_default())
}

impl From<Message> for Entry {
    fn from(message: Message) -> Self {
        let parts = message.parts.unwrap_or_default();
        Self { id: message.id, role: message.role, content: message.content, parts }.settled()
    }
}

impl Entry {
    /// Without the marks of text that is still growing.
    pub(crate) fn settled(mut self) -> Self {
        for part in &mut self.parts {
            if let Part::Text { streaming, .. } | Part::Reasoning { streaming, .. } = part {
                *streaming = false;
            }
        }
        self
    }

    /// How it ended, if it did.
    pub(crate) fn finish(&self) -> Option<FinishReason> {
        self.parts.iter().find_map(|part| match part {
            Part::Finish { reason } => Some(*reason),
            _ => None,
        })
    }

    /// What went wrong in it.
    pub(crate) fn error(&self) -> Option<&str> {
        self.parts.iter().find_map(|part| match part {
            Part::Error { message } => Some(message.as_str()),
            _ => None,
        })
    }

    /// How far that tool call is.
    pub(crate) fn tool(&self, id: &str) -> Option<ToolStatus> {
        self.parts.iter().find_map(|part| match part {
            Part::ToolCall { call_id, status, .. } if call_id == id => Some(*status),
            _ => None,
        })
    }
}

/// A question that waits.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct OpenQuestion {
    pub(crate) id: String,
    pub(crate) text: String,
    pub(crate) labels: Vec<String>,
}

/// The state of a session, put together from frames.
#[derive(Debug, Default)]
pub(crate) struct Mirror {
    pub(crate) status: String,
    pub(crate) messages: Vec<Entry>,
    pub(crate) questions: Vec<OpenQuestion>,
    pub(crate) busy: bool,
    pub(crate) models: Option<Vec<ProviderModels>>,
}

/// The id of the first message of the turn of a prompt.
pub(crate) fn answer_id(prompt: &str) -> String {
    format!("{prompt}.1")
}

impl Mirror {
    /// The message of that id.
    pub(crate) fn message(&self, id: &str) -> Option<&Entry> {
        self.messages.iter().find(|message| message.id == id)
    }

    /// What the agent answers to a prompt.
    pub(crate) fn answer_to(&self, prompt: &str) -> Option<&Entry> {
        self.message(&answer_id(prompt))
    }

    /// The question of that id, if it waits.
    pub(crate) fn question(&self, id: &str) -> Option<&OpenQuestion> {
        self.questions.iter().find(|question| question.id == id)
    }

    /// Takes a frame over. Panics when it does not fit what came before.
    pub(crate) fn apply(&mut self, frame: &ServerFrame) {
        match frame {
            ServerFrame::Init { session, data, .. } => {
                *self = Self {
                    status: session.status.clone(),
                    messages: session.messages.iter().cloned().map(Entry::from).collect(),
                    busy: data.runner_busy,
                    models: data.available_models.clone(),
                    ..Self::default()
                };
            }
            ServerFrame::Message { data } => {
                assert!(self.message(&data.id).is_none(), "message {} came twice", data.id);
                self.messages.push(data.clone().into());
            }
            ServerFrame::Models { models } => self.models = Some(models.clone()),
            ServerFrame::MessagesRemoved { message_ids } => {
                self.messages.retain(|entry| !message_ids.contains(&entry.id));
            }
            ServerFrame::MessageUpdated { data } => {
                let entry = self.entry(&data.id);
                entry.content.clone_from(&data.content);
                if let Some(parts) = &data.parts {
                    entry.parts.clone_from(parts);
                }
                let settled = entry.clone().settled();
                *entry = settled;
            }
            ServerFrame::Chunk { message_id, content, part, offset } => {
                self.append(message_id, content, *part, *offset);
            }
            ServerFrame::Question { question_id, text, options, .. } => self.questions.push(OpenQuestion {
                id: question_id.clone(),
                text: text.clone(),
                labels: options.clone().unwrap_or_default(),
            }),
            ServerFrame::Error { message_id: Some(id), error, .. } => self.messages.push(Entry {
                id: id.clone(),
                role: MessageRole::System,
                content: format!("Error: {error}"),
                parts: Vec::new(),
            }),
            ServerFrame::Status { data } => {
                if let Some(status) = &data.status {
                    self.status.clone_from(status);
                }
                self.busy = data.runner_busy.unwrap_or(self.busy);
                for closed in [&data.question_answered, &data.question_expired].into_iter().flatten() {
                    self.questions.retain(|question| question.id != *closed);
                }
            }
            _ => {}
        }
    }

    fn append(&mut self, message: &str, text: &str, part: u32, offset: u64) {
        let entry = self.entry(message);
        let index = usize::try_from(part).unwrap();
        if index == entry.parts.len() {
            entry.parts.push(Part::Text { text: String::new(), streaming: false });
        }
        match &mut entry.parts[index] {
            Part::Text { text: so_far, .. } => {
                assert_eq!(so_far.len() as u64, offset, "a gap or an overlap in part {part} of {message}: {text:?}");
                so_far.push_str(text);
                entry.content.push_str(text);
            }
            other => panic!("text for part {part} of {message}, which is {other:?}"),
        }
    }

    fn entry(&mut self, id: &str) -> &mut Entry {
        let found = self.messages.iter_mut().find(|message| message.id == id);
        found.unwrap_or_else(|| panic!("a frame about message {id}, which was never announced"))
    }
}
