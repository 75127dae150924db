//! Reading the end of a transcript, what is before it, and what changed in it.

use portway_domain::ids::SessionId;
use portway_domain::messages::Message;
use portway_domain::tokens::TokenHash;
use portway_ports::changes::{Changes, MAX_CHANGES};
use portway_ports::sessions::{AuditPage, SessionAccess, Transcript};
use portway_ports::{Seen, StoreError};

use super::sessions::{decode_loaded, decode_open, loading, with_open};
use super::{SqlStore, seen};
use crate::driver::{Cost, Read};
use crate::open_message::{self, Open};
use crate::sessions::{self, Scope};
use crate::{audit, changed_files, messages, models, questions, removals, tokens, workspaces};

pub(super) async fn newest(
    store: &SqlStore,
    caller: &TokenHash,
    id: &SessionId,
    messages: u32,
    audit: u32,
) -> Result<Seen<Option<Transcript>>, StoreError> {
    let newest = messages::newest(store.driver.dialect(), Scope { id, caller: Some(caller) }, messages);
    store.transcript_of(caller, id, audit, (newest, Cost::Bounded), messages::decode_newest).await
}

pub(super) async fn since(
    store: &SqlStore,
    caller: &TokenHash,
    id: &SessionId,
    seq: u64,
) -> Result<Seen<Option<Changes>>, StoreError> {
    let dialect = store.driver.dialect();
    let scope = Scope { id, caller: Some(caller) };
    let mut statements = vec![tokens::principal(dialect, caller)];
    statements.extend(loading(dialect, scope));
    statements.extend([
        messages::since(dialect, scope, seq)?,
        removals::since(dialect, scope, seq)?,
        questions::closed_since(dialect, scope, seq)?,
        audit::page(dialect, scope, &AuditPage { after: seq, limit: MAX_CHANGES, event_type: None })?,
        workspaces::of_session(dialect, scope),
        changed_files::since(dialect, scope, seq)?,
        models::since(dialect, scope, seq)?,
    ]);
    let mut answers = store.read(Read::unbounded(statements)).await?;
    let principal = tokens::decode_principal(answers.next()?)?;
    let (loaded, open) = decode_loaded(&mut answers)?;
    let messages = messages::decode_since(answers.next()?, open.as_ref().map(Open::snapshot))?;
    let removed = removals::decode(answers.next()?)?;
    let closed = questions::decode_closed(answers.next()?)?;
    let audit = audit::decode_page(answers.next()?)?;
    let known = workspaces::decode(answers.next()?)?;
    let files = changed_files::decode(answers.next()?)?;
    let models = models::decode(answers.next()?)?;
    Ok(seen(principal, |caller| {
        loaded.map(|loaded| Changes {
            access: sessions::access(loaded.session, loaded.role, caller),
            engine: with_open(loaded.engine, open),
            messages,
            removed,
            closed,
            audit,
            git: known.git.filter(|_| known.git_seq > seq),
            files: (known.files_seq > seq).then_some(files),
            models,
        })
    }))
}

pub(super) async fn before(
    store: &SqlStore,
    caller: &TokenHash,
    id: &SessionId,
    before: u64,
    limit: u32,
) -> Result<Seen<Option<(SessionAccess, Vec<Message>)>>, StoreError> {
    let dialect = store.driver.dialect();
    let scope = Scope { id, caller: Some(caller) };
    let mut statements = vec![tokens::principal(dialect, caller), sessions::by_id(dialect, caller, id)];
    statements.extend(open_message::load(dialect, scope));
    statements.push(messages::before(dialect, scope, before, limit)?);
    let mut answers = store.read(Read::bounded(statements)).await?;
    let principal = tokens::decode_principal(answers.next()?)?;
    let session = sessions::decode(answers.next()?)?;
    let open = decode_open(&mut answers)?;
    let messages = messages::decode_newest(answers.next()?, open.as_ref().map(Open::snapshot))?;
    Ok(seen(principal, |caller| session.map(|(session, role)| (sessions::access(session, role, caller), messages))))
}
