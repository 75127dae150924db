//! Reading what goes with prompts. The bytes are in the [object store](crate::objects).

use async_trait::async_trait;
use portway_domain::attachments::{Attachment, AttachmentId};
use portway_domain::ids::{MessageId, SessionId};
use portway_domain::tokens::TokenHash;

use crate::Seen;
use crate::error::StoreError;
use crate::sessions::SessionAccess;

/// Reads of attachments. They are written with the message whose parts they are, and go with it.
#[async_trait]
pub trait AttachmentStore: Send + Sync {
    /// One attachment and the caller's role in its session; where the role is absent, so is the attachment.
    async fn attachment(
        &self,
        caller: &TokenHash,
        session: &SessionId,
        id: &AttachmentId,
    ) -> Result<Seen<Option<(SessionAccess, Option<Attachment>)>>, StoreError>;

    /// The attachments of these messages, in the order of `messages`, those of one message by number.
    async fn attachments_of(
        &self,
        session: &SessionId,
        messages: &[MessageId],
    ) -> Result<Vec<(MessageId, Attachment)>, StoreError>;

    /// Which of these keys of the object store attachments have, in no order.
    async fn attached_objects(&self, keys: &[String]) -> Result<Vec<String>, StoreError>;
}
