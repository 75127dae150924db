//! What must be so whenever the database changed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::FutureExt;
use portway_adapters_s3::MemoryObjects;
use portway_adapters_sqlite::SqliteDatabase;
use portway_domain::engine::{Engine, Link};
use portway_domain::ids::{MessageId, NodeId, SessionId};
use portway_domain::sessions::SessionStatus;
use portway_domain::time::Timestamp;
use portway_domain::tokens::TokenHash;
use portway_ports::Stored;
use portway_ports::sessions::{SessionStore, Transcript};
use portway_ports::work::WorkStore;
use portway_ports::workspaces::WorkspaceStore;
use portway_sql::SqlStore;

use crate::ledger::Ledger;
use crate::objects::objects;
use crate::transcript;
use crate::watcher::Screen;
use crate::workspaces::Workspace;

/// Every so many versions of a session its rows and its transcript are looked at.
const THOROUGH: u64 = 12;

/// Looks at the database itself, without anything in between.
pub(crate) struct Oracle {
    store: SqlStore,
    pub(crate) database: Arc<SqliteDatabase>,
    pub(crate) objects: Arc<MemoryObjects>,
    caller: TokenHash,
    pub(crate) seen: BTreeMap<SessionId, Stored<Engine>>,
    /// The last version of each session that is deleted.
    pub(crate) gone: BTreeMap<SessionId, u64>,
    /// What has to be known of each workspace.
    workspaces: BTreeMap<SessionId, Workspace>,
    /// The generations that took prompts over, as far as that is durable.
    durable: BTreeMap<MessageId, u32>,
    /// Prompts that were dropped, or whose sessions ended.
    pub(crate) dropped: BTreeSet<MessageId>,
    /// How often a child had nothing more to do.
    pub(crate) idle: BTreeMap<SessionId, u64>,
    /// The children that somebody ended.
    pub(crate) completed: BTreeSet<SessionId>,
}

impl Oracle {
    pub(crate) fn new(database: Arc<SqliteDatabase>, caller: TokenHash) -> Self {
        Self {
            store: SqlStore::new(database.clone()),
            database,
            objects: objects(),
            caller,
            seen: BTreeMap::new(),
            gone: BTreeMap::new(),
            workspaces: BTreeMap::new(),
            durable: BTreeMap::new(),
            dropped: BTreeSet::new(),
            idle: BTreeMap::new(),
            completed: BTreeSet::new(),
        }
    }

    /// All sessions that there are, as they were when they last changed.
    pub(crate) fn sessions(&self) -> impl Iterator<Item = (&SessionId, &Stored<Engine>)> {
        self.seen.iter()
    }

    pub(crate) fn has_ended(&self, id: &SessionId) -> bool {
        self.is_gone(id) || self.seen.get(id).is_some_and(|stored| stored.value.status.is_ended())
    }

    /// The sessions in which a question is open.
    pub(crate) fn asking(&self) -> Vec<SessionId> {
        let asking = self.seen.iter().filter(|(_, stored)| !stored.value.questions.is_empty());
        asking.map(|(id, _)| id.clone()).collect()
    }

    /// Something was written: every session that changed is looked at. Answers what is wrong.
    pub(crate) fn look(&mut self, ledger: &mut Ledger) -> Vec<String> {
        ledger.counts.writes += 1;
        if ledger.opening > 0 {
            self.find_sessions();
        }
        let ids: Vec<SessionId> = self.seen.keys().cloned().collect();
        let versions = self.store.engine_versions(&ids).now_or_never().and_then(Result::ok).unwrap_or_default();
        let mut findings = self.look_for_gone(&ids, &versions, ledger);
        for (id, version) in versions {
            if self.seen.get(&id).is_none_or(|seen| seen.version != version) {
                findings.extend(self.look_at(&id, ledger).err());
            }
        }
        findings
    }

    fn find_sessions(&mut self) {
        let found = self.store.sessions_with_sandbox(None, 100).now_or_never().and_then(Result::ok);
        for id in found.unwrap_or_default() {
            if !self.seen.contains_key(&id)
                && !self.is_gone(&id)
                && let Some(engine) = self.engine(&id)
            {
                self.seen.insert(id, engine);
            }
        }
    }

    fn engine(&self, id: &SessionId) -> Option<Stored<Engine>> {
        self.store.engine(id).now_or_never()?.ok()?.map(|(_, engine)| engine)
    }

    fn look_at(&mut self, id: &SessionId, ledger: &Ledger) -> Result<(), String> {
        let after = self.engine(id).ok_or_else(|| format!("session {id} cannot be read"))?;
        let Some(before) = self.seen.insert(id.clone(), after.clone()) else {
            return Ok(());
        };
        if after.version != before.version + 1 {
            return Err(format!("session {id} went from version {} to {}", before.version, after.version));
        }
        if after.value.seq < before.value.seq {
            return Err(format!("the counter of session {id} went back"));
        }
        self.note_family(&before.value, &after.value)?;
        ledger.workspaces.follow(&before.value, &after.value, self.workspaces.entry(id.clone()).or_default());
        self.follow(&before.value, &after.value, ledger)?;
        if after.version % THOROUGH == 0 { self.look_thoroughly(id, ledger) } else { Ok(()) }
    }

    /// What a child has to tell its parent besides errors.
    fn note_family(&mut self, before: &Engine, after: &Engine) -> Result<(), String> {
        if after.parent.is_none() {
            return Ok(());
        }
        if before.owes_idle && !after.owes_idle && !after.status.is_ended() {
            *self.idle.entry(after.session.clone()).or_default() += 1;
        }
        if !before.status.is_ended() && after.status == SessionStatus::Terminated {
            let read = self.store.transcript(&self.caller, &after.session, 5).now_or_never();
            let seen = read.and_then(Result::ok).and_then(|seen| seen.value);
            let audit = seen.ok_or_else(|| format!("the audit log of {} cannot be read", after.session))?.audit;
            // Somebody did, and not its parent.
            if audit.iter().any(|entry| entry.event_type == "session.terminated" && entry.actor.is_some()) {
                self.completed.insert(after.session.clone());
            }
        }
        Ok(())
    }

    /// Where each prompt went.
    fn follow(&mut self, before: &Engine, after: &Engine, ledger: &Ledger) -> Result<(), String> {
        self.note_taken(after)?;
        self.note_ended(before, after);
        let order: Vec<&MessageId> = said(before)
            .into_iter()
            .filter(|prompt| !self.durable.contains_key(*prompt))
            .chain(before.queue.iter().map(|queued| &queued.id))
            .collect();
        check_dispatch(before, after, &order, ledger)?;
        let now: BTreeSet<&MessageId> = after.queue.iter().map(|queued| &queued.id).chain(said(after)).collect();
        let is_ended = after.status.is_ended();
        for prompt in order {
            if now.contains(prompt) || self.durable.contains_key(prompt) {
                continue;
            }
            let was_aborting = before.turn.as_ref().is_some_and(|turn| turn.abort_deadline.is_some());
            let was_in_turn = said(before).contains(&prompt);
            let may_go = is_ended
                || ledger.may_drop(&after.session)
                || ledger.may_withdraw(prompt)
                || (was_in_turn && was_aborting);
            if !may_go {
                return Err(format!("prompt {prompt} of session {} is gone, and nobody dropped it", after.session));
            }
            self.dropped.insert(prompt.clone());
        }
        Ok(())
    }

    /// A turn that the runner reported to be over in the step in which it also proved to have taken it.
    fn note_ended(&mut self, before: &Engine, after: &Engine) {
        let reported =
            after.runner.generation == before.runner.generation && after.runner.last_frame > before.runner.last_frame;
        let waits = |prompt: &MessageId| after.queue.iter().any(|queued| queued.id == *prompt);
        for prompt in said(before) {
            if reported && !said(after).contains(&prompt) && !waits(prompt) {
                self.durable.entry(prompt.clone()).or_insert(before.runner.generation);
            }
        }
    }

    fn note_taken(&mut self, after: &Engine) -> Result<(), String> {
        let Some(turn) = after.turn.as_ref().filter(|turn| turn.command <= after.runner.taken_command) else {
            return Ok(());
        };
        for prompt in said(after) {
            let generation = *self.durable.entry(prompt.clone()).or_insert(after.runner.generation);
            if generation != after.runner.generation {
                return Err(format!(
                    "prompt {} was taken over by generation {generation}, and again by {}",
                    turn.prompt, after.runner.generation
                ));
            }
        }
        Ok(())
    }

    /// A runner took prompts over. Answers what is wrong with that.
    pub(crate) fn taken(&self, prompts: &[MessageId], generation: u32) -> Option<String> {
        let before = prompts.iter().find_map(|prompt| Some((prompt, *self.durable.get(prompt)?)));
        let (prompt, other) = before.filter(|(_, other)| *other != generation)?;
        Some(format!("prompt {prompt} was given to generation {generation}; generation {other} had taken it over"))
    }

    /// Whether the stored state and its rows agree, and the transcript is what was said.
    pub(crate) fn look_thoroughly(&self, id: &SessionId, ledger: &Ledger) -> Result<(), String> {
        let transcript = self.transcript(id)?;
        self.check_deadline(&transcript.engine.value)?;
        self.check_commands(&transcript.engine.value)?;
        self.check_workspace(id)?;
        let goes_away = self.goes_away(id, ledger);
        if !goes_away {
            self.check_attachments(&transcript, ledger)?;
        }
        transcript::check(&transcript, ledger, goes_away)
    }

    pub(crate) fn transcript(&self, id: &SessionId) -> Result<Transcript, String> {
        let read = self.store.transcript(&self.caller, id, 1).now_or_never();
        let seen = read.and_then(Result::ok).and_then(|seen| seen.value);
        seen.ok_or_else(|| format!("the transcript of session {id} cannot be read"))
    }

    fn is_due(&self, id: &SessionId, at: Timestamp) -> bool {
        let due = self.store.due_sessions(at, 1_000).now_or_never().and_then(Result::ok);
        due.unwrap_or_default().contains(id)
    }

    fn check_deadline(&self, engine: &Engine) -> Result<(), String> {
        let far = Timestamp::from_micros(i64::MAX);
        let wanted = engine.next_deadline();
        let is_right = match wanted {
            Some(at) => {
                let before = Timestamp::from_micros(at.as_micros() - 1);
                self.is_due(&engine.session, at) && !self.is_due(&engine.session, before)
            }
            None => !self.is_due(&engine.session, far),
        };
        if is_right {
            return Ok(());
        }
        Err(format!("the deadline of session {} is not at {wanted:?}", engine.session))
    }

    fn check_commands(&self, engine: &Engine) -> Result<(), String> {
        let runner = &engine.runner;
        if matches!(runner.link, Link::None | Link::Parting { .. }) {
            return Ok(());
        }
        let read = self.store.pending_commands(&engine.session, runner.generation, 0, 1_000).now_or_never();
        let commands = read.and_then(Result::ok).unwrap_or_default();
        if commands.iter().map(|command| command.number).eq(runner.taken_command + 1..=runner.last_command) {
            return Ok(());
        }
        Err(format!("session {} waits for other commands than {commands:?}", engine.session))
    }

    fn workspace(&self, id: &SessionId) -> Option<Workspace> {
        let (_, files) = self.store.changed_files(&self.caller, id).now_or_never()?.ok()?.value?;
        let (_, git) = self.store.git_state(&self.caller, id).now_or_never()?.ok()?.value?;
        Some(Workspace::stored(files, git))
    }

    fn check_workspace(&self, id: &SessionId) -> Result<(), String> {
        let stored = self.workspace(id).ok_or_else(|| format!("the workspace of session {id} cannot be read"))?;
        let told = self.workspaces.get(id).cloned().unwrap_or_default();
        if stored == told {
            return Ok(());
        }
        Err(format!("the workspace of session {id} is {stored:?}, and {told:?} was told"))
    }

    /// Whether a watcher that was told everything shows what is stored.
    pub(crate) fn compare(&self, id: &SessionId, screen: &Screen, ledger: &Ledger) -> Option<String> {
        let stored = self.seen.get(id)?;
        if stored.version != screen.version || self.goes_away(id, ledger) {
            return None;
        }
        let workspace = self.workspace(id)?;
        if !screen.fits(&workspace) {
            return Some(format!("a watcher of session {id} shows {screen:#?} instead of {workspace:#?}"));
        }
        let stored = screen.of_stored(self.transcript(id).ok()?);
        (stored != *screen).then(|| format!("a watcher of session {id} shows {screen:#?} instead of {stored:#?}"))
    }

    /// When the next job may be done that the node may do, if any is left.
    pub(crate) fn next_job(&self, node: &NodeId, now: Timestamp) -> Option<Timestamp> {
        self.store.next_job_at(node, now).now_or_never()?.ok()?
    }
}

/// The prompts of the turn, oldest first.
fn said(engine: &Engine) -> Vec<&MessageId> {
    let turn = engine.turn.iter();
    turn.flat_map(|turn| turn.earlier.iter().map(|earlier| &earlier.id).chain([&turn.prompt])).collect()
}

/// Whether a turn that began is that of the prompt which was first.
fn check_dispatch(before: &Engine, after: &Engine, order: &[&MessageId], ledger: &Ledger) -> Result<(), String> {
    let Some(turn) = &after.turn else {
        return Ok(());
    };
    let is_same = before.turn.as_ref().is_some_and(|old| {
        old.prompt == turn.prompt && (before.runner.generation, old.command) == (after.runner.generation, turn.command)
    });
    if is_same {
        return Ok(());
    }
    let given = said(after);
    let known: Vec<&MessageId> = given.iter().copied().filter(|prompt| order.contains(prompt)).collect();
    // Prompts of the same step are at the end of the queue.
    let is_first = order.iter().zip(&known).all(|(first, given)| first == given);
    let waits_before = known.len() < given.len() && known.len() < order.len() && !ledger.may_drop(&after.session);
    let is_promoted = given.len() == 1 && ledger.promoted.contains(given[0]);
    if is_promoted || (is_first && !waits_before) {
        return Ok(());
    }
    Err(format!("session {} gives {given:?} to the agent where {order:?} waited", after.session))
}
