//! A small second opinion on where every prompt is.

use std::collections::{BTreeSet, VecDeque};

use super::rig::Rig;
use crate::channels::Channel;
use crate::engine::{Change, Command, Effects, Engine, Event, RunnerReport};
use crate::ids::MessageId;
use crate::sessions::QueueMode;
use crate::time::Timestamp;

/// Where the accepted prompts are: each is in one place.
#[derive(Debug, Default)]
pub(super) struct Model {
    accepted: BTreeSet<MessageId>,
    queue: VecDeque<Waiting>,
    turn: Option<ModelTurn>,
    /// Their turn is over.
    finished: BTreeSet<MessageId>,
    /// They were dropped or withdrawn before their turn.
    dropped: BTreeSet<MessageId>,
    frames: u64,
}

#[derive(Debug, Clone)]
struct Waiting {
    prompt: MessageId,
    channel: Option<Channel>,
    is_collected: bool,
    held_until: Option<Timestamp>,
}

#[derive(Debug)]
struct ModelTurn {
    prompt: MessageId,
    /// All that was said to the agent, `prompt` last.
    said: Vec<Waiting>,
    command: u64,
    taken: bool,
    aborting: bool,
    messages: u64,
    questions: u64,
    last_chance: Option<u64>,
}

impl Model {
    /// Follows an event that was applied. What time decides (aborts, losses, the end) is read from the effects.
    pub(super) fn follow(&mut self, event: &Event, effects: &Effects, before: &Engine, after: &Engine, now: Timestamp) {
        match event {
            Event::Prompted(prompt) => {
                let channel = prompt.channel.as_ref();
                let ends =
                    |turn: &ModelTurn| channel.is_none_or(|_| turn.said.last().unwrap().channel.as_ref() == channel);
                if prompt.queue_mode == Some(QueueMode::Steer) && self.turn.as_ref().is_some_and(ends) {
                    self.drop_waiting(|waiting| channel.is_none() || waiting.channel.as_ref() == channel);
                }
                self.accepted.insert(prompt.id.clone());
                let is_collected = prompt.queue_mode == Some(QueueMode::Collect);
                let held_until = is_collected.then(|| now.plus(after.timeouts.collect));
                self.wait_in_queue(prompt.id.clone(), prompt.channel.clone(), held_until);
            }
            Event::ChildTold { .. } => {
                let kept = effects.changes.iter().find_map(|change| match change {
                    Change::MessageAdded(message) => Some(message.id.clone()),
                    _ => None,
                });
                if let Some(prompt) = kept {
                    self.accepted.insert(prompt.clone());
                    self.wait_in_queue(prompt, None, None);
                }
            }
            Event::PromptWithdrawn { prompt, .. } => {
                let withdrawn = self.pull(prompt);
                self.dropped.extend(withdrawn.map(|waiting| waiting.prompt));
            }
            Event::PromptPromoted { prompt, .. } => {
                let promoted =
                    self.pull(prompt).map(|waiting| Waiting { is_collected: false, held_until: None, ..waiting });
                promoted.into_iter().for_each(|promoted| self.queue.push_front(promoted));
            }
            Event::Aborted { channel: Some(channel), .. } => {
                self.drop_waiting(|waiting| waiting.channel.as_ref() == Some(channel));
            }
            Event::Aborted { channel: None, .. } | Event::QueueCleared => self.drop_queue(),
            Event::Due => {
                let due = self.queue.iter_mut().filter(|waiting| waiting.held_until.is_some_and(|until| until <= now));
                due.for_each(|waiting| waiting.held_until = None);
            }
            Event::CommandsTaken { command, .. } => self.take(*command),
            Event::RunnerConnected(hello) => {
                self.take(hello.last_command);
                if let Some(turn) = &mut self.turn {
                    let forgotten = turn.taken && hello.turn.as_ref() != Some(&turn.prompt);
                    turn.last_chance = forgotten.then_some(hello.last_frame);
                }
                self.end_without_chance();
            }
            Event::Reported { frame, report, .. } if *frame == self.frames + 1 => {
                self.frames += 1;
                self.report(report);
                self.end_without_chance();
            }
            _ => {}
        }
        self.obey(effects, before, after);
        self.dispatch(effects, after);
    }

    fn obey(&mut self, effects: &Effects, before: &Engine, after: &Engine) {
        for change in &effects.changes {
            match change {
                Change::CommandGiven { command: Command::Abort { prompt }, .. } => {
                    let turn = self.turn.as_mut().filter(|turn| turn.prompt == *prompt && !turn.aborting);
                    turn.expect("one abort, of this turn").aborting = true;
                }
                Change::SandboxDismissed { generation, .. }
                    if *generation == before.runner.generation && before.has_sandbox() && !after.status.is_ended() =>
                {
                    self.lose_runner();
                }
                _ => {}
            }
        }
        if after.runner.generation != before.runner.generation {
            self.frames = 0;
        }
        if after.status.is_ended() {
            self.drop_queue();
            self.end_turn();
        }
    }

    /// A prompt goes to the end of the queue. Those that were collected before it in its channel are held back with it, or
    /// no longer.
    fn wait_in_queue(&mut self, prompt: MessageId, channel: Option<Channel>, held_until: Option<Timestamp>) {
        let before = self.queue.iter_mut().rev().filter(|waiting| waiting.channel == channel);
        before.take_while(|waiting| waiting.is_collected).for_each(|waiting| waiting.held_until = held_until);
        let is_collected = held_until.is_some();
        self.queue.push_back(Waiting { prompt, channel, is_collected, held_until });
    }

    fn pull(&mut self, prompt: &MessageId) -> Option<Waiting> {
        let place = self.queue.iter().position(|waiting| waiting.prompt == *prompt)?;
        self.queue.remove(place)
    }

    fn dispatch(&mut self, effects: &Effects, after: &Engine) {
        let given = effects.changes.iter().filter_map(|change| match change {
            Change::CommandGiven { number, command: Command::Prompt { prompt, earlier, .. }, .. } => {
                Some((earlier.iter().chain([prompt]).collect::<Vec<_>>(), *number))
            }
            _ => None,
        });
        let given: Vec<_> = given.collect();
        let free = self.turn.is_none() && after.is_connected() && after.runner.ready;
        let first = self.queue.iter().position(|waiting| free && waiting.held_until.is_none());
        let Some(first) = first.and_then(|place| self.queue.remove(place)) else {
            assert_eq!(given, [], "nothing was to be given");
            return;
        };
        let joins = first.is_collected;
        let same = self.queue.iter().filter(|waiting| waiting.channel == first.channel);
        let next = same.take_while(|waiting| joins && waiting.is_collected && waiting.held_until.is_none());
        let said: Vec<Waiting> = [first.clone()].into_iter().chain(next.cloned()).collect();
        self.queue.retain(|waiting| said.iter().all(|said| said.prompt != waiting.prompt));
        assert_eq!(given.len(), 1, "{said:?} was to be given, once");
        assert!(given[0].0.iter().copied().eq(said.iter().map(|waiting| &waiting.prompt)), "{said:?}");
        let command = given[0].1;
        self.turn = Some(ModelTurn {
            prompt: said.last().unwrap().prompt.clone(),
            said,
            command,
            taken: false,
            aborting: false,
            messages: 0,
            questions: 0,
            last_chance: None,
        });
    }

    fn report(&mut self, report: &RunnerReport) {
        let Some(turn) = &mut self.turn else { return };
        let number = |id: &str, mark: &str| -> u64 {
            let start = format!("{}{mark}", turn.prompt);
            id.strip_prefix(&start).and_then(|rest| rest.parse().ok()).unwrap_or(0)
        };
        match report {
            RunnerReport::MessageCreated { message } if number(message.as_str(), ".") > turn.messages => {
                turn.messages = number(message.as_str(), ".");
                turn.taken = true;
            }
            RunnerReport::Asked { question, .. } if number(question.as_str(), ".q") > turn.questions => {
                turn.questions = number(question.as_str(), ".q");
                turn.taken = true;
            }
            RunnerReport::Completed { prompt, .. } if *prompt == turn.prompt => self.end_turn(),
            _ => {}
        }
    }

    fn take(&mut self, command: u64) {
        if let Some(turn) = &mut self.turn {
            turn.taken |= turn.command <= command;
        }
    }

    fn end_without_chance(&mut self) {
        let frames = self.frames;
        if self.turn.as_ref().and_then(|turn| turn.last_chance).is_some_and(|frame| frame <= frames) {
            self.end_turn();
        }
    }

    fn lose_runner(&mut self) {
        if let Some(turn) = self.turn.take() {
            if turn.taken || turn.aborting {
                self.finished.extend(turn.said.into_iter().map(|said| said.prompt));
            } else {
                turn.said.into_iter().rev().for_each(|said| self.queue.push_front(said));
            }
        }
    }

    fn end_turn(&mut self) {
        let said = self.turn.take().map(|turn| turn.said).unwrap_or_default();
        self.finished.extend(said.into_iter().map(|said| said.prompt));
    }

    fn drop_queue(&mut self) {
        self.drop_waiting(|_| true);
    }

    fn drop_waiting(&mut self, which: impl Fn(&Waiting) -> bool) {
        let (gone, left) = self.queue.drain(..).partition::<Vec<_>, _>(which);
        self.queue.extend(left);
        self.dropped.extend(gone.into_iter().map(|waiting| waiting.prompt));
    }

    /// Compares with the engine and counts the prompts.
    pub(super) fn compare(&self, rig: &Rig) {
        let engine = &rig.engine;
        let known = self.queue.iter().map(|waiting| (&waiting.prompt, waiting.is_collected, waiting.held_until));
        let real = engine.queue.iter().map(|queued| (&queued.id, queued.is_collected, queued.held_until));
        assert!(real.eq(known), "the queue");
        let known = self.turn.as_ref().map(|turn| (&turn.prompt, turn.command, turn.taken, turn.aborting));
        let taken = |command: u64| command <= engine.runner.taken_command;
        let real = engine.turn.as_ref();
        let real = real.map(|turn| (&turn.prompt, turn.command, taken(turn.command), turn.abort_deadline.is_some()));
        assert_eq!(real, known, "the turn");
        assert_eq!(engine.turn.as_ref().map(|turn| &turn.queued.id), known.map(|known| known.0));
        let mut places: Vec<&MessageId> = self.finished.iter().chain(&self.dropped).collect();
        let said = self.turn.as_ref().map(|turn| turn.said.as_slice()).unwrap_or_default();
        places.extend(self.queue.iter().chain(said).map(|waiting| &waiting.prompt));
        places.sort();
        assert!(places.into_iter().eq(&self.accepted), "each prompt is in one place");
    }
}
