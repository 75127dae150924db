//! A runner's connection is lost, and it comes back.

use super::rig::{Rig, commands, notices};
use crate::engine::{Event, RunnerHello};
use crate::messages::FinishReason;

/// The agent wrote half a message; then the connection broke.
fn away() -> Rig {
    let mut rig = Rig::working();
    rig.create("p.1");
    rig.text("p.1", "half");
    rig.disconnect();
    rig
}

#[test]
fn a_loss_is_told_and_the_turn_stays() {
    let mut rig = Rig::working();
    rig.say("a");
    assert_eq!(notices(&rig.disconnect()), ["runner down 1", "agent thinking"]);
    assert_eq!((rig.turn(), rig.queue(), rig.seconds_left()), (Some("p"), vec!["a"], Some(30)));
    let mut idle = Rig::ready();
    assert_eq!(notices(&idle.disconnect()), ["runner down 0", "agent idle"]);
}

#[test]
fn what_the_runner_kept_is_taken_over_after_its_return() {
    let mut rig = away();
    rig.wait(29);
    assert_eq!(notices(&rig.connect()), ["runner up"]);
    assert_eq!(notices(&rig.text("p.1", " and half")), ["chunk 0:4  and half"]);
    rig.finish(None, FinishReason::EndTurn);
    rig.complete("p");
    let message = &rig.store.messages[&super::rig::message("p.1")];
    assert_eq!(message.content, "half and half");
}

#[test]
fn a_prompt_meanwhile_waits_and_goes_at_the_return() {
    let mut rig = Rig::ready();
    rig.disconnect();
    rig.say("a");
    assert_eq!((rig.turn(), rig.queue()), (None, vec!["a"]));
    let effects = rig.connect();
    assert_eq!(commands(&effects), ["prompt a"]);
    assert_eq!(notices(&effects), ["runner up", "dequeued 0"]);
}

#[test]
fn an_unacknowledged_prompt_is_not_given_twice_to_the_same_runner() {
    let mut rig = Rig::ready();
    rig.say("p");
    rig.disconnect();
    assert_eq!(commands(&rig.connect()), [""; 0], "the command is there already and is sent again as it is");
    assert_eq!((rig.turn(), rig.queue()), (Some("p"), vec![]));
}

#[test]
fn a_forgotten_turn_ends_at_once_when_nothing_is_to_come() {
    let mut rig = away();
    rig.say("a");
    let hello = RunnerHello { turn: None, ..rig.honest("c2") };
    let effects = rig.ok(Event::RunnerConnected(hello));
    assert_eq!(rig.store.reason("p.1"), FinishReason::Error);
    assert_eq!(commands(&effects), ["prompt a"]);
    let told = notices(&effects);
    assert_eq!(told[..3], ["runner up", "updated p.1", "error"]);
    assert_eq!(told[3..], ["[agent.error]", "[agent.turn_complete]", "agent idle", "free", "dequeued 0"]);
}

#[test]
fn a_turn_that_ended_while_the_runner_was_away_ends_by_its_reports() {
    let mut rig = away();
    let last_frame = rig.engine.runner.last_frame + 2;
    let hello = RunnerHello { turn: None, last_frame, ..rig.honest("c2") };
    rig.ok(Event::RunnerConnected(hello));
    assert_eq!(rig.turn(), Some("p"));
    rig.text("p.1", " more");
    assert_eq!(notices(&rig.complete("p")), ["updated p.1", "[agent.turn_complete]", "free"]);
    assert_eq!(rig.store.reason("p.1"), FinishReason::EndTurn);
}

#[test]
fn a_forgotten_turn_ends_with_the_last_report_that_was_kept() {
    let mut rig = away();
    rig.say("a");
    let last_frame = rig.engine.runner.last_frame + 2;
    let hello = RunnerHello { turn: None, last_frame, ..rig.honest("c2") };
    rig.ok(Event::RunnerConnected(hello));
    rig.text("p.1", " more");
    assert_eq!(rig.turn(), Some("p"));
    assert_eq!(commands(&rig.text("p.1", " and more")), ["prompt a"]);
    assert_eq!(rig.store.reason("p.1"), FinishReason::Error);
}

#[test]
fn another_loss_does_not_forget_that_a_turn_was_forgotten() {
    let mut rig = away();
    let last_frame = rig.engine.runner.last_frame + 1;
    let hello = RunnerHello { turn: None, last_frame, ..rig.honest("c2") };
    rig.ok(Event::RunnerConnected(hello.clone()));
    rig.disconnect();
    rig.ok(Event::RunnerConnected(RunnerHello { connection: "c3".to_owned(), ..hello }));
    rig.text("p.1", " more");
    assert_eq!(rig.turn(), None);
}

#[test]
fn a_restarted_gateway_waits_for_the_runners_hello() {
    let mut rig = Rig::working();
    rig.wait(3_600);
    assert_eq!(notices(&rig.ok(Event::GatewayRestarted)), ["runner down 0", "agent thinking"]);
    rig.due_after(29);
    rig.connect();
    assert_eq!(commands(&rig.ok(Event::Due)), [""; 0], "what the runner kept is still to come");
    rig.due_after(29);
    rig.create("p.1");
    assert_eq!(commands(&rig.due_after(1)), [""; 0]);
    assert_eq!(rig.turn(), Some("p"));
}

#[test]
fn a_restarted_gateway_gives_time_to_those_who_could_not_reach_it() {
    let mut rig = Rig::opened();
    rig.wait(3_600);
    rig.ok(Event::GatewayRestarted);
    assert_eq!(rig.seconds_left(), Some(60));
    rig.connect();
    rig.disconnect();
    rig.wait(3_600);
    rig.ok(Event::GatewayRestarted);
    assert_eq!(rig.seconds_left(), Some(30));
}
