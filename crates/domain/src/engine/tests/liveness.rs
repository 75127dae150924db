//! Nothing waits for ever.

use super::invariants::{check_state, check_step};
use super::rig::{Rig, yes_or_no};
use crate::engine::{Event, Link, MAX_OPEN_QUESTIONS};

/// Most deadlines that may pass before a session rests.
const MAX_STEPS: usize = 2 * MAX_OPEN_QUESTIONS;

/// Lets only time pass. Answers how many deadlines passed until the session rested.
pub(super) fn settle(rig: &mut Rig) -> usize {
    for steps in 0..MAX_STEPS {
        let Some(deadline) = rig.engine.next_deadline() else {
            assert_rests(rig);
            return steps;
        };
        rig.now = rig.now.max(deadline);
        let before = rig.engine.clone();
        let effects = rig.ok(Event::Due);
        check_step(&before, &Event::Due, &effects, rig);
        check_state(rig);
    }
    panic!("still waiting: {:?}", rig.engine);
}

fn assert_rests(rig: &Rig) {
    let engine = &rig.engine;
    assert!(engine.turn.is_none() && engine.questions.is_empty() && engine.queue.is_empty());
    assert!(matches!(engine.runner.link, Link::None | Link::Connected { .. }));
    assert!(engine.timeouts.idle.is_none() || !engine.is_connected(), "an idle session has no sandbox");
}

#[test]
fn a_session_that_nobody_cares_for_comes_to_rest() {
    let mut rig = Rig::working();
    rig.create("p.1");
    for n in 1..=MAX_OPEN_QUESTIONS {
        rig.wait(5);
        rig.ask(&format!("p.q{n}"), yes_or_no());
    }
    rig.say("a");
    let steps = settle(&mut rig);
    assert!(steps > MAX_OPEN_QUESTIONS, "{steps}");
    assert!(rig.engine.status.is_ended(), "nobody started the sandbox for the prompt that waits");
}
