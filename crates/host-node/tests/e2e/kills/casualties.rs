//! Who was killed, and who may be killed next.

use std::collections::BTreeMap;
use std::sync::Mutex;

use tokio::sync::watch;

use crate::harness::gateway::Gateway;
use crate::harness::random::Random;
use crate::harness::{eventually, processes};

/// Runners of one session that may die: after the third there is none for a minute.
const MAX_RUNNERS: usize = 2;

/// Agents of one session that may die: a runner gives its agent up at the fourth.
const MAX_AGENTS: usize = 3;

/// What is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Victim {
    Gateway,
    Runner,
    Agent,
    /// What a person looks at the session with, in the middle of whatever it does.
    Client,
}

/// What a session has lost.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Losses {
    pub(crate) runners: usize,
    pub(crate) agents: usize,
    /// Lines that its agents had noted before the last of them died.
    noted: usize,
}

impl Losses {
    pub(crate) fn any(self) -> bool {
        self.runners + self.agents > 0
    }
}

/// The losses of all sessions, by their ids.
#[derive(Debug, Default)]
pub(crate) struct Casualties {
    losses: Mutex<BTreeMap<String, Losses>>,
    clients: Mutex<BTreeMap<String, watch::Sender<()>>>,
}

impl Casualties {
    /// From now on the session may lose something; what changes at each death of its client.
    pub(crate) fn enrol(&self, session: &str) -> watch::Receiver<()> {
        let (client, dies) = watch::channel(());
        self.clients.lock().unwrap().insert(session.to_owned(), client);
        self.losses.lock().unwrap().insert(session.to_owned(), Losses::default());
        dies
    }

    /// What the session has lost.
    pub(crate) fn of(&self, session: &str) -> Losses {
        self.losses.lock().unwrap()[session]
    }

    /// Kills a client, or a runner or an agent as soon as one may die.
    pub(crate) async fn kill(&self, gateway: &Gateway, victim: Victim, random: &mut Random) {
        if victim == Victim::Client {
            return self.kill_client(random);
        }
        eventually("somebody may be killed", async || self.try_kill(gateway, victim, random).await.then_some(())).await;
    }

    fn kill_client(&self, random: &mut Random) {
        let clients = self.clients.lock().unwrap();
        if let Some(client) = clients.values().nth(random.index(clients.len().max(1))) {
            client.send_replace(());
        }
    }

    /// Kills a runner or an agent if one may die; answers whether it did.
    pub(crate) async fn try_kill(&self, gateway: &Gateway, victim: Victim, random: &mut Random) -> bool {
        let candidates = self.candidates(gateway, victim);
        if candidates.is_empty() {
            return false;
        }
        let session = &candidates[random.index(candidates.len())];
        let (runner, agent) = (gateway.runner(session).await, gateway.agent(session).await);
        // Before anybody can see what comes of it.
        self.change(session, |losses| match victim {
            Victim::Gateway | Victim::Client => {}
            Victim::Runner => losses.runners += 1,
            Victim::Agent => losses.agents += 1,
        });
        processes::kill9(if victim == Victim::Runner { runner } else { agent });
        eventually("the agent is gone", async || (!processes::is_alive(agent)).then_some(())).await;
        let noted = noted(gateway, session);
        self.change(session, |losses| losses.noted = noted);
        true
    }

    /// Sessions whose agent has worked beside that gateway.
    pub(crate) fn working(&self, gateway: &Gateway) -> Vec<String> {
        let losses = self.losses.lock().unwrap();
        losses.keys().filter(|session| noted(gateway, session) > 0).cloned().collect()
    }

    /// All runners beside that gateway are about to be lost with it.
    pub(crate) fn lose_runners(&self, gateway: &Gateway) {
        for session in self.working(gateway) {
            self.change(&session, |losses| losses.runners += 1);
        }
    }

    fn change(&self, session: &str, change: impl FnOnce(&mut Losses)) {
        change(self.losses.lock().unwrap().get_mut(session).unwrap());
    }

    /// Sessions whose agent was given a prompt since the last loss. One that dies before it can work is not replaced.
    fn candidates(&self, gateway: &Gateway, victim: Victim) -> Vec<String> {
        let may_lose = |losses: &Losses| match victim {
            Victim::Gateway | Victim::Client => false,
            Victim::Runner => losses.runners < MAX_RUNNERS,
            Victim::Agent => losses.agents < MAX_AGENTS,
        };
        let losses = self.losses.lock().unwrap();
        let works = losses.iter().filter(|(id, losses)| may_lose(losses) && noted(gateway, id) > losses.noted);
        works.map(|(id, _)| id.clone()).collect()
    }
}

/// Lines that the agents of a session have noted.
fn noted(gateway: &Gateway, session: &str) -> usize {
    let tally = std::fs::read_to_string(gateway.workspace(session).join("tally.log"));
    tally.map_or(0, |tally| tally.lines().count())
}
