use super::*;
use serde_json::json;

/// A begun turn and the events since its beginning.
struct Stage {
    turn: Turn,
    out: Vec<RunnerEvent>,
}

impl Stage {
    fn new() -> Self {
        let mut out = Vec::new();
        let turn = Turn::begin("m", &mut out);
        assert_eq!(kinds(&out), ["agentStatus:thinking"]);
        Self { turn, out: Vec::new() }
    }

    fn update(&mut self, update: Value) -> &mut Self {
        let params = json!({"sessionId": "s", "update": update, "_meta": {"v": 1}});
        self.turn.update(acp::decode_update(params).1, &mut self.out);
        self
    }

    fn text(&mut self, text: &str) -> &mut Self {
        self.update(json!({"sessionUpdate": "agent_message_chunk", "messageId": "x",
                           "content": {"type": "text", "text": text, "annotations": null}}))
    }

    fn ask(&mut self, id: Value, params: Value) -> Option<Reply> {
        self.turn.ask(id, PermissionRequest::decode(params), &mut self.out)
    }

    fn answer(&mut self, question: &str, answer: &Answer) -> Option<Reply> {
        self.turn.answer(question, answer, &mut self.out)
    }

    fn taken(&mut self) -> Vec<String> {
        kinds(&std::mem::take(&mut self.out))
    }

    fn end(mut self, end: TurnEnd) -> (Vec<String>, Vec<Reply>) {
        let replies = self.turn.end(end, &mut self.out);
        (kinds(&self.out), replies)
    }
}

/// Events as short words.
fn kinds(events: &[RunnerEvent]) -> Vec<String> {
    events
        .iter()
        .map(|event| {
            let value = serde_json::to_value(event).unwrap();
            let kind = value["type"].as_str().unwrap().to_owned();
            ["status", "reason", "delta", "questionId"]
                .iter()
                .find_map(|key| value[key].as_str())
                .map_or(kind.clone(), |detail| format!("{kind}:{detail}"))
        })
        .collect()
}

fn options() -> Value {
    json!([{"optionId": "yes", "name": "Allow", "kind": "allow_once"},
           {"optionId": "always", "name": "Allow", "kind": "allow_always"},
           {"optionId": "no", "name": "Allow", "kind": "vendor_kind"}])
}

#[test]
fn text_becomes_one_message() {
    let mut stage = Stage::new();
    stage.text("Hel").text("").text("lo").update(json!({
        "sessionUpdate": "agent_message_chunk",
        "content": {"type": "resource_link", "uri": "file:///a", "name": "a", "size": null}}));
    stage.update(json!({"sessionUpdate": "agent_message_chunk",
        "content": {"type": "image", "data": "AA==", "mimeType": "image/png"}}));
    assert_eq!(
        stage.taken(),
        [
            "message.create",
            "agentStatus:streaming",
            "message.part.text-delta:Hel",
            "message.part.text-delta:lo",
            "message.part.text-delta:[a](file:///a)",
        ]
    );
    let (end, _) = stage.end(TurnEnd::Stopped(StopReason::EndTurn));
    assert_eq!(end, ["message.finalize:end_turn", "complete", "agentStatus:idle"]);
}

#[test]
fn status_follows_the_work_and_changes_only() {
    let mut stage = Stage::new();
    stage.update(json!({"sessionUpdate": "agent_thought_chunk",
                        "content": {"type": "text", "text": "hm"}}));
    assert_eq!(stage.taken(), ["message.create", "message.part.reasoning-delta:hm"]);
    let tool = |id: &str, status: &str| json!({"sessionUpdate": "tool_call_update", "toolCallId": id, "title": id, "status": status});
    stage
        .update(tool("a", "in_progress"))
        .update(tool("b", "pending"))
        .update(tool("a", "completed"))
        .update(tool("b", "failed"));
    assert_eq!(
        stage.taken(),
        [
            "agentStatus:tool_calling",
            "message.part.tool-update:running",
            "agentStatus:tool_calling",
            "message.part.tool-update:pending",
            "message.part.tool-update:completed",
            "agentStatus:thinking",
            "message.part.tool-update:error",
        ]
    );
}

#[test]
fn what_a_transcript_does_not_show_makes_no_message() {
    let mut stage = Stage::new();
    for update in [
        json!({"sessionUpdate": "available_commands_update", "availableCommands": []}),
        json!({"sessionUpdate": "current_mode_update", "currentModeId": "code"}),
        json!({"sessionUpdate": "usage_update", "used": null, "size": null}),
        json!({"sessionUpdate": "user_message_chunk", "content": {"type": "text", "text": "hi"}}),
        json!({"sessionUpdate": "_vendor.example/x", "anything": [1, 2]}),
        json!({"sessionUpdate": "agent_message_chunk"}),
        json!(7),
    ] {
        stage.update(update);
    }
    assert!(stage.taken().is_empty());
    let (end, _) = stage.end(TurnEnd::Stopped(StopReason::EndTurn));
    assert_eq!(end, ["complete", "agentStatus:idle"]);
}

#[test]
fn a_plan_is_passed_whole_with_known_words_only() {
    let mut stage = Stage::new();
    stage.update(json!({"sessionUpdate": "plan", "entries": [
        {"content": "a", "priority": "high", "status": "completed"},
        {"content": "b", "priority": "urgent"}, {"priority": "low"}]}));
    let RunnerEvent::Plan { entries, .. } = &stage.out[1] else {
        panic!("{:?}", stage.out);
    };
    assert_eq!(entries.len(), 2);
    assert_eq!(entries[0].status, "completed");
    assert_eq!((entries[1].status.as_str(), entries[1].priority.as_str()), ("pending", "medium"));
}

#[test]
fn a_permission_for_an_unannounced_call_shows_the_call_and_asks() {
    let mut stage = Stage::new();
    let params = json!({"sessionId": "s", "options": options(),
                        "toolCall": {"toolCallId": "new", "title": "Write x", "kind": "edit",
                                     "rawInput": {"path": "x"}}});
    assert_eq!(stage.ask(json!(0), params), None);
    let RunnerEvent::Question { text, choices, .. } = stage.out.last().unwrap() else {
        panic!("{:?}", stage.out);
    };
    assert_eq!(text, "Write x");
    let labels: Vec<_> = choices.iter().map(|choice| choice.label.as_str()).collect();
    assert_eq!(labels, ["Allow", "Allow (2)", "Allow (3)"]);
    assert_eq!(choices[2].kind, ChoiceKind::Other);
    assert_eq!(
        stage.taken(),
        ["message.create", "agentStatus:tool_calling", "message.part.tool-update:pending", "question:m.q1"]
    );
    let answer = Answer::Selected { choice: "always".into() };
    assert_eq!(stage.answer("m.q9", &answer), None);
    assert_eq!(stage.answer("m.q1", &answer), Some((json!(0), acp::permission_selected("always"))));
    assert_eq!(stage.answer("m.q1", &answer), None, "answered once");
}

#[test]
fn a_refused_call_has_failed_whatever_the_agent_says() {
    let options = json!([{"optionId": "yes", "name": "Allow", "kind": "allow_once"},
                         {"optionId": "no", "name": "Refuse", "kind": "reject_once"}]);
    for (choice, failed) in [("yes", false), ("no", true)] {
        let mut stage = Stage::new();
        stage.ask(json!(0), json!({"options": options, "toolCall": {"toolCallId": "t", "title": "Write x"}}));
        stage.taken();
        let answer = Answer::Selected { choice: choice.to_owned() };
        assert_eq!(stage.answer("m.q1", &answer), Some((json!(0), acp::permission_selected(choice))));
        let expected: &[&str] = if failed { &["agentStatus:thinking", "message.part.tool-update:error"] } else { &[] };
        assert_eq!(stage.taken(), expected, "{choice}");
    }
}

#[test]
fn an_answer_that_fits_no_choice_allows_nothing() {
    for answer in [Answer::Cancelled {}, Answer::Selected { choice: "?".into() }, Answer::Text { text: "go".into() }] {
        let mut stage = Stage::new();
        stage.ask(json!("a"), json!({"options": options()}));
        assert_eq!(stage.answer("m.q1", &answer), Some((json!("a"), acp::permission_cancelled())));
    }
}

#[test]
fn a_permission_without_options_is_refused_at_once() {
    let mut stage = Stage::new();
    assert_eq!(stage.ask(json!(1), json!({"options": null})), Some((json!(1), acp::permission_cancelled())));
    assert!(stage.taken().is_empty());
}

#[test]
fn an_abort_closes_what_is_asked_and_what_will_be() {
    let mut stage = Stage::new();
    stage.ask(json!(0), json!({"options": options()}));
    stage.ask(json!("b"), json!({"options": options()}));
    assert_eq!(stage.taken(), ["question:m.q1", "question:m.q2"]);
    let replies = stage.turn.abort(&mut stage.out);
    assert_eq!(replies, [(json!(0), acp::permission_cancelled()), (json!("b"), acp::permission_cancelled())]);
    assert_eq!(stage.taken(), ["question.closed:m.q1", "question.closed:m.q2"]);
    assert!(stage.ask(json!(5), json!({"options": options()})).is_some_and(|(id, _)| id == 5));
    stage.text("bye");
    stage.taken();
    let (end, _) = stage.end(TurnEnd::Stopped(StopReason::EndTurn));
    assert_eq!(end, ["message.finalize:canceled", "aborted", "agentStatus:idle"], "however the agent calls the end");
}

#[test]
fn a_withdrawn_request_closes_its_question_only() {
    let mut stage = Stage::new();
    stage.ask(json!(1), json!({"options": options()}));
    stage.ask(json!(2), json!({"options": options()}));
    stage.taken();
    let reply = stage.turn.withdraw(&json!(2), &mut stage.out);
    assert_eq!(reply, Some((json!(2), acp::permission_cancelled())));
    assert_eq!(stage.taken(), ["question.closed:m.q2"]);
}

#[test]
fn every_end_says_what_it_was() {
    let cases: [(TurnEnd, &[&str]); 6] = [
        (TurnEnd::Stopped(StopReason::EndTurn), &["message.finalize:end_turn", "complete"]),
        (TurnEnd::Stopped(StopReason::Cancelled), &["message.finalize:canceled", "complete"]),
        (TurnEnd::Stopped(StopReason::Refusal), &["error", "message.finalize:error", "complete"]),
        (TurnEnd::Stopped(StopReason::MaxTurnRequests), &["error", "message.finalize:error", "complete"]),
        (TurnEnd::Failed("x".into()), &["error", "message.finalize:error", "complete"]),
        (TurnEnd::Forced, &["message.finalize:canceled", "aborted"]),
    ];
    for (end, expected) in cases {
        let shown = format!("{end:?}");
        let mut stage = Stage::new();
        stage.text("x");
        stage.taken();
        let (events, _) = stage.end(end);
        assert_eq!(events[..expected.len()], *expected, "{shown}");
        assert_eq!(events[expected.len()..], ["agentStatus:idle"], "{shown}");
    }
}

#[test]
fn questions_left_open_at_the_end_are_closed() {
    let mut stage = Stage::new();
    stage.ask(json!(3), json!({"options": options()}));
    stage.taken();
    let (events, replies) = stage.end(TurnEnd::Failed("gone".into()));
    assert_eq!(events[0], "question.closed:m.q1");
    assert_eq!(replies.len(), 1);
}

#[test]
fn a_huge_chunk_is_split_between_characters() {
    let mut stage = Stage::new();
    let text = "ä".repeat(MAX_DELTA);
    stage.text(&text);
    let mut whole = String::new();
    for event in &stage.out {
        if let RunnerEvent::TextDelta { delta, .. } = event {
            assert!(delta.len() <= MAX_DELTA);
            whole.push_str(delta);
        }
    }
    assert_eq!(whole, text);
}
