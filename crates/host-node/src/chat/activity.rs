//! Whether anything is going on: told from the frames of the gateway and from prompts that are on their way.

use std::collections::HashSet;

use portway_protocol::message::{AgentStatus, Message};
use portway_protocol::server::{InitData, StatusData};

/// What is known of the turn and of the prompts that wait.
#[derive(Debug, Default)]
pub(super) struct Activity {
    /// A turn goes on.
    busy: bool,
    /// The agent did something in this turn. An `idle` before that belongs to the turn before.
    stirred: bool,
    /// Prompts that wait in the gateway.
    queued: usize,
    /// Prompts on their way to the gateway.
    sending: usize,
    /// Prompts that the gateway took and that were not seen in the transcript yet.
    awaited: HashSet<String>,
}

impl Activity {
    /// Whether something goes on or is still to come.
    pub(super) fn is_working(&self) -> bool {
        self.busy || self.queued > 0 || self.sending > 0 || !self.awaited.is_empty()
    }

    /// A prompt is on its way.
    pub(super) fn sending(&mut self) {
        self.sending += 1;
    }

    /// The gateway took a prompt; `echoed` tells whether it was seen in the transcript already.
    pub(super) fn accepted(&mut self, id: &str, echoed: bool) {
        self.sending = self.sending.saturating_sub(1);
        if !echoed {
            self.awaited.insert(id.to_owned());
        }
    }

    /// The gateway did not take a prompt.
    pub(super) fn refused(&mut self) {
        self.sending = self.sending.saturating_sub(1);
    }

    /// A prompt appeared in the transcript.
    pub(super) fn prompted(&mut self, id: &str) {
        self.awaited.remove(id);
        if !self.busy {
            self.busy = true;
            self.stirred = false;
        }
    }

    /// The agent wrote something.
    pub(super) fn wrote(&mut self) {
        self.busy = true;
        self.stirred = true;
    }

    /// The gateway told what the agent does.
    pub(super) fn agent(&mut self, status: AgentStatus) {
        match status {
            AgentStatus::Thinking | AgentStatus::ToolCalling | AgentStatus::Streaming => self.wrote(),
            AgentStatus::Idle if self.stirred => self.rest(),
            AgentStatus::Idle | AgentStatus::Error | AgentStatus::Queued => {}
        }
    }

    /// Somebody ended the turn and dropped what waited.
    pub(super) fn aborted(&mut self) {
        self.queued = 0;
        self.rest();
    }

    /// Something about the session changed.
    pub(super) fn status(&mut self, data: &StatusData) {
        match data.runner_busy {
            Some(true) => self.busy = true,
            Some(false) => self.rest(),
            None => {}
        }
        if let Some(queued) = data.queue_position.or(data.queued_prompts) {
            self.queued = queued;
        }
        if data.prompt_dequeued == Some(true) {
            self.queued = data.remaining.unwrap_or(0);
            self.busy = true;
            self.stirred = false;
        }
        if data.queue_cleared == Some(true) {
            // What the agent does is told next, and is to be believed.
            self.queued = 0;
            self.stirred = true;
        }
    }

    /// The whole state was told.
    pub(super) fn init(&mut self, data: &InitData, messages: &[Message]) {
        self.busy = data.runner_busy;
        self.stirred = false;
        self.queued = data.prompts_queued;
        for message in messages {
            self.awaited.remove(&message.id);
        }
    }

    /// The session takes nothing more.
    pub(super) fn ended(&mut self) {
        *self = Self::default();
    }

    fn rest(&mut self) {
        self.busy = false;
        self.stirred = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended() -> StatusData {
        StatusData { runner_busy: Some(false), ..StatusData::default() }
    }

    #[test]
    fn a_turn_begins_with_the_prompt_and_ends_with_idle() {
        let mut activity = Activity::default();
        activity.sending();
        assert!(activity.is_working());
        activity.prompted("p");
        activity.accepted("p", true);
        activity.agent(AgentStatus::Thinking);
        assert!(activity.is_working());
        activity.agent(AgentStatus::Idle);
        assert!(!activity.is_working());
    }

    #[test]
    fn the_idle_of_the_turn_before_ends_nothing() {
        let mut activity = Activity::default();
        activity.wrote();
        activity.status(&ended());
        activity.prompted("p");
        activity.agent(AgentStatus::Idle);
        assert!(activity.is_working());
        activity.status(&ended());
        assert!(!activity.is_working());
    }

    #[test]
    fn prompts_that_wait_are_work() {
        let mut activity = Activity::default();
        activity.prompted("p");
        let queued = StatusData { prompt_queued: Some(true), queue_position: Some(2), ..StatusData::default() };
        activity.status(&queued);
        activity.wrote();
        activity.agent(AgentStatus::Idle);
        assert!(activity.is_working());
        let next = StatusData { prompt_dequeued: Some(true), remaining: Some(0), ..StatusData::default() };
        activity.status(&next);
        activity.agent(AgentStatus::Idle);
        assert!(activity.is_working(), "the idle belongs to the turn before");
        activity.wrote();
        activity.agent(AgentStatus::Idle);
        assert!(!activity.is_working());
    }

    #[test]
    fn an_emptied_queue_is_no_work() {
        let mut activity = Activity::default();
        activity.prompted("p");
        activity.status(&StatusData { queue_position: Some(1), ..StatusData::default() });
        activity.status(&StatusData { queue_cleared: Some(true), ..StatusData::default() });
        activity.agent(AgentStatus::Idle);
        assert!(!activity.is_working());
        activity.prompted("q");
        activity.status(&StatusData { queue_position: Some(1), ..StatusData::default() });
        activity.aborted();
        assert!(!activity.is_working());
    }

    #[test]
    fn an_accepted_prompt_is_waited_for() {
        let mut activity = Activity::default();
        activity.sending();
        activity.accepted("p", false);
        assert!(activity.is_working());
        activity.prompted("p");
        activity.status(&ended());
        assert!(!activity.is_working());
    }
}
