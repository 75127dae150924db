//! What everybody outside of the product said and was told: the measure for what the product keeps.

use std::collections::{BTreeMap, BTreeSet};

use portway_domain::ids::{MessageId, QuestionId, SessionId};
use portway_domain::questions::Resolution;

use crate::workspaces::Told;

/// A prompt that was acknowledged.
#[derive(Debug, Clone)]
pub(crate) struct Acknowledged {
    pub(crate) session: SessionId,
    pub(crate) content: String,
}

/// A prompt that an agent got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Given {
    pub(crate) generation: u32,
}

/// Everything that was said.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// All sessions whose opening was acknowledged.
    pub(crate) sessions: Vec<SessionId>,
    /// How many people talk.
    pub(crate) talking: u32,
    /// How many requests to open a session are going on.
    pub(crate) opening: u32,
    pub(crate) acknowledged: BTreeMap<MessageId, Acknowledged>,
    /// Every text that anybody tried to say, and in which session.
    pub(crate) said: BTreeMap<String, SessionId>,
    /// How many pieces are attached to each text.
    pub(crate) attached: BTreeMap<String, u64>,
    /// Requests that are going on and may drop the prompts that wait.
    pub(crate) dropping: BTreeMap<SessionId, u32>,
    /// Requests that are going on and may take a prompt back.
    pub(crate) withdrawing: BTreeMap<MessageId, u32>,
    /// Texts that may be taken back, by session.
    pub(crate) taken_back: BTreeMap<SessionId, BTreeSet<String>>,
    /// Prompts that somebody wanted to be next.
    pub(crate) promoted: BTreeSet<MessageId>,
    /// What agents got.
    pub(crate) given: BTreeMap<MessageId, Vec<Given>>,
    /// What agents wrote: the text of each message, as each generation wrote it.
    pub(crate) written: BTreeMap<MessageId, BTreeMap<u32, String>>,
    /// What questions agents asked, and what they were told.
    pub(crate) resolutions: BTreeMap<(QuestionId, u32), Vec<Resolution>>,
    /// Answers that were accepted.
    pub(crate) answers: BTreeMap<QuestionId, Vec<Resolution>>,
    /// What runners told of workspaces.
    pub(crate) workspaces: Told,
    /// Sessions that somebody asked to delete.
    pub(crate) deleting: BTreeSet<SessionId>,
    /// Sessions whose deletion was acknowledged.
    pub(crate) deleted: BTreeSet<SessionId>,
    pub(crate) counts: Counts,
}

/// How much happened.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Counts {
    pub(crate) crashes: u64,
    pub(crate) turns: u64,
    pub(crate) writes: u64,
    pub(crate) told: u64,
    pub(crate) deletions: u64,
    pub(crate) reverts: u64,
}

impl Ledger {
    pub(crate) fn may_drop(&self, session: &SessionId) -> bool {
        self.dropping.get(session).is_some_and(|count| *count > 0)
    }

    pub(crate) fn may_withdraw(&self, prompt: &MessageId) -> bool {
        self.withdrawing.get(prompt).is_some_and(|count| *count > 0)
    }

    /// An agent got these prompts, as one.
    pub(crate) fn give(&mut self, prompts: &[MessageId], generation: u32) -> Result<(), String> {
        self.counts.turns += 1;
        for prompt in prompts {
            let before = self.given.entry(prompt.clone()).or_default();
            if before.iter().any(|given| given.generation == generation) {
                return Err(format!("the agent of generation {generation} got prompt {prompt} twice"));
            }
            before.push(Given { generation });
        }
        Ok(())
    }

    pub(crate) fn write(&mut self, message: &MessageId, generation: u32, text: &str) {
        self.written.entry(message.clone()).or_default().entry(generation).or_default().push_str(text);
    }

    /// An agent was told what became of its question.
    pub(crate) fn resolve(
        &mut self,
        question: &QuestionId,
        generation: u32,
        resolution: Resolution,
    ) -> Result<(), String> {
        self.counts.told += 1;
        let told = self.resolutions.entry((question.clone(), generation)).or_default();
        told.push(resolution.clone());
        if told.len() > 1 {
            return Err(format!("question {question} was resolved twice: {told:?}"));
        }
        match self.answers.get(question).and_then(|answers| answers.first()) {
            Some(answer) if *answer != resolution => {
                Err(format!("the agent was told {resolution:?} where {answer:?} was accepted for {question}"))
            }
            _ => Ok(()),
        }
    }

    /// Somebody's answer was accepted.
    pub(crate) fn accept(&mut self, question: &QuestionId, answer: Resolution) -> Result<(), String> {
        let accepted = self.answers.entry(question.clone()).or_default();
        accepted.push(answer);
        if accepted.len() > 1 {
            return Err(format!("two answers to question {question} were accepted: {accepted:?}"));
        }
        Ok(())
    }
}
