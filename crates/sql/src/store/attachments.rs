//! Reading what goes with prompts.

use async_trait::async_trait;
use portway_domain::attachments::{Attachment, AttachmentId};
use portway_domain::ids::{MessageId, SessionId};
use portway_domain::tokens::TokenHash;
use portway_ports::attachments::AttachmentStore;
use portway_ports::sessions::SessionAccess;
use portway_ports::{Seen, StoreError};

use super::{SqlStore, seen};
use crate::driver::{Read, SqlError};
use crate::row::Row;
use crate::sessions::{self, Scope};
use crate::{attachments, tokens};

#[async_trait]
impl AttachmentStore for SqlStore {
    async fn attachment(
        &self,
        caller: &TokenHash,
        session: &SessionId,
        id: &AttachmentId,
    ) -> Result<Seen<Option<(SessionAccess, Option<Attachment>)>>, StoreError> {
        let dialect = self.driver.dialect();
        let statements = vec![
            tokens::principal(dialect, caller),
            sessions::by_id(dialect, caller, session),
            attachments::by_id(dialect, Scope { id: session, caller: Some(caller) }, id)?,
        ];
        let mut answers = self.read(Read::bounded(statements)).await?;
        let principal = tokens::decode_principal(answers.next()?)?;
        let session = sessions::decode(answers.next()?)?;
        let found = attachments::decode(answers.next()?)?;
        Ok(seen(principal, |caller| session.map(|(session, role)| (sessions::access(session, role, caller), found))))
    }

    async fn attachments_of(
        &self,
        session: &SessionId,
        messages: &[MessageId],
    ) -> Result<Vec<(MessageId, Attachment)>, StoreError> {
        let statement = attachments::of_messages(self.driver.dialect(), session, messages);
        let rows = self.read(Read::bounded(vec![statement])).await?.next()?;
        Ok(attachments::decode_of(rows, messages)?)
    }

    async fn attached_objects(&self, keys: &[String]) -> Result<Vec<String>, StoreError> {
        let statement = attachments::known_keys(self.driver.dialect(), keys);
        let rows = self.read(Read::unbounded(vec![statement])).await?.next()?;
        let decode = |row: &Row| row.get("object_key");
        Ok(rows.iter().map(decode).collect::<Result<_, SqlError>>()?)
    }
}
