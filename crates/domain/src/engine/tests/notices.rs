//! What watchers are told, in the order that clients rely on.

use super::rig::{Rig, notices, tool};
use crate::engine::{AgentStatus, RunnerReport};
use crate::messages::{FinishReason, Part, ToolStatus};

fn status(rig: &mut Rig, status: AgentStatus) -> Vec<String> {
    notices(&rig.report(RunnerReport::Status { status, detail: None }))
}

#[test]
fn one_turn_is_told_from_the_echo_to_the_end() {
    let mut rig = Rig::ready();
    let mut told = notices(&rig.say("p"));
    rig.take_all();
    told.extend(status(&mut rig, AgentStatus::Thinking));
    told.extend(status(&mut rig, AgentStatus::Streaming));
    told.extend(notices(&rig.create("p.1")));
    told.extend(notices(&rig.text("p.1", "A")));
    told.extend(status(&mut rig, AgentStatus::ToolCalling));
    for status in [ToolStatus::Pending, ToolStatus::Completed] {
        told.extend(notices(&rig.report(RunnerReport::Tool { message: None, call: tool("k", status) })));
    }
    told.extend(status(&mut rig, AgentStatus::Streaming));
    told.extend(notices(&rig.text("p.1", "B")));
    told.extend(notices(&rig.finish(Some("p.1"), FinishReason::EndTurn)));
    told.extend(notices(&rig.complete("p")));
    told.extend(status(&mut rig, AgentStatus::Idle));
    let expected = [
        "message user",
        "[user.prompt]",
        "agent thinking",
        "agent streaming",
        "message assistant",
        "chunk 0:0 A",
        "agent toolcalling",
        "updated p.1",
        "updated p.1",
        "agent streaming",
        "chunk 2:0 B",
        "updated p.1",
        "[agent.turn_complete]",
        "free",
        "agent idle",
    ];
    assert_eq!(told, expected);
}

#[test]
fn an_error_in_a_turn_is_stored_and_told_before_its_end() {
    let mut rig = Rig::working();
    let effects = rig.report(RunnerReport::Error { error: "no credit".to_owned() });
    assert_eq!(notices(&effects), ["error", "[agent.error]"]);
    assert_eq!(effects.bus[0].kind, "session.errored");
    assert_eq!(notices(&rig.complete("p")), ["[agent.turn_complete]", "free"]);
    assert!(rig.store.messages.values().any(|message| message.content == "Error: no credit"));
}

#[test]
fn a_new_conversation_is_shown_in_the_transcript() {
    let mut rig = Rig::ready();
    let effects = rig.report(RunnerReport::SessionReset);
    assert_eq!(notices(&effects), ["message system", "[agent.session_reset]"]);
    assert!(rig.store.messages.values().any(|message| message.parts == [Part::SessionBreak]));
}
