//! Questions and their answers.

use super::rig::{Rig, choice, commands, notices, question, yes_or_no};
use crate::engine::{Event, MAX_OPEN_QUESTIONS, Refusal, RunnerReport};
use crate::questions::{AnswerValue, ChoiceKind, Resolution};

fn text(answer: &str) -> AnswerValue {
    AnswerValue::Text(answer.to_owned())
}

fn asking() -> Rig {
    let mut rig = Rig::working();
    rig.ask("p.q1", yes_or_no());
    rig
}

fn closed(rig: &Rig, id: &str) -> (Resolution, bool) {
    rig.store.closed[&question(id)].clone()
}

fn selected(id: &str) -> Resolution {
    Resolution::Selected { choice: id.to_owned() }
}

#[test]
fn a_question_is_told_and_waits() {
    let mut rig = Rig::working();
    let effects = rig.ask("p.q1", yes_or_no());
    assert_eq!(notices(&effects), ["question p.q1"]);
    assert_eq!(effects.bus[0].kind, "question.asked");
    assert_eq!(rig.seconds_left(), Some(300));
}

#[test]
fn an_answer_by_id_label_or_flag_is_passed_on() {
    for (answer, meant) in
        [(text("n"), "n"), (text("Yes"), "y"), (AnswerValue::Flag(true), "y"), (AnswerValue::Flag(false), "n")]
    {
        let mut rig = asking();
        let effects = rig.answer("p.q1", answer).unwrap();
        assert_eq!(commands(&effects), [format!("answer p.q1 {:?}", selected(meant))]);
        let label = if meant == "y" { "Yes" } else { "No" };
        assert_eq!(notices(&effects), [format!("answered p.q1 {label}"), "[user.answer]".to_owned()]);
        assert_eq!(closed(&rig, "p.q1"), (selected(meant), false));
        assert!(rig.engine.questions.is_empty());
    }
}

#[test]
fn free_text_answers_a_question_without_choices() {
    let mut rig = Rig::working();
    rig.ask("p.q1", vec![]);
    rig.answer("p.q1", text("blue")).unwrap();
    assert_eq!(closed(&rig, "p.q1").0, Resolution::Text { text: "blue".to_owned() });
}

#[test]
fn answers_that_mean_nothing_are_refused() {
    let mut rig = asking();
    let refusal = rig.answer("p.q1", text("maybe")).unwrap_err();
    assert!(matches!(refusal, Refusal::InvalidAnswer(words) if words.contains("Yes, No")));
    assert_eq!(rig.answer("p.q9", text("y")), Err(Refusal::QuestionNotOpen));
    rig.answer("p.q1", text("y")).unwrap();
    assert_eq!(rig.answer("p.q1", text("y")), Err(Refusal::QuestionNotOpen));
}

#[test]
fn an_answer_while_the_runner_is_away_is_kept_for_it() {
    let mut rig = asking();
    rig.disconnect();
    assert_eq!(commands(&rig.answer("p.q1", text("y")).unwrap()).len(), 1);
}

#[test]
fn an_expired_question_is_refused_once_and_the_turn_goes_on() {
    let mut rig = asking();
    let effects = rig.due_after(300);
    assert_eq!(commands(&effects), [format!("answer p.q1 {:?}", selected("n"))]);
    assert_eq!(notices(&effects), ["expired p.q1"]);
    assert_eq!(closed(&rig, "p.q1"), (selected("n"), true));
    assert_eq!(rig.turn(), Some("p"));
}

#[test]
fn an_expired_question_that_cannot_be_refused_ends_the_turn() {
    let mut rig = Rig::working();
    rig.ask("p.q1", vec![choice("y", "Yes", ChoiceKind::AllowAlways)]);
    rig.wait(100);
    rig.ask("p.q2", yes_or_no());
    let effects = rig.due_after(200);
    assert_eq!(commands(&effects), ["answer p.q1 Cancelled", "abort p"]);
    assert_eq!(notices(&effects), ["expired p.q1", "expired p.q2"]);
    assert!(rig.engine.questions.is_empty());
}

#[test]
fn a_withdrawn_question_needs_no_answer() {
    let mut rig = asking();
    let effects = rig.report(RunnerReport::QuestionClosed { question: question("p.q1") });
    assert_eq!((commands(&effects), notices(&effects)), (vec![], vec!["expired p.q1".to_owned()]));
    assert_eq!(closed(&rig, "p.q1"), (Resolution::Cancelled, true));
    let effects = rig.report(RunnerReport::QuestionClosed { question: question("p.q1") });
    assert_eq!(effects.notices, []);
}

#[test]
fn an_abort_closes_questions_and_takes_no_new_ones() {
    let mut rig = asking();
    let effects = rig.abort();
    assert_eq!(notices(&effects), ["expired p.q1", "agent idle", "[user.abort]"]);
    let effects = rig.ask("p.q2", yes_or_no());
    assert_eq!((commands(&effects), notices(&effects)), (vec!["answer p.q2 Cancelled".to_owned()], vec![]));
}

#[test]
fn the_end_of_a_turn_closes_its_questions() {
    let mut rig = asking();
    assert_eq!(notices(&rig.complete("p")), ["expired p.q1", "[agent.turn_complete]", "free"]);
}

#[test]
fn too_many_questions_are_cancelled_at_once() {
    let mut rig = Rig::working();
    for n in 1..=MAX_OPEN_QUESTIONS {
        rig.ask(&format!("p.q{n}"), yes_or_no());
    }
    let effects = rig.ask("p.q33", yes_or_no());
    assert_eq!((commands(&effects), notices(&effects)), (vec!["answer p.q33 Cancelled".to_owned()], vec![]));
}

#[test]
fn a_question_without_a_turn_or_of_another_one_is_cancelled_at_once() {
    let mut rig = Rig::ready();
    assert_eq!(commands(&rig.ask("p.q1", yes_or_no())), ["answer p.q1 Cancelled"]);
    rig.say("p");
    assert_eq!(commands(&rig.ask("o.q1", yes_or_no())), ["answer o.q1 Cancelled"]);
    assert!(rig.engine.questions.is_empty());
}

#[test]
fn a_question_never_comes_twice() {
    let mut rig = asking();
    assert_eq!(rig.ask("p.q1", yes_or_no()).changes, []);
    rig.answer("p.q1", text("y")).unwrap();
    assert_eq!(rig.ask("p.q1", yes_or_no()).changes, []);
    rig.ask("p.q7", yes_or_no());
    assert_eq!(rig.ask("p.q6", yes_or_no()).changes, []);
    assert_eq!(rig.engine.questions.len(), 1);
    assert_eq!(rig.engine.runner.last_frame, 6);
}

#[test]
fn a_question_proves_that_the_prompt_was_taken() {
    let mut rig = Rig::ready();
    rig.say("p");
    rig.ask("p.q1", yes_or_no());
    rig.gone();
    assert_eq!((rig.turn(), rig.queue()), (None, vec![]));
}

#[test]
fn a_waiting_agent_is_not_silent() {
    let mut rig = asking();
    rig.engine.timeouts.silence = std::time::Duration::from_secs(60);
    rig.engine.turn.as_mut().unwrap().check_at = rig.now.plus(rig.engine.timeouts.silence);
    for _ in 0..4 {
        assert_eq!(commands(&rig.due_after(60)), [""; 0]);
    }
    rig.wait(59);
    rig.answer("p.q1", text("y")).unwrap();
    assert_eq!(commands(&rig.due_after(1)), [""; 0]);
    assert_eq!(commands(&rig.due_after(58)), [""; 0]);
    assert_eq!(commands(&rig.due_after(1)), ["abort p"]);
}

#[test]
fn nobody_answers_in_a_session_that_ended() {
    let mut rig = asking();
    rig.terminate();
    assert_eq!(rig.answer("p.q1", text("y")), Err(Refusal::Ended("terminated")));
    assert_eq!(rig.apply(Event::Aborted { channel: None, by: super::rig::actor() }), Err(Refusal::Ended("terminated")));
}
