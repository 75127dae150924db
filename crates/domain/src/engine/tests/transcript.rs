//! What the agent writes.

use serde_json::json;

use super::rig::{Rig, message, notices, tool};
use crate::attachments::{Attachment, MediaType};
use crate::engine::open_message::{MAX_PARTS, MAX_TOOL_BYTES};
use crate::engine::{OpenPart, RunnerReport};
use crate::ids::MessageId;
use crate::messages::{
    FinishReason, MAX_MESSAGE_BYTES, Message, MessageRole, Part, PlanEntry, TextKind, ToolCall, ToolStatus, attachments,
};

fn writing() -> Rig {
    let mut rig = Rig::working();
    rig.create("p.1");
    rig
}

fn think(rig: &mut Rig, delta: &str) {
    let kind = TextKind::Reasoning;
    rig.report(RunnerReport::Text { message: message("p.1"), kind, delta: delta.to_owned() });
}

fn call(rig: &mut Rig, call: ToolCall) -> Vec<String> {
    notices(&rig.report(RunnerReport::Tool { message: Some(message("p.1")), call }))
}

fn plan(rig: &mut Rig, content: &str) {
    let word = |text: &str| text.to_owned();
    let entry = PlanEntry { content: word(content), status: word("pending"), priority: word("low") };
    rig.report(RunnerReport::Plan { message: message("p.1"), entries: vec![entry] });
}

fn stored(rig: &Rig) -> &Message {
    &rig.store.messages[&message("p.1")]
}

#[test]
fn all_kinds_of_parts_keep_their_order() {
    let mut rig = writing();
    think(&mut rig, "hm");
    rig.text("p.1", "on");
    rig.text("p.1", "e");
    call(&mut rig, tool("k", ToolStatus::Running));
    plan(&mut rig, "first");
    rig.text("p.1", "two");
    plan(&mut rig, "second");
    rig.finish(None, FinishReason::EndTurn);
    let text = |text: &str| Part::Text { text: text.to_owned() };
    let parts = &stored(&rig).parts;
    assert_eq!(parts[..2], [Part::Reasoning { text: "hm".to_owned() }, text("one")]);
    assert!(matches!(&parts[2], Part::ToolCall(call) if call.status == ToolStatus::Completed));
    assert!(matches!(&parts[3], Part::Plan { entries } if entries[0].content == "second"));
    assert_eq!(parts[4..], [text("two"), Part::Finish { reason: FinishReason::EndTurn }]);
    assert_eq!(stored(&rig).content, "onetwo");
}

#[test]
fn what_cannot_be_kept_is_replaced_before_it_is_counted() {
    let mut rig = writing();
    rig.text("p.1", "a\0");
    assert_eq!(notices(&rig.text("p.1", "z")), ["chunk 0:4 z"]);
    rig.report(RunnerReport::Error { error: "\0".to_owned() });
    rig.finish(None, FinishReason::EndTurn);
    assert_eq!(stored(&rig).content, "a\u{FFFD}z");
    assert!(rig.store.messages.values().all(|message| !message.content.contains('\0')));
}

#[test]
fn offsets_count_bytes() {
    let mut rig = writing();
    rig.text("p.1", "é");
    rig.text("p.1", "🦀");
    assert_eq!(notices(&rig.text("p.1", "z")), ["chunk 0:6 z"]);
}

#[test]
fn a_tool_call_keeps_what_an_update_does_not_say() {
    let mut rig = writing();
    call(&mut rig, ToolCall { args: Some(json!({"a": 1})), ..tool("k", ToolStatus::Pending) });
    call(&mut rig, ToolCall { tool_name: String::new(), ..tool("k", ToolStatus::Running) });
    call(&mut rig, ToolCall { result: Some(json!("ok")), ..tool("k", ToolStatus::Completed) });
    rig.finish(None, FinishReason::EndTurn);
    let expected =
        ToolCall { args: Some(json!({"a": 1})), result: Some(json!("ok")), ..tool("k", ToolStatus::Completed) };
    assert_eq!(stored(&rig).parts[0], Part::ToolCall(expected));
}

#[test]
fn open_tool_calls_end_with_their_message() {
    for (reason, status) in [
        (FinishReason::EndTurn, ToolStatus::Completed),
        (FinishReason::Canceled, ToolStatus::Error),
        (FinishReason::Error, ToolStatus::Error),
    ] {
        let mut rig = writing();
        call(&mut rig, tool("k", ToolStatus::Running));
        rig.finish(None, reason);
        assert!(matches!(&stored(&rig).parts[0], Part::ToolCall(call) if call.status == status));
    }
}

#[test]
fn a_failed_message_says_why() {
    let mut rig = writing();
    let error = Some("overloaded".to_owned());
    rig.report(RunnerReport::MessageFinished { message: None, reason: FinishReason::Error, error });
    assert_eq!(stored(&rig).parts[0], Part::Error { message: "overloaded".to_owned() });
}

#[test]
fn parts_without_their_message_are_ignored() {
    let mut rig = Rig::working();
    assert_eq!(rig.text("p.1", "x").changes, []);
    assert_eq!(call(&mut rig, tool("k", ToolStatus::Running)), [""; 0]);
    assert_eq!(rig.finish(Some("p.1"), FinishReason::EndTurn).changes, []);
    rig.create("p.1");
    assert_eq!(rig.text("p.2", "x").changes, []);
    assert_eq!(rig.finish(Some("p.2"), FinishReason::EndTurn).changes, []);
    assert_eq!(rig.text("p.1", "").changes, []);
    assert_eq!(rig.engine.runner.last_frame, 8, "but they count as seen");
}

#[test]
fn a_message_without_an_id_is_the_open_one() {
    let mut rig = writing();
    rig.report(RunnerReport::Tool { message: None, call: tool("k", ToolStatus::Completed) });
    rig.finish(None, FinishReason::EndTurn);
    assert_eq!(stored(&rig).parts.len(), 2);
    assert_eq!(rig.finish(None, FinishReason::EndTurn).changes, []);
}

#[test]
fn the_next_message_ends_the_one_before() {
    let mut rig = writing();
    assert_eq!(notices(&rig.create("p.2")), ["updated p.1", "message assistant"]);
    assert_eq!(rig.engine.turn.as_ref().unwrap().message, Some(message("p.2")));
    rig.complete("p");
    assert_eq!(rig.store.reason("p.2"), FinishReason::EndTurn);
}

#[test]
fn the_id_of_an_older_message_never_comes_again() {
    let mut rig = writing();
    rig.text("p.1", "kept");
    assert_eq!(rig.create("p.1").changes, []);
    rig.finish(None, FinishReason::EndTurn);
    rig.create("p.3");
    for id in ["p.1", "p.2", "p.3", "p", "o.4", "p.q4", "p.04", "p.4.5"] {
        assert_eq!(rig.create(id).changes, [], "{id}");
    }
    rig.complete("p");
    assert_eq!(rig.create("p.4").changes, [], "no turn, no message");
    rig.say("a");
    assert_eq!(rig.create("p.5").changes, []);
    rig.create("a.1");
    assert_eq!(stored(&rig).content, "kept");
}

#[test]
fn text_past_the_bound_is_cut_between_characters() {
    let mut rig = writing();
    rig.text("p.1", &"x".repeat(MAX_MESSAGE_BYTES - 5));
    assert_eq!(notices(&rig.text("p.1", "é🦀!")), [format!("chunk 0:{} é", MAX_MESSAGE_BYTES - 5)]);
    assert_eq!(rig.text("p.1", "!").changes, [], "nothing follows a cut");
    think(&mut rig, "!");
    rig.finish(None, FinishReason::EndTurn);
    assert_eq!(stored(&rig).content.len(), MAX_MESSAGE_BYTES - 3);
    assert_eq!(stored(&rig).parts.len(), 2);
}

#[test]
fn parts_past_the_bound_are_dropped() {
    let mut rig = writing();
    for n in 0..MAX_PARTS {
        rig.engine.open.as_mut().unwrap().restore(OpenPart::Tool(tool(&n.to_string(), ToolStatus::Running)));
    }
    let open = rig.engine.open.as_mut().unwrap();
    assert_eq!(open.set_tool(tool("x", ToolStatus::Running)), None);
    assert_eq!(open.set_plan(vec![]), None);
    assert_eq!(open.append(TextKind::Text, "x"), None);
    assert!(open.set_tool(tool("0", ToolStatus::Completed)).is_some(), "known calls go on");
}

#[test]
fn tool_values_past_the_bound_are_dropped_but_not_the_status() {
    let mut rig = writing();
    let large = || Some(json!("x".repeat(MAX_TOOL_BYTES / 2)));
    call(&mut rig, ToolCall { result: large(), ..tool("a", ToolStatus::Running) });
    call(&mut rig, ToolCall { result: large(), ..tool("b", ToolStatus::Completed) });
    call(&mut rig, ToolCall { args: large(), ..tool("a", ToolStatus::Completed) });
    rig.finish(None, FinishReason::EndTurn);
    let first = ToolCall { result: large(), ..tool("a", ToolStatus::Completed) };
    assert_eq!(stored(&rig).parts[..2], [Part::ToolCall(first), Part::ToolCall(tool("b", ToolStatus::Completed))]);
}

fn transcribe(rig: &mut Rig, message: &Message) -> Vec<String> {
    let (message, transcript) = (Box::new(message.clone()), "Hello".to_owned());
    notices(&rig.report(RunnerReport::Transcribed { message, transcript }))
}

#[test]
fn what_is_said_in_a_prompt_is_written_down_once() {
    let mut rig = Rig::working();
    let plain = rig.store.messages[&message("p")].clone();
    assert_eq!(transcribe(&mut rig, &plain), Vec::<String>::new(), "there is no sound");
    let sound = Attachment::of(1, MediaType::parse("audio/ogg").unwrap(), None, b"abc");
    let spoken = Message { parts: vec![Part::Attachment(sound)], ..plain };
    let system = Message { role: MessageRole::System, ..spoken.clone() };
    assert_eq!(transcribe(&mut rig, &system), Vec::<String>::new(), "nobody said it");
    let before = rig.engine.seq;
    assert_eq!(transcribe(&mut rig, &spoken), ["updated p"]);
    let stored = rig.store.messages[&message("p")].clone();
    assert_eq!((stored.seq, stored.position), (before + 1, spoken.position));
    let transcripts: Vec<Option<&str>> =
        attachments(&stored.parts).map(|attachment| attachment.transcript.as_deref()).collect();
    assert_eq!(transcripts, [Some("Hello")]);
    assert_eq!(transcribe(&mut rig, &stored), Vec::<String>::new(), "it is known");
    assert_eq!(rig.engine.seq, before + 1);
}

#[test]
fn what_the_agent_forgot_is_taken_out_of_the_transcript() {
    let mut rig = writing();
    rig.complete("p");
    rig.say("q");
    rig.complete("q");
    let asked = rig.engine.seq;
    rig.say("later");
    let effects = rig.revert("q", asked);
    assert_eq!(notices(&effects), ["removed q", "[prompt.reverted]"]);
    assert_eq!(notices(&rig.revert("p", asked)), ["removed p p.1", "[prompt.reverted]"]);
    assert_eq!(rig.store.messages.keys().map(MessageId::as_str).collect::<Vec<_>>(), ["later"]);
    assert_eq!(notices(&rig.revert("p", asked)), [""; 0], "there is nothing left of it");
}
