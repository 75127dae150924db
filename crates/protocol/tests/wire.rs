//! Frames as they stand on the wire. Existing clients and runners read and write exactly these.

#![cfg(test)]

use std::fmt::Debug;

use portway_protocol::client::{AnswerValue, ClientFrame, QueueMode};
use portway_protocol::message::{
    AgentStatus, Choice, ChoiceKind, FinishReason, Message, MessageRole, Part, PlanEntry, ToolStatus,
};
use portway_protocol::runner::{Answer, FromRunner, Hello, RunnerCommand, RunnerEvent, ToRunner};
use portway_protocol::server::{MessageUpdate, ServerFrame, StatusData, ToastVariant};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// The value is written as `wire`, and `wire` is read as the value.
#[track_caller]
fn both_ways<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T, wire: Value) {
    assert_eq!(serde_json::to_value(value).unwrap(), wire);
    assert_eq!(serde_json::from_value::<T>(wire).unwrap(), *value);
}

#[test]
fn clients_say() {
    let prompt = ClientFrame::Prompt {
        content: "hi".to_owned(),
        queue_mode: Some(QueueMode::Steer),
        model: Some("a/b".to_owned()),
        attachments: Vec::new(),
        channel_type: Some("chat".to_owned()),
        channel_id: Some("7".to_owned()),
    };
    let wire = json!({
        "type": "prompt", "content": "hi", "queueMode": "steer", "model": "a/b", "channelType": "chat", "channelId": "7",
    });
    both_ways(&prompt, wire);
    let answer = |answer| ClientFrame::Answer { question_id: "q1".to_owned(), answer };
    both_ways(&answer(AnswerValue::Flag(true)), json!({"type": "answer", "questionId": "q1", "answer": true}));
    let text = AnswerValue::Text("Allow".to_owned());
    both_ways(&answer(text), json!({"type": "answer", "questionId": "q1", "answer": "Allow"}));
    both_ways(&ClientFrame::ABORT, json!({"type": "abort"}));
    both_ways(&ClientFrame::Ping {}, json!({"type": "ping"}));
}

#[test]
fn unknown_types_and_keys_are_ignored() {
    let read = |wire: Value| serde_json::from_value::<ClientFrame>(wire).unwrap();
    assert_eq!(read(json!({"type": "novel", "x": 1})), ClientFrame::Unknown);
    let of_channel = |kind: &str, id: &str| ClientFrame::Abort {
        channel_type: Some(kind.to_owned()),
        channel_id: Some(id.to_owned()),
    };
    both_ways(&of_channel("chat", "7"), json!({"type": "abort", "channelType": "chat", "channelId": "7"}));
    let read = |wire: Value| serde_json::from_value::<RunnerEvent>(wire).unwrap();
    assert_eq!(read(json!({"type": "novel", "models": []})), RunnerEvent::Unknown);
    let command: ToRunner =
        serde_json::from_value(json!({"type": "command", "command": 3, "body": {"type": "diff"}})).unwrap();
    assert_eq!(command, ToRunner::Command { command: 3, body: RunnerCommand::Unknown });
    let choice: Choice = serde_json::from_value(json!({"id": "x", "label": "X", "kind": "novel"})).unwrap();
    assert_eq!(choice.kind, ChoiceKind::Other);
}

#[test]
fn clients_are_told_of_messages() {
    let user = Message {
        id: "p1".to_owned(),
        role: MessageRole::User,
        content: "hi".to_owned(),
        parts: None,
        author_id: Some("u1".to_owned()),
        author_email: None,
        author_name: None,
        author_avatar_url: None,
        channel_type: None,
        channel_id: None,
        created_at: 1_771_927_200,
        position: None,
    };
    let wire = json!({"type": "message", "data": {
        "id": "p1", "role": "user", "content": "hi", "authorId": "u1", "createdAt": 1_771_927_200,
    }});
    both_ways(&ServerFrame::Message { data: user }, wire);
    let chunk = ServerFrame::Chunk { message_id: "m".to_owned(), content: "ab".to_owned(), part: 1, offset: 7 };
    let thought =
        ServerFrame::ReasoningChunk { message_id: "m".to_owned(), content: "ab".to_owned(), part: 0, offset: 0 };
    both_ways(&thought, json!({"type": "chunk.reasoning", "messageId": "m", "content": "ab", "part": 0, "offset": 0}));
    both_ways(&chunk, json!({"type": "chunk", "messageId": "m", "content": "ab", "part": 1, "offset": 7}));
}

#[test]
fn what_the_agent_says_is_done_at_its_end() {
    let is_done = |role: &str, parts: Value| {
        let wire = json!({"id": "m", "role": role, "content": "a", "parts": parts, "createdAt": 1});
        serde_json::from_value::<Message>(wire).unwrap().is_done()
    };
    let text = json!({"type": "text", "text": "a"});
    let copied = json!({
        "type": "forwarded", "sourceSessionId": "s", "sourceSessionTitle": "S", "originalRole": "user", "originalCreatedAt": 1,
    });
    assert!(!is_done("assistant", Value::Null) && !is_done("assistant", json!([text])));
    assert!(is_done("assistant", json!([text, {"type": "finish", "reason": "end_turn"}])));
    assert!(is_done("assistant", json!([text, copied])));
    assert!(is_done("user", Value::Null) && is_done("system", json!([text])));
}

#[test]
fn parts_have_the_names_that_clients_know() {
    let parts = vec![
        Part::Text { text: "a".to_owned(), streaming: true },
        Part::Reasoning { text: "b".to_owned(), streaming: false },
        Part::ToolCall {
            call_id: "c1".to_owned(),
            tool_name: "bash".to_owned(),
            status: ToolStatus::Completed,
            args: Some(json!({"command": "ls"})),
            result: Some(json!("x")),
            error: None,
        },
        Part::Plan {
            entries: vec![PlanEntry {
                content: "do".to_owned(),
                status: "pending".to_owned(),
                priority: "low".to_owned(),
            }],
        },
        Part::Error { message: "bad".to_owned() },
        Part::Finish { reason: FinishReason::EndTurn },
    ];
    let data = MessageUpdate {
        id: "m".to_owned(),
        role: Some(MessageRole::Assistant),
        content: "a".to_owned(),
        parts: Some(parts),
    };
    let wire = json!({"type": "message.updated", "data": {
        "id": "m", "role": "assistant", "content": "a",
        "parts": [
            {"type": "text", "text": "a", "streaming": true},
            {"type": "reasoning", "text": "b"},
            {"type": "tool-call", "callId": "c1", "toolName": "bash", "status": "completed",
             "args": {"command": "ls"}, "result": "x"},
            {"type": "plan", "entries": [{"content": "do", "status": "pending", "priority": "low"}]},
            {"type": "error", "message": "bad"},
            {"type": "finish", "reason": "end_turn"},
        ],
    }});
    both_ways(&ServerFrame::MessageUpdated { data }, wire);
}

#[test]
fn clients_are_told_of_states() {
    let queued = StatusData { prompt_queued: Some(true), queue_position: Some(2), ..StatusData::default() };
    both_ways(
        &ServerFrame::Status { data: queued },
        json!({"type": "status", "data": {"promptQueued": true, "queuePosition": 2}}),
    );
    let removed = ServerFrame::MessagesRemoved { message_ids: vec!["m".to_owned()] };
    both_ways(&removed, json!({"type": "messages.removed", "messageIds": ["m"]}));
    let withdrawn = StatusData { prompt_withdrawn: Some("m".to_owned()), remaining: Some(0), ..StatusData::default() };
    both_ways(
        &ServerFrame::Status { data: withdrawn },
        json!({"type": "status", "data": {"promptWithdrawn": "m", "remaining": 0}}),
    );
    let collecting = StatusData { collect_pending: Some(true), collect_count: Some(2), ..StatusData::default() };
    both_ways(
        &ServerFrame::Status { data: collecting },
        json!({"type": "status", "data": {"collectPending": true, "collectCount": 2}}),
    );
    let calling = ServerFrame::AgentStatus { status: AgentStatus::ToolCalling, detail: Some("bash".to_owned()) };
    both_ways(&calling, json!({"type": "agentStatus", "status": "tool_calling", "detail": "bash"}));
    let question = ServerFrame::Question {
        question_id: "q".to_owned(),
        text: "May I?".to_owned(),
        options: Some(vec!["Yes".to_owned()]),
        choices: Some(vec![Choice { id: "y".to_owned(), label: "Yes".to_owned(), kind: ChoiceKind::AllowOnce }]),
        expires_at: Some(9),
    };
    let wire = json!({"type": "question", "questionId": "q", "text": "May I?", "options": ["Yes"],
        "choices": [{"id": "y", "label": "Yes", "kind": "allow_once"}], "expiresAt": 9});
    both_ways(&question, wire);
    let open = ServerFrame::Question {
        question_id: "q".to_owned(),
        text: "Which?".to_owned(),
        options: None,
        choices: None,
        expires_at: None,
    };
    both_ways(&open, json!({"type": "question", "questionId": "q", "text": "Which?"}));
    let toast = ServerFrame::Toast {
        title: "T".to_owned(),
        description: Some("D".to_owned()),
        variant: Some(ToastVariant::Success),
        duration: Some(5_000),
    };
    let wire = json!({"type": "toast", "title": "T", "description": "D", "variant": "success", "duration": 5000});
    both_ways(&toast, wire);
    both_ways(&ServerFrame::Pong {}, json!({"type": "pong"}));
}

#[test]
fn runners_introduce_themselves() {
    let hello = Hello {
        protocol: 2,
        generation: 3,
        last_command: 4,
        last_frame: 5,
        turn: Some("p1".to_owned()),
        open_questions: vec!["p1.q1".to_owned()],
    };
    let wire = json!({"type": "hello", "protocol": 2, "generation": 3, "lastCommand": 4, "lastFrame": 5,
        "turn": "p1", "openQuestions": ["p1.q1"]});
    both_ways(&FromRunner::Hello(hello), wire);
    both_ways(
        &ToRunner::Welcome { protocol: 2, last_frame: 5 },
        json!({"type": "welcome", "protocol": 2, "lastFrame": 5}),
    );
    both_ways(&ToRunner::Stop {}, json!({"type": "stop"}));
}

#[test]
fn events_and_commands_are_numbered_and_acknowledged() {
    let delta = RunnerEvent::TextDelta { turn_id: "p1.1".to_owned(), delta: "x".to_owned() };
    let wire = json!({"type": "event", "frame": 9,
        "event": {"type": "message.part.text-delta", "turnId": "p1.1", "delta": "x"}});
    both_ways(&FromRunner::Event { frame: 9, event: delta }, wire);
    both_ways(&ToRunner::Ack { frame: 9 }, json!({"type": "ack", "frame": 9}));
    let body =
        RunnerCommand::Answer { question_id: "p1.q1".to_owned(), answer: Answer::Selected { choice: "y".to_owned() } };
    let wire = json!({"type": "command", "command": 2,
        "body": {"type": "answer", "questionId": "p1.q1", "answer": {"type": "selected", "choice": "y"}}});
    both_ways(&ToRunner::Command { command: 2, body }, wire);
    both_ways(&FromRunner::Ack { command: 2 }, json!({"type": "ack", "command": 2}));
    both_ways(&RunnerEvent::Aborted { message_id: "p1".to_owned() }, json!({"type": "aborted", "messageId": "p1"}));
}
