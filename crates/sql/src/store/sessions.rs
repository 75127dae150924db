//! Reading sessions and their transcripts.

use async_trait::async_trait;
use portway_domain::engine::{AuditEntry, Command, Engine};
use portway_domain::ids::{MessageId, SessionId};
use portway_domain::messages::{COLLECTED_SEPARATOR, Message};
use portway_domain::sessions::Session;
use portway_domain::time::Timestamp;
use portway_domain::tokens::TokenHash;
use portway_ports::changes::Changes;
use portway_ports::pages::{MAX_PAGE, Page, PageRequest};
use portway_ports::sessions::{
    AuditPage, MessageRange, Opening, Ownership, PendingCommand, SessionAccess, SessionFilter, SessionListItem,
    SessionOverview, SessionState, SessionStore, Transcript,
};
use portway_ports::{Seen, StoreError, Stored};

use super::{Answers, SqlStore, seen};
use crate::dialect::Dialect;
use crate::driver::{Cost, Read, SqlError, Statement};
use crate::engines::{Loaded, Overview};
use crate::open_message::Open;
use crate::row::Row;
use crate::sessions::Scope;
use crate::{audit, commands, engines, idempotency, messages, models, open_message, sessions, tokens, users};

#[async_trait]
impl SessionStore for SqlStore {
    async fn sessions(
        &self,
        caller: &TokenHash,
        filter: SessionFilter,
        page: PageRequest,
    ) -> Result<Seen<Page<SessionListItem>>, StoreError> {
        let dialect = self.driver.dialect();
        let mut statements = vec![tokens::principal(dialect, caller)];
        let (owned, shared) = match filter.ownership {
            Ownership::All => (true, true),
            Ownership::Mine => (true, false),
            Ownership::Shared => (false, true),
        };
        statements.extend(owned.then(|| sessions::owned(dialect, caller, filter.status, &page)));
        statements.extend(shared.then(|| sessions::shared(dialect, caller, filter.status, &page)));
        let mut answers = self.read(Read::bounded(statements)).await?;
        let Some(principal) = tokens::decode_principal(answers.next()?)? else {
            return Ok(Seen { caller: None, value: Page::empty() });
        };
        let owned = if owned { sessions::decode_owned(answers.next()?, &principal)? } else { Vec::new() };
        let shared = if shared { sessions::decode_shared(answers.next()?)? } else { Vec::new() };
        let items = sessions::merged(owned, shared);
        let page = Page::cut(items, page.limit(), sessions::cursor);
        Ok(Seen { caller: Some(principal), value: page })
    }

    async fn session(&self, caller: &TokenHash, id: &SessionId) -> Result<Seen<Option<SessionAccess>>, StoreError> {
        let dialect = self.driver.dialect();
        let statements = vec![tokens::principal(dialect, caller), sessions::by_id(dialect, caller, id)];
        let mut answers = self.read(Read::bounded(statements)).await?;
        let principal = tokens::decode_principal(answers.next()?)?;
        let session = sessions::decode(answers.next()?)?;
        Ok(seen(principal, |caller| session.map(|(session, role)| sessions::access(session, role, caller))))
    }

    async fn session_overview(
        &self,
        caller: &TokenHash,
        id: &SessionId,
    ) -> Result<Seen<Option<SessionOverview>>, StoreError> {
        let dialect = self.driver.dialect();
        let statements = vec![tokens::principal(dialect, caller), engines::overview(dialect, caller, id)];
        let mut answers = self.read(Read::bounded(statements)).await?;
        let principal = tokens::decode_principal(answers.next()?)?;
        let overview = engines::decode_overview(answers.next()?)?;
        Ok(seen(principal, |caller| {
            overview.map(|Overview { session, live, message_count, role }| SessionOverview {
                access: sessions::access(session, role, caller),
                facts: live.facts,
                exposure: live.exposure,
                message_count,
            })
        }))
    }

    async fn opening(
        &self,
        caller: &TokenHash,
        key: Option<&str>,
        now: Timestamp,
    ) -> Result<Seen<Option<Opening>>, StoreError> {
        let dialect = self.driver.dialect();
        let mut statements = vec![
            tokens::principal(dialect, caller),
            users::of_caller(dialect, caller),
            sessions::count_active(dialect, caller),
        ];
        statements.extend(key.map(|key| idempotency::of_caller(dialect, caller, key, now)));
        let mut answers = self.read(Read::bounded(statements)).await?;
        let principal = tokens::decode_principal(answers.next()?)?;
        let user = users::decode(answers.next()?)?;
        let active = answers.next()?.first().map(|row| row.get("active")).transpose()?.unwrap_or(0);
        let remembered = key.map(|_| idempotency::decode(answers.next()?)).transpose()?.flatten();
        Ok(seen(principal, |_| user.map(|user| Opening { user, active, remembered })))
    }

    async fn session_state(
        &self,
        caller: &TokenHash,
        id: &SessionId,
        key: Option<&str>,
        now: Timestamp,
    ) -> Result<Seen<Option<SessionState>>, StoreError> {
        let dialect = self.driver.dialect();
        let mut statements = vec![tokens::principal(dialect, caller)];
        statements.extend(loading(dialect, Scope { id, caller: Some(caller) }));
        statements.extend(key.map(|key| idempotency::of_caller(dialect, caller, key, now)));
        let mut answers = self.read(Read::bounded(statements)).await?;
        let principal = tokens::decode_principal(answers.next()?)?;
        let (loaded, open) = decode_loaded(&mut answers)?;
        let remembered = key.map(|_| idempotency::decode(answers.next()?)).transpose()?.flatten();
        Ok(seen(principal, |caller| {
            loaded.map(|loaded| SessionState {
                access: sessions::access(loaded.session, loaded.role, caller),
                engine: with_open(loaded.engine, open),
                remembered,
            })
        }))
    }

    async fn transcript(
        &self,
        caller: &TokenHash,
        id: &SessionId,
        audit: u32,
    ) -> Result<Seen<Option<Transcript>>, StoreError> {
        let all = messages::all(self.driver.dialect(), Scope { id, caller: Some(caller) });
        self.transcript_of(caller, id, audit, (all, Cost::Unbounded), messages::decode_all).await
    }

    async fn newest_of_transcript(
        &self,
        caller: &TokenHash,
        id: &SessionId,
        messages: u32,
        audit: u32,
    ) -> Result<Seen<Option<Transcript>>, StoreError> {
        super::changes::newest(self, caller, id, messages, audit).await
    }

    async fn changes_since(
        &self,
        caller: &TokenHash,
        id: &SessionId,
        seq: u64,
    ) -> Result<Seen<Option<Changes>>, StoreError> {
        super::changes::since(self, caller, id, seq).await
    }

    async fn messages_before(
        &self,
        caller: &TokenHash,
        id: &SessionId,
        before: u64,
        limit: u32,
    ) -> Result<Seen<Option<(SessionAccess, Vec<Message>)>>, StoreError> {
        super::changes::before(self, caller, id, before, limit).await
    }

    async fn messages(
        &self,
        caller: &TokenHash,
        id: &SessionId,
        range: MessageRange,
    ) -> Result<Seen<Option<(SessionAccess, Vec<Message>)>>, StoreError> {
        let dialect = self.driver.dialect();
        let scope = Scope { id, caller: Some(caller) };
        let mut statements = vec![tokens::principal(dialect, caller), sessions::by_id(dialect, caller, id)];
        statements.extend(open_message::load(dialect, scope));
        statements.push(messages::range(dialect, scope, range)?);
        let cost = if range.limit <= MAX_PAGE { Cost::Bounded } else { Cost::Unbounded };
        let mut answers = self.read(Read { statements, cost }).await?;
        let principal = tokens::decode_principal(answers.next()?)?;
        let session = sessions::decode(answers.next()?)?;
        let open = decode_open(&mut answers)?;
        let messages = messages::decode_all(answers.next()?, open.as_ref().map(Open::snapshot))?;
        Ok(seen(principal, |caller| session.map(|(session, role)| (sessions::access(session, role, caller), messages))))
    }

    async fn audit_log(
        &self,
        caller: &TokenHash,
        id: &SessionId,
        page: AuditPage,
    ) -> Result<Seen<Option<(SessionAccess, Vec<AuditEntry>)>>, StoreError> {
        let dialect = self.driver.dialect();
        let statements = vec![
            tokens::principal(dialect, caller),
            sessions::by_id(dialect, caller, id),
            audit::page(dialect, Scope { id, caller: Some(caller) }, &page)?,
        ];
        let cost = if page.limit <= MAX_PAGE { Cost::Bounded } else { Cost::Unbounded };
        let mut answers = self.read(Read { statements, cost }).await?;
        let principal = tokens::decode_principal(answers.next()?)?;
        let session = sessions::decode(answers.next()?)?;
        let entries = audit::decode_page(answers.next()?)?;
        Ok(seen(principal, |caller| session.map(|(session, role)| (sessions::access(session, role, caller), entries))))
    }

    async fn message_position(&self, session: &SessionId, id: &MessageId) -> Result<Option<u64>, StoreError> {
        let statement = messages::position(self.driver.dialect(), session, id);
        let rows = self.read(Read::bounded(vec![statement])).await?.next()?;
        Ok(rows.first().map(|row| row.get("position")).transpose()?)
    }

    async fn message(&self, session: &SessionId, id: &MessageId) -> Result<Option<Message>, StoreError> {
        let statement = messages::by_id(self.driver.dialect(), session, id);
        let rows = self.read(Read::bounded(vec![statement])).await?.next()?;
        Ok(messages::decode_one(rows)?)
    }

    async fn messages_between(
        &self,
        session: &SessionId,
        first: u64,
        last: u64,
        limit: u32,
    ) -> Result<Vec<MessageId>, StoreError> {
        let statement = messages::ids_between(self.driver.dialect(), session, [first, last], limit)?;
        let rows = self.read(Read::unbounded(vec![statement])).await?.next()?;
        Ok(rows.iter().map(|row| row.get("id")).collect::<Result<_, _>>()?)
    }

    async fn engine(&self, id: &SessionId) -> Result<Option<(Session, Stored<Engine>)>, StoreError> {
        let statements = loading(self.driver.dialect(), Scope { id, caller: None });
        let mut answers = self.read(Read::bounded(statements)).await?;
        let (loaded, open) = decode_loaded(&mut answers)?;
        Ok(loaded.map(|loaded| (loaded.session, with_open(loaded.engine, open))))
    }

    async fn engine_versions(&self, ids: &[SessionId]) -> Result<Vec<(SessionId, u64)>, StoreError> {
        let statement = engines::versions(self.driver.dialect(), ids);
        let rows = self.read(Read::unbounded(vec![statement])).await?.next()?;
        let decode = |row: &Row| Ok::<_, SqlError>((row.get("session_id")?, row.get("version")?));
        Ok(rows.iter().map(decode).collect::<Result<_, _>>()?)
    }

    async fn pending_commands(
        &self,
        id: &SessionId,
        generation: u32,
        after: u64,
        limit: u32,
    ) -> Result<Vec<PendingCommand>, StoreError> {
        let statement = commands::pending(self.driver.dialect(), id, generation, after, limit)?;
        let mut pending = commands::decode(self.read(Read::bounded(vec![statement])).await?.next()?)?;
        for pending in &mut pending {
            if let Command::Prompt { earlier, .. } = &pending.command
                && let Some(last) = pending.content.take_if(|_| !earlier.is_empty())
            {
                pending.content = Some(self.collected(id, earlier, last).await?);
            }
        }
        Ok(pending)
    }

    async fn sessions_with_sandbox(&self, after: Option<&SessionId>, limit: u32) -> Result<Vec<SessionId>, StoreError> {
        let statement = engines::with_sandbox(self.driver.dialect(), after, limit);
        let rows = self.read(Read::bounded(vec![statement])).await?.next()?;
        Ok(rows.iter().map(|row| row.get("session_id")).collect::<Result<_, _>>()?)
    }
}

/// Puts messages together from their rows and the open one.
pub(super) type DecodeMessages = fn(Vec<Row>, Option<Message>) -> Result<Vec<Message>, SqlError>;

impl SqlStore {
    /// The state of a session with the messages that a statement of that cost answers.
    pub(super) async fn transcript_of(
        &self,
        caller: &TokenHash,
        id: &SessionId,
        audit: u32,
        (messages, cost): (Statement, Cost),
        decode: DecodeMessages,
    ) -> Result<Seen<Option<Transcript>>, StoreError> {
        let dialect = self.driver.dialect();
        let scope = Scope { id, caller: Some(caller) };
        let mut statements = vec![tokens::principal(dialect, caller)];
        statements.extend(loading(dialect, scope));
        statements.extend([messages, audit::newest(dialect, scope, audit), models::since(dialect, scope, 0)?]);
        let mut answers = self.read(Read { statements, cost }).await?;
        let principal = tokens::decode_principal(answers.next()?)?;
        let (loaded, open) = decode_loaded(&mut answers)?;
        let messages = decode(answers.next()?, open.as_ref().map(Open::snapshot))?;
        let audit = audit::decode(answers.next()?)?;
        let models = models::decode(answers.next()?)?;
        Ok(seen(principal, |caller| {
            loaded.map(|loaded| Transcript {
                access: sessions::access(loaded.session, loaded.role, caller),
                engine: with_open(loaded.engine, open),
                messages,
                audit,
                models,
            })
        }))
    }

    /// The text of a prompt behind the texts that were collected before it.
    async fn collected(&self, session: &SessionId, earlier: &[MessageId], last: String) -> Result<String, StoreError> {
        let statements = messages::texts(self.driver.dialect(), session, earlier);
        let rows = self.driver.read(Read::bounded(statements)).await?;
        let texts = rows.iter().flatten().map(|row| row.get("content"));
        let texts: Vec<String> = texts.chain([Ok(last)]).collect::<Result<_, SqlError>>()?;
        Ok(texts.join(COLLECTED_SEPARATOR))
    }
}

/// What puts a session and its engine together.
pub(super) fn loading(dialect: Dialect, scope: Scope<'_>) -> Vec<Statement> {
    let mut statements = vec![engines::load(dialect, scope)];
    statements.extend(open_message::load(dialect, scope));
    statements
}

/// The answers to [`loading`].
pub(super) fn decode_loaded(answers: &mut Answers) -> Result<(Option<Loaded>, Option<Open>), SqlError> {
    Ok((engines::decode(answers.next()?)?, decode_open(answers)?))
}

pub(super) fn decode_open(answers: &mut Answers) -> Result<Option<Open>, SqlError> {
    open_message::decode(answers.next()?, answers.next()?, answers.next()?)
}

pub(super) fn with_open(mut engine: Stored<Engine>, open: Option<Open>) -> Stored<Engine> {
    engine.value.open = open.map(|open| open.message);
    engine
}
