//! Runners of earlier gateways, driven by hand: what they are sent, what becomes of what they say, and what is kept when
//! connections, processes and gateways go.

mod backend;
mod channels;
mod losses;
mod requests;
mod runner;
mod tunnels;

use std::collections::BTreeSet;

use portway_protocol::client::{AnswerValue, QueueMode};
use portway_protocol::message::{AgentStatus, FinishReason, ToolStatus};
use serde_json::{Value, json};

use self::backend::Backend;
use self::runner::Runner;
use crate::harness::gateway::{Gateway, gateways_are_two};
use crate::harness::session::Session;
use crate::trials::Trials;
use crate::wire::recorder::Recorder;

pub(crate) fn add(trials: &mut Trials) {
    // Between gateways hints may be lost, and the state is sent anew in their place.
    if gateways_are_two() {
        return;
    }
    trials.add("legacy_runner::a_first_connection", a_first_connection);
    trials.add("legacy_runner::prompts_while_it_is_busy", prompts_while_it_is_busy);
    trials.add("legacy_runner::an_abort", an_abort);
    trials.add("legacy_runner::questions", questions);
    trials.add("legacy_runner::a_failure", a_failure);
    trials.add("legacy_runner::a_rest", a_rest);
    trials.add("legacy_runner::models", models);
    trials.add("legacy_runner::what_clients_ask", what_clients_ask);
    trials.add("legacy_runner::a_prompt_is_taken_back", a_prompt_is_taken_back);
    trials.add("legacy_runner::one_that_goes_away_is_not_waited_for", one_that_goes_away);
    channels::add(trials);
    trials.add("legacy_runner::files", files);
    losses::add(trials);
    requests::add(trials);
    tunnels::add(trials);
}

/// A session whose agent takes prompts.
async fn working() -> (Backend, Gateway, Session, Runner) {
    let backend = Backend::start().await;
    let gateway = backend.gateway("").await;
    let session = gateway.api().demo_session().await;
    let order = backend.order(&session.id, 1).await;
    let runner = Runner::ready(&gateway, order).await;
    (backend, gateway, session, runner)
}

/// The same, watched by a client that has seen everything so far.
async fn watched() -> (Backend, Gateway, Session, Runner, Recorder) {
    let (backend, gateway, session, mut runner) = working().await;
    runner.heard().await;
    let mut socket = session.socket().await;
    let prompt = socket.prompt("begin", None).await;
    assert_eq!(runner.prompted("begin").await, prompt);
    runner.begin("t0").await;
    runner.end("t0", "begun").await;
    assert_eq!(socket.answer_to(&prompt).await.content, "begun");
    socket.turn_end().await;
    socket.agent_is(AgentStatus::Idle).await;
    let mut client = Recorder::open(&gateway, &session).await;
    client.until(|frame| frame["type"] == "user.joined").await;
    client.forget();
    (backend, gateway, session, runner, client)
}

fn prompt(content: &str, mode: QueueMode) -> Value {
    json!({"type": "prompt", "content": content, "queueMode": mode})
}

fn ends_turn(frame: &Value) -> bool {
    frame["data"]["runnerBusy"] == false
}

fn is_idle(frame: &Value) -> bool {
    frame["type"] == "agentStatus" && frame["status"] == "idle"
}

async fn a_first_connection() {
    let backend = Backend::start().await;
    let gateway = backend.gateway("").await;
    let opening = json!({"workspace": "test", "agent": "demo", "initialPrompt": "hello"});
    let session = gateway.api().session(opening).await;
    let order = backend.order(&session.id, 1).await;
    session.reaches("running").await;
    let mut client = Recorder::open(&gateway, &session).await;
    client.until(|frame| frame["type"] == "user.joined").await;
    client.forget();
    let mut runner = Runner::connect(&gateway, order).await;
    runner.until("init").await;
    runner.until("opencode-config").await;
    client.until(|frame| frame["data"]["runnerConnected"] == true).await;
    // The agent of the start is idle before the one with the configuration is.
    runner.say(json!({"type": "models", "models": []})).await;
    runner.idle().await;
    runner.heard().await;
    runner.say(json!({"type": "opencode-config-applied", "success": true, "restarted": true})).await;
    runner.idle().await;
    let first = runner.prompted("hello").await;
    let place = |kind: &str| runner.frames().iter().position(|frame| frame["type"] == kind);
    assert!(place("pong") < place("prompt"), "an idle before the configuration is no readiness");
    let conversation =
        json!({"type": "channel-session-created", "channelKey": "web:default", "opencodeSessionId": "ses_1"});
    runner.say(conversation).await;
    runner.begin("t1").await;
    runner.text("t1", "Let me ").await;
    runner.text("t1", "look. ").await;
    let tool = |status: &str| json!({"type": "message.part.tool-update", "turnId": "t1", "callId": "c1", "toolName": "bash", "status": status});
    runner.say(json!({"type": "agentStatus", "status": "tool_calling", "detail": "bash"})).await;
    runner.say(tool("pending")).await;
    let mut done = tool("completed");
    done["args"] = json!({"command": "ls"});
    done["result"] = json!("README.md");
    runner.say(done).await;
    runner.say(json!({"type": "agentStatus", "status": "streaming"})).await;
    runner.text("t1", "There is a ").await;
    runner.text("t9", "of no turn").await;
    runner.end("t1", "There is a README.").await;
    runner.say(json!({"type": "files-changed", "files": []})).await;
    client.until(ends_turn).await;
    client.until(is_idle).await;
    client.until(|frame| frame["type"] == "files-changed").await;
    client.send(&prompt("again", QueueMode::Followup)).await;
    runner.prompted("again").await;
    let transcript = session.transcript().await;
    let answer = transcript.iter().find(|entry| entry.id == format!("{first}.1")).unwrap();
    assert_eq!(answer.content, "Let me look. There is a README.");
    assert_eq!((answer.tool("c1"), answer.finish()), (Some(ToolStatus::Completed), Some(FinishReason::EndTurn)));
    client.until(|frame| frame["data"]["content"] == "again").await;
    client.compare("legacy_first_connection");
    session.terminate().await;
    assert_eq!(runner.closed().await, (1000, "Session terminated".to_owned()));
    runner.compare("legacy_first_connection_runner");
}

async fn files() {
    let (_backend, _gateway, session, mut runner, mut client) = watched().await;
    let changed = json!([
        {"path": "src/b.rs", "status": "modified", "additions": 3, "deletions": 1},
        {"path": "a", "status": "added"},
    ]);
    runner.say(json!({"type": "files-changed", "files": changed})).await;
    client.until(|frame| frame["type"] == "files-changed").await;
    runner.say(json!({"type": "git-state", "branch": "tidy", "baseBranch": "main", "commitCount": 1})).await;
    client.until(|frame| frame["type"] == "git-state").await;
    runner.say(json!({"type": "git-state", "branch": null, "commitCount": 2})).await;
    client.until(|frame| frame["type"] == "git-state").await;
    client.compare("legacy_files");
    let answer = session.api.get(&session.path("/files-changed")).await.expect(200);
    let paths: Vec<&Value> = answer["files"].as_array().unwrap().iter().map(|file| &file["filePath"]).collect();
    assert_eq!(paths, ["a", "src/b.rs"]);
    let state = &session.api.get(&session.path("/git-state")).await.expect(200)["gitState"];
    assert_eq!((&state["branch"], &state["commitCount"]), (&json!("tidy"), &json!(2)));
    session.terminate().await;
}

async fn prompts_while_it_is_busy() {
    let (_backend, _gateway, session, mut runner, mut client) = watched().await;
    client.send(&prompt("one", QueueMode::Followup)).await;
    runner.prompted("one").await;
    runner.begin("t1").await;
    runner.text("t1", "first").await;
    client.until(|frame| frame["type"] == "chunk").await;
    client.send(&prompt("two", QueueMode::Followup)).await;
    client.until(|frame| frame["data"]["promptQueued"] == true).await;
    runner.end("t1", "first").await;
    runner.prompted("two").await;
    runner.begin("t2").await;
    client.until(|frame| frame["data"]["promptDequeued"] == true).await;
    client.until(|frame| frame["type"] == "message" && frame["data"]["role"] == "assistant").await;
    client.send(&prompt("three", QueueMode::Steer)).await;
    runner.until("abort").await;
    runner.say(json!({"type": "aborted"})).await;
    runner.idle().await;
    runner.prompted("three").await;
    runner.begin("t3").await;
    runner.end("t3", "third").await;
    client.until(|frame| frame["data"]["content"] == "third").await;
    client.until(ends_turn).await;
    client.until(is_idle).await;
    client.compare("legacy_prompts_while_busy");
    session.terminate().await;
}

async fn an_abort() {
    let (_backend, _gateway, session, mut runner, mut client) = watched().await;
    client.send(&prompt("one", QueueMode::Followup)).await;
    let first = runner.prompted("one").await;
    runner.begin("t1").await;
    runner.text("t1", "half").await;
    client.until(|frame| frame["type"] == "chunk").await;
    client.send(&json!({"type": "abort"})).await;
    runner.until("abort").await;
    runner.say(json!({"type": "aborted"})).await;
    runner.idle().await;
    client.until(|frame| frame["data"]["aborted"] == true).await;
    client.until(|frame| frame["entry"]["eventType"] == "agent.turn_complete").await;
    client.until(is_idle).await;
    client.compare("legacy_abort");
    let transcript = session.transcript().await;
    let answer = transcript.iter().find(|entry| entry.id == format!("{first}.1")).unwrap();
    assert_eq!((answer.content.as_str(), answer.finish()), ("half", Some(FinishReason::Canceled)));
    // An abort that comes too late is confirmed when the turn is over; the next turn is none of its business.
    let mut socket = session.socket().await;
    let second = socket.prompt("two", None).await;
    runner.prompted("two").await;
    let third = socket.prompt("three", Some(QueueMode::Steer)).await;
    runner.until("abort").await;
    runner.begin("t2").await;
    runner.end("t2", "two").await;
    runner.say(json!({"type": "aborted"})).await;
    runner.idle().await;
    runner.prompted("three").await;
    runner.begin("t3").await;
    runner.end("t3", "three").await;
    assert_eq!(socket.answer_to(&second).await.content, "two");
    let answer = socket.answer_to(&third).await;
    assert_eq!((answer.content.as_str(), answer.finish()), ("three", Some(FinishReason::EndTurn)));
    session.terminate().await;
}

async fn questions() {
    let (_backend, _gateway, session, mut runner, mut client) = watched().await;
    client.send(&prompt("one", QueueMode::Followup)).await;
    let first = runner.prompted("one").await;
    runner.begin("t1").await;
    let choice = json!({"type": "question", "questionId": "que_1:0", "text": "Which?", "options": ["This", "That"]});
    runner.idle().await;
    runner.say(choice).await;
    let asked = client.until(|frame| frame["type"] == "question").await;
    assert_eq!(asked["questionId"], format!("{first}.q1"));
    client.send(&json!({"type": "answer", "questionId": asked["questionId"], "answer": "That"})).await;
    let answer = runner.until("answer").await;
    assert_eq!(answer, json!({"type": "answer", "questionId": "que_1:0", "answer": "That"}));
    client.until(|frame| frame["entry"]["eventType"] == "user.answer").await;
    runner.say(json!({"type": "question", "questionId": "que_1:1", "text": "Why?"})).await;
    let asked = client.until(|frame| frame["type"] == "question").await;
    client.send(&json!({"type": "answer", "questionId": asked["questionId"], "answer": "Because"})).await;
    assert_eq!(runner.until("answer").await["answer"], "Because");
    client.until(|frame| frame["entry"]["eventType"] == "user.answer").await;
    runner.end("t1", "Good").await;
    client.until(ends_turn).await;
    client.until(is_idle).await;
    client.compare("legacy_questions");
    // Nobody can answer what is asked outside of a turn.
    runner.say(json!({"type": "question", "questionId": "que_2", "text": "Hello?"})).await;
    assert_eq!(runner.until("answer").await, json!({"type": "answer", "questionId": "que_2", "answer": "__expired__"}));
    // The end of the turn closes what is open, and an answer has no one to go to.
    let mut socket = session.socket().await;
    socket.prompt("two", None).await;
    runner.prompted("two").await;
    runner.say(json!({"type": "question", "questionId": "que_3", "text": "Still there?"})).await;
    let open = socket.question().await;
    runner.say(json!({"type": "complete"})).await;
    socket.question_expired(&open.id).await;
    socket.answer(&open.id, AnswerValue::Text("Yes".to_owned())).await;
    assert_eq!(socket.refusal().await, "CONFLICT");
    session.terminate().await;
}

async fn a_failure() {
    let (_backend, _gateway, session, mut runner, mut client) = watched().await;
    client.send(&prompt("one", QueueMode::Followup)).await;
    let first = runner.prompted("one").await;
    runner.say(json!({"type": "error", "messageId": first, "error": "No such model"})).await;
    runner.say(json!({"type": "complete"})).await;
    runner.idle().await;
    client.until(ends_turn).await;
    client.until(is_idle).await;
    client.send(&prompt("two", QueueMode::Followup)).await;
    runner.prompted("two").await;
    runner.begin("t2").await;
    // A message that was given up, and the one after it.
    runner.text("t2", "half").await;
    runner.say(json!({"type": "message.create", "turnId": "t3", "channelType": "web", "channelId": "default"})).await;
    runner.say(json!({"type": "message.finalize", "turnId": null, "reason": "error", "error": "Too long"})).await;
    runner.say(json!({"type": "complete"})).await;
    runner.idle().await;
    client.until(ends_turn).await;
    client.until(is_idle).await;
    client.compare("legacy_failure");
    session.terminate().await;
}

async fn a_rest() {
    let (backend, gateway, session, mut runner, mut client) = watched().await;
    runner
        .say(json!({"type": "channel-session-created", "channelKey": "web:default", "opencodeSessionId": "ses_1"}))
        .await;
    runner.heard().await;
    session.api.post(&session.path("/hibernate"), &json!({})).await.expect(200);
    assert_eq!(runner.closed().await, (1000, "Session hibernating".to_owned()));
    assert_eq!(runner.frames().last().unwrap()["type"], "stop");
    client.until(|frame| frame["data"]["status"] == "hibernated").await;
    client.send(&prompt("again", QueueMode::Followup)).await;
    let order = backend.order(&session.id, 2).await;
    assert_eq!(order.snapshot.as_deref(), Some("snapshot"));
    client.until(|frame| frame["data"]["status"] == "running").await;
    let mut runner = Runner::ready(&gateway, order).await;
    let prompted = runner.until("prompt").await;
    assert_eq!((&prompted["content"], &prompted["opencodeSessionId"]), (&json!("again"), &json!("ses_1")));
    runner.begin("t1").await;
    runner.end("t1", "Awake").await;
    client.until(ends_turn).await;
    client.until(is_idle).await;
    client.compare("legacy_rest");
    session.terminate().await;
}

async fn models() {
    let (_backend, gateway, session, mut runner, mut client) = watched().await;
    let preferences = json!({"modelPreferences": ["p/m", "p/n"]});
    session.api.patch("/api/auth/me", &preferences).await.expect(200);
    let models = |names: &[&str]| {
        let model = |name: &&str| json!({"id": format!("p/{name}"), "name": name.to_uppercase()});
        json!([{"provider": "P", "models": names.iter().map(model).collect::<Vec<_>>()}])
    };
    let list = models(&["m", "n"]);
    for _ in 0..2 {
        runner.say(json!({"type": "models", "models": list})).await;
    }
    client.until(|frame| frame["type"] == "models").await;
    client.send(&json!({"type": "prompt", "content": "one", "model": "p/m"})).await;
    let prompted = runner.until("prompt").await;
    assert_eq!((&prompted["model"], &prompted["modelPreferences"]), (&json!("p/m"), &json!(["p/m", "p/n"])));
    runner
        .say(json!({
            "type": "model-switched",
            "messageId": prompted["messageId"],
            "fromModel": "p/m",
            "toModel": "p/n",
            "reason": "quota exceeded",
        }))
        .await;
    runner.begin("t1").await;
    runner.end("t1", "Done").await;
    client.until(ends_turn).await;
    client.until(is_idle).await;
    client.compare("legacy_models");
    let listed = gateway.api().get("/api/sessions/available-models").await.expect(200);
    assert_eq!(listed, json!({"models": list}));
    let mut other = Recorder::open(&gateway, &session).await;
    let init = other.until(|frame| frame["type"] == "init").await;
    assert_eq!(init["data"]["availableModels"], list);
    session.terminate().await;
}

async fn what_clients_ask() {
    let (_backend, _gateway, session, mut runner, mut client) = watched().await;
    runner.recorder().forget();
    client.send(&json!({"type": "diff"})).await;
    let id = runner.until("diff").await["requestId"].clone();
    let files =
        json!([{"path": "a.rs", "status": "modified", "diff": "-a\n+b\n"}, {"path": "b.rs", "status": "renamed"}]);
    let answer = json!({"type": "diff", "requestId": id, "data": {"files": files}});
    runner.say(answer.clone()).await;
    client.until(|frame| frame["type"] == "diff").await;
    // A second answer, and one to what nobody asked, reach nobody.
    runner.say(answer).await;
    runner.say(json!({"type": "diff", "requestId": "of nobody", "data": {"files": []}})).await;

    client.send(&json!({"type": "review"})).await;
    let id = runner.until("review").await["requestId"].clone();
    let error = "No changes";
    runner.say(json!({"type": "review-result", "requestId": id, "diffFiles": [], "error": error})).await;
    client.until(|frame| frame["type"] == "review-result").await;
    client.send(&json!({"type": "review"})).await;
    let id = runner.until("review").await["requestId"].clone();
    let review = json!({"files": [], "overallSummary": "Fine.", "stats": {"critical": 0, "warning": 0, "suggestion": 0, "nitpick": 0}});
    runner.say(json!({"type": "review-result", "requestId": id, "data": review, "diffFiles": []})).await;
    client.until(|frame| frame["type"] == "review-result").await;

    client.send(&json!({"type": "command", "command": "compact"})).await;
    let id = runner.until("opencode-command").await["requestId"].clone();
    runner.say(json!({"type": "command-result", "requestId": id, "command": "compact", "result": "Compacted"})).await;
    client.until(|frame| frame["type"] == "command-result").await;
    client.send(&json!({"type": "command", "command": "dance"})).await;
    client.until(|frame| frame["type"] == "command-result").await;

    client
        .send(&json!({"type": "command", "command": "new-session", "channelType": "web", "channelId": "default"}))
        .await;
    let id = runner.until("new-session").await["requestId"].clone();
    let conversation =
        json!({"type": "channel-session-created", "channelKey": "web:default", "opencodeSessionId": "ses_2"});
    runner.say(conversation).await;
    let reset = json!({"type": "session-reset", "channelType": "web", "channelId": "default", "requestId": id});
    runner.say(reset).await;
    client.until(|frame| frame["entry"]["eventType"] == "agent.session_reset").await;
    client.compare("legacy_requests");
    let mut socket = session.socket().await;
    let prompt = socket.prompt("go on", None).await;
    let told = runner.until("prompt").await;
    assert_eq!((&told["messageId"], &told["opencodeSessionId"]), (&json!(prompt), &json!("ses_2")));
    runner.compare("legacy_requests_runner");
}

async fn a_prompt_is_taken_back() {
    let (_backend, gateway, session, mut runner, mut client) = watched().await;
    let mut socket = session.socket().await;
    let kept = session.transcript().await.len();
    let mut prompts = Vec::new();
    for (turn, text) in [("t1", "one"), ("t2", "two")] {
        prompts.push(socket.prompt(text, None).await);
        runner.prompted(text).await;
        runner.begin(turn).await;
        client.send(&json!({"type": "revert", "messageId": prompts[0]})).await;
        assert_eq!(client.until(|frame| frame["type"] == "error").await["code"], "CONFLICT", "the agent is at work");
        runner.end(turn, text).await;
        client.until(ends_turn).await;
    }
    let mut away = Recorder::open_with(&gateway, &session, "&protocol=2").await;
    let seq = away.until(|frame| frame["type"] == "init").await["seq"].clone();
    away.lose();
    client.forget();
    client.send(&json!({"type": "revert", "messageId": prompts[0]})).await;
    assert_eq!(runner.until("revert").await["messageId"], prompts[0]);
    runner.say(json!({"type": "reverted", "messageIds": ["of nobody"]})).await;
    runner.heard().await;
    assert_eq!(session.transcript().await.len(), kept + 4, "that was no answer");
    runner.say(json!({"type": "reverted", "messageIds": [prompts[0]]})).await;
    let removed = client.until(|frame| frame["type"] == "messages.removed").await;
    let ids: Vec<&str> = removed["messageIds"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert_eq!((ids.len(), ids[0], ids[2]), (4, &*prompts[0], &*prompts[1]), "{removed}");
    client.until(|frame| frame["entry"]["eventType"] == "prompt.reverted").await;
    assert_eq!(session.transcript().await.len(), kept);
    away.reopen(&session, &format!("&protocol=2&resumeFrom={seq}")).await;
    let told = away.until(|frame| frame["type"] == "messages.removed").await;
    let missed: BTreeSet<&str> = told["messageIds"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert_eq!(missed, BTreeSet::from_iter(ids));
    // The agent goes on from there.
    let prompt = session.socket().await.prompt("three", None).await;
    assert_eq!(runner.prompted("three").await, prompt);
    session.terminate().await;
}

async fn one_that_goes_away() {
    let (_backend, _gateway, _session, mut runner, mut client) = watched().await;
    client.send(&json!({"type": "review"})).await;
    runner.until("review").await;
    client.send(&json!({"type": "command", "command": "undo"})).await;
    runner.until("opencode-command").await;
    runner.lose();
    for kind in ["review-result", "command-result"] {
        let told = |frame: &Value| frame["type"] == kind;
        let found = client.frames().iter().find(|frame| told(frame)).cloned();
        let answer = match found {
            Some(answer) => answer,
            None => client.until(told).await,
        };
        assert_eq!(answer["code"], "UNAVAILABLE", "{answer}");
    }
}
