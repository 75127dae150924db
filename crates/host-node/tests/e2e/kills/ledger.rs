//! Compares what was acknowledged with what is kept, and with what reached the agent.

use serde_json::json;

use super::person::{Kept, Said};
use crate::harness::gateway::Gateway;
use crate::harness::mirror::{Entry, answer_id};
use portway_protocol::message::{FinishReason, MessageRole};

/// Checks one session.
pub(crate) async fn check(gateway: &Gateway, kept: &Kept) {
    let transcript = kept.session.transcript().await;
    check_transcript(&transcript, kept);
    assert_eq!(kept.messages, transcript, "what the person's client shows is the transcript");
    assert_eq!(kept.session.socket().await.mirror.messages, transcript);
    check_agent(gateway, kept);
    let detail = kept.session.detail().await;
    assert_eq!(detail["session"]["status"], "running", "{detail}");
    let live = &detail["doStatus"];
    assert_eq!((&live["runnerBusy"], &live["queuedPrompts"]), (&json!(false), &json!(0)), "{detail}");
    let socket = kept.session.socket().await;
    assert_eq!(socket.mirror.questions, []);
    assert_eq!(kept.session.generation().await, 1, "no sandbox was lost");
}

/// Every prompt and every answer is there once, in the order of the acknowledgements, and complete.
fn check_transcript(transcript: &[Entry], kept: &Kept) {
    let of = |role| transcript.iter().filter(move |entry| entry.role == role);
    let said: Vec<(&str, &str)> =
        of(MessageRole::User).map(|entry| (entry.id.as_str(), entry.content.as_str())).collect();
    let texts: Vec<String> = kept.prompts.iter().map(|(_, said)| said.text()).collect();
    let expected: Vec<(&str, &str)> =
        kept.prompts.iter().zip(&texts).map(|((id, _), text)| (id.as_str(), text.as_str())).collect();
    assert_eq!(said, expected, "the prompts of session {}", kept.session.id);
    let answered: Vec<(String, &str, Option<FinishReason>)> =
        of(MessageRole::Assistant).map(|entry| (entry.id.clone(), entry.content.as_str(), entry.finish())).collect();
    let answers: Vec<String> = kept.prompts.iter().map(|(_, said)| answer(said)).collect();
    let ids = kept.prompts.iter().map(|(id, _)| answer_id(id));
    let expected: Vec<(String, &str, Option<FinishReason>)> =
        ids.zip(&answers).map(|(id, text)| (id, text.as_str(), Some(FinishReason::EndTurn))).collect();
    assert_eq!(answered, expected, "the answers of session {}", kept.session.id);
    assert_eq!(of(MessageRole::System).collect::<Vec<_>>(), Vec::<&Entry>::new());
}

/// Every prompt and every answer to a question reached the agent once, in order.
fn check_agent(gateway: &Gateway, kept: &Kept) {
    let tally = std::fs::read_to_string(gateway.workspace(&kept.session.id).join("tally.log")).unwrap();
    let mut expected = Vec::new();
    for (_, said) in &kept.prompts {
        expected.push(format!("prompt {}", said.word));
        if let Some(option) = option(said) {
            expected.push(format!("answer {} {option}", said.word));
        }
    }
    assert_eq!(tally.lines().collect::<Vec<_>>(), expected, "the agent of session {}", kept.session.id);
}

fn option(said: &Said) -> Option<&'static str> {
    said.asks.then(|| Said::option(&said.word))
}

/// What the agent says to it.
fn answer(said: &Said) -> String {
    match option(said) {
        Some(option) => format!("{}: {option}", said.word),
        None => (1..=24).map(|n| format!("{}.{n} ", said.word)).collect(),
    }
}
