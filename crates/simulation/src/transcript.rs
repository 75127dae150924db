//! Whether a transcript is what people and agents said.

use std::collections::{BTreeMap, BTreeSet};

use portway_domain::messages::{FinishReason, Message, MessageRole, Part};
use portway_ports::sessions::Transcript;

use crate::ledger::Ledger;

/// Answers what is wrong. Of a session that goes away messages may be missing.
pub(crate) fn check(transcript: &Transcript, ledger: &Ledger, goes_away: bool) -> Result<(), String> {
    check_prompts(transcript, ledger, goes_away)?;
    let mut ids = BTreeSet::new();
    let mut last = 0;
    for message in &transcript.messages {
        if !ids.insert(&message.id) || message.position <= last {
            return Err(format!("message {} is out of place", message.id));
        }
        last = message.position;
        let is_copy = message.parts.iter().any(|part| matches!(part, Part::Forwarded(_)));
        if message.role == MessageRole::Assistant && !is_copy {
            check_answer(message, ledger)?;
        }
    }
    Ok(())
}

/// Every prompt that was acknowledged is there once, unless it was taken back; no other is there twice.
fn check_prompts(transcript: &Transcript, ledger: &Ledger, goes_away: bool) -> Result<(), String> {
    let session = &transcript.engine.value.session;
    let mut texts: BTreeMap<&str, usize> = BTreeMap::new();
    for message in transcript.messages.iter().filter(|message| message.role == MessageRole::User) {
        *texts.entry(&message.content).or_default() += 1;
    }
    if let Some((text, count)) = texts.iter().find(|(_, count)| **count > 1) {
        return Err(format!("{text:?} is {count} times in session {session}"));
    }
    for (id, acknowledged) in ledger.acknowledged.iter().filter(|(_, known)| known.session == *session) {
        let is_there = texts.contains_key(acknowledged.content.as_str());
        let may_be_gone = goes_away
            || ledger.withdrawing.contains_key(id)
            || ledger.taken_back.get(session).is_some_and(|texts| texts.contains(&acknowledged.content));
        if !is_there && !may_be_gone {
            return Err(format!("{:?} was acknowledged as {id}, and is not there", acknowledged.content));
        }
    }
    Ok(())
}

/// The text is what the agent wrote, as far as it came; all of it when it ended well.
fn check_answer(message: &Message, ledger: &Ledger) -> Result<(), String> {
    let text: String = message.parts.iter().filter_map(text_of).collect();
    let is_whole = message.parts.contains(&Part::Finish { reason: FinishReason::EndTurn });
    let written = ledger.written.get(&message.id);
    let fits = |whole: &String| if is_whole { *whole == text } else { whole.starts_with(&text) };
    let was_written =
        written.is_some_and(|written| written.values().any(fits)) || (text.is_empty() && written.is_none());
    if !was_written {
        return Err(format!("message {} is {text:?}, but the agent wrote {written:?}", message.id));
    }
    let mut tools = BTreeSet::new();
    for part in &message.parts {
        if let Part::ToolCall(call) = part
            && !tools.insert(&call.call_id)
        {
            return Err(format!("message {} has {} twice", message.id, call.call_id));
        }
    }
    Ok(())
}

fn text_of(part: &Part) -> Option<&str> {
    match part {
        Part::Text { text } | Part::Reasoning { text } => Some(text),
        _ => None,
    }
}
