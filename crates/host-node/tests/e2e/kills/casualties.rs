//! Who was killed, and who may be killed next.

use std::collections::BTreeMap;
use std::sync::Mutex;

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
pub(crate) struct Casualties(Mutex<BTreeMap<String, Losses>>);

impl Casualties {
    /// From now on the session may lose something.
    pub(crate) fn enrol(&self, session: &str) {
        self.0.lock().unwrap().insert(session.to_owned(), Losses::default());
    }

    /// What the session has lost.
    pub(crate) fn of(&self, session: &str) -> Losses {
        self.0.lock().unwrap()[session]
    }

    /// Kills a runner or an agent as soon as one may die.
    pub(crate) async fn kill(&self, gateway: &Gateway, victim: Victim, random: &mut Random) {
        eventually("somebody may be killed", async || self.try_kill(gateway, victim, random).await.then_some(())).await;
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
            Victim::Gateway => {}
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
        let losses = self.0.lock().unwrap();
        losses.keys().filter(|session| noted(gateway, session) > 0).cloned().collect()
    }

    /// All runners beside that gateway are about to be lost with it.
    pub(crate) fn lose_runners(&self, gateway: &Gateway) {
        for session in self.working(gateway) {
            self.change(&session, |losses| losses.runners += 1);
        }
    }

    fn change(&self, session: &str, change: impl FnOnce(&mut Losses)) {
        change(self.0.lock().unwrap().get_mut(session).unwrap());
    }

    /// Sessions whose agent was given a prompt since the last loss. One that dies before it can work is not replaced.
    fn candidates(&self, gateway: &Gateway, victim: Victim) -> Vec<String> {
        let may_lose = |losses: &Losses| match victim {
            Victim::Gateway => false,
            Victim::Runner => losses.runners < MAX_RUNNERS,
            Victim::Agent => losses.agents < MAX_AGENTS,
        };
        let losses = self.0.lock().unwrap();
        let works = losses.iter().filter(|(id, losses)| may_lose(losses) && noted(gateway, id) > losses.noted);
        works.map(|(id, _)| id.clone()).collect()
    }
}

/// Lines that the agents of a session have noted.
fn noted(gateway: &Gateway, session: &str) -> usize {
    let tally = std::fs::read_to_string(gateway.workspace(session).join("tally.log"));
    tally.map_or(0, |tally| tally.lines().count())
}
