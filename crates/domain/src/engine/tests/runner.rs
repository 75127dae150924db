//! Hello, numbering, acknowledgements.

use super::rig::{Rig, commands, hello, message, node, notices};
use crate::engine::{Change, Event, Link, Refusal, RunnerHello, RunnerReport};
use crate::sessions::SessionStatus;
use crate::tokens::TokenHash;
use crate::tunnels::SandboxUrls;

fn unknown() -> RunnerReport {
    RunnerReport::Unknown
}

#[test]
fn the_first_hello_makes_the_session_run() {
    let mut rig = Rig::opened();
    let effects = rig.connect();
    assert_eq!(notices(&effects), ["running", "runner up"]);
    assert_eq!(rig.engine.status, SessionStatus::Running);
}

#[test]
fn a_sandbox_that_exists_makes_the_session_run() {
    let mut rig = Rig::opened();
    assert_eq!(
        notices(&rig.ok(Event::SandboxStarted {
            generation: 1,
            node: node(),
            sandbox: None,
            urls: SandboxUrls::default()
        })),
        ["running"]
    );
    assert_eq!(notices(&rig.connect()), ["runner up"]);
}

#[test]
fn only_the_runner_that_was_started_is_welcome() {
    let mut rig = Rig::ready();
    rig.say("p");
    rig.take_all();
    let stale = Err(Refusal::StaleRunner);
    let honest = rig.honest("c9");
    let (last_command, last_frame) = (honest.last_command, honest.last_frame);
    let mut offer = |offered| rig.apply(Event::RunnerConnected(offered));
    assert_eq!(offer(hello(0, "c9")), stale);
    assert_eq!(offer(hello(2, "c9")), stale);
    assert_eq!(offer(hello(1, "c9")), stale, "it forgot what it did");
    assert_eq!(offer(RunnerHello { last_frame: last_frame - 1, ..honest.clone() }), stale);
    assert_eq!(offer(RunnerHello { last_command: last_command - 1, ..honest.clone() }), stale);
    assert_eq!(offer(RunnerHello { last_command: last_command + 1, ..honest.clone() }), stale);
    assert!(offer(honest).is_ok());
}

#[test]
fn a_newer_connection_replaces_the_older_one() {
    let mut rig = Rig::working();
    let again = rig.honest("c9");
    assert_eq!(notices(&rig.ok(Event::RunnerConnected(again.clone()))), ["replaced c1", "runner up"]);
    let late = Event::RunnerDisconnected { generation: 1, connection: "c1".to_owned() };
    assert_eq!(rig.ok(late).notices, []);
    let older = Event::RunnerDisconnected { generation: 0, connection: "c9".to_owned() };
    assert_eq!(rig.ok(older).notices, []);
    assert!(rig.engine.is_connected());
    assert_eq!(notices(&rig.ok(Event::RunnerConnected(again))), ["runner up"], "it does not replace itself");
}

#[test]
fn reports_that_were_seen_are_dropped_and_gaps_refused() {
    let mut rig = Rig::working();
    rig.create("p.1");
    rig.text("p.1", "a");
    let text =
        RunnerReport::Text { message: message("p.1"), kind: crate::messages::TextKind::Text, delta: "a".to_owned() };
    assert_eq!(rig.frame(3, text.clone()), Ok(Default::default()));
    assert_eq!(rig.frame(5, text.clone()), Err(Refusal::Gap(5)));
    assert_eq!(rig.frame(u64::MAX, unknown()), Err(Refusal::Gap(u64::MAX)));
    assert_eq!(rig.frame(0, unknown()), Ok(Default::default()));
    assert_eq!(notices(&rig.frame(4, text).unwrap()), ["chunk 0:1 a"]);
}

#[test]
fn reports_of_other_generations_are_refused() {
    let mut rig = Rig::working();
    let stale = Event::Reported { generation: 0, frame: 2, report: unknown() };
    assert_eq!(rig.apply(stale), Err(Refusal::StaleRunner));
    rig.say("a");
    rig.gone();
    assert_eq!(rig.frame(1, unknown()), Err(Refusal::StaleRunner), "the new runner has said no hello");
    let taken = Event::CommandsTaken { generation: 1, command: 1 };
    assert_eq!(rig.apply(taken), Err(Refusal::StaleRunner));
}

#[test]
fn reports_on_a_connection_that_was_taken_for_lost_ask_for_a_new_one() {
    let mut rig = Rig::working();
    rig.ok(Event::GatewayRestarted);
    assert_eq!(rig.frame(2, unknown()), Err(Refusal::Gap(2)));
    rig.connect();
    assert!(rig.frame(2, unknown()).is_ok());
}

#[test]
fn commands_are_taken_over_once() {
    let mut rig = Rig::ready();
    rig.say("p");
    let taken = |number| Change::CommandsTaken { generation: 1, number };
    assert_eq!(rig.take_all().changes, [taken(1)]);
    assert_eq!(rig.take_all().changes, []);
    rig.abort();
    let beyond = Event::CommandsTaken { generation: 1, command: 99 };
    assert_eq!(rig.ok(beyond).changes, [taken(2)], "what was not given cannot be taken");
}

#[test]
fn the_end_of_a_turn_acknowledges_its_prompt() {
    let mut rig = Rig::ready();
    rig.say("p");
    let effects = rig.complete("p");
    assert_eq!(effects.changes[0], Change::CommandsTaken { generation: 1, number: 1 });
}

#[test]
fn an_acknowledgement_that_comes_after_the_loss_still_counts() {
    let mut rig = Rig::ready();
    rig.say("p");
    rig.disconnect();
    rig.take_all();
    rig.due_after(30);
    assert_eq!((rig.turn(), rig.queue()), (None, vec![]));
}

#[test]
fn a_secret_belongs_to_the_sandbox_that_is_being_started() {
    let mut rig = Rig::opened();
    let token = TokenHash::of("secret");
    let prepared = |generation| Event::SandboxPrepared { generation, node: node(), token: TokenHash::of("secret") };
    assert_eq!(rig.apply(prepared(0)), Err(Refusal::StaleRunner));
    rig.ok(prepared(1));
    assert_eq!(rig.engine.runner.token, Some(token));
    rig.connect();
    assert_eq!(rig.apply(prepared(1)), Err(Refusal::StaleRunner));
}

#[test]
fn frames_after_the_end_have_no_effect() {
    let mut rig = Rig::working();
    rig.terminate();
    let stale = Err(Refusal::StaleRunner);
    assert_eq!(rig.frame(2, unknown()), stale);
    let hello = rig.honest("c1");
    assert_eq!(rig.apply(Event::RunnerConnected(hello)), stale);
    assert_eq!(rig.apply(Event::CommandsTaken { generation: 1, command: 2 }), stale);
    let down = Event::RunnerDisconnected { generation: 1, connection: "c1".to_owned() };
    assert_eq!(rig.ok(down), Default::default());
    assert_eq!(rig.ok(Event::GatewayRestarted), Default::default());
    assert_eq!(rig.ok(Event::Due), Default::default());
    assert_eq!(rig.engine.runner.link, Link::None);
}

#[test]
fn ready_again_in_the_middle_of_a_turn_changes_nothing() {
    let mut rig = Rig::working();
    rig.say("a");
    let effects = rig.report(RunnerReport::Ready { agent_session: Some("b".to_owned()) });
    assert_eq!(commands(&effects), [""; 0]);
    assert_eq!((rig.turn(), rig.queue()), (Some("p"), vec!["a"]));
}

#[test]
fn the_conversation_outlives_its_sandbox() {
    let mut rig = Rig::ready();
    rig.report(RunnerReport::Ready { agent_session: Some("talk 1".to_owned()) });
    rig.ok(Event::SandboxRetired);
    rig.say("a");
    assert_eq!(rig.engine.runner.generation, 2);
    assert_eq!(rig.engine.runner.agent_session.as_deref(), Some("talk 1"));
}

#[test]
fn a_conversation_that_no_runner_could_be_told_of_is_not_kept() {
    let mut rig = Rig::ready();
    for (name, kept) in
        [("x".repeat(1_000), true), ("x".repeat(1_001), false), ("a\0b".to_owned(), false), (String::new(), false)]
    {
        rig.report(RunnerReport::Ready { agent_session: Some(name) });
        assert_eq!(rig.engine.runner.agent_session.is_some(), kept);
    }
}
