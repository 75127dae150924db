//! Dispatch, queue and steering.

use super::rig::{Rig, commands, notices, prompt};
use crate::engine::{Event, MAX_QUEUED, Refusal, RunnerReport};
use crate::sessions::QueueMode;

#[test]
fn a_free_agent_gets_the_prompt_at_once() {
    let mut rig = Rig::ready();
    let effects = rig.say("p");
    assert_eq!(commands(&effects), ["prompt p"]);
    assert_eq!(notices(&effects), ["message user", "[user.prompt]"]);
    assert_eq!((rig.turn(), rig.queue()), (Some("p"), vec![]));
}

#[test]
fn a_busy_agent_gets_its_prompts_one_by_one() {
    let mut rig = Rig::working();
    let effects = rig.say("a");
    assert_eq!(commands(&effects), [""; 0]);
    assert_eq!(notices(&effects), ["message user", "[user.prompt]", "[prompt.queued]", "queued 1"]);
    assert_eq!(notices(&rig.say("b")).last().unwrap(), "queued 2");
    let effects = rig.complete("p");
    assert_eq!(commands(&effects), ["prompt a"]);
    assert_eq!(notices(&effects), ["[agent.turn_complete]", "dequeued 1"]);
    rig.complete("a");
    assert_eq!((rig.turn(), rig.queue()), (Some("b"), vec![]));
    assert_eq!(notices(&rig.complete("b")), ["[agent.turn_complete]", "free"]);
    assert_eq!(rig.turn(), None);
}

#[test]
fn prompts_wait_for_the_first_sandbox() {
    let mut rig = Rig::opened();
    rig.say("p");
    rig.connect();
    assert_eq!((rig.turn(), rig.queue()), (None, vec!["p"]));
    let effects = rig.report(RunnerReport::Ready { agent_session: Some("a1".to_owned()) });
    assert_eq!(commands(&effects), ["prompt p"]);
    assert_eq!(rig.engine.runner.agent_session.as_deref(), Some("a1"));
    assert_eq!(rig.store.ordered, [1]);
}

#[test]
fn a_steering_prompt_drops_the_queue_and_goes_next() {
    let mut rig = Rig::working();
    rig.say("a");
    let effects = rig.steer("b");
    assert_eq!(commands(&effects), ["abort p"]);
    assert_eq!(
        notices(&effects),
        ["agent idle", "[user.abort]", "message user", "[user.prompt]", "[prompt.queued]", "queued 1"]
    );
    assert_eq!((rig.turn(), rig.queue()), (Some("p"), vec!["b"]));
    let effects = rig.stopped("p");
    assert_eq!(commands(&effects), ["prompt b"]);
    assert_eq!(notices(&effects), ["agent idle", "free aborted", "[agent.turn_complete]", "dequeued 0"]);
}

#[test]
fn the_latest_steering_prompt_wins_with_one_abort() {
    let mut rig = Rig::working();
    rig.steer("a");
    assert_eq!(commands(&rig.steer("b")), [""; 0]);
    assert_eq!(rig.queue(), ["b"]);
    assert_eq!(commands(&rig.stopped("p")), ["prompt b"]);
}

#[test]
fn steering_counts_even_when_the_agent_ends_by_itself() {
    let mut rig = Rig::working();
    rig.steer("a");
    let effects = rig.complete("p");
    assert_eq!(commands(&effects), ["prompt a"]);
    assert_eq!(rig.engine.turn.as_ref().unwrap().abort_deadline, None);
}

#[test]
fn steering_a_free_agent_is_a_plain_prompt() {
    let mut rig = Rig::ready();
    assert_eq!(commands(&rig.steer("a")), ["prompt a"]);
}

#[test]
fn steering_while_the_runner_is_away_is_told_to_it_later() {
    let mut rig = Rig::working();
    rig.disconnect();
    assert_eq!(commands(&rig.steer("a")), ["abort p"]);
    rig.connect();
    assert_eq!(commands(&rig.stopped("p")), ["prompt a"]);
}

#[test]
fn the_mode_of_the_session_counts_where_a_prompt_has_none() {
    let mut rig = Rig::working();
    rig.engine.queue_mode = QueueMode::Steer;
    assert_eq!(commands(&rig.say("a")), ["abort p"]);
}

#[test]
fn the_queue_is_bounded_but_steering_gets_through() {
    let mut rig = Rig::working();
    for n in 0..MAX_QUEUED {
        rig.say(&format!("q{n}"));
    }
    assert_eq!(rig.apply(Event::Prompted(prompt("x", None))), Err(Refusal::QueueFull));
    rig.steer("s");
    assert_eq!(rig.queue(), ["s"]);
}

#[test]
fn clearing_the_queue_leaves_the_turn() {
    let mut rig = Rig::working();
    rig.say("a");
    assert_eq!(notices(&rig.ok(Event::QueueCleared)), ["cleared 1", "agent thinking"]);
    assert_eq!((rig.turn(), rig.queue()), (Some("p"), vec![]));
    rig.complete("p");
    assert_eq!(notices(&rig.ok(Event::QueueCleared)), ["cleared 0", "agent idle"]);
}

#[test]
fn the_end_of_another_prompt_ends_nothing() {
    let mut rig = Rig::working();
    rig.complete("other");
    assert_eq!(rig.turn(), Some("p"));
}
