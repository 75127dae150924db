//! Sessions that a session opens.

use super::rig::{Rig, actor, child, commands, notices};
use crate::children::{ChildEvent, ParentStop};
use crate::engine::{Change, Effects, Event, MAX_QUEUED, Refusal, RunnerReport};
use crate::messages::{MessageRole, Part};
use crate::sessions::SessionStatus;

fn open(rig: &mut Rig) -> Result<Effects, Refusal> {
    rig.apply(Event::ChildOpened { child: child(0).id, title: None, by: actor().user })
}

fn tell(rig: &mut Rig, event: ChildEvent) -> Effects {
    rig.ok(Event::ChildTold { child: child(0), event })
}

fn child_ready() -> Rig {
    let mut rig = Rig::opened_as_child();
    rig.connect();
    rig.report(RunnerReport::Ready { agent_session: None });
    rig
}

#[test]
fn a_session_tells_of_its_child_and_ends_it_with_itself() {
    let mut rig = Rig::ready();
    assert_eq!(notices(&open(&mut rig).unwrap()), ["child child0", "[child.opened]"]);
    open(&mut rig).unwrap();
    assert!(rig.terminate().changes.contains(&Change::ChildrenStopped));
    assert_eq!(rig.store.children_stopped, 1);
    assert_eq!(open(&mut rig), Err(Refusal::Ended("terminated")));
}

#[test]
fn a_session_that_fails_ends_its_children_as_well() {
    let mut rig = Rig::ready();
    open(&mut rig).unwrap();
    rig.report(RunnerReport::Failed { error: "no agent".to_owned() });
    assert_eq!(rig.store.children_stopped, 1);
    rig.terminate();
    assert_eq!(rig.store.children_stopped, 1, "there are none any more");
}

#[test]
fn a_session_without_children_ends_nobody() {
    let mut rig = Rig::ready();
    rig.terminate();
    assert_eq!(rig.store.children_stopped, 0);
}

#[test]
fn a_child_opens_no_children() {
    assert_eq!(open(&mut child_ready()), Err(Refusal::ChildOfChild));
}

#[test]
fn a_parent_hears_once_that_its_child_is_idle() {
    let mut rig = child_ready();
    assert_eq!(rig.store.told_parent, [], "it has not worked");
    rig.say("p");
    rig.take_all();
    rig.say("q");
    rig.complete("p");
    assert_eq!(rig.store.told_parent, [], "another prompt waits");
    rig.take_all();
    rig.complete("q");
    assert_eq!(rig.store.told_parent, [ChildEvent::Idle]);
    rig.due_after(5);
    rig.hibernate();
    rig.put_away();
    assert_eq!(rig.store.told_parent, [ChildEvent::Idle], "nothing else was done");
    rig.wake();
    rig.revive();
    rig.say("r");
    rig.take_all();
    rig.complete("r");
    assert_eq!(rig.store.told_parent, [ChildEvent::Idle, ChildEvent::Idle]);
}

#[test]
fn a_parent_hears_of_every_error_and_of_the_end() {
    let error = |text: &str| text.to_owned();
    let mut rig = child_ready();
    rig.say("p");
    rig.take_all();
    rig.report(RunnerReport::Error { error: error("no credit") });
    rig.complete("p");
    rig.terminate();
    rig.terminate();
    let told = [ChildEvent::Error { error: error("no credit") }, ChildEvent::Idle, ChildEvent::Completed];
    assert_eq!(rig.store.told_parent, told);
    let mut rig = child_ready();
    rig.report(RunnerReport::Failed { error: error("no agent") });
    assert_eq!(rig.store.told_parent, [ChildEvent::Failed { error: error("no agent") }]);
    rig.terminate();
    assert_eq!(rig.store.told_parent.len(), 1, "it had ended");
}

#[test]
fn a_parent_that_ends_its_child_is_not_told() {
    let mut rig = child_ready();
    rig.say("p");
    let effects = rig.ok(Event::StoppedByParent { reason: ParentStop::Wanted });
    assert_eq!((rig.engine.status, rig.store.told_parent.len()), (SessionStatus::Terminated, 0));
    assert_eq!(effects.bus[0].data["reason"], "parent_stopped");
    assert_eq!(rig.ok(Event::StoppedByParent { reason: ParentStop::ParentEnded }), Effects::default());
}

#[test]
fn what_a_child_tells_goes_to_an_agent_that_has_nothing_to_do() {
    let mut rig = Rig::ready();
    let effects = tell(&mut rig, ChildEvent::Idle);
    assert_eq!(notices(&effects), ["message system", "[child.idle]"]);
    assert_eq!(commands(&effects).len(), 1);
    let message = rig.store.messages.values().next().unwrap();
    assert_eq!((message.role, message.author.as_ref()), (MessageRole::System, None));
    assert_eq!(message.content, "Child session \"child0\" (child0) is idle: it has done what it was told.");
    let label = Part::Label { title: "child0 is idle".to_owned(), avatar_key: "child-session".to_owned() };
    assert_eq!(message.parts, [label]);
}

#[test]
fn what_a_child_tells_waits_for_an_agent_that_works_and_is_not_told_as_queued() {
    let mut rig = Rig::working();
    let effects = tell(&mut rig, ChildEvent::Completed);
    assert_eq!(notices(&effects), ["message system", "[child.completed]"]);
    assert_eq!(rig.engine.queue.len(), 1);
    rig.complete("p");
    assert!(rig.engine.queue.is_empty() && rig.engine.turn.is_some());
}

#[test]
fn what_a_child_tells_wakes_its_parent() {
    let mut rig = Rig::ready();
    rig.hibernate();
    rig.put_away();
    tell(&mut rig, ChildEvent::Idle);
    assert_eq!(rig.engine.status, SessionStatus::Restoring);
    rig.revive();
    assert!(rig.engine.turn.is_some());
}

#[test]
fn what_a_child_tells_is_only_kept_where_too_much_waits() {
    let mut rig = Rig::working();
    (0..MAX_QUEUED).for_each(|number| drop(rig.say(&format!("q{number}"))));
    tell(&mut rig, ChildEvent::Idle);
    assert_eq!(rig.engine.queue.len(), MAX_QUEUED);
    assert!(rig.store.messages.values().any(|message| message.role == MessageRole::System));
}

#[test]
fn a_parent_that_has_ended_hears_nothing() {
    let mut rig = Rig::ready();
    rig.terminate();
    assert_eq!(tell(&mut rig, ChildEvent::Idle), Effects::default());
}

#[test]
fn copied_messages_say_where_they_are_from() {
    let mut rig = Rig::working();
    rig.create("p.1");
    rig.text("p.1", "mine");
    let source = rig.store.messages.values().next().unwrap().clone();
    let effects = rig.ok(Event::Forwarded { source: child(0), messages: vec![source.clone()] });
    assert_eq!(notices(&effects), ["message assistant", "[messages.forwarded]"]);
    let copy = rig.store.messages.values().find(|message| message.parts.len() == 2).unwrap();
    assert_eq!((copy.content.as_str(), copy.role), (source.content.as_str(), MessageRole::Assistant));
    let Part::Forwarded(provenance) = &copy.parts[1] else { panic!("{copy:?}") };
    assert_eq!((provenance.session.as_str(), provenance.role), ("child0", MessageRole::User));
    rig.text("p.1", " still");
    rig.complete("p");
    assert_eq!(rig.apply(Event::Forwarded { source: child(0), messages: vec![] }), Ok(Effects::default()));
}
