//! What runners ask for, and what makes no sense.

use portway_protocol::legacy_runner::{RequestBody, RequestName};
use serde_json::json;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::runner::{Runner, dial};
use super::working;
use crate::trials::Trials;

pub(super) fn add(trials: &mut Trials) {
    trials.add("legacy_runner::requests_that_are_not_available", requests_that_are_not_available);
    trials.add("legacy_runner::memories", memories);
    trials.add("legacy_runner::a_message_to_another_session", a_message_to_another_session);
    trials.add("legacy_runner::a_child_of_its_own", a_child_of_its_own);
    trials.add("legacy_runner::strangers_and_garbage", strangers_and_garbage);
    trials.add("legacy_runner::a_flood", a_flood);
}

async fn requests_that_are_not_available() {
    let (_backend, _gateway, session, mut runner) = working().await;
    for name in RequestName::ALL {
        let request = json!({"type": name.as_str(), "requestId": "r"});
        let is_missing =
            serde_json::from_value::<RequestBody>(request.clone()).is_ok_and(|body| body == RequestBody::NotAvailable);
        runner.say(request).await;
        let result = runner.until(&format!("{}-result", name.as_str())).await;
        let code = if is_missing { "NOT_AVAILABLE" } else { "VALIDATION_ERROR" };
        // One may be asked for without any field.
        assert!(result["code"] == code || (!is_missing && result.get("error").is_none()), "{result}");
        assert_eq!(result["requestId"], "r");
    }
    session.terminate().await;
}

async fn memories() {
    let (_backend, _gateway, session, mut runner) = working().await;
    let wrong = json!({"type": "memory-write", "requestId": "w", "content": "Likes tabs", "category": "secret"});
    runner.say(wrong).await;
    assert_eq!(runner.until("memory-write-result").await["code"], "VALIDATION_ERROR");
    let write = json!({"type": "memory-write", "requestId": "1", "content": "Likes tabs", "category": "preference"});
    runner.say(write).await;
    let written = runner.until("memory-write-result").await;
    assert_eq!((&written["success"], &written["memory"]["content"]), (&json!(true), &json!("Likes tabs")));
    let listed = session.api.get("/api/me/memories").await.expect(200);
    assert_eq!(listed["memories"], json!([written["memory"]]));
    runner.say(json!({"type": "memory-read", "requestId": "2", "query": "tabs", "category": "preference"})).await;
    let read = runner.until("memory-read-result").await;
    assert_eq!(
        (&read["memories"][0]["id"], &read["memories"][0]["relevance"]),
        (&written["memory"]["id"], &json!(1.1))
    );
    for expected in [json!(true), json!(null)] {
        let id = &written["memory"]["id"];
        runner.say(json!({"type": "memory-delete", "requestId": "3", "memoryId": id})).await;
        assert_eq!(runner.until("memory-delete-result").await["success"], expected);
    }
    session.terminate().await;
}

async fn a_message_to_another_session() {
    let (backend, gateway, session, mut runner) = working().await;
    let other = gateway.api().demo_session().await;
    let mut neighbour = Runner::ready(&gateway, backend.order(&other.id, 1).await).await;
    let message = |content: &str, interrupt: bool| json!({"type": "session-message", "requestId": content, "targetSessionId": other.id, "content": content, "interrupt": interrupt});
    runner.say(message("Are you done?", false)).await;
    let result = runner.until("session-message-result").await;
    assert_eq!(result, json!({"type": "session-message-result", "requestId": "Are you done?", "success": true}));
    neighbour.prompted("Are you done?").await;
    neighbour.begin("t1").await;
    runner.say(message("Now!", true)).await;
    neighbour.until("abort").await;
    neighbour.say(json!({"type": "aborted"})).await;
    neighbour.prompted("Now!").await;
    runner.say(message(" ", false)).await;
    let result = runner.recorder().until(|frame| frame["requestId"] == " ").await;
    assert_eq!(result["code"], "VALIDATION_ERROR");
    let nobody = json!({"type": "session-message", "requestId": "r", "targetSessionId": "nobody", "content": "x"});
    runner.say(nobody).await;
    let result = runner.recorder().until(|frame| frame["requestId"] == "r").await;
    assert_eq!(result["code"], "NOT_FOUND");
    other.terminate().await;
    session.terminate().await;
}

async fn a_child_of_its_own() {
    let (backend, gateway, session, mut runner) = working().await;
    let spawn = json!({"type": "spawn-child", "requestId": "1", "task": "Look around", "title": "Scout"});
    runner.say(spawn.clone()).await;
    let child = runner.until("spawn-child-result").await["childSessionId"].as_str().unwrap().to_owned();
    runner.say(spawn.clone()).await;
    assert_eq!(runner.until("spawn-child-result").await["childSessionId"], child, "once for each request");
    let mut cloning = spawn;
    cloning["repoUrl"] = json!("https://example.org/a.git");
    runner.say(cloning).await;
    assert_eq!(runner.until("spawn-child-result").await["code"], "NOT_AVAILABLE");

    let mut scout = Runner::ready(&gateway, backend.order(&child, 1).await).await;
    scout.prompted("Look around").await;
    scout.begin("t1").await;
    scout.text("t1", "Found it").await;
    runner.say(json!({"type": "get-session-status", "requestId": "2", "targetSessionId": child})).await;
    let status = runner.until("get-session-status-result").await["sessionStatus"].take();
    assert_eq!((&status["title"], &status["agentStatus"]), (&json!("Scout"), &json!("working")));
    scout.end("t1", "Found it").await;
    // What the child tells of its end is a prompt.
    runner.until("prompt").await;
    runner.say(json!({"type": "list-child-sessions", "requestId": "3"})).await;
    let children = runner.until("list-child-sessions-result").await["children"].take();
    assert_eq!((children[0]["id"].as_str(), &children[0]["status"]), (Some(child.as_str()), &json!("running")));
    runner.say(json!({"type": "session-messages", "requestId": "4", "targetSessionId": child})).await;
    let messages = runner.until("session-messages-result").await["messages"].take();
    let contents: Vec<_> = messages.as_array().unwrap().iter().map(|message| message["content"].clone()).collect();
    assert_eq!(contents, ["Look around", "Found it"]);
    runner.say(json!({"type": "forward-messages", "requestId": "5", "targetSessionId": child, "limit": 1})).await;
    let forwarded = runner.until("forward-messages-result").await;
    assert_eq!((&forwarded["count"], &forwarded["sourceSessionId"]), (&json!(1), &json!(child)));
    let copied = session.transcript().await.into_iter().any(|entry| entry.content == "Found it");
    assert!(copied, "it is in the own transcript");
    for (id, expected) in [(child.as_str(), json!(true)), (session.id.as_str(), json!(null))] {
        runner.say(json!({"type": "terminate-child", "requestId": id, "childSessionId": id})).await;
        assert_eq!(runner.until("terminate-child-result").await["success"], expected, "{id}");
    }
    session.terminate().await;
}

async fn strangers_and_garbage() {
    let (_backend, _gateway, session, mut runner) = working().await;
    let mut order = runner.order().clone();
    order.token.push('x');
    assert!(matches!(dial(&order).await.unwrap_err(), Error::Http(answer) if answer.status() == 401));
    for garbage in
        [Message::text("{"), Message::binary(vec![0xff]), Message::text("null"), Message::text("{\"type\":7}")]
    {
        runner.say_bytes(garbage).await;
        let error = runner.until("error").await;
        assert_eq!(error["error"], error["message"]);
    }
    runner.say_bytes(Message::binary(r#"{"type":"ping"}"#.as_bytes().to_vec())).await;
    runner.until("pong").await;
    runner.say(json!({"type": "novel", "requestId": 7})).await;
    let turnless = json!({"type": "message.create", "turnId": "t1"});
    for frame in [turnless, json!({"type": "complete"}), json!({"type": "aborted"})] {
        runner.say(frame).await;
    }
    runner.text("t1", "of no turn").await;
    runner.heard().await;
    let mut socket = session.socket().await;
    let prompt = socket.prompt("one", None).await;
    runner.prompted("one").await;
    runner.begin("t1").await;
    runner.end("t1", "Fine").await;
    assert_eq!(socket.answer_to(&prompt).await.content, "Fine");
    session.terminate().await;
}

async fn a_flood() {
    const DELTAS: usize = 3_000;
    const REQUESTS: usize = 200;
    let (_backend, _gateway, session, mut runner) = working().await;
    let mut socket = session.socket().await;
    let prompt = socket.prompt("one", None).await;
    runner.prompted("one").await;
    runner.begin("t1").await;
    for number in 0..DELTAS {
        runner.text("t1", "x").await;
        if number % (DELTAS / REQUESTS) == 0 {
            runner.say(json!({"type": "create-pr", "requestId": number.to_string()})).await;
        }
    }
    runner.say(json!({"type": "complete"})).await;
    assert_eq!(socket.answer_to(&prompt).await.content.len(), DELTAS);
    for _ in 0..REQUESTS {
        let result = runner.until("create-pr-result").await;
        assert!(["NOT_AVAILABLE", "RATE_LIMIT_EXCEEDED"].contains(&result["code"].as_str().unwrap()), "{result}");
    }
    session.terminate().await;
}
