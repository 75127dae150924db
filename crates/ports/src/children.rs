//! Reading sessions that a session opened.

use async_trait::async_trait;
use portway_domain::ids::SessionId;
use portway_domain::messages::Message;
use portway_domain::sessions::SessionStatus;
use portway_domain::time::Timestamp;
use portway_domain::tokens::TokenHash;
use portway_domain::tunnels::Exposure;
use portway_domain::users::User;

use crate::Seen;
use crate::commit::Remembered;
use crate::error::StoreError;
use crate::pages::{Page, PageRequest};
use crate::sessions::{MessageRange, SessionAccess};

/// Which children of a session a list shows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ChildFilter {
    /// All of them.
    #[default]
    All,
    /// Those that have not ended.
    Live,
    /// Those with this status.
    Status(SessionStatus),
}

/// A child in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChildSummary {
    /// The session.
    pub id: SessionId,
    /// Its title.
    pub title: Option<String>,
    /// Where it is in its life.
    pub status: SessionStatus,
    /// A name for what is worked on.
    pub workspace: String,
    /// When it was opened.
    pub created_at: Timestamp,
    /// How its sandbox is reached from outside.
    pub exposure: Exposure,
}

/// A page of children.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChildPage {
    /// The page, newest first.
    pub page: Page<ChildSummary>,
    /// How many there are on all pages.
    pub total: u32,
}

/// What is needed to open a child of a session, or to do something on behalf of the agent in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Family {
    /// The owner of the session.
    pub owner: User,
    /// How many children of the session have not ended.
    pub live: u32,
    /// What a request of the owner under the key already led to.
    pub remembered: Option<Remembered>,
}

/// Reads of children, and what the gateway reads for the agent of a session.
#[async_trait]
pub trait ChildStore: Send + Sync {
    /// Children of a session, newest first, and the caller's role in that session. Without a role there are none.
    async fn children(
        &self,
        caller: &TokenHash,
        parent: &SessionId,
        filter: ChildFilter,
        page: PageRequest,
    ) -> Result<Seen<Option<(SessionAccess, ChildPage)>>, StoreError>;

    /// The same for the gateway itself. A session that does not exist has none.
    async fn children_of(
        &self,
        parent: &SessionId,
        filter: ChildFilter,
        page: PageRequest,
    ) -> Result<ChildPage, StoreError>;

    /// What is needed to open a child of this session; `None` when it does not exist. `key` is one of its owner's; a
    /// result that has expired at `now` is absent.
    async fn family(&self, parent: &SessionId, key: Option<&str>, now: Timestamp)
    -> Result<Option<Family>, StoreError>;

    /// Messages of a session in order, the open one as it stands, for the gateway itself.
    async fn messages_of(&self, id: &SessionId, range: MessageRange) -> Result<Vec<Message>, StoreError>;

    /// The newest `limit` messages of a session in order, the open one as it stands, for the gateway itself.
    async fn newest_messages(&self, id: &SessionId, limit: u32) -> Result<Vec<Message>, StoreError>;
}
