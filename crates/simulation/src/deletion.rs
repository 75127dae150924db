//! Sessions that are deleted: people ask for it, and in the end nothing is left of them, and nobody hears of them.

use std::collections::BTreeMap;

use futures_util::FutureExt;
use portway_domain::access::Permission;
use portway_domain::ids::SessionId;
use portway_ports::pubsub::Hint;
use portway_services::error::Error;
use portway_sql::driver::{Read, SqlDriver, Statement};
use portway_sql::schema::TABLES;

use crate::executor::lock;
use crate::ledger::Ledger;
use crate::oracle::Oracle;
use crate::people::REPEATS;
use crate::requests::{Outcome, Person, call};
use crate::simulation::Simulation;
use crate::watcher::Screens;

impl Person {
    /// Deletes a session and all that it opened.
    pub(crate) async fn delete(&self, session: &SessionId) {
        self.simulation.ledger(|ledger| ledger.deleting.insert(session.clone()));
        for _ in 0..REPEATS {
            let ids = [session.clone()];
            let delete = call(move |services, context| async move { services.delete_sessions(&context, &ids).await });
            let outcome = self.request(Permission::SignedIn, None, delete).await;
            self.simulation.note(format_args!("person {} deletes {session}: {outcome:?}", self.number));
            match outcome {
                Outcome::Done(deletions) if deletions.failed.is_empty() => {
                    // Where it is not found an earlier attempt came through.
                    self.simulation.ledger(|ledger| {
                        ledger.counts.deletions += u64::from(deletions.deleted);
                        ledger.deleted.insert(session.clone());
                        ledger.sessions.retain(|known| known != session);
                    });
                    return;
                }
                Outcome::Done(_) | Outcome::Refused(Error::Unavailable { .. }) | Outcome::Lost => {
                    self.simulation.pause(100, 2_000).await;
                }
                Outcome::Refused(_) => return,
            }
        }
    }
}

impl Oracle {
    pub(crate) fn is_gone(&self, id: &SessionId) -> bool {
        self.gone.contains_key(id)
    }

    /// Notes the sessions that are not there any more. Answers which of them nobody deleted.
    pub(crate) fn look_for_gone(
        &mut self,
        ids: &[SessionId],
        versions: &[(SessionId, u64)],
        ledger: &Ledger,
    ) -> Vec<String> {
        if ids.len() == versions.len() {
            return Vec::new();
        }
        let there: BTreeMap<&SessionId, u64> = versions.iter().map(|(id, version)| (id, *version)).collect();
        let mut findings = Vec::new();
        for id in ids.iter().filter(|id| !there.contains_key(id)) {
            let Some(last) = self.seen.remove(id) else { continue };
            let engine = &last.value;
            let was_wanted = ledger.deleting.contains(id)
                || engine.parent.as_ref().is_some_and(|parent| self.is_deleted(parent, ledger));
            if !was_wanted {
                findings.push(format!("session {id} is gone, and nobody deleted it"));
            }
            if !engine.status.is_ended() {
                findings.push(format!("session {id} is gone, and had not ended"));
            }
            self.gone.insert(id.clone(), last.version);
        }
        findings
    }

    /// Whether it ended and is deleted, or the one that opened it: then it goes piece by piece.
    pub(crate) fn goes_away(&self, id: &SessionId, ledger: &Ledger) -> bool {
        let Some(stored) = self.seen.get(id) else {
            return self.is_gone(id);
        };
        let parent = stored.value.parent.as_ref();
        let is_wanted_gone = self.is_deleted(id, ledger) || parent.is_some_and(|of| self.is_deleted(of, ledger));
        stored.value.status.is_ended() && is_wanted_gone
    }

    fn is_deleted(&self, id: &SessionId, ledger: &Ledger) -> bool {
        ledger.deleting.contains(id) || self.is_gone(id)
    }

    /// What is wrong with a hint about a session that is gone: its end is the last thing that is told.
    pub(crate) fn told_of_gone(&self, id: &SessionId, hint: &Hint) -> Option<String> {
        let Hint::Session { version, .. } = hint else { return None };
        let last = self.gone.get(id).filter(|last| *version > **last + 1)?;
        Some(format!("version {version} of session {id} is told, which went with version {last}"))
    }

    /// The tables that have rows of a session.
    fn tables_with(&self, id: &SessionId) -> Result<Vec<&'static str>, String> {
        let mut found = Vec::new();
        for table in TABLES {
            let columns = table.columns.iter().map(|column| column.name);
            let of_session: Vec<String> = columns
                .filter_map(|column| match (table.name, column) {
                    (_, "session_id") | ("sessions", "id" | "parent_id") => Some(format!("{column} = '{id}'")),
                    ("jobs", "work") => Some(format!("work LIKE '%{id}%'")),
                    _ => None,
                })
                .collect();
            if of_session.is_empty() {
                continue;
            }
            let text = format!("SELECT 1 AS found FROM {} WHERE {} LIMIT 1", table.name, of_session.join(" OR "));
            let read = Read::unbounded(vec![Statement { text: text.into(), args: Vec::new() }]);
            let rows = self.database.read(read).now_or_never();
            let rows = rows.ok_or("the database did not answer at once")?.map_err(|error| error.to_string())?;
            if rows.iter().any(|rows| !rows.is_empty()) {
                found.push(table.name);
            }
        }
        Ok(found)
    }
}

/// What is wrong with sessions that were deleted when nothing goes on any more.
pub(crate) fn check(simulation: &Simulation, screens: &Screens) -> Vec<String> {
    let gone: Vec<SessionId> = simulation.oracle(|oracle| oracle.gone.keys().cloned().collect());
    let mut findings = Vec::new();
    for id in &gone {
        match simulation.oracle(|oracle| oracle.tables_with(id)) {
            Ok(tables) if tables.is_empty() => {}
            Ok(tables) => findings.push(format!("session {id} is deleted, and there are rows of it in {tables:?}")),
            Err(error) => findings.push(error),
        }
    }
    let is_gone = |id: &SessionId| simulation.oracle(|oracle| oracle.is_gone(id));
    let left = simulation.ledger(|ledger| ledger.deleted.clone()).into_iter().filter(|id| !is_gone(id));
    findings.extend(left.map(|id| format!("session {id} was deleted, and is still there")));
    let shown = lock(screens).clone().into_values().filter(|(id, _)| is_gone(id));
    findings.extend(shown.map(|(id, _)| format!("session {id} is deleted, and somebody has it open")));
    findings
}
