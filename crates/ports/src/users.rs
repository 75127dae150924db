//! Reading users and their tokens.

use async_trait::async_trait;
use portway_domain::access::Principal;
use portway_domain::ids::{TokenId, UserId};
use portway_domain::time::Timestamp;
use portway_domain::tokens::{AccessToken, TokenHash};
use portway_domain::users::User;

use crate::Seen;
use crate::error::StoreError;

/// A token in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenListItem {
    /// The token.
    pub token: AccessToken,
    /// When it was last used, as far as that is recorded.
    pub last_used_at: Option<Timestamp>,
}

/// Reads of users and tokens.
#[async_trait]
pub trait UserStore: Send + Sync {
    /// Who the caller is, and nothing else; `None` when no token with that hash exists or it was revoked. Whether it is
    /// still valid at the time of the request is for the caller of the port to check.
    async fn principal(&self, caller: &TokenHash) -> Result<Option<Principal>, StoreError>;

    /// The caller's own row.
    async fn caller(&self, caller: &TokenHash) -> Result<Seen<Option<User>>, StoreError>;

    /// The caller's tokens made for programs that are not revoked, newest first, at most `limit`.
    async fn tokens(&self, caller: &TokenHash, limit: u32) -> Result<Seen<Vec<TokenListItem>>, StoreError>;

    /// Those of at most 50 tokens that sign somebody in at `now`: they exist, were not revoked and have not expired.
    async fn valid_tokens(&self, tokens: &[TokenId], now: Timestamp) -> Result<Vec<TokenId>, StoreError>;

    /// A user, for the gateway's own work.
    async fn user(&self, id: &UserId) -> Result<Option<User>, StoreError>;

    /// The user with that address, for the gateway's own work.
    async fn user_by_email(&self, email: &str) -> Result<Option<User>, StoreError>;

    /// Whether there is any user at all.
    async fn has_users(&self) -> Result<bool, StoreError>;
}
