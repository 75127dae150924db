//! What happens when nothing happens.

use super::rig::{Rig, commands, notices, yes_or_no};
use crate::engine::{Event, RunnerReport};
use crate::sessions::SessionStatus;

#[test]
fn nothing_waits_without_a_deadline() {
    let mut rig = Rig::opened();
    assert_eq!(rig.seconds_left(), Some(60));
    rig.connect();
    assert_eq!(rig.seconds_left(), None, "an agent that nobody waits for may take its time");
    rig.say("p");
    assert_eq!(rig.seconds_left(), Some(150));
    rig.report(RunnerReport::Ready { agent_session: None });
    assert_eq!(rig.seconds_left(), Some(1_800));
    rig.ask("p.q1", yes_or_no());
    assert_eq!(rig.seconds_left(), Some(300));
    rig.abort();
    assert_eq!(rig.seconds_left(), Some(30));
    rig.disconnect();
    assert_eq!(rig.seconds_left(), Some(30));
    rig.connect();
    rig.stopped("p");
    assert_eq!(rig.seconds_left(), None);
}

#[test]
fn a_silent_turn_is_aborted_and_then_given_up() {
    let mut rig = Rig::working();
    rig.wait(1_000);
    rig.report(RunnerReport::Unknown);
    assert_eq!(commands(&rig.due_after(800)), [""; 0]);
    assert_eq!(rig.seconds_left(), Some(1_000));
    let effects = rig.due_after(1_000);
    assert_eq!(commands(&effects), ["abort p"]);
    assert_eq!(notices(&effects), ["error", "[agent.error]"]);
    rig.due_after(30);
    assert_eq!((rig.turn(), rig.engine.status), (None, SessionStatus::Running));
    assert_eq!(rig.store.dismissed, [1]);
}

#[test]
fn looking_too_early_changes_nothing() {
    let mut rig = Rig::working();
    rig.ask("p.q1", yes_or_no());
    let before = rig.engine.clone();
    assert_eq!(rig.due_after(299), Default::default());
    assert_eq!(rig.engine, before);
}

#[test]
fn a_clock_that_goes_back_hurts_nobody() {
    let mut rig = Rig::working();
    rig.now = rig.now.minus(std::time::Duration::from_secs(86_400));
    assert_eq!(rig.ok(Event::Due), Default::default());
    rig.create("p.1");
    rig.complete("p");
    assert_eq!(rig.turn(), None);
}
