//! Reading who takes part in sessions, and the links that let people in.

use async_trait::async_trait;
use portway_domain::ids::SessionId;
use portway_domain::sharing::{Participant, ParticipantRole, ShareLink, ShareToken};
use portway_domain::tokens::TokenHash;
use portway_domain::users::Profile;

use crate::Seen;
use crate::error::StoreError;
use crate::sessions::SessionAccess;

/// Somebody who takes part in a session of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedParticipant {
    /// Who.
    pub profile: Profile,
    /// As what.
    pub role: ParticipantRole,
}

/// Somebody who takes part in a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParticipantItem {
    /// Who, as what and since when.
    pub participant: Participant,
    /// How others see them.
    pub profile: Profile,
}

/// Everybody who takes part in a session.
#[derive(Debug, Clone, PartialEq)]
pub struct Participants {
    /// The session and the caller's role in it.
    pub access: SessionAccess,
    /// The owner; absent where the caller's role is.
    pub owner: Option<Profile>,
    /// The others, oldest first.
    pub others: Vec<ParticipantItem>,
}

/// Reads of who takes part. Where the caller's role in a session is absent, so is everything about its participants and
/// links.
#[async_trait]
pub trait SharingStore: Send + Sync {
    /// Everybody who takes part in a session.
    async fn participants(&self, caller: &TokenHash, id: &SessionId) -> Result<Seen<Option<Participants>>, StoreError>;

    /// The links of a session that were not revoked, newest first, at most 100.
    async fn share_links(
        &self,
        caller: &TokenHash,
        id: &SessionId,
    ) -> Result<Seen<Option<(SessionAccess, Vec<ShareLink>)>>, StoreError>;

    /// The link with that secret, in whatever state it is.
    async fn share_link(&self, caller: &TokenHash, token: &ShareToken) -> Result<Seen<Option<ShareLink>>, StoreError>;
}
