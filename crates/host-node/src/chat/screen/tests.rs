use portway_protocol::message::{Choice, ChoiceKind, ToolStatus};
use serde_json::{Value, json};

use super::*;

mod questions;

fn screen(manner: Manner) -> Screen {
    Screen::new(manner)
}

/// A screen of a user who joined an empty session.
fn joined() -> Screen {
    let mut screen = screen(Manner { typed: true, ..Manner::default() });
    init(&mut screen, json!([]), false);
    screen.settle();
    take(&mut screen);
    screen.entered();
    screen
}

fn feed(screen: &mut Screen, frame: Value) {
    screen.frame(serde_json::from_value(frame).unwrap());
}

fn init(screen: &mut Screen, messages: Value, busy: bool) {
    feed(
        screen,
        json!({
            "type": "init",
            "session": {
                "id": "s1", "status": "running", "workspace": "chat", "messages": messages, "runnerConnected": true
            },
            "data": {
                "sandboxRunning": true, "runnerConnected": true, "runnerBusy": busy, "promptsQueued": 0,
                "connectedClients": 1, "connectedUsers": [], "auditLog": []
            },
        }),
    );
}

fn message(id: &str, role: &str, content: &str, parts: Value) -> Value {
    let mut message = json!({"id": id, "role": role, "content": content, "createdAt": 1});
    if !parts.is_null() {
        message["parts"] = parts;
    }
    message
}

fn chunk(screen: &mut Screen, part: u32, offset: usize, content: &str) {
    feed(screen, json!({"type": "chunk", "messageId": "m", "part": part, "offset": offset, "content": content}));
}

fn reasoning(screen: &mut Screen, part: u32, offset: usize, content: &str) {
    let frame =
        json!({"type": "chunk.reasoning", "messageId": "m", "part": part, "offset": offset, "content": content});
    feed(screen, frame);
}

fn updated(screen: &mut Screen, parts: Value) {
    feed(
        screen,
        json!({"type": "message.updated", "data": {"id": "m", "role": "assistant", "content": "", "parts": parts}}),
    );
}

fn agent(screen: &mut Screen, status: &str) {
    feed(screen, json!({"type": "agentStatus", "status": status}));
}

fn status(screen: &mut Screen, data: Value) {
    feed(screen, json!({"type": "status", "data": data}));
}

fn question(screen: &mut Screen, id: &str) {
    let choices = json!([
        {"id": "yes", "label": "Allow", "kind": "allow_once"},
        {"id": "no", "label": "Reject", "kind": "reject_once"},
    ]);
    feed(screen, json!({"type": "question", "questionId": id, "text": "Write demo.md?", "choices": choices}));
}

/// All that was printed, as it stands on one terminal.
fn take(screen: &mut Screen) -> String {
    let prints = screen.take_prints().into_iter();
    prints
        .map(|print| match print {
            Print::Answer(text) | Print::Aside(text) => text,
        })
        .collect()
}

/// What a pipe gets.
fn answers(screen: &mut Screen) -> String {
    let prints = screen.take_prints().into_iter();
    prints
        .filter_map(|print| match print {
            Print::Answer(text) => Some(text),
            Print::Aside(_) => None,
        })
        .collect()
}

#[test]
fn a_whole_turn() {
    let mut screen = joined();
    screen.sending("hello");
    feed(&mut screen, json!({"type": "message", "data": message("p", "user", "hello", Value::Null)}));
    screen.accepted("p", "hello");
    agent(&mut screen, "thinking");
    feed(&mut screen, json!({"type": "message", "data": message("m", "assistant", "", json!([]))}));
    reasoning(&mut screen, 0, 0, "let me ");
    reasoning(&mut screen, 0, 7, "see");
    chunk(&mut screen, 1, 0, "I write ");
    chunk(&mut screen, 1, 8, "it.");
    let reasoning = json!({"type": "reasoning", "text": "let me see"});
    let text = json!({"type": "text", "text": "I write it."});
    let tool = |status: &str| json!({"type": "tool-call", "callId": "c", "toolName": "Write", "status": status, "args": {"path": "demo.md"}});
    updated(&mut screen, json!([reasoning, text, tool("pending")]));
    updated(&mut screen, json!([reasoning, text, tool("running")]));
    updated(&mut screen, json!([reasoning, text, tool("completed")]));
    chunk(&mut screen, 3, 0, "Done.");
    let last = json!({"type": "text", "text": "Done."});
    let finish = json!({"type": "finish", "reason": "end_turn"});
    updated(&mut screen, json!([reasoning, text, tool("completed"), last, finish]));
    screen.settle();
    assert!(screen.is_working());
    status(&mut screen, json!({"runnerBusy": false}));
    agent(&mut screen, "idle");
    screen.settle();
    assert!(!screen.is_working() && !screen.has_failed());
    let expected = "thinking: let me see\nI write it.\n⏺ Write demo.md …\n⏺ Write demo.md … done\nDone.\n> ";
    assert_eq!(take(&mut screen), expected);
}

#[test]
fn overlaps_after_a_reconnect_are_printed_once() {
    let mut screen = joined();
    agent(&mut screen, "streaming");
    chunk(&mut screen, 0, 0, "Grü");
    screen.connection_lost();
    screen.connection_lost();
    let text = |text: &str| json!([{"type": "text", "text": text, "streaming": true}]);
    init(&mut screen, json!([message("m", "assistant", "Grüße", text("Grüße"))]), true);
    chunk(&mut screen, 0, 4, "ße");
    chunk(&mut screen, 0, 7, " 🦀");
    updated(&mut screen, text("Grüße 🦀!"));
    assert_eq!(take(&mut screen), "Grü\nconnection lost, reconnecting…\nconnected again\nße 🦀!");
    assert!(screen.is_working());
}

#[test]
fn what_was_missed_is_printed_in_its_order() {
    let mut screen = joined();
    agent(&mut screen, "streaming");
    chunk(&mut screen, 0, 0, "a");
    screen.connection_lost();
    let parts = json!([
        {"type": "text", "text": "abc"},
        {"type": "tool-call", "callId": "c", "toolName": "Run", "status": "error", "error": "denied"},
        {"type": "text", "text": "end"},
        {"type": "finish", "reason": "end_turn"},
    ]);
    init(
        &mut screen,
        json!([message("m", "assistant", "abcend", parts), message("p2", "user", "more", Value::Null)]),
        false,
    );
    screen.settle();
    let expected =
        "a\nconnection lost, reconnecting…\nconnected again\nbc\n✗ Run … failed: denied\nend\nuser: more\n> ";
    assert_eq!(take(&mut screen), expected);
}

#[test]
fn a_gap_asks_for_the_state_once() {
    let mut screen = joined();
    chunk(&mut screen, 0, 0, "ab");
    chunk(&mut screen, 0, 5, "f");
    assert!(screen.take_resync());
    chunk(&mut screen, 0, 6, "g");
    assert!(!screen.take_resync());
    updated(&mut screen, json!([{"type": "text", "text": "abcdefgh"}]));
    assert_eq!(take(&mut screen), "abcdefgh");
}

#[test]
fn nothing_of_the_agent_reaches_the_terminal_raw() {
    let mut screen = joined();
    let evil = "\u{1b}]52;c;x\u{7}\u{9b}2J\r";
    chunk(&mut screen, 0, 0, evil);
    reasoning(&mut screen, 1, 0, evil);
    updated(
        &mut screen,
        json!([
            {"type": "text", "text": evil},
            {"type": "reasoning", "text": evil},
            {"type": "tool-call", "callId": evil, "toolName": evil, "status": "error", "args": {"path": evil},
             "error": evil},
            {"type": "plan", "entries": [{"content": evil, "status": evil, "priority": evil}]},
            {"type": "error", "message": evil},
        ]),
    );
    feed(&mut screen, json!({"type": "error", "messageId": "e", "error": format!("{evil}2"), "message": evil}));
    let other = json!({"id": "p", "role": "user", "content": evil, "authorName": evil, "createdAt": 1});
    feed(&mut screen, json!({"type": "message", "data": other}));
    feed(&mut screen, json!({"type": "message", "data": message("s", "system", evil, Value::Null)}));
    let choices = [Choice { id: evil.to_owned(), label: evil.to_owned(), kind: ChoiceKind::Other }];
    screen.asked(Asked::new("q", evil, None, Some(&choices)));
    screen.settle();
    screen.entered();
    status(&mut screen, json!({"questionAnswered": "q", "answer": evil}));
    screen.refused("x", evil);
    status(&mut screen, json!({"status": "error", "error": format!("{evil}3")}));
    let printed = take(&mut screen);
    assert!(printed.contains("]52;c;x2J"));
    assert!(printed.chars().all(|symbol| symbol == '\n' || !symbol.is_control()), "{printed:?}");
}

#[test]
fn a_single_prompt_yields_its_answer_alone() {
    let mut screen = screen(Manner { once: true, ..Manner::default() });
    let text = |text: &str| json!([{"type": "text", "text": text}, {"type": "finish", "reason": "canceled"}]);
    init(&mut screen, json!([message("o", "assistant", "old", text("old"))]), false);
    screen.sending("hello");
    chunk(&mut screen, 0, 0, "somebody else's");
    feed(&mut screen, json!({"type": "message", "data": message("p", "user", "hello", Value::Null)}));
    screen.accepted("p", "hello");
    agent(&mut screen, "streaming");
    let data = message("n", "assistant", "", json!([]));
    feed(&mut screen, json!({"type": "message", "data": data}));
    feed(&mut screen, json!({"type": "chunk", "messageId": "n", "part": 0, "offset": 0, "content": "new"}));
    let finished = json!([{"type": "text", "text": "new"}, {"type": "finish", "reason": "end_turn"}]);
    let data = json!({"id": "n", "role": "assistant", "content": "new", "parts": finished});
    feed(&mut screen, json!({"type": "message.updated", "data": data}));
    status(&mut screen, json!({"runnerBusy": false}));
    assert!(!screen.is_working() && !screen.has_failed());
    screen.settle();
    assert_eq!(answers(&mut screen), "new\n");
}

#[test]
fn a_failed_turn_is_told_once() {
    let mut screen = joined();
    feed(&mut screen, json!({"type": "error", "messageId": "e", "error": "no credit", "message": "no credit"}));
    let parts = json!([{"type": "error", "message": "no credit"}, {"type": "finish", "reason": "error"}]);
    updated(&mut screen, parts);
    assert!(screen.has_failed());
    assert_eq!(take(&mut screen), "✗ no credit\n");
}

#[test]
fn an_aborted_turn_is_a_failed_one() {
    let mut screen = joined();
    agent(&mut screen, "streaming");
    chunk(&mut screen, 0, 0, "so ");
    updated(&mut screen, json!([{"type": "text", "text": "so "}, {"type": "finish", "reason": "canceled"}]));
    status(&mut screen, json!({"runnerBusy": false, "aborted": true}));
    assert!(screen.has_failed() && !screen.is_working());
    assert_eq!(take(&mut screen), "so \n(the turn was aborted)\n");
}

#[test]
fn the_end_of_the_session_ends_everything() {
    let mut screen = joined();
    screen.sending("x");
    question(&mut screen, "q");
    status(&mut screen, json!({"status": "error", "error": "no sandbox", "sandboxRunning": false}));
    feed(&mut screen, json!({"type": "error", "messageId": "e", "error": "no sandbox", "message": "no sandbox"}));
    assert_eq!(screen.ended(), Some("error"));
    assert!(!screen.is_working() && !screen.is_asking() && screen.has_failed());
    assert_eq!(take(&mut screen), "✗ no sandbox\nthe session failed\n");
}

#[test]
fn a_joined_session_shows_its_last_messages_briefly() {
    let mut messages: Vec<Value> =
        (0..12).map(|number| message(&format!("u{number}"), "user", &format!("say {number}"), Value::Null)).collect();
    let long = "x\n".repeat(50);
    messages.push(message("m0", "assistant", &long, json!([{"type": "text", "text": long}])));
    messages.push(message("m", "assistant", "half", json!([{"type": "text", "text": "half"}])));
    let mut screen = screen(Manner { typed: true, ..Manner::default() });
    init(&mut screen, json!(messages), true);
    chunk(&mut screen, 0, 2, "lf way");
    let printed = take(&mut screen);
    assert!(printed.starts_with("(3 earlier messages)\nuser: say 3\n"), "{printed}");
    assert!(printed.ends_with("user: say 11\nagent: x\nx\nx\nx\nx\nx …\nhalf way"), "{printed}");
}

#[test]
fn plans_are_shown_when_they_change() {
    let mut screen = joined();
    let plan =
        |status: &str| json!([{"type": "plan", "entries": [{"content": "a", "status": status, "priority": "low"}]}]);
    updated(&mut screen, plan("pending"));
    updated(&mut screen, plan("pending"));
    updated(&mut screen, plan("completed"));
    assert_eq!(take(&mut screen), "plan:\n  [ ] a\nplan:\n  [x] a\n");
}

#[test]
fn colour_only_adds_to_what_is_said() {
    let style = Style { colour: true };
    let mut screen = screen(Manner { style, ..Manner::default() });
    updated(
        &mut screen,
        json!([
            {"type": "reasoning", "text": "hm"},
            {"type": "tool-call", "callId": "c", "toolName": "Run", "status": ToolStatus::Completed},
            {"type": "text", "text": "plain"},
        ]),
    );
    let expected = "\u{1b}[2mthinking: \u{1b}[0m\u{1b}[2mhm\u{1b}[0m\n\u{1b}[32m⏺ Run … done\u{1b}[0m\nplain";
    assert_eq!(take(&mut screen), expected);
}

#[test]
fn another_users_prompt_stands_below_the_input_line() {
    let mut screen = screen(Manner { typed: true, ..Manner::default() });
    init(&mut screen, json!([]), false);
    screen.settle();
    let data = json!({"id": "p", "role": "user", "content": "hi", "authorName": "Ann", "createdAt": 1});
    feed(&mut screen, json!({"type": "message", "data": data}));
    screen.settle();
    assert_eq!(take(&mut screen), "> \nAnn: hi\n");
    status(&mut screen, json!({"runnerBusy": false}));
    screen.settle();
    assert_eq!(take(&mut screen), "> ");
}

#[test]
fn frames_without_parts_are_text() {
    let mut screen = joined();
    feed(&mut screen, json!({"type": "message", "data": message("m", "assistant", "all at once", Value::Null)}));
    let data = json!({"id": "m", "content": "all at once, and more"});
    feed(&mut screen, json!({"type": "message.updated", "data": data}));
    feed(&mut screen, json!({"type": "brand.new", "x": 1}));
    assert_eq!(take(&mut screen), "all at once, and more");
}

#[test]
fn that_the_agent_starts_is_said_once() {
    let mut screen = screen(Manner { typed: true, ..Manner::default() });
    let queued = json!({"promptQueued": true, "queuePosition": 1});
    status(&mut screen, json!({"status": "initializing"}));
    status(&mut screen, queued.clone());
    status(&mut screen, json!({"status": "running", "sandboxRunning": true}));
    status(&mut screen, queued.clone());
    status(&mut screen, json!({"runnerConnected": true}));
    status(&mut screen, queued);
    assert_eq!(take(&mut screen), "starting the agent…\nqueued, number 1 in line\n");
}
