//! Things to store.

use std::collections::BTreeMap;

use portway_domain::access::Role;
use portway_domain::channels::InvalidChannel;
use portway_domain::engine::AuditEntry;
use portway_domain::ids::{AuditId, IdStream, InvalidId, MessageId, NodeId, SessionId, TokenId, UserId};
use portway_domain::messages::{Author, Message, MessageRole, Segment, TextKind, ToolCall, ToolStatus};
use portway_domain::sessions::{QueueMode, Session, SessionStatus};
use portway_domain::time::Timestamp;
use portway_domain::tokens::{AccessToken, TokenHash, TokenKind, TokenSecret};
use portway_domain::tunnels::{Exposure, Tunnel};
use portway_domain::users::User;
use serde_json::json;

use crate::failure::Failure;
use crate::fixture::at;

impl From<InvalidChannel> for Failure {
    #[track_caller]
    fn from(error: InvalidChannel) -> Self {
        Self::new(error)
    }
}

impl From<InvalidId> for Failure {
    #[track_caller]
    fn from(error: InvalidId) -> Self {
        Self::new(error)
    }
}

/// A user with a value in every field.
pub(crate) fn full_user(id: UserId, email: &str) -> User {
    User {
        id,
        email: email.to_owned(),
        name: Some("Ada Lovelace".to_owned()),
        avatar_url: Some("https://example.org/ada.png".to_owned()),
        git_name: Some("ada".to_owned()),
        git_email: Some("ada@git.example.org".to_owned()),
        role: Role::Admin,
        onboarding_completed: false,
        idle_timeout_seconds: 1_234,
        model_preferences: vec!["large".to_owned(), "small \"one\"".to_owned()],
        queue_mode: QueueMode::Steer,
        max_active_sessions: Some(3),
        version: 1,
        created_at: at(1),
        updated_at: at(2),
    }
}

/// A token whose hash follows from its id.
pub(crate) fn token(id: TokenId, user: &UserId, name: &str, kind: TokenKind, created_at: Timestamp) -> AccessToken {
    let secret = TokenSecret::api_key(created_at, [1; 32]);
    AccessToken {
        hash: TokenHash::of(id.as_str()),
        id,
        user: user.clone(),
        kind,
        name: name.to_owned(),
        prefix: secret.prefix(),
        created_at,
        expires_at: None,
    }
}

/// A node; each number is another one.
pub(crate) fn node(number: u8) -> NodeId {
    IdStream::new(at(0), [number; 32]).draw()
}

/// A session with only what it must have.
pub(crate) fn session(id: SessionId, owner: &UserId, created_at: Timestamp) -> Session {
    Session {
        id,
        owner: owner.clone(),
        workspace: "portway".to_owned(),
        status: SessionStatus::Initializing,
        title: None,
        agent: "claude".to_owned(),
        directory: None,
        metadata: None,
        error_message: None,
        created_at,
        last_active_at: created_at,
        parent: None,
    }
}

/// A session with a value in every field.
pub(crate) fn full_session(id: SessionId, owner: &UserId) -> Session {
    Session {
        title: Some("Fix the build".to_owned()),
        directory: Some("/srv/work".to_owned()),
        metadata: Some(r#"{"b":1,"a":[ 1.0, 2 ],"b":2}"#.to_owned()),
        error_message: Some("out of coffee".to_owned()),
        status: SessionStatus::Error,
        last_active_at: at(60),
        ..session(id, owner, at(0))
    }
}

/// Something that the gateway said.
pub(crate) fn note(id: MessageId, position: u64) -> Message {
    Message {
        id,
        seq: position,
        position,
        role: MessageRole::System,
        content: format!("note {position}"),
        parts: Vec::new(),
        author: None,
        channel: None,
        created_at: at(0),
    }
}

/// A prompt.
pub(crate) fn prompt(id: MessageId, position: u64, content: &str, author: &User) -> Message {
    Message {
        role: MessageRole::User,
        content: content.to_owned(),
        author: Some(Author {
            id: author.id.clone(),
            email: author.email.clone(),
            name: Some("Ada".to_owned()),
            avatar_url: None,
        }),
        ..note(id, position)
    }
}

/// The beginning of a message of the agent.
pub(crate) fn opened(id: MessageId, position: u64) -> Message {
    Message { role: MessageRole::Assistant, content: String::new(), ..note(id, position) }
}

/// Some text at the beginning of the first part.
pub(crate) fn segment(message: &MessageId, text: &str) -> Segment {
    Segment { message: message.clone(), part: 0, kind: TextKind::Text, offset: 0, text: text.to_owned() }
}

/// A use of a tool.
pub(crate) fn tool_call(id: &str, status: ToolStatus) -> ToolCall {
    ToolCall {
        call_id: id.to_owned(),
        tool_name: "read_file".to_owned(),
        status,
        args: Some(json!({"path": "src/main.rs", "lines": [1, 2.5, -3], "deep": {"z": null, "a": true}})),
        result: None,
        error: None,
    }
}

/// How a sandbox is reached.
pub(crate) fn exposure() -> Exposure {
    let urls = [("gateway", "https://g.example"), ("vnc", "https://v.example/?a=\"1\"")];
    let web =
        Tunnel { name: "web".to_owned(), port: 65_535, protocol: Some("http".to_owned()), path: "/t/ä".to_owned() };
    let bare = Tunnel { name: "bare".to_owned(), port: 1, protocol: None, path: "/".to_owned() };
    Exposure {
        urls: BTreeMap::from(urls.map(|(name, url)| (name.to_owned(), url.to_owned()))).into(),
        tunnels: vec![web, bare].into(),
    }
}

/// An entry of the audit log.
pub(crate) fn audit(id: AuditId, seq: u64) -> AuditEntry {
    AuditEntry {
        id,
        seq,
        event_type: "user.prompt".to_owned(),
        summary: format!("entry {seq}"),
        actor: None,
        created_at: at(0),
    }
}
