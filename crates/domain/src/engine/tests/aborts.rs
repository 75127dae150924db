//! Aborting a turn.

use super::rig::{Rig, commands, notices};
use crate::engine::StatusNotice;
use crate::engine::{Link, Notice};
use crate::messages::FinishReason;

#[test]
fn an_abort_drops_the_queue_and_ends_the_turn() {
    let mut rig = Rig::working();
    rig.create("p.1");
    rig.text("p.1", "half");
    rig.say("a");
    let effects = rig.abort();
    assert_eq!(commands(&effects), ["abort p"]);
    assert_eq!(notices(&effects), ["agent idle", "[user.abort]"]);
    assert_eq!((rig.turn(), rig.queue()), (Some("p"), vec![]));
    let effects = rig.stopped("p");
    assert_eq!(notices(&effects), ["updated p.1", "agent idle", "free aborted", "[agent.turn_complete]"]);
    assert_eq!(rig.store.reason("p.1"), FinishReason::Canceled);
    assert_eq!(rig.turn(), None);
}

#[test]
fn a_second_abort_says_nothing_more_to_the_runner() {
    let mut rig = Rig::working();
    rig.abort();
    let deadline = rig.engine.next_deadline();
    rig.wait(5);
    let effects = rig.abort();
    assert_eq!(commands(&effects), [""; 0]);
    assert_eq!(notices(&effects), ["agent idle", "[user.abort]"]);
    assert_eq!(rig.engine.next_deadline(), deadline);
}

#[test]
fn an_abort_without_a_turn_only_drops_the_queue() {
    let mut rig = Rig::opened();
    rig.say("a");
    let effects = rig.abort();
    assert_eq!(commands(&effects), [""; 0]);
    assert!(rig.queue().is_empty());
    rig.revive();
    assert_eq!(rig.turn(), None);
}

#[test]
fn a_prompt_after_an_abort_waits_for_the_end_of_the_turn() {
    let mut rig = Rig::working();
    rig.abort();
    rig.say("a");
    assert_eq!(rig.queue(), ["a"]);
    assert_eq!(commands(&rig.stopped("p")), ["prompt a"]);
}

#[test]
fn an_agent_that_ignores_the_abort_loses_its_sandbox() {
    let mut rig = Rig::working();
    rig.abort();
    rig.say("a");
    rig.due_after(29);
    assert_eq!(rig.turn(), Some("p"));
    let effects = rig.due_after(1);
    let ended = Notice::Status(StatusNotice::TurnEnded { aborted: true });
    assert!(effects.notices.contains(&ended));
    assert_eq!((rig.turn(), rig.queue(), rig.generation()), (None, vec!["a"], 2));
    assert_eq!(rig.store.dismissed, [1]);
    assert_eq!(commands(&rig.revive()), ["prompt a"]);
}

#[test]
fn the_time_of_an_abort_stands_still_while_the_runner_is_away() {
    let mut rig = Rig::working();
    rig.abort();
    rig.wait(20);
    rig.disconnect();
    rig.due_after(20);
    assert_eq!(rig.turn(), Some("p"));
    rig.connect();
    rig.due_after(29);
    assert_eq!(rig.turn(), Some("p"));
    rig.due_after(1);
    assert_eq!(rig.turn(), None);
}

#[test]
fn an_aborted_prompt_that_nobody_took_is_not_sent_again() {
    let mut rig = Rig::ready();
    rig.say("p");
    rig.abort();
    rig.gone();
    assert_eq!((rig.turn(), rig.queue()), (None, vec![]));
    assert_eq!(rig.engine.runner.link, Link::None);
}
