//! What is always true.

use std::collections::BTreeSet;

use super::rig::Rig;
use crate::children::ChildEvent;
use crate::engine::{Change, Effects, Engine, Event, Link, MAX_OPEN_QUESTIONS, MAX_QUEUED, MAX_RESTARTS, Notice};
use crate::sessions::SessionStatus;
use crate::states::{Facts, LiveState};

/// Checks a state by itself.
pub(super) fn check_state(rig: &Rig) {
    let engine = &rig.engine;
    let queued: BTreeSet<&str> = rig.queue().into_iter().collect();
    assert_eq!(queued.len(), engine.queue.len(), "nothing waits twice");
    assert!(engine.queue.len() <= MAX_QUEUED + 1, "one more when a prompt came back");
    assert!(engine.runner.channel_sessions.len() <= 2, "each of the channels has one conversation");
    assert!(engine.questions.len() <= MAX_OPEN_QUESTIONS && engine.losses.len() <= MAX_RESTARTS);
    let message = engine.turn.as_ref().and_then(|turn| turn.message.as_ref());
    assert_eq!(message, engine.open.as_ref().map(|open| &open.id), "the open message is the turn's");
    match &engine.turn {
        Some(turn) => {
            assert!(matches!(engine.runner.link, Link::Connected { .. } | Link::Lost { .. }));
            assert!(turn.abort_deadline.is_none() || engine.questions.is_empty(), "an abort needs no answers");
        }
        None => {
            assert!(engine.questions.is_empty(), "nobody waits for an answer");
            let free = engine.is_connected() && engine.runner.ready;
            let held = engine.queue.iter().all(|queued| queued.held_until.is_some());
            assert!(!free || held, "nothing waits for a free agent");
        }
    }
    let held = engine.queue.iter().filter(|queued| queued.held_until.is_some());
    assert!(held.clone().all(|queued| queued.is_collected), "only what is collected is held back");
    for queued in held {
        let same = engine.queue.iter().rev().find(|other| other.channel == queued.channel);
        assert_eq!(same.unwrap().held_until, queued.held_until, "a channel has one collection, at its end");
    }
    let wanted: BTreeSet<u32> = engine.has_sandbox().then_some(rig.generation()).into_iter().collect();
    let ordered: BTreeSet<u32> = rig.store.ordered.iter().copied().collect();
    let parting = matches!(engine.runner.link, Link::Parting { .. });
    assert_eq!(
        parting,
        engine.status == SessionStatus::Hibernating,
        "a sandbox is put away while the session hibernates"
    );
    let put_away = rig.store.hibernated.iter().filter(|generation| !parting || **generation != rig.generation());
    let dismissed: BTreeSet<u32> = rig.store.dismissed.iter().chain(put_away).copied().collect();
    assert_eq!(&ordered - &dismissed, wanted, "every sandbox that is not wanted is dismissed");
    assert_eq!(ordered.len(), rig.store.ordered.len(), "a generation is ordered once");
    assert!(engine.uses_sandbox() || engine.runner.exposure.is_empty(), "nothing is reached without a sandbox");
    assert_eq!(engine.participants, rig.store.participants, "everybody who takes part is stored");
    check_deadline(engine);
    let stored = serde_json::to_string(engine).unwrap();
    let shown = serde_json::from_str::<LiveState>(&stored).unwrap();
    assert_eq!(shown.facts, Facts::of(engine), "the stored state tells the same");
    assert_eq!(shown.exposure, engine.runner.exposure, "the stored state tells the same");
}

fn check_deadline(engine: &Engine) {
    let on_its_way = matches!(engine.runner.link, Link::Starting { .. } | Link::Lost { .. } | Link::Parting { .. });
    let waits = on_its_way || engine.turn.is_some() || !engine.queue.is_empty() || !engine.questions.is_empty();
    assert!(!waits || engine.next_deadline().is_some(), "nothing waits without a deadline");
    if engine.status.is_ended() {
        assert!(!waits && !engine.has_sandbox() && engine.next_deadline().is_none(), "the end is the end");
    }
}

/// Checks what one event that was applied did.
pub(super) fn check_step(before: &Engine, event: &Event, effects: &Effects, rig: &Rig) {
    let after = &rig.engine;
    // The store checks that each may follow the one before it.
    let last = effects.changes.iter().rev().find_map(|change| match change {
        Change::SessionTouched { status, .. } => *status,
        _ => None,
    });
    assert_eq!(after.status, last.unwrap_or(before.status), "every status is stored");
    assert!(after.runner.generation <= before.runner.generation + 1);
    for seq in effects.changes.iter().filter_map(seq) {
        assert!(seq > before.seq && seq <= after.seq, "seq {seq} is new");
    }
    let told: Vec<(&str, &str)> = effects.bus.iter().map(|event| (event.kind.as_str(), event.user.as_str())).collect();
    let everybody: Vec<&str> =
        [&after.owner].into_iter().chain(after.participants.keys()).map(|user| user.as_str()).collect();
    for told in told.chunks(everybody.len()) {
        let expected = everybody.iter().map(|user| (told[0].0, *user));
        assert!(told.iter().copied().eq(expected), "everybody who takes part is told, and nobody else");
    }
    check_family(before, effects, after);
    if *event == Event::Due {
        assert!(after.next_deadline().is_none_or(|deadline| deadline > rig.now), "what was due is done");
    }
}

/// The end of a session is that of those that it opened, and its parent hears of what is worth it.
fn check_family(before: &Engine, effects: &Effects, after: &Engine) {
    let stopped = effects.changes.iter().filter(|change| **change == Change::ChildrenStopped).count();
    assert_eq!(stopped, usize::from(before.has_children && !after.has_children), "children are ended once");
    assert!(!after.status.is_ended() || !after.has_children, "nobody outlives their parent");
    let told: Vec<&ChildEvent> = effects
        .changes
        .iter()
        .filter_map(|change| match change {
            Change::ParentTold { event, .. } => Some(event),
            _ => None,
        })
        .collect();
    assert!(after.parent.is_some() || told.is_empty(), "there is nobody to tell");
    let idle = told.iter().filter(|event| ***event == ChildEvent::Idle).count();
    assert!(idle == 0 || (idle == 1 && after.turn.is_none() && after.queue.is_empty()), "it is idle");
    let rests = after.turn.is_none() && after.queue.is_empty();
    assert!(!after.owes_idle || !(rests || after.status.is_ended()), "the parent knows that it is idle");
    if after.parent.is_some() {
        let errors = effects.notices.iter().filter(|notice| matches!(notice, Notice::Error { .. })).count();
        let of_errors =
            told.iter().filter(|event| matches!(event, ChildEvent::Error { .. } | ChildEvent::Failed { .. }));
        assert_eq!(of_errors.count(), errors, "every error is told");
    }
}

fn seq(change: &Change) -> Option<u64> {
    match change {
        Change::MessageAdded(message) | Change::MessageFinished(message) => Some(message.seq),
        Change::MessageRemoved { seq, .. }
        | Change::MessagesRemoved { seq, .. }
        | Change::PartSet { seq, .. }
        | Change::PartsReplaced { seq, .. }
        | Change::ModelsSet { seq, .. }
        | Change::QuestionAsked { seq, .. }
        | Change::QuestionClosed { seq, .. }
        | Change::FilesChanged { seq, .. }
        | Change::GitStateChanged { seq, .. } => Some(*seq),
        Change::ParticipantSet(participant) => Some(participant.seq),
        Change::Audited(entry) => Some(entry.seq),
        _ => None,
    }
}
