//! The life of a session.

use super::rig::{Rig, actor, node, notices, prompt};
use crate::engine::{COOL_DOWNS, Change, Cooling, Event, Refusal};
use crate::ids::NodeId;
use crate::sessions::SessionStatus;
use crate::tokens::TokenHash;
use crate::tunnels::SandboxUrls;

/// A session in every state that a session can be in, and its name.
fn everywhere() -> Vec<(&'static str, Rig)> {
    let mut waiting = Rig::opened();
    waiting.say("a");
    let mut started = Rig::opened();
    started.ok(Event::SandboxStarted { generation: 1, node: node(), sandbox: None, urls: SandboxUrls::default() });
    let mut given = Rig::ready();
    given.say("p");
    let mut asking = Rig::working();
    asking.create("p.1");
    asking.ask("p.q1", super::rig::yes_or_no());
    asking.say("a");
    let mut aborting = Rig::working();
    aborting.steer("a");
    let mut away = asking.clone();
    away.disconnect();
    let mut resting = Rig::ready();
    resting.gone();
    let mut reviving = Rig::ready();
    reviving.say("p");
    reviving.gone();
    vec![
        ("opened", Rig::opened()),
        ("waiting", waiting),
        ("started", started),
        ("connected", Rig::connected()),
        ("ready", Rig::ready()),
        ("given", given),
        ("working", Rig::working()),
        ("asking", asking),
        ("aborting", aborting),
        ("away", away),
        ("resting", resting),
        ("reviving", reviving),
    ]
}

fn assert_over(rig: &Rig, name: &str) {
    let engine = &rig.engine;
    assert!(engine.turn.is_none() && engine.queue.is_empty() && engine.questions.is_empty(), "{name}");
    assert!(engine.open.is_none() && !engine.has_sandbox() && engine.next_deadline().is_none(), "{name}");
    assert_eq!(rig.store.ordered, rig.store.dismissed, "{name}: every sandbox is dismissed");
}

#[test]
fn opening_orders_a_sandbox_once() {
    let mut rig = Rig::opened();
    assert_eq!((rig.store.ordered.clone(), rig.seconds_left()), (vec![1], Some(60)));
    assert_eq!(rig.ok(Event::Opened { title: None }), Default::default());
}

#[test]
fn a_session_can_be_terminated_in_every_state() {
    for (name, mut rig) in everywhere() {
        let effects = rig.terminate();
        assert_eq!(rig.engine.status, SessionStatus::Terminated, "{name}");
        assert_eq!(effects.bus.last().unwrap().kind, "session.completed");
        assert_eq!(notices(&effects).contains(&"stop".to_owned()), name != "resting", "{name}");
        assert_over(&rig, name);
        assert_eq!(rig.terminate(), Default::default(), "{name}: once is enough");
        let refused = rig.apply(Event::Prompted(prompt("z", None)));
        assert_eq!(refused, Err(Refusal::Ended("terminated")), "{name}");
    }
}

#[test]
fn a_session_can_fail_in_every_state() {
    for (name, mut rig) in everywhere() {
        if !rig.engine.has_sandbox() {
            continue;
        }
        rig.engine.cooling = Some(Cooling { until: rig.now, count: COOL_DOWNS.len() });
        rig.gone();
        assert_eq!(rig.engine.status, SessionStatus::Error, "{name}");
        assert_over(&rig, name);
        assert_eq!(rig.apply(Event::Prompted(prompt("z", None))), Err(Refusal::Ended("error")));
        rig.terminate();
        assert_eq!(rig.engine.status, SessionStatus::Terminated);
    }
}

#[test]
fn termination_ends_the_message_before_it_is_told() {
    let mut rig = Rig::working();
    rig.create("p.1");
    rig.ask("p.q1", super::rig::yes_or_no());
    let effects = rig.terminate();
    assert_eq!(notices(&effects), ["updated p.1", "expired p.q1", "stop", "terminated", "[session.terminated]"]);
}

#[test]
fn a_sandbox_that_starts_too_late_is_dismissed() {
    let mut rig = Rig::opened();
    rig.terminate();
    let effects =
        rig.ok(Event::SandboxStarted { generation: 1, node: node(), sandbox: None, urls: SandboxUrls::default() });
    assert_eq!(effects.changes, [Change::SandboxDismissed { generation: 1, node: Some(node()), sandbox: None }]);
    assert_eq!(rig.engine.status, SessionStatus::Terminated);
    let mut rig = Rig::ready();
    rig.say("p");
    rig.gone();
    let effects =
        rig.ok(Event::SandboxStarted { generation: 1, node: node(), sandbox: None, urls: SandboxUrls::default() });
    assert_eq!(effects.changes, [Change::SandboxDismissed { generation: 1, node: Some(node()), sandbox: None }]);
}

#[test]
fn a_sandbox_can_be_put_away_in_every_state() {
    for (name, mut rig) in everywhere() {
        let waits = rig.turn() == Some("p") && name == "given" || !rig.queue().is_empty();
        rig.ok(Event::SandboxRetired);
        assert_eq!((rig.turn(), rig.engine.has_sandbox()), (None, false), "{name}");
        assert_eq!(rig.engine.status, SessionStatus::Running, "{name}");
        assert!(rig.engine.open.is_none() && rig.engine.questions.is_empty(), "{name}");
        assert_eq!(rig.store.ordered, rig.store.dismissed, "{name}");
        assert_eq!(rig.engine.next_deadline().is_some(), waits, "{name}");
        rig.ok(Event::Due);
        assert_eq!(rig.engine.has_sandbox(), waits, "{name}: prompts that wait get a new one");
    }
}

#[test]
fn a_sandbox_that_cannot_be_started_ends_the_session() {
    let mut rig = Rig::opened();
    rig.ok(failed(1, &"no room".repeat(1_000)));
    assert_eq!(rig.engine.status, SessionStatus::Error);
    assert_eq!(rig.store.error.as_ref().unwrap().len(), 4_000, "the error is bounded");
    assert_over(&rig, "failed");
}

#[test]
fn a_sandbox_whose_runner_said_hello_did_start() {
    let mut rig = Rig::working();
    assert_eq!(rig.ok(failed(1, "exists")), Default::default());
}

fn failed(generation: u32, error: &str) -> Event {
    Event::SandboxFailed { generation, node: node(), error: error.to_owned() }
}

#[test]
fn what_a_failed_start_may_have_left_goes_when_nobody_wants_it() {
    let mut rig = Rig::opened();
    rig.ok(failed(0, "no answer"));
    assert_eq!(rig.store.dismissed, [0]);
    rig.terminate();
    assert_eq!(rig.store.dismissed, [0, 1]);
    rig.ok(failed(1, "no answer"));
    assert_eq!(rig.store.dismissed, [0, 1, 1], "it may have begun since");
}

#[test]
fn a_start_that_another_node_was_about_to_make_gets_a_generation_of_its_own() {
    let mut rig = Rig::opened();
    let due_in = rig.seconds_left();
    let prepared = |generation, node| Event::SandboxPrepared { generation, node, token: TokenHash::of("secret") };
    rig.ok(prepared(1, node()));
    assert_eq!(rig.ok(prepared(1, node())), Default::default(), "the same node tries again");
    rig.ok(prepared(1, NodeId::parse("other").unwrap()));
    assert_eq!((&rig.store.ordered[..], &rig.store.dismissed[..]), (&[1, 2][..], &[1][..]));
    assert_eq!(rig.engine.runner.node, None, "whoever comes first makes it");
    assert_eq!(rig.seconds_left(), due_in, "the session does not wait longer");
    rig.ok(prepared(2, NodeId::parse("other").unwrap()));
    assert_eq!(rig.store.ordered, [1, 2]);
}

#[test]
fn a_title_can_be_changed_even_after_the_end() {
    let mut rig = Rig::ready();
    rig.terminate();
    assert_eq!(notices(&rig.ok(Event::Renamed { title: "T".to_owned() })), ["title T"]);
    assert_eq!(rig.store.title.as_deref(), Some("T"));
}

#[test]
fn events_for_a_session_that_ended_say_so() {
    let mut rig = Rig::opened();
    rig.terminate();
    let refused = Err(Refusal::Ended("terminated"));
    assert_eq!(rig.apply(Event::Aborted { channel: None, by: actor() }), refused);
    assert_eq!(rig.apply(Event::Prompted(prompt("a", None))), refused);
}

#[test]
fn the_backends_name_of_a_sandbox_goes_with_the_work_on_it() {
    let name = |text: &str| crate::ids::SandboxId::parse(text).ok();
    let started =
        |generation, sandbox| Event::SandboxStarted { generation, node: node(), sandbox, urls: SandboxUrls::default() };
    let named = |effects: &crate::engine::Effects| {
        effects.changes.iter().find_map(|change| match change {
            Change::SandboxDismissed { sandbox, .. } | Change::SandboxHibernated { sandbox, .. } => sandbox.clone(),
            _ => None,
        })
    };
    let mut rig = Rig::ready();
    rig.ok(started(1, name("sb-1")));
    rig.ok(started(1, None));
    assert_eq!(named(&rig.hibernate()), name("sb-1"), "it is not forgotten");
    rig.put_away();
    rig.say("p");
    assert_eq!(rig.engine.runner.sandbox, None, "the next sandbox has another name");
    assert_eq!(named(&rig.ok(started(1, name("late")))), name("late"), "one that came too late goes by its own name");
    rig.ok(started(2, name("sb-2")));
    assert_eq!(named(&rig.terminate()), name("sb-2"));
}
