//! A small second opinion on where every prompt is.

use std::collections::{BTreeSet, VecDeque};

use super::rig::Rig;
use crate::engine::{Change, Command, Effects, Engine, Event, RunnerReport};
use crate::ids::MessageId;
use crate::sessions::QueueMode;

/// Where the accepted prompts are: each is in one place.
#[derive(Debug, Default)]
pub(super) struct Model {
    accepted: BTreeSet<MessageId>,
    queue: VecDeque<MessageId>,
    turn: Option<ModelTurn>,
    /// Their turn is over.
    finished: BTreeSet<MessageId>,
    /// They were dropped before their turn.
    dropped: BTreeSet<MessageId>,
    frames: u64,
}

#[derive(Debug)]
struct ModelTurn {
    prompt: MessageId,
    command: u64,
    taken: bool,
    aborting: bool,
    messages: u64,
    questions: u64,
    last_chance: Option<u64>,
}

impl Model {
    /// Follows an event that was applied. What time decides (aborts, losses, the end) is read from the effects.
    pub(super) fn follow(&mut self, event: &Event, effects: &Effects, before: &Engine, after: &Engine) {
        match event {
            Event::Prompted(prompt) => {
                let steers = prompt.queue_mode == Some(QueueMode::Steer) && self.turn.is_some();
                if steers {
                    self.drop_queue();
                }
                self.accepted.insert(prompt.id.clone());
                self.queue.push_back(prompt.id.clone());
            }
            Event::Aborted { .. } | Event::QueueCleared => self.drop_queue(),
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

    fn dispatch(&mut self, effects: &Effects, after: &Engine) {
        let given = effects.changes.iter().filter_map(|change| match change {
            Change::CommandGiven { number, command: Command::Prompt { prompt, .. }, .. } => Some((prompt, *number)),
            _ => None,
        });
        let given: Vec<_> = given.collect();
        let free = self.turn.is_none() && after.is_connected() && after.runner.ready;
        let Some(prompt) = self.queue.pop_front_if(|_| free) else {
            assert_eq!(given, [], "nothing was to be given");
            return;
        };
        assert_eq!(given.len(), 1, "{prompt} was to be given, once");
        assert_eq!(given[0].0, &prompt);
        let command = given[0].1;
        self.turn = Some(ModelTurn {
            prompt,
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
                self.finished.insert(turn.prompt);
            } else {
                self.queue.push_front(turn.prompt);
            }
        }
    }

    fn end_turn(&mut self) {
        self.finished.extend(self.turn.take().map(|turn| turn.prompt));
    }

    fn drop_queue(&mut self) {
        self.dropped.extend(self.queue.drain(..));
    }

    /// Compares with the engine and counts the prompts.
    pub(super) fn compare(&self, rig: &Rig) {
        let engine = &rig.engine;
        assert!(engine.queue.iter().map(|queued| &queued.id).eq(&self.queue), "the queue");
        let known = self.turn.as_ref().map(|turn| (&turn.prompt, turn.command, turn.taken, turn.aborting));
        let taken = |command: u64| command <= engine.runner.taken_command;
        let real = engine.turn.as_ref();
        let real = real.map(|turn| (&turn.prompt, turn.command, taken(turn.command), turn.abort_deadline.is_some()));
        assert_eq!(real, known, "the turn");
        assert_eq!(engine.turn.as_ref().map(|turn| &turn.queued.id), known.map(|known| known.0));
        let mut places: Vec<&MessageId> = self.queue.iter().chain(&self.finished).chain(&self.dropped).collect();
        places.extend(known.map(|known| known.0));
        places.sort();
        assert!(places.into_iter().eq(&self.accepted), "each prompt is in one place");
    }
}
