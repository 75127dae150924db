//! A runner is lost for good.

use super::rig::{Rig, commands, notices};
use crate::engine::{Event, RunnerReport};
use crate::messages::FinishReason;
use crate::sessions::SessionStatus;

#[test]
fn a_turn_that_was_taken_over_ends_and_keeps_its_text() {
    let mut rig = Rig::working();
    rig.create("p.1");
    rig.text("p.1", "half");
    rig.say("a");
    rig.disconnect();
    let effects = rig.due_after(30);
    let told = notices(&effects);
    assert_eq!(told[..2], ["updated p.1", "error"]);
    assert_eq!(told[2..], ["[agent.error]", "[agent.turn_complete]", "agent idle", "free", "runner down 1"]);
    assert_eq!(rig.store.reason("p.1"), FinishReason::Error);
    assert_eq!(rig.store.messages[&super::rig::message("p.1")].content, "half");
    assert_eq!((rig.store.dismissed.clone(), rig.store.ordered.clone()), (vec![1], vec![1, 2]));
    assert_eq!(commands(&rig.revive()), ["prompt a"], "and p is never sent again");
}

#[test]
fn a_prompt_that_nobody_took_goes_back_to_the_head() {
    let mut rig = Rig::ready();
    rig.say("p");
    rig.say("a");
    rig.disconnect();
    let effects = rig.due_after(30);
    assert_eq!(notices(&effects), ["[prompt.dispatch_failed]", "queued 1", "runner down 2"]);
    assert_eq!((rig.turn(), rig.queue(), rig.generation()), (None, vec!["p", "a"], 2));
    assert_eq!(commands(&rig.revive()), ["prompt p"]);
    assert_eq!((rig.turn(), rig.queue()), (Some("p"), vec!["a"]));
}

#[test]
fn a_report_proves_that_the_prompt_was_taken() {
    let mut rig = Rig::ready();
    rig.say("p");
    rig.create("p.1");
    rig.gone();
    assert_eq!((rig.turn(), rig.queue()), (None, vec![]));
    assert_eq!(rig.store.reason("p.1"), FinishReason::Error);
    assert!(rig.engine.open.is_none());
}

#[test]
fn an_idle_session_rests_without_a_sandbox_until_the_next_prompt() {
    let mut rig = Rig::ready();
    rig.gone();
    assert_eq!((rig.engine.status, rig.seconds_left()), (SessionStatus::Running, None));
    assert_eq!(rig.store.ordered, [1]);
    rig.say("a");
    assert_eq!(rig.store.ordered, [1, 2]);
    assert_eq!(commands(&rig.revive()), ["prompt a"]);
}

#[test]
fn a_sandbox_that_ends_is_told_only_once() {
    let mut rig = Rig::working();
    rig.say("a");
    rig.gone();
    let late = Event::SandboxGone { generation: 1, detail: String::new() };
    assert_eq!(rig.ok(late), Default::default());
    let late = Event::RunnerDisconnected { generation: 1, connection: "c1".to_owned() };
    assert_eq!(rig.ok(late), Default::default());
    assert_eq!((rig.engine.losses.len(), rig.generation()), (1, 2));
}

/// A session whose runner was lost three times in a short time, while the prompt `c` waits.
fn cooling() -> Rig {
    let mut rig = Rig::working();
    for id in ["a", "b"] {
        rig.say(id);
        rig.gone();
        rig.revive();
        rig.take_all();
        rig.wait(290);
    }
    rig.say("c");
    let effects = rig.gone();
    let told = notices(&effects);
    assert_eq!(told[told.len() - 3..], ["error", "[agent.error]", "runner down 1"]);
    rig
}

#[test]
fn after_three_losses_in_a_short_time_there_is_a_pause() {
    let mut rig = cooling();
    assert_eq!((rig.engine.status, rig.queue()), (SessionStatus::Running, vec!["c"]));
    assert_eq!((rig.seconds_left(), rig.store.ordered.len()), (Some(60), 3));
    rig.wait(30);
    rig.say("d");
    assert_eq!((rig.seconds_left(), rig.store.ordered.len()), (Some(30), 3), "nothing starts before its time");
    rig.due_after(30);
    assert_eq!(commands(&rig.revive()), ["prompt c"]);
}

#[test]
fn each_pause_is_longer_until_the_session_is_given_up() {
    let mut rig = cooling();
    for pause in [60, 300, 900] {
        assert_eq!(rig.seconds_left(), Some(pause));
        rig.due_after(pause);
        rig.revive();
        rig.gone();
    }
    assert_eq!((rig.engine.status, rig.queue()), (SessionStatus::Error, vec![]));
    assert_eq!(rig.store.error.as_deref(), Some("The sandbox ended: exit status 1"));
}

#[test]
fn a_turn_that_ends_makes_up_for_the_losses_before_it() {
    let mut rig = cooling();
    rig.due_after(60);
    rig.revive();
    rig.take_all();
    rig.complete("c");
    assert_eq!(rig.engine.cooling, None);
    rig.wait(700);
    rig.say("d");
    rig.gone();
    assert_eq!(rig.store.ordered.len(), 5, "the next one starts at once");
}

#[test]
fn an_idle_session_needs_no_sandbox_after_a_pause() {
    let mut rig = cooling();
    rig.ok(Event::QueueCleared);
    assert_eq!(rig.seconds_left(), None);
    rig.wait(100);
    rig.say("d");
    assert_eq!(rig.store.ordered.len(), 4);
}

#[test]
fn losses_that_are_spread_out_are_survived() {
    let mut rig = Rig::ready();
    for n in 0..10 {
        rig.say(&format!("p{n}"));
        rig.gone();
        rig.revive();
        rig.take_all();
        rig.complete(&format!("p{n}"));
        rig.wait(300);
    }
    assert_eq!(rig.engine.status, SessionStatus::Running);
    assert!(rig.engine.losses.len() <= 2);
}

#[test]
fn a_runner_that_never_connects_ends_the_session() {
    let mut rig = Rig::opened();
    rig.say("a");
    rig.due_after(59);
    assert_eq!(rig.engine.status, SessionStatus::Initializing);
    let effects = rig.due_after(1);
    assert_eq!(notices(&effects), ["stop", "error", "error", "[agent.error]"]);
    assert_eq!(rig.store.error.as_deref(), Some("The runner did not connect within 60 seconds"));
    assert_eq!(rig.store.dismissed, [1]);
}

#[test]
fn an_agent_that_fails_ends_the_session() {
    let mut rig = Rig::connected();
    rig.say("a");
    rig.report(RunnerReport::Failed { error: "no such program".to_owned() });
    assert_eq!((rig.engine.status, rig.queue()), (SessionStatus::Error, vec![]));
    assert_eq!(rig.store.error.as_deref(), Some("no such program"));
}

#[test]
fn an_agent_that_never_gets_ready_ends_the_session_once_prompts_wait() {
    let mut rig = Rig::connected();
    rig.due_after(100);
    assert_eq!((rig.engine.status, rig.seconds_left()), (SessionStatus::Running, None));
    rig.say("a");
    assert_eq!(rig.seconds_left(), Some(50));
    rig.due_after(50);
    assert_eq!(rig.engine.status, SessionStatus::Error);
    let words = "The agent took no prompts within 150 seconds of its start";
    assert_eq!(rig.store.error.as_deref(), Some(words));
}

#[test]
fn a_slow_agent_is_not_blamed_for_a_lost_connection() {
    let mut rig = Rig::connected();
    rig.say("a");
    rig.wait(140);
    rig.ok(Event::GatewayRestarted);
    rig.wait(25);
    rig.connect();
    rig.ok(Event::Due);
    assert_eq!(rig.seconds_left(), Some(30));
    let effects = rig.report(RunnerReport::Ready { agent_session: None });
    assert_eq!(commands(&effects), ["prompt a"]);
}

#[test]
fn a_runner_that_was_lost_before_its_agent_worked_ends_the_session() {
    let mut rig = Rig::connected();
    rig.disconnect();
    rig.due_after(30);
    assert_eq!(rig.engine.status, SessionStatus::Error);
    let mut rig = Rig::opened();
    rig.gone();
    assert_eq!(rig.engine.status, SessionStatus::Error);
}
