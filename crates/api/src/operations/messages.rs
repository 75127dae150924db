//! Talking in a session, and reading what was said.

use garde::Validate;
use http::Method;
use portway_domain::access::{Permission, SessionRole};
use portway_domain::ids::{MessageId, QuestionId};
use portway_domain::messages::Message;
use portway_domain::questions::AnswerValue;
use portway_domain::sessions::QueueMode;
use portway_ports::sessions::MessageRange;
use portway_protocol::message::Part;
use portway_services::error::Error;
use portway_services::prompts::NewPrompt;
use portway_services::{Context, Services};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::identity::QueueModeName;
use super::sessions::SessionPath;
use super::{Answer, SUCCESS, State, Success, channel, prompt_id, session_id};
use crate::attachments::{MAX_BODY_BYTES, Sent, decode};
use crate::operation::Operation;
use crate::rate::RateClass;
use crate::sockets::{attachments, frames};
use crate::surfaces::Surfaces;

const WAITING: &str = "/api/sessions/{id}/queue/{messageId}";

/// Messages of a page when the caller does not say, and at most.
const PAGE: i64 = 100;

pub(super) fn rows() -> Vec<Operation<Services>> {
    let viewer = Permission::Session(SessionRole::Viewer);
    let collaborator = Permission::Session(SessionRole::Collaborator);
    vec![
        Operation::new("messages.list", Method::GET, "/api/sessions/{id}/messages", viewer)
            .summary("Read the transcript")
            .describe("Oldest first. The id of the last message of one page, as `after`, asks for the next.")
            .handler(list),
        Operation::new("messages.create", Method::POST, "/api/sessions/{id}/messages", collaborator)
            .summary("Say something to the agent")
            .describe("The prompt is durable when this answers; `messageId` names it in the transcript.")
            .rate(RateClass::Agent)
            .keeps_result()
            .body_limit(MAX_BODY_BYTES)
            .admit_large(|services: State, context| async move { services.principal(&context).await.map(drop) })
            .handler(create),
        Operation::new("sessions.clear_queue", Method::POST, "/api/sessions/{id}/clear-queue", collaborator)
            .summary("Drop the prompts that wait")
            .describe("The turn that runs goes on.")
            .destructive()
            .handler(clear_queue),
        Operation::new("prompts.withdraw", Method::DELETE, WAITING, collaborator)
            .summary("Take back a prompt that waits")
            .describe("Its message goes too. Authors take back their own, the owner of the session anybody's.")
            .handler(withdraw),
        Operation::new("prompts.promote", Method::POST, "/api/sessions/{id}/queue/{messageId}/promote", collaborator)
            .summary("Let a prompt that waits go next, and end the turn for it")
            .describe("The others keep their order behind it.")
            .handler(promote),
        Operation::new("sessions.abort", Method::POST, "/api/sessions/{id}/abort", collaborator)
            .summary("End the turn and drop the prompts that wait")
            .describe("The session stays open for the next prompt.")
            .destructive()
            .handler(abort),
        Operation::new("questions.answer", Method::POST, "/api/sessions/{id}/questions/{questionId}", collaborator)
            .summary("Answer a question of the agent")
            .describe("The first answer counts.")
            // Whoever asks for permission may be the agent that has these tools.
            .surfaces(Surfaces::ALL.without(Surfaces::MCP))
            .handler(answer),
    ]
}

/// Which messages.
#[derive(Debug, Deserialize, JsonSchema, Validate)]
struct ListMessages {
    /// The session.
    #[garde(skip)]
    id: String,
    /// Messages of the page, brought to between 1 and 100; 100 if left out.
    #[garde(skip)]
    limit: Option<i64>,
    /// Only messages after the one of this id.
    #[garde(skip)]
    after: Option<String>,
}

/// Messages of a session.
#[derive(Debug, Serialize, JsonSchema)]
struct MessageList {
    messages: Vec<MessageView>,
}

/// A message.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct MessageView {
    id: String,
    session_id: String,
    /// `user`, `assistant` or `system`.
    role: &'static str,
    /// All its text.
    content: String,
    /// Its parts, each with a `type`; null for plain messages. Of messages with a title an object with `systemTitle`.
    #[schemars(with = "Option<Vec<PartSchema>>")]
    #[serde(with = "portway_protocol::parts")]
    parts: Option<Vec<Part>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    author_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    author_email: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    author_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    author_avatar_url: Option<String>,
    /// The kind of channel that it came from, or the prompt that it answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    channel_type: Option<String>,
    /// The channel's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    channel_id: Option<String>,
    /// The session's change counter when the message last changed.
    seq: u64,
    created_at: String,
}

/// A part of a message: `text`, `reasoning`, `tool-call`, `plan`, `finish`, `error` or `forwarded`, and of prompts `image`,
/// `audio` or `file`, each with a `url`.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "it only describes what the session protocol writes")]
struct PartSchema {
    /// What kind of part it is.
    r#type: String,
}

async fn list(services: State, context: Context, input: ListMessages) -> Answer<MessageList> {
    let id = session_id(&input.id)?;
    let limit = u32::try_from(input.limit.unwrap_or(PAGE).clamp(1, PAGE)).unwrap_or(1);
    let after = match input.after.as_deref().filter(|text| !text.is_empty()) {
        Some(text) => {
            let message = MessageId::parse(text).map_err(|_| unknown_message())?;
            services.message_position(&context, &id, &message).await?.ok_or_else(unknown_message)?
        }
        None => 0,
    };
    let messages = services.messages(&context, &id, MessageRange { after, limit }).await?;
    Ok(MessageList { messages: messages.into_iter().map(|message| view(&input.id, message)).collect() })
}

fn unknown_message() -> Error {
    Error::Invalid { field: "after".to_owned(), message: "expected the id of a message of this session".to_owned() }
}

fn view(session: &str, message: Message) -> MessageView {
    let seq = message.seq;
    let created_at = message.created_at.to_string();
    let role = message.role.as_str();
    let mut wire = frames::message(message);
    attachments::link(session, &mut wire);
    MessageView {
        id: wire.id,
        session_id: session.to_owned(),
        role,
        content: wire.content,
        parts: wire.parts.filter(|parts| !parts.is_empty()),
        author_id: wire.author_id,
        author_email: wire.author_email,
        author_name: wire.author_name,
        author_avatar_url: wire.author_avatar_url,
        channel_type: wire.channel_type,
        channel_id: wire.channel_id,
        seq,
        created_at,
    }
}

/// Something to say.
#[derive(Debug, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase")]
struct CreateMessage {
    /// The session.
    #[garde(skip)]
    id: String,
    /// The text; may be blank, or left out, when something is attached.
    #[garde(length(chars, max = 100_000))]
    #[serde(default)]
    content: String,
    /// Which model to use.
    #[garde(length(chars, max = 255))]
    model: Option<String>,
    /// What to do while the agent is busy; the session's mode if left out.
    #[garde(skip)]
    queue_mode: Option<QueueModeName>,
    /// The same as the queue mode `steer`.
    #[garde(skip)]
    #[serde(default)]
    interrupt: bool,
    /// The kind of channel that it came from, such as `telegram`; only together with `channelId`.
    #[garde(skip)]
    channel_type: Option<String>,
    /// The channel's name, up to 500 characters.
    #[garde(skip)]
    channel_id: Option<String>,
    /// What goes with the text.
    #[garde(length(max = 8))]
    #[serde(default)]
    attachments: Vec<Attachment>,
}

/// Something that goes with a message: pictures, sounds, text, PDF.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Attachment {
    /// Its media type; that of the `data:` URL if left out.
    #[serde(alias = "mime")]
    mime_type: Option<String>,
    /// Its name, of at most 255 characters.
    #[serde(alias = "filename")]
    name: Option<String>,
    /// Its content as a `data:` URL in base64, or base64 alone; at most 12,000,000 characters, and 25,000,000 together.
    #[serde(alias = "url")]
    data: String,
}

impl Attachment {
    fn sent(&self) -> Sent<'_> {
        Sent { media_type: self.mime_type.as_deref(), name: self.name.clone(), field: "data", source: &self.data }
    }
}

/// The prompt was taken.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Created {
    /// Always `true`.
    success: bool,
    /// Its id in the transcript.
    message_id: String,
}

async fn create(services: State, context: Context, input: CreateMessage) -> Answer<Created> {
    let chosen = input.queue_mode.map(Into::into);
    let queue_mode = if input.interrupt { Some(QueueMode::Steer) } else { chosen };
    let channel = channel(input.channel_type, input.channel_id)?;
    let prompt = NewPrompt { content: input.content, model: input.model, queue_mode, channel };
    let id = session_id(&input.id)?;
    let attachments = decode(input.attachments.iter().map(Attachment::sent).collect())?;
    let message = services.prompt_with_attachments(&context, &id, prompt, attachments).await?;
    Ok(Created { success: true, message_id: message.into() })
}

/// The queue is empty.
#[derive(Debug, Serialize, JsonSchema)]
struct Cleared {
    /// Always `true`.
    success: bool,
    /// How many prompts were dropped.
    cleared: usize,
}

async fn clear_queue(services: State, context: Context, input: SessionPath) -> Answer<Cleared> {
    let cleared = services.clear_queue(&context, &session_id(&input.id)?).await?;
    Ok(Cleared { success: true, cleared })
}

/// A prompt that waits.
#[derive(Debug, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase")]
struct WaitingPrompt {
    /// The session.
    #[garde(skip)]
    id: String,
    /// The prompt's id in the transcript.
    #[garde(skip)]
    message_id: String,
}

async fn withdraw(services: State, context: Context, input: WaitingPrompt) -> Answer<Success> {
    let id = session_id(&input.id)?;
    services.withdraw(&context, &id, &prompt_id(input.message_id)?).await?;
    Ok(SUCCESS)
}

async fn promote(services: State, context: Context, input: WaitingPrompt) -> Answer<Success> {
    let id = session_id(&input.id)?;
    services.promote(&context, &id, &prompt_id(input.message_id)?).await?;
    Ok(SUCCESS)
}

async fn abort(services: State, context: Context, input: SessionPath) -> Answer<Success> {
    services.abort(&context, &session_id(&input.id)?, None).await?;
    Ok(SUCCESS)
}

/// An answer.
#[derive(Debug, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase")]
struct AnswerQuestion {
    /// The session.
    #[garde(skip)]
    id: String,
    /// The question.
    #[garde(skip)]
    question_id: String,
    /// A choice's id or label, free text, or `true`/`false` for allow once/reject once.
    #[garde(skip)]
    answer: TextOrFlag,
}

/// Text, or yes and no.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
enum TextOrFlag {
    Flag(bool),
    Text(String),
}

async fn answer(services: State, context: Context, input: AnswerQuestion) -> Answer<Success> {
    let id = session_id(&input.id)?;
    let question = QuestionId::parse(input.question_id.as_str())
        .map_err(|_| Error::NotFound { resource: "Question", id: input.question_id })?;
    let value = match input.answer {
        TextOrFlag::Flag(flag) => AnswerValue::Flag(flag),
        TextOrFlag::Text(text) => AnswerValue::Text(text),
    };
    services.answer(&context, &id, &question, value).await?;
    Ok(SUCCESS)
}
