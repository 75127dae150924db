//! Compares what was acknowledged with what is kept, and with what reached the agent.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::casualties::Losses;
use super::person::{Kept, Said};
use crate::harness::gateway::Gateway;
use crate::harness::host::is_worker;
use crate::harness::mirror::{Entry, answer_id};
use portway_protocol::message::{FinishReason, MessageRole};

/// Checks one session; answers with how many of its prompts ended with an error.
pub(crate) async fn check(gateways: &[&Gateway], kept: &Kept, losses: Losses) -> usize {
    let transcript = kept.session.transcript().await;
    let broken = check_transcript(&transcript, kept, losses);
    assert_eq!(kept.messages, transcript, "what the person's client shows is the transcript");
    assert_eq!(kept.session.socket().await.mirror.messages, transcript);
    check_agent(gateways, kept, &broken, losses);
    let detail = kept.session.detail().await;
    assert_eq!(detail["session"]["status"], "running", "{detail}");
    let live = &detail["doStatus"];
    assert_eq!((&live["runnerBusy"], &live["queuedPrompts"]), (&json!(false), &json!(0)), "{detail}");
    let socket = kept.session.socket().await;
    assert_eq!(socket.mirror.questions, []);
    let sandboxes = usize::try_from(kept.session.generation().await).unwrap();
    assert_eq!(sandboxes, 1 + losses.runners, "a sandbox of session {} was lost by itself", kept.session.id);
    broken.len()
}

/// Every prompt is there once, in the order of the acknowledgements. So is every answer; it is complete, or it ends with
/// an error and a runner or an agent died. Answers with the words of those.
fn check_transcript<'k>(transcript: &[Entry], kept: &'k Kept, losses: Losses) -> Vec<&'k str> {
    let id = &kept.session.id;
    let of = |role| transcript.iter().filter(move |entry| entry.role == role);
    let said: Vec<(&str, &str)> =
        of(MessageRole::User).map(|entry| (entry.id.as_str(), entry.content.as_str())).collect();
    let texts: Vec<String> = kept.prompts.iter().map(|(_, said)| said.text()).collect();
    let expected: Vec<(&str, &str)> =
        kept.prompts.iter().zip(&texts).map(|((id, _), text)| (id.as_str(), text.as_str())).collect();
    assert_eq!(said, expected, "the prompts of session {id}");

    let mut answers = of(MessageRole::Assistant).peekable();
    let mut broken = Vec::new();
    for (prompt, said) in &kept.prompts {
        // What ended before its first word has no message.
        let answer = answers.next_if(|entry| entry.id == answer_id(prompt));
        let whole = whole_answer(said);
        if answer.is_some_and(|entry| entry.finish() == Some(FinishReason::EndTurn)) {
            assert_eq!(answer.map(|entry| &entry.content), Some(&whole), "session {id}");
            continue;
        }
        broken.push(said.word.as_str());
        let seen = kept.shown.answers.get(&answer_id(prompt)).map_or("", String::as_str);
        let Some(entry) = answer else {
            assert_eq!(seen, "", "the answer to {said:?} of session {id} is lost");
            continue;
        };
        assert_eq!(entry.finish(), Some(FinishReason::Error), "session {id}: {entry:?}");
        assert!(entry.error().is_some_and(|error| !error.is_empty()), "session {id}: {entry:?}");
        assert!(whole.starts_with(&entry.content), "session {id}: {entry:?}");
        assert!(entry.content.starts_with(seen), "session {id} said {seen:?}: {entry:?}");
    }
    assert_eq!(answers.next(), None, "an answer of session {id} came twice, or out of order");
    assert!(broken.len() <= losses.runners + losses.agents, "{broken:?} of session {id}, which lost {losses:?}");
    // Three lost runners also lead to a pause, which is told beside the errors of turns.
    let is_pause = |entry: &&Entry| entry.content.starts_with("Error: The runner was lost too often");
    let told: Vec<&Entry> = of(MessageRole::System).filter(|entry| !is_pause(entry)).collect();
    assert!(told.iter().all(|entry| entry.content.starts_with("Error: ")), "session {id}: {told:#?}");
    // A Worker is often told the end of a message before that of its turn, and tells a loss between the two as well.
    let most = if is_worker() { losses.runners + losses.agents } else { broken.len() };
    assert!((broken.len()..=most).contains(&told.len()), "the errors of session {id}: {told:#?} for {broken:?}");
    broken
}

/// Every prompt and every answer to a question reached the agent once, in order, unless it ended with an error. A prompt
/// that a runner gave to its agent and died before it could say so may have reached the next agent as well; but then
/// nobody saw anything of it before.
fn check_agent(gateways: &[&Gateway], kept: &Kept, broken: &[&str], losses: Losses) {
    let id = &kept.session.id;
    // Agents of a gateway that is gone came first.
    let tallies = gateways.iter().rev().map(|gateway| gateway.workspace(id).join("tally.log"));
    let tally: String = tallies.filter_map(|tally| std::fs::read_to_string(tally).ok()).collect();
    let order: BTreeMap<&str, usize> =
        kept.prompts.iter().enumerate().map(|(index, (_, said))| (said.word.as_str(), index)).collect();
    let mut prompts = vec![0; kept.prompts.len()];
    let mut answers = vec![Vec::new(); kept.prompts.len()];
    let mut last = 0;
    for line in tally.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let at = order[words[1]];
        assert!(at >= last, "{line} is out of order in session {id}: {tally}");
        last = at;
        match *words {
            ["prompt", _] => prompts[at] += 1,
            ["answer", _, option] => answers[at].push(option),
            _ => panic!("{line} in session {id}"),
        }
    }
    let mut repeated = 0;
    for (((_, said), times), mut options) in kept.prompts.iter().zip(prompts).zip(answers) {
        let word = said.word.as_str();
        repeated += usize::saturating_sub(times, 1);
        if broken.contains(&word) {
            continue;
        }
        assert!(times > 0, "the agent of session {id} never saw {word}: {tally}");
        // An agent whose runner is gone takes that for an answer.
        if times > 1 {
            options.retain(|option| *option != "cancelled");
        }
        assert_eq!(options, Vec::from_iter(option(said)), "the answers to {word} in session {id}: {tally}");
    }
    let asked: BTreeSet<&String> = kept.shown.questions.values().collect();
    assert_eq!(asked.len(), kept.shown.questions.len(), "session {id} asked twice: {:?}", kept.shown.questions);
    assert!(repeated <= losses.runners, "prompts came twice in session {id}, which lost {losses:?}: {tally}");
}

fn option(said: &Said) -> Option<&'static str> {
    said.asks.then(|| Said::option(&said.word))
}

/// What the agent says to it if nothing happens to it.
fn whole_answer(said: &Said) -> String {
    match option(said) {
        Some(option) => format!("{}: {option}", said.word),
        None => (1..=24).map(|n| format!("{}.{n} ", said.word)).collect(),
    }
}
