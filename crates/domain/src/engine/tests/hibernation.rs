//! Rest without a sandbox.

use std::time::Duration;

use super::rig::{Rig, commands, node, notices};
use crate::engine::{Event, Refusal, RunnerReport};
use crate::ids::SnapshotId;
use crate::sessions::SessionStatus;

/// A session that rests.
fn hibernated() -> Rig {
    let mut rig = Rig::ready();
    rig.hibernate();
    rig.put_away();
    rig
}

#[test]
fn an_idle_session_is_put_away_and_rests() {
    let mut rig = Rig::ready();
    let effects = rig.hibernate();
    assert_eq!(notices(&effects), ["hibernating", "[session.hibernating]", "stop"]);
    assert_eq!((rig.store.hibernated.clone(), rig.seconds_left()), (vec![1], Some(300)));
    let effects = rig.put_away();
    assert_eq!(notices(&effects), ["hibernated", "[session.hibernated]"]);
    assert!(!rig.engine.has_sandbox() && rig.store.dismissed.is_empty());
    assert_eq!(rig.seconds_left(), None);
}

#[test]
fn a_session_with_something_to_do_is_left_alone() {
    let mut rig = Rig::working();
    assert_eq!(rig.hibernate(), Default::default());
    let mut rig = Rig::opened();
    assert_eq!(rig.hibernate(), Default::default());
    let mut rig = Rig::ready();
    rig.collect("a");
    assert_eq!(rig.hibernate(), Default::default());
    rig.terminate();
    assert_eq!(rig.hibernate(), Default::default());
}

#[test]
fn a_session_is_put_away_when_it_has_been_idle_for_long() {
    let mut rig = Rig::ready();
    rig.engine.timeouts.idle = Some(Duration::from_secs(900));
    rig.say("p");
    rig.take_all();
    rig.wait(1_000);
    rig.ok(Event::Due);
    assert_eq!(rig.engine.status, SessionStatus::Running, "the agent works");
    rig.complete("p");
    assert_eq!(rig.seconds_left(), Some(900));
    rig.due_after(899);
    assert_eq!(rig.engine.status, SessionStatus::Running);
    rig.due_after(1);
    assert_eq!(rig.engine.status, SessionStatus::Hibernating);
}

#[test]
fn a_prompt_brings_it_back_with_its_files_and_its_conversation() {
    let mut rig = Rig::connected();
    rig.report(RunnerReport::Ready { agent_session: Some("talk".to_owned()) });
    rig.hibernate();
    let files = SnapshotId::parse("files").unwrap();
    rig.ok(Event::SandboxPutAway { generation: 1, snapshot: Some(files.clone()) });
    assert_eq!(rig.engine.runner.snapshot, Some(files));
    let effects = rig.say("a");
    assert_eq!(notices(&effects)[2..], ["[prompt.queued]", "queued 1", "restoring", "[session.waking]"]);
    assert_eq!(rig.store.ordered, [1, 2]);
    rig.connect();
    assert_eq!(rig.engine.status, SessionStatus::Running);
    assert_eq!(rig.engine.runner.agent_session.as_deref(), Some("talk"));
    let ready = rig.report(RunnerReport::Ready { agent_session: None });
    assert_eq!(commands(&ready), ["prompt a"]);
}

#[test]
fn a_prompt_that_comes_while_it_is_put_away_wakes_it_at_once() {
    let mut rig = Rig::ready();
    rig.hibernate();
    rig.say("a");
    assert_eq!(rig.store.ordered, [1], "two sandboxes of a session never live side by side");
    let effects = rig.put_away();
    assert_eq!(notices(&effects), ["hibernated", "[session.hibernated]", "restoring", "[session.waking]"]);
    assert_eq!(commands(&rig.revive()), ["prompt a"]);
}

#[test]
fn somebody_wakes_it_without_a_prompt() {
    let mut rig = hibernated();
    assert_eq!(notices(&rig.wake()), ["restoring", "[session.waking]"]);
    assert_eq!(rig.wake(), Default::default(), "once is enough");
    rig.revive();
    assert_eq!(rig.engine.status, SessionStatus::Running);
    assert_eq!(rig.wake(), Default::default());
}

#[test]
fn a_session_without_a_sandbox_rests_at_once() {
    let mut rig = Rig::ready();
    rig.gone();
    let effects = rig.hibernate();
    assert_eq!(notices(&effects), ["hibernating", "[session.hibernating]", "hibernated", "[session.hibernated]"]);
    assert!(rig.store.hibernated.is_empty());
}

#[test]
fn the_runner_of_a_sandbox_that_is_put_away_is_not_wanted() {
    let mut rig = Rig::ready();
    rig.hibernate();
    let hello = rig.honest("again");
    assert_eq!(rig.apply(Event::RunnerConnected(hello)), Err(Refusal::StaleRunner));
    assert_eq!(rig.frame(9, RunnerReport::Unknown), Err(Refusal::StaleRunner));
    assert_eq!(rig.gone(), Default::default(), "it is known to go");
    assert_eq!(rig.engine.status, SessionStatus::Hibernating);
}

#[test]
fn the_end_comes_during_rest_as_well() {
    let mut rig = Rig::ready();
    rig.hibernate();
    rig.terminate();
    assert_eq!(rig.store.dismissed, [1], "what is half put away is removed");
    assert_eq!(rig.put_away(), Default::default(), "and nothing resurrects it");
    assert_eq!(rig.engine.status, SessionStatus::Terminated);
    let mut rig = hibernated();
    rig.terminate();
    assert_eq!((rig.engine.status, rig.seconds_left()), (SessionStatus::Terminated, None));
}

#[test]
fn what_cannot_be_put_away_fails() {
    let mut rig = Rig::ready();
    rig.hibernate();
    rig.ok(Event::SandboxFailed { generation: 1, node: node(), error: "no room".to_owned() });
    assert_eq!((rig.engine.status, rig.store.error.as_deref()), (SessionStatus::Error, Some("no room")));
    let mut rig = Rig::ready();
    rig.hibernate();
    rig.due_after(300);
    assert_eq!(rig.engine.status, SessionStatus::Error);
    assert_eq!(rig.store.dismissed, [1]);
}

#[test]
fn a_gateway_that_goes_down_leaves_it_to_be_put_away() {
    let mut rig = Rig::ready();
    rig.hibernate();
    rig.wait(200);
    assert_eq!(rig.ok(Event::SandboxRetired), Default::default());
    rig.ok(Event::GatewayRestarted);
    assert_eq!(rig.seconds_left(), Some(300));
    rig.put_away();
    assert_eq!(rig.engine.status, SessionStatus::Hibernated);
}

#[test]
fn who_wants_it_back_while_it_is_put_away_gets_it() {
    let mut rig = Rig::ready();
    rig.hibernate();
    assert_eq!(notices(&rig.wake()), [""; 0]);
    let effects = rig.put_away();
    assert_eq!(notices(&effects), ["hibernated", "[session.hibernated]", "restoring", "[session.waking]"]);
    assert_eq!((rig.store.ordered.clone(), rig.engine.wakes_for.clone()), (vec![1, 2], None));
    let effects = rig.connect();
    assert_eq!(notices(&effects)[..2], ["running", "[session.restored]"]);
    // Once is enough, and the end is the end.
    rig.report(RunnerReport::Ready { agent_session: None });
    rig.hibernate();
    rig.wake();
    rig.terminate();
    assert_eq!(rig.engine.wakes_for, None);
}
