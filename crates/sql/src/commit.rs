//! Change sets as steps.

use portway_domain::engine::Change;
use portway_domain::ids::SessionId;
use portway_ports::StoreError;
use portway_ports::commit::{ChangeSet, Commit, Write};

use crate::dialect::Dialect;
use crate::driver::{SqlDriver, SqlError, Step, WriteOutcome};
use crate::{
    audit, changed_files, commands, deadlines, engines, idempotency, jobs, mcp_sessions, memories, messages, models,
    open_message, participants, questions, removals, search, sessions, share_links, tokens, users, workspaces,
};

/// Why a write cannot be made into steps.
enum Unwritable {
    Sql(SqlError),
    /// The contract forbids it.
    Forbidden(&'static str),
}

impl From<SqlError> for Unwritable {
    fn from(error: SqlError) -> Self {
        Self::Sql(error)
    }
}

impl From<Unwritable> for StoreError {
    fn from(error: Unwritable) -> Self {
        match error {
            Unwritable::Sql(error) => error.into(),
            Unwritable::Forbidden(reason) => Self::Fault(reason.to_owned()),
        }
    }
}

/// Writes a change set.
pub(crate) async fn commit(driver: &dyn SqlDriver, changes: ChangeSet) -> Result<Commit, StoreError> {
    if changes.is_empty() {
        return Ok(Commit::Done);
    }
    let mut steps = Vec::new();
    // For each step the write that it belongs to.
    let mut owners = Vec::new();
    for (index, write) in changes.into_writes().into_iter().enumerate() {
        steps.extend(steps_of(driver.dialect(), write)?);
        owners.resize(steps.len(), index);
    }
    match driver.write(steps).await? {
        WriteOutcome::Committed(_) => Ok(Commit::Done),
        WriteOutcome::Conflict { step } => match owners.get(step) {
            Some(&write) => Ok(Commit::Conflict { write }),
            None => Err(StoreError::Fault(format!("a conflict in step {step} of {}", owners.len()))),
        },
    }
}

fn steps_of(dialect: Dialect, write: Write) -> Result<Vec<Step>, Unwritable> {
    let step = match write {
        Write::AddUser(user) => {
            let scope = search::scopes::add(dialect, user.id.clone())?;
            return Ok(vec![users::add(dialect, user)?, scope]);
        }
        Write::SetUser { user, version } => users::set(dialect, user, version)?,
        Write::BumpUser { id, version } => users::bump(dialect, &id, version)?,
        Write::AddToken(token) => tokens::add(dialect, token)?,
        Write::RevokeToken { id, user, at } => tokens::revoke(dialect, &id, &user, at),
        Write::AddSession { session, engine } if session.id != engine.session => {
            return Err(Unwritable::Forbidden("a session was added with the engine of another one"));
        }
        Write::AddSession { session, engine } => {
            return Ok(vec![sessions::add(dialect, session)?, engines::add(dialect, engine)?]);
        }
        Write::RemoveMessages { session, limit } => messages::remove_some(dialect, &session, limit),
        Write::RemoveSession { id } => sessions::remove(dialect, &id),
        Write::SetEngine { engine, version } => engines::set(dialect, engine, version)?,
        Write::Session { id, change } => return steps_of_change(dialect, &id, change),
        Write::SetDeadline { session, due_at } => deadlines::set(dialect, session, due_at)?,
        Write::AddJob(job) => jobs::add(dialect, job)?,
        Write::CompleteJob { id, attempts } => jobs::complete(dialect, &id, attempts)?,
        Write::RetryJob { id, attempts, run_at, error } => jobs::retry(dialect, &id, attempts, run_at, error)?,
        Write::AddShareLink(link) => share_links::add(dialect, link)?,
        Write::UseShareLink { id, at } => share_links::note_use(dialect, &id, at),
        Write::RevokeShareLink { id, session } => share_links::revoke(dialect, &session, &id),
        Write::Remember(remembered) => idempotency::remember(dialect, remembered)?,
        Write::Settle { remembered, hold } => idempotency::settle(dialect, &remembered, &hold),
        Write::RemoveExpiredKeys { at, limit } => idempotency::remove_expired(dialect, at, limit),
        Write::AddMcpSession(session) => return Ok(mcp_sessions::add(dialect, session)?),
        Write::RenewMcpSession { id, user, expires_at } => mcp_sessions::renew(dialect, &id, &user, expires_at),
        Write::SetMcpLogLevel { id, user, level } => mcp_sessions::set_log_level(dialect, &id, &user, level),
        Write::RemoveMcpSession { id, user } => mcp_sessions::remove(dialect, &id, &user),
        Write::RemoveExpiredMcpSessions { at, limit } => mcp_sessions::remove_expired(dialect, at, limit),
        Write::IndexMessage { session, message, text } => search::messages::fill(dialect, &session, &message, &text),
        Write::AddMemory(memory) => memories::add(dialect, memory)?,
        Write::RemoveMemory { id, user } => memories::remove(dialect, &id, &user),
        Write::UseMemories { user, ids, at } => memories::note_use(dialect, &user, &ids, at),
    };
    Ok(vec![step])
}

fn steps_of_change(dialect: Dialect, session: &SessionId, change: Change) -> Result<Vec<Step>, Unwritable> {
    let step = match change {
        Change::MessageAdded(message) => return Ok(messages::add(dialect, session, message)?),
        Change::MessageRemoved { id, seq } => {
            let mut steps = vec![messages::remove(dialect, session, &id)];
            steps.extend(removals::remember(dialect, session, id, seq)?);
            return Ok(steps);
        }
        Change::MessagesRemoved { first, last, seq } => {
            let mut steps = removals::remember_between(dialect, session, [first, last], seq)?.to_vec();
            steps.push(messages::remove_between(dialect, session, first, last)?);
            return Ok(steps);
        }
        Change::TextAppended(segment) => open_message::append_text(dialect, session, segment)?,
        Change::PartSet { message, index, part, seq } => {
            open_message::set_part(dialect, session, &message, index, part, seq)?
        }
        Change::PartsReplaced { message, parts, seq } => {
            messages::replace_parts(dialect, session, &message, parts, seq)?
        }
        Change::MessageFinished(message) => return Ok(messages::finish(dialect, session, message)?),
        Change::QuestionAsked { question, seq } => questions::add(dialect, session, question, seq)?,
        Change::QuestionClosed { id, resolution, expired, seq } => {
            questions::close(dialect, session, &id, resolution, expired, seq)?
        }
        Change::CommandGiven { generation, number, command } => {
            return Ok(commands::give(dialect, session, generation, number, command)?);
        }
        Change::CommandsTaken { generation, number } => commands::take(dialect, session, generation, number)?,
        Change::SandboxOrdered { .. } | Change::SandboxHibernated { .. } | Change::SandboxDismissed { .. } => {
            return Err(Unwritable::Forbidden("sandboxes are started and stopped by jobs, not by changes"));
        }
        Change::ParentTold { .. } | Change::ChildrenStopped => {
            return Err(Unwritable::Forbidden("other sessions are told by jobs, not by changes"));
        }
        Change::SessionTouched { status, error, title, at } => {
            sessions::touch(dialect, session, sessions::Touch { status, error, title }, at)?
        }
        Change::ParticipantSet(participant) => return Ok(participants::set(dialect, session, participant)?),
        Change::ParticipantRemoved { user } => participants::remove(dialect, session, &user),
        Change::FilesChanged { files, seq, at } => {
            let mut steps = changed_files::replace(dialect, session, &files, seq, at)?;
            steps.push(workspaces::note_files(dialect, session, seq, at)?);
            return Ok(steps);
        }
        Change::GitStateChanged { report, seq, at } => workspaces::set_git(dialect, session, report, seq, at)?,
        Change::ModelsSet { models, seq, at } => models::set(dialect, session, models, seq, at)?,
        Change::Audited(entry) => audit::add(dialect, session, entry)?,
    };
    Ok(vec![step])
}
