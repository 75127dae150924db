//! Who may do what.

use serde::{Deserialize, Serialize};

use crate::ids::{TokenId, UserId};
use crate::time::Timestamp;

/// The role of a user in the whole installation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Uses the gateway; reaches only what is theirs or shared with them.
    Member,
    /// Operates the gateway.
    Admin,
}

impl Role {
    /// The role's name on the wire and in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Member => "member",
            Self::Admin => "admin",
        }
    }

    /// The role of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Member, Self::Admin].into_iter().find(|role| role.as_str() == name)
    }
}

/// The role of a user in one session; each includes the ones before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SessionRole {
    /// Reads everything, changes nothing.
    Viewer,
    /// Prompts, answers and aborts.
    Collaborator,
    /// Renames, terminates and shares.
    Owner,
}

impl SessionRole {
    /// The role's name on the wire and in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Collaborator => "collaborator",
            Self::Owner => "owner",
        }
    }

    /// The role of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Viewer, Self::Collaborator, Self::Owner].into_iter().find(|role| role.as_str() == name)
    }
}

/// What an operation demands of its caller. Every operation names exactly one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Permission {
    /// Anyone, without a token.
    Public,
    /// Anyone with a valid token.
    SignedIn,
    /// A user whose role is [`Role::Admin`].
    Admin,
    /// At least this role in the session that the request names.
    Session(SessionRole),
}

impl Permission {
    /// Whether callers in that role are let in at all. Their role in a session is another matter.
    #[must_use]
    pub fn is_open_to(self, role: Role) -> bool {
        self != Self::Admin || role == Role::Admin
    }
}

/// A caller whose token was found valid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Principal {
    /// The user that the token belongs to.
    pub user: UserId,
    /// The token that was presented.
    pub token: TokenId,
    /// The user's role.
    pub role: Role,
    /// The user's address.
    pub email: String,
    /// The user's name, if one is set.
    pub name: Option<String>,
    /// Where the user's picture is, if one is set.
    pub avatar_url: Option<String>,
    /// When the token stops being valid.
    pub expires_at: Option<Timestamp>,
}

impl Principal {
    /// Whether the token is still valid at `now`.
    #[must_use]
    pub fn is_valid_at(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|end| now < end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_for_administrators_is_closed_to_members() {
        let viewer = Permission::Session(SessionRole::Viewer);
        for permission in [Permission::Public, Permission::SignedIn, Permission::Admin, viewer] {
            assert!(permission.is_open_to(Role::Admin));
            assert_eq!(permission.is_open_to(Role::Member), permission != Permission::Admin);
        }
    }

    #[test]
    fn session_roles_include_each_other() {
        assert!(SessionRole::Owner > SessionRole::Collaborator);
        assert!(SessionRole::Collaborator > SessionRole::Viewer);
    }

    #[test]
    fn names_are_read_back() {
        for role in [Role::Member, Role::Admin] {
            assert_eq!(Role::from_name(role.as_str()), Some(role));
        }
        assert_eq!(Role::from_name("owner"), None);
        assert_eq!(SessionRole::from_name("owner"), Some(SessionRole::Owner));
    }
}
