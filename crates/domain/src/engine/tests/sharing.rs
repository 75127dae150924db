//! Who takes part besides the owner.

use super::rig::{Rig, actor, notices, person, yes_or_no};
use crate::engine::{Actor, Effects, Event, Refusal, RunnerReport};
use crate::ids::UserId;
use crate::sharing::{MAX_PARTICIPANTS, ParticipantRole};

fn set(rig: &mut Rig, who: Actor, role: ParticipantRole) -> Result<Effects, Refusal> {
    rig.apply(Event::ParticipantSet { who, role, by: actor() })
}

fn remove(rig: &mut Rig, who: &Actor) -> Effects {
    rig.ok(Event::ParticipantRemoved { user: who.user.clone(), by: actor() })
}

#[test]
fn somebody_is_let_in_gets_another_role_and_is_removed() {
    let mut rig = Rig::ready();
    let (who, viewer, collaborator) = (person(0), ParticipantRole::Viewer, ParticipantRole::Collaborator);
    assert_eq!(notices(&set(&mut rig, who.clone(), viewer).unwrap()), ["[participant.added]"]);
    assert_eq!(set(&mut rig, who.clone(), viewer), Ok(Effects::default()), "nothing changes");
    assert_eq!(notices(&set(&mut rig, who.clone(), collaborator).unwrap()), ["[participant.added]"]);
    assert_eq!(rig.engine.participants.get(&who.user), Some(&collaborator));
    assert_eq!(notices(&remove(&mut rig, &who)), ["[participant.removed]", "access of v withdrawn"]);
    assert_eq!(remove(&mut rig, &who), Effects::default(), "gone already");
    assert!(rig.engine.participants.is_empty());
}

#[test]
fn the_owner_is_no_participant() {
    let mut rig = Rig::ready();
    assert_eq!(set(&mut rig, actor(), ParticipantRole::Viewer), Err(Refusal::OwnerTakesPart));
}

#[test]
fn there_are_only_so_many_participants() {
    let mut rig = Rig::ready();
    let person = |number: usize| Actor { user: UserId::parse(format!("p{number}")).unwrap(), name: "P".to_owned() };
    for number in 0..MAX_PARTICIPANTS {
        set(&mut rig, person(number), ParticipantRole::Viewer).unwrap();
    }
    assert_eq!(set(&mut rig, person(MAX_PARTICIPANTS), ParticipantRole::Viewer), Err(Refusal::TooManyParticipants));
    set(&mut rig, person(0), ParticipantRole::Collaborator).unwrap();
}

#[test]
fn everybody_who_takes_part_hears_of_a_question() {
    let mut rig = Rig::working();
    set(&mut rig, person(0), ParticipantRole::Viewer).unwrap();
    let effects = rig.ask("p.q1", yes_or_no());
    let told: Vec<_> = effects.bus.iter().map(|event| (event.kind.as_str(), event.user.as_str())).collect();
    assert_eq!(told, [("question.asked", "u"), ("question.asked", "v")]);
}

#[test]
fn a_session_that_has_ended_is_shared_as_well() {
    let mut rig = Rig::ready();
    rig.report(RunnerReport::Failed { error: "no agent".to_owned() });
    set(&mut rig, person(0), ParticipantRole::Viewer).unwrap();
    assert_eq!(rig.engine.participants.len(), 1);
}
