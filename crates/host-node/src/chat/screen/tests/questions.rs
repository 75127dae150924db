//! Questions, and who answers them.

use super::*;

#[test]
fn a_question_is_asked_answered_and_confirmed() {
    let mut screen = joined();
    agent(&mut screen, "tool_calling");
    question(&mut screen, "q");
    screen.settle();
    assert_eq!(take(&mut screen), "? Write demo.md?\n  1) Allow\n  2) Reject\nanswer [1-2]: ");
    screen.entered();
    screen.answer_line("perhaps");
    screen.settle();
    assert_eq!(take(&mut screen), "Please enter a number from 1 to 2, or a label\nanswer [1-2]: ");
    screen.entered();
    screen.answer_line("1");
    let answer = ClientFrame::Answer { question_id: "q".to_owned(), answer: AnswerValue::Text("yes".to_owned()) };
    assert_eq!(screen.take_frames(), [answer]);
    status(&mut screen, json!({"questionAnswered": "q", "answer": "Allow"}));
    screen.settle();
    assert_eq!(take(&mut screen), "");
    assert!(!screen.is_asking());
}

#[test]
fn somebody_else_may_answer_first() {
    let mut screen = joined();
    agent(&mut screen, "tool_calling");
    question(&mut screen, "q");
    screen.settle();
    take(&mut screen);
    status(&mut screen, json!({"questionAnswered": "q", "answer": "Reject"}));
    assert!(!screen.is_asking());
    assert_eq!(take(&mut screen), "\n  answered elsewhere: Reject\n");
    question(&mut screen, "r");
    screen.settle();
    take(&mut screen);
    status(&mut screen, json!({"questionExpired": "r"}));
    assert_eq!(take(&mut screen), "\n  the question is no longer open\n");
}

#[test]
fn a_lost_answer_is_sent_again_and_a_refused_one_asked_again() {
    let mut screen = joined();
    question(&mut screen, "q");
    screen.answer_line("2");
    let sent = screen.take_frames();
    screen.connection_lost();
    init(&mut screen, json!([]), true);
    question(&mut screen, "q");
    assert_eq!(screen.take_frames(), sent);
    assert!(!screen.is_asking());
    feed(&mut screen, json!({"type": "error", "error": "bad answer", "message": "", "code": "VALIDATION_ERROR"}));
    assert!(screen.is_asking());
    screen.answer_line("2");
    feed(&mut screen, json!({"type": "error", "error": "not open", "message": "", "code": "CONFLICT"}));
    assert!(!screen.is_asking());
}

#[test]
fn a_policy_answers_without_anybody() {
    let manner = |policy| Manner { once: true, policy: Some(policy), ..Manner::default() };
    for (policy, flag) in [(Policy::Allow, true), (Policy::Refuse, false)] {
        let mut screen = screen(manner(policy));
        question(&mut screen, "q");
        let answer = ClientFrame::Answer { question_id: "q".to_owned(), answer: AnswerValue::Flag(flag) };
        assert_eq!(screen.take_frames(), [answer]);
        assert!(!screen.has_failed());
    }
    let mut screen = screen(manner(Policy::Refuse));
    feed(&mut screen, json!({"type": "question", "questionId": "q", "text": "Which?", "options": ["a", "b"]}));
    assert_eq!(screen.take_frames(), [ClientFrame::ABORT]);
    assert!(screen.has_failed());
}
