//! What the session's owner is to notice.

use portway_domain::engine::{Event, Prompt, RunnerReport};
use portway_domain::ids::{MessageId, QuestionId};
use portway_protocol::resuming::Sequenced;
use portway_protocol::server::{ServerFrame, ToastVariant};

use super::rig::{Connection, Rig};

fn frames(connection: &mut Connection) -> Vec<Sequenced> {
    connection.poll();
    std::iter::from_fn(|| connection.receive()).collect()
}

fn is_toast(sequenced: &Sequenced) -> bool {
    matches!(sequenced.frame, ServerFrame::Toast { .. })
}

#[test]
fn the_owner_is_pointed_to_a_question_once() {
    let mut rig = Rig::new();
    let prompt = Prompt {
        id: MessageId::parse("p").unwrap(),
        content: "Ask me".to_owned(),
        attachments: Vec::new(),
        author: None,
        model: None,
        queue_mode: None,
        channel: None,
    };
    rig.apply(Event::Prompted(prompt));
    let (seq, mut connection) = (rig.engine().seq, rig.open(None));
    frames(&mut connection);
    let question = QuestionId::parse("p.q1").unwrap();
    rig.report(RunnerReport::Asked { question, text: "é".repeat(241), choices: Vec::new() });

    let told = frames(&mut connection);
    let place = told.iter().position(|told| matches!(told.frame, ServerFrame::Question { .. })).unwrap();
    let toast = ServerFrame::Toast {
        title: "The agent asks".to_owned(),
        description: Some("é".repeat(240)),
        variant: Some(ToastVariant::Warning),
        duration: None,
    };
    assert_eq!(told[place + 1], Sequenced { frame: toast, seq: None });
    assert_eq!(told.iter().filter(|told| is_toast(told)).count(), 1);
    assert!(told.iter().any(|told| told.seq == Some(rig.engine().seq)), "{told:?}");

    for from in [None, Some(seq)] {
        let told = frames(&mut rig.open(from));
        assert!(told.iter().any(|told| matches!(told.frame, ServerFrame::Question { .. })), "{told:?}");
        assert!(!told.iter().any(is_toast), "{told:?}");
    }
}
