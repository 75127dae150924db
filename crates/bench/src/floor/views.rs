//! The JSON that is answered: member for member that of the gateway.

use serde::Serialize;

use crate::writer::Key;

/// The server runs.
#[derive(Serialize)]
pub(crate) struct Health {
    pub(crate) status: &'static str,
    pub(crate) timestamp: String,
}

/// A session.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Session {
    pub(crate) id: String,
    pub(crate) user_id: String,
    pub(crate) workspace: String,
    pub(crate) status: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) title: Option<String>,
    pub(crate) agent: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) directory: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) metadata: Option<serde_json::Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error_message: Option<String>,
    pub(crate) purpose: &'static str,
    pub(crate) created_at: String,
    pub(crate) last_active_at: String,
}

/// A session in a list.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Row {
    #[serde(flatten)]
    pub(crate) session: Session,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) owner_name: Option<String>,
    pub(crate) owner_email: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) owner_avatar_url: Option<String>,
    pub(crate) participant_count: u32,
    pub(crate) participants: [(); 0],
    pub(crate) is_owner: bool,
}

/// One page of sessions.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Page {
    pub(crate) sessions: Vec<Row>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cursor: Option<String>,
    pub(crate) has_more: bool,
}

/// A session and what goes on in it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Detail {
    pub(crate) session: DetailSession,
    pub(crate) do_status: LiveStatus,
}

/// A session, alone.
#[derive(Serialize)]
pub(crate) struct DetailSession {
    #[serde(flatten)]
    pub(crate) session: Session,
    pub(crate) tunnels: Option<()>,
}

/// What goes on in a session.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LiveStatus {
    pub(crate) session_id: String,
    pub(crate) user_id: String,
    pub(crate) workspace: String,
    pub(crate) status: String,
    pub(crate) lifecycle_status: String,
    pub(crate) sandbox_id: Option<String>,
    pub(crate) tunnel_urls: Option<()>,
    pub(crate) tunnels: Option<()>,
    pub(crate) runner_connected: bool,
    pub(crate) runner_busy: bool,
    pub(crate) agent_state: &'static str,
    pub(crate) sandbox_state: &'static str,
    pub(crate) joint_state: &'static str,
    pub(crate) message_count: i64,
    pub(crate) queued_prompts: usize,
    pub(crate) connected_clients: usize,
    pub(crate) connected_users: [(); 0],
    pub(crate) running_started_at: Option<i64>,
}

/// A new key and its secret.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NewKey {
    id: String,
    name: String,
    prefix: String,
    created_at: String,
    expires_at: Option<String>,
    token: String,
}

impl NewKey {
    /// What is shown of a key, this once with its secret.
    pub(crate) fn of(key: &Key) -> Self {
        Self {
            id: key.id.clone(),
            name: key.name.clone(),
            prefix: key.prefix.clone(),
            created_at: timestamp(key.created_at),
            expires_at: None,
            token: key.secret.clone(),
        }
    }
}

/// RFC 3339 with milliseconds, from microseconds since the epoch.
pub(crate) fn timestamp(micros: i64) -> String {
    let time = jiff::Timestamp::from_millisecond(micros.div_euclid(1_000)).unwrap_or_default();
    format!("{time:.3}")
}

/// A prompt was accepted.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Accepted {
    pub(crate) success: bool,
    pub(crate) message_id: String,
}
