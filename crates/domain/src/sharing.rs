//! Sharing sessions: who else takes part, and links that let people in.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::access::SessionRole;
use crate::ids::{SessionId, ShareLinkId, UserId};
use crate::time::Timestamp;
use crate::tokens::hex;

/// Most people who take part in one session besides its owner.
pub const MAX_PARTICIPANTS: usize = 100;

/// Most share links of one session that are not revoked; those that have expired or are used up count too.
pub const MAX_SHARE_LINKS: usize = 50;

/// The role of somebody who takes part in a session that is another's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ParticipantRole {
    /// See [`SessionRole::Viewer`].
    Viewer,
    /// See [`SessionRole::Collaborator`].
    Collaborator,
}

impl ParticipantRole {
    /// The role's name on the wire and in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        SessionRole::from(self).as_str()
    }

    /// The role of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Viewer, Self::Collaborator].into_iter().find(|role| role.as_str() == name)
    }
}

impl From<ParticipantRole> for SessionRole {
    fn from(role: ParticipantRole) -> Self {
        match role {
            ParticipantRole::Viewer => Self::Viewer,
            ParticipantRole::Collaborator => Self::Collaborator,
        }
    }
}

/// Somebody who takes part in a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Participant {
    /// Who.
    pub user: UserId,
    /// As what.
    pub role: ParticipantRole,
    /// Who let them in: the owner, or they themselves by a link.
    pub added_by: UserId,
    /// Since when.
    pub created_at: Timestamp,
    /// The session's change counter at that time: participants are in its order.
    pub seq: u64,
}

/// The secret of a share link: whoever has it and is signed in is let in. Its `Debug` form hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct ShareToken(String);

impl ShareToken {
    /// Hexadecimal digits of a token.
    const DIGITS: usize = 48;

    /// A new token from entropy, of which the first 24 bytes are used.
    #[must_use]
    pub fn new(entropy: [u8; 32]) -> Self {
        Self(hex(&entropy[..Self::DIGITS / 2]))
    }

    /// The token that somebody presents; `None` when it cannot be one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let is_digit = |b: u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
        (text.len() == Self::DIGITS && text.bytes().all(is_digit)).then(|| Self(text.to_owned()))
    }

    /// The token itself, to hand to those who may let others in.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ShareToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ShareToken(..)")
    }
}

/// A link that lets people into a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShareLink {
    /// Its id.
    pub id: ShareLinkId,
    /// The session.
    pub session: SessionId,
    /// Its secret.
    pub token: ShareToken,
    /// As what people are let in.
    pub role: ParticipantRole,
    /// Who made it.
    pub created_by: UserId,
    /// When.
    pub created_at: Timestamp,
    /// When it stops letting people in; never, if absent.
    pub expires_at: Option<Timestamp>,
    /// How many people it lets in; any number, if absent.
    pub max_uses: Option<u32>,
    /// How many it let in.
    pub uses: u32,
    /// Whether nobody revoked it.
    pub is_active: bool,
}

impl ShareLink {
    /// Whether it lets somebody in at `now`.
    #[must_use]
    pub fn admits_at(&self, now: Timestamp) -> bool {
        self.is_active
            && self.expires_at.is_none_or(|end| now < end)
            && self.max_uses.is_none_or(|most| self.uses < most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link() -> ShareLink {
        ShareLink {
            id: ShareLinkId::parse("link").unwrap(),
            session: SessionId::parse("session").unwrap(),
            token: ShareToken::new([0xab; 32]),
            role: ParticipantRole::Viewer,
            created_by: UserId::parse("ada").unwrap(),
            created_at: Timestamp::from_millis(0),
            expires_at: Some(Timestamp::from_millis(10)),
            max_uses: Some(2),
            uses: 1,
            is_active: true,
        }
    }

    #[test]
    fn a_link_admits_until_it_is_used_up_expired_or_revoked() {
        let at = Timestamp::from_millis;
        assert!(link().admits_at(at(9)));
        assert!(!link().admits_at(at(10)), "it has expired");
        assert!(!ShareLink { uses: 2, ..link() }.admits_at(at(9)), "it is used up");
        assert!(!ShareLink { is_active: false, ..link() }.admits_at(at(9)), "it was revoked");
        assert!(ShareLink { expires_at: None, max_uses: None, uses: 1_000, ..link() }.admits_at(at(1_000)));
    }

    #[test]
    fn a_token_is_48_digits_and_hidden() {
        let token = ShareToken::new([0xab; 32]);
        assert_eq!(ShareToken::parse(token.reveal()), Some(token.clone()));
        assert!(!format!("{:?}", link()).contains("abab"));
        for bad in [&"a".repeat(47), &"A".repeat(48), &"g".repeat(48), &"a".repeat(49), ""] {
            assert_eq!(ShareToken::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn participants_are_never_owners() {
        for role in [ParticipantRole::Viewer, ParticipantRole::Collaborator] {
            assert_eq!(ParticipantRole::from_name(role.as_str()), Some(role));
            assert!(SessionRole::from(role) < SessionRole::Owner);
        }
        assert_eq!(ParticipantRole::from_name("owner"), None);
    }
}
