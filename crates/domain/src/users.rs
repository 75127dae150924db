//! People and machine accounts.

use serde::{Deserialize, Serialize};

use crate::access::Role;
use crate::ids::UserId;
use crate::sessions::QueueMode;
use crate::time::Timestamp;

/// How many sessions a user may have active at once unless their row says otherwise.
pub const DEFAULT_ACTIVE_SESSIONS: u32 = 10;

/// A user.
///
/// The row's `version` also owns the rule of how many sessions the user may have active: whoever opens one bumps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// The user's id.
    pub id: UserId,
    /// The user's address; unique.
    pub email: String,
    /// What to call the user.
    pub name: Option<String>,
    /// Where the user's picture is.
    pub avatar_url: Option<String>,
    /// Name to commit under.
    pub git_name: Option<String>,
    /// Address to commit under.
    pub git_email: Option<String>,
    /// The user's role.
    pub role: Role,
    /// Whether the user has been through the first steps.
    pub onboarding_completed: bool,
    /// After how many seconds without activity a session may rest; 300 to 3600.
    pub idle_timeout_seconds: u32,
    /// Models in order of preference.
    pub model_preferences: Vec<String>,
    /// What happens to prompts while the agent is busy.
    pub queue_mode: QueueMode,
    /// How many sessions may be active at once; [`DEFAULT_ACTIVE_SESSIONS`] if absent.
    pub max_active_sessions: Option<u32>,
    /// Counts changes of the row.
    pub version: u64,
    /// When the user was added.
    pub created_at: Timestamp,
    /// When the row was last changed.
    pub updated_at: Timestamp,
}

/// A user as others see them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// The user's id.
    pub id: UserId,
    /// The user's address.
    pub email: String,
    /// What to call the user.
    pub name: Option<String>,
    /// Where the user's picture is.
    pub avatar_url: Option<String>,
}

impl User {
    /// A new user with defaults everywhere.
    #[must_use]
    pub fn new(id: UserId, email: String, role: Role, now: Timestamp) -> Self {
        Self {
            id,
            email,
            name: None,
            avatar_url: None,
            git_name: None,
            git_email: None,
            role,
            onboarding_completed: true,
            idle_timeout_seconds: 900,
            model_preferences: Vec::new(),
            queue_mode: QueueMode::Followup,
            max_active_sessions: None,
            version: 1,
            created_at: now,
            updated_at: now,
        }
    }

    /// How many sessions the user may have active at once.
    #[must_use]
    pub fn session_limit(&self) -> u32 {
        self.max_active_sessions.unwrap_or(DEFAULT_ACTIVE_SESSIONS)
    }
}
