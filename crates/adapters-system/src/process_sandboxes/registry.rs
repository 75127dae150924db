//! The sandboxes that live, and how the latest of the others ended.

use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use nix::sys::signal::Signal;
use portway_domain::ids::SessionId;
use tokio::sync::{Notify, watch};

use super::family::Family;
use super::folders::Folders;
use super::process::{Process, ProcessTable};
use super::run_file::RunFolder;
use super::runner_log::RunnerLog;

/// How many endings are remembered for those who ask late.
const KEPT_ENDINGS: usize = 256;

/// Time between two looks at all families, right after a start and later. An agent starts soon after its runner.
const FIRST_LOOK: Duration = Duration::from_millis(250);
const LAST_LOOK: Duration = Duration::from_secs(2);

/// How often a sandbox that is no child of this process is looked at, and how often while it is being stopped.
const POLL: Duration = Duration::from_millis(500);
const POLL_STOPPING: Duration = Duration::from_millis(20);

/// How often the rest of a family is killed before it is given up. Times double from 10 ms: about two and a half seconds.
const KILL_ROUNDS: u32 = 8;

/// A sandbox that lives or has just ended.
#[derive(Debug)]
pub(super) struct Sandbox {
    pub(super) session: SessionId,
    pub(super) generation: u32,
    process: Process,
    log: RunnerLog,
    family: Mutex<Family>,
    /// Set once nothing of it is left.
    ending: watch::Sender<Option<String>>,
    stopping: Notify,
}

impl Sandbox {
    /// Whether its runner lives.
    pub(super) fn is_alive(&self) -> bool {
        self.ending.borrow().is_none() && self.process.is_alive()
    }

    /// Waits until nothing of it is left.
    pub(super) async fn ended(&self) -> String {
        let mut ending = self.ending.subscribe();
        match ending.wait_for(Option::is_some).await {
            Ok(text) => text.clone().unwrap_or_default(),
            // The sender is a field of this very value.
            Err(_) => String::new(),
        }
    }

    /// Asks the runner, and what shares its process group, to end.
    pub(super) async fn terminate(self: &Arc<Self>) {
        // While the runner lives, its descendants can still be found.
        self.look().await;
        self.process.signal_group(Signal::SIGTERM);
        self.stopping.notify_one();
    }

    /// Ends everything in it.
    pub(super) async fn kill(self: &Arc<Self>) {
        self.look().await;
        self.family().kill();
    }

    /// Notes who is in the sandbox now.
    pub(super) async fn look(self: &Arc<Self>) {
        let sandbox = Arc::clone(self);
        blocking(move || sandbox.family().refresh(&ProcessTable::read())).await;
    }

    fn family(&self) -> MutexGuard<'_, Family> {
        self.family.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn kill_rest(self: &Arc<Self>) {
        for round in 0..KILL_ROUNDS {
            self.look().await;
            {
                let family = self.family();
                if family.is_gone() {
                    return;
                }
                family.kill();
            }
            tokio::time::sleep(Duration::from_millis(10) * 2_u32.pow(round)).await;
        }
        tracing::warn!(session = %self.session, generation = self.generation, "some processes of a sandbox do not end");
    }

    async fn poll_until_dead(&self) {
        let mut every = POLL;
        while self.process.is_alive() {
            tokio::select! {
                () = tokio::time::sleep(every) => {}
                () = self.stopping.notified() => every = POLL_STOPPING,
            }
        }
    }

    #[cfg(test)]
    pub(super) fn has_seen(&self, pid: i32) -> bool {
        self.family().has(pid)
    }
}

/// Runs work that blocks for moments. It is left out when the runtime ends.
pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    tokio::task::spawn_blocking(work).await.ok()
}

type Key = (SessionId, u32);

#[derive(Debug, Default)]
struct State {
    live: HashMap<Key, Arc<Sandbox>>,
    endings: VecDeque<(Key, String)>,
    /// Whether the task that looks at all families runs.
    watched: bool,
}

/// Knows all sandboxes of this machine that run files or this process tell of.
#[derive(Debug)]
pub(super) struct Registry {
    pub(super) runs: RunFolder,
    folders: Folders,
    state: Mutex<State>,
    added: Notify,
}

impl Registry {
    pub(super) fn new(runs: RunFolder, folders: Folders) -> Arc<Self> {
        Arc::new(Self { runs, folders, state: Mutex::default(), added: Notify::new() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The sandbox, if it lives or is just ending. One that an earlier gateway started is taken over.
    pub(super) fn find(self: &Arc<Self>, session: &SessionId, generation: u32) -> Option<Arc<Sandbox>> {
        let known = self.state().live.get(&(session.clone(), generation)).cloned();
        known.or_else(|| {
            let process = self.runs.read(session, generation)?.process()?;
            Some(self.add(session, generation, process, |sandbox| async move {
                sandbox.poll_until_dead().await;
                "it ended; how is not known, because an earlier gateway had started it".to_owned()
            }))
        })
    }

    /// The generations of a session that live, are ending, or have left a run file.
    pub(super) fn generations(&self, session: &SessionId) -> std::io::Result<Vec<u32>> {
        let mut generations = self.runs.generations(session)?;
        generations.extend(self.state().live.keys().filter(|key| key.0 == *session).map(|key| key.1));
        generations.sort_unstable();
        generations.dedup();
        Ok(generations)
    }

    /// How a sandbox ended, if it is one of the latest.
    pub(super) fn ending(&self, session: &SessionId, generation: u32) -> Option<String> {
        let state = self.state();
        let found = state.endings.iter().rev().find(|(key, _)| key.0 == *session && key.1 == generation);
        found.map(|(_, text)| text.clone())
    }

    /// Adds a sandbox that lives, unless it is known. `wait` returns when its runner is dead, and tells how it died.
    pub(super) fn add<W, F>(
        self: &Arc<Self>,
        session: &SessionId,
        generation: u32,
        process: Process,
        wait: W,
    ) -> Arc<Sandbox>
    where
        W: FnOnce(Arc<Sandbox>) -> F + Send + 'static,
        F: Future<Output = String> + Send,
    {
        let key = (session.clone(), generation);
        let mut state = self.state();
        if let Some(known) = state.live.get(&key) {
            return Arc::clone(known);
        }
        let sandbox = Arc::new(Sandbox {
            session: session.clone(),
            generation,
            process,
            log: self.folders.log(session),
            family: Mutex::new(Family::new(process)),
            ending: watch::Sender::new(None),
            stopping: Notify::new(),
        });
        state.endings.retain(|(ended, _)| *ended != key);
        state.live.insert(key, Arc::clone(&sandbox));
        if !std::mem::replace(&mut state.watched, true) {
            tokio::spawn(watch_families(Arc::downgrade(self)));
        }
        drop(state);
        self.added.notify_one();

        let registry = Arc::clone(self);
        let ending = Arc::clone(&sandbox);
        tokio::spawn(async move {
            let text = wait(Arc::clone(&ending)).await;
            registry.clear_away(&ending, text).await;
        });
        sandbox
    }

    /// After the runner's death: ends what it left behind, and forgets the sandbox.
    async fn clear_away(self: &Arc<Self>, sandbox: &Arc<Sandbox>, text: String) {
        sandbox.kill_rest().await;
        tracing::info!(session = %sandbox.session, generation = sandbox.generation, ending = text, "a sandbox ended");
        self.runs.remove(&sandbox.session, sandbox.generation);
        let key = (sandbox.session.clone(), sandbox.generation);
        {
            let mut state = self.state();
            state.live.remove(&key);
            if state.endings.len() == KEPT_ENDINGS {
                state.endings.pop_front();
            }
            state.endings.push_back((key, text.clone()));
        }
        sandbox.ending.send_replace(Some(text));
    }

    /// All that live; when there are none, the one task that looks at them is told so and may not go on.
    fn to_watch(&self) -> Option<Vec<Arc<Sandbox>>> {
        let mut state = self.state();
        state.watched = !state.live.is_empty();
        state.watched.then(|| state.live.values().cloned().collect())
    }
}

/// Looks at all families from time to time, with one reading of the process table for all, and keeps the logs short.
async fn watch_families(registry: Weak<Registry>) {
    let mut pause = FIRST_LOOK;
    loop {
        let Some(sandboxes) = registry.upgrade().and_then(|registry| registry.to_watch()) else { return };
        blocking(move || {
            let table = ProcessTable::read();
            for sandbox in sandboxes {
                sandbox.family().refresh(&table);
                sandbox.log.trim();
            }
        })
        .await;
        let Some(current) = registry.upgrade() else { return };
        tokio::select! {
            () = tokio::time::sleep(pause) => pause = (pause * 2).min(LAST_LOOK),
            () = current.added.notified() => pause = FIRST_LOOK,
        }
    }
}
