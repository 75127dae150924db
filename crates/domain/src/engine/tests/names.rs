//! What runners call things.

use super::rig::Rig;
use crate::engine::{MAX_OPEN_QUESTIONS, RunnerName, RunnerReport};

fn named(id: &str, name: &str) -> RunnerReport {
    RunnerReport::Named(RunnerName { id: id.to_owned(), name: name.to_owned() })
}

#[test]
fn names_are_kept_for_as_long_as_the_turn_lasts() {
    let mut rig = Rig::working();
    rig.report(named("p.1", "theirs"));
    rig.report(named("p.1", "newer"));
    let turn = rig.engine.turn.as_ref().unwrap();
    assert_eq!(turn.names, [RunnerName { id: "p.1".to_owned(), name: "newer".to_owned() }]);
}

#[test]
fn there_are_never_many_names() {
    let mut rig = Rig::working();
    for number in 0..200 {
        rig.report(named(&format!("p.q{number}"), "x"));
    }
    let names = &rig.engine.turn.as_ref().unwrap().names;
    assert_eq!((names.len(), names[0].id.as_str()), (MAX_OPEN_QUESTIONS + 1, "p.q167"));
    rig.report(named("p.1", &"x".repeat(257)));
    rig.report(named("p.1", "a\0b"));
    assert!(rig.engine.turn.as_ref().unwrap().names.iter().all(|name| name.id != "p.1"));
}
