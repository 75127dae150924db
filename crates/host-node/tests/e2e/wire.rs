//! The frames that clients get, to the letter: what each conversation looks like is written down in `wire/`.
//!
//! Ids and times are replaced by names, and text that came in several chunks is joined. With `PORTWAY_TEST_GOLDEN=write`
//! the files are written anew; read the difference before it is committed.

pub(crate) mod recorder;

use portway_protocol::client::QueueMode;
use portway_protocol::message::AgentStatus;
use portway_protocol::server::ServerFrame;
use serde_json::{Value, json};

use self::recorder::Recorder;
use crate::harness::eventually;
use crate::harness::gateway::{Gateway, gateways_are_two};
use crate::harness::session::Session;
use crate::trials::Trials;
use crate::workspaces::{Checkout, says};

pub(crate) fn add(trials: &mut Trials) {
    // Between gateways hints may be lost, and the state is sent anew in their place.
    if gateways_are_two() {
        return;
    }
    trials.add("wire::a_turn", a_turn);
    trials.add("wire::a_turn_with_tools", a_turn_with_tools);
    trials.add("wire::a_question", a_question);
    trials.add("wire::prompts_that_wait", prompts_that_wait);
    trials.add("wire::an_abort", an_abort);
    trials.add("wire::a_failure", a_failure);
    trials.add("wire::a_rest", a_rest);
    trials.add("wire::a_visit", a_visit);
    trials.add("wire::a_child", a_child);
    trials.add("wire::a_return", a_return);
    trials.add("wire::a_picture", a_picture);
    trials.add("wire::a_missing_model", a_missing_model);
    trials.add("wire::files", files);
}

fn prompt(content: &str, mode: QueueMode) -> Value {
    json!({"type": "prompt", "content": content, "queueMode": mode})
}

/// A session whose agent waits for prompts, and its frames from now on.
async fn watched() -> (Gateway, Session, Recorder) {
    let gateway = Gateway::start("").await;
    // What is said at the opening is always queued.
    let opening = json!({"workspace": "test", "agent": "demo", "initialPrompt": "/say ready"});
    let (session, mut socket) = loop {
        let session = gateway.api().session(opening.clone()).await;
        let socket = session.socket().await;
        // Who comes when the answer is there may not hear of the end of the turn any more.
        if socket.mirror.messages.last().and_then(|last| last.finish()).is_none() {
            break (session, socket);
        }
        session.terminate().await;
    };
    socket.wait_until("the agent", |mirror| mirror.messages.last().and_then(|last| last.finish())).await;
    socket.turn_end().await;
    socket.agent_is(AgentStatus::Idle).await;
    // Where it may have neighbours, a gateway announces who comes a little later.
    let is_arrival = |frame: &ServerFrame| matches!(frame, ServerFrame::UserJoined { .. });
    if !socket.frames.iter().any(is_arrival) {
        socket.wait_for("its arrival", |frame| is_arrival(frame).then_some(())).await;
    }
    drop(socket);
    let mut recorder = Recorder::open(&gateway, &session).await;
    recorder.until(|frame| frame["type"] == "user.joined").await;
    recorder.forget();
    (gateway, session, recorder)
}

fn ends_turn(frame: &Value) -> bool {
    frame["data"]["runnerBusy"] == false
}

fn is_idle(frame: &Value) -> bool {
    frame["type"] == "agentStatus" && frame["status"] == "idle"
}

async fn a_turn() {
    let (_gateway, session, mut recorder) = watched().await;
    recorder.send(&prompt("/say one two", QueueMode::Followup)).await;
    recorder.until(ends_turn).await;
    recorder.until(is_idle).await;
    recorder.send(&prompt("/say three", QueueMode::Steer)).await;
    recorder.until(ends_turn).await;
    recorder.until(is_idle).await;
    recorder.compare("a_turn");
    session.terminate().await;
}

async fn a_turn_with_tools() {
    let (_gateway, session, mut recorder) = watched().await;
    recorder.send(&prompt("show me", QueueMode::Followup)).await;
    let asked = recorder.until(|frame| frame["type"] == "question").await;
    recorder.send(&json!({"type": "answer", "questionId": asked["questionId"], "answer": true})).await;
    recorder.until(ends_turn).await;
    recorder.until(is_idle).await;
    recorder.compare("a_turn_with_tools");
    session.terminate().await;
}

async fn a_question() {
    let (_gateway, session, mut recorder) = watched().await;
    recorder.send(&prompt("/ask your name", QueueMode::Followup)).await;
    let asked = recorder.until(|frame| frame["type"] == "question").await;
    recorder.send(&json!({"type": "answer", "questionId": asked["questionId"], "answer": true})).await;
    recorder.until(ends_turn).await;
    recorder.until(is_idle).await;
    recorder.send(&json!({"type": "answer", "questionId": asked["questionId"], "answer": true})).await;
    recorder.until(|frame| frame["type"] == "error").await;
    recorder.compare("a_question");
    session.terminate().await;
}

async fn prompts_that_wait() {
    let (_gateway, session, mut recorder) = watched().await;
    recorder.send(&prompt("/ask something", QueueMode::Followup)).await;
    let asked = recorder.until(|frame| frame["type"] == "question").await;
    let mut ids = Vec::new();
    for content in ["/say one", "/say two", "/say three"] {
        recorder.send(&prompt(content, QueueMode::Followup)).await;
        let said = recorder.until(|frame| frame["type"] == "message").await;
        ids.push(said["data"]["id"].clone());
        recorder.until(|frame| frame["data"]["promptQueued"] == true).await;
    }
    recorder.send(&json!({"type": "withdraw", "messageId": ids[1]})).await;
    recorder.until(|frame| frame["data"]["promptWithdrawn"].is_string()).await;
    recorder.send(&json!({"type": "answer", "questionId": asked["questionId"], "answer": false})).await;
    recorder.until(|frame| frame["data"]["remaining"] == 0).await;
    recorder.until(ends_turn).await;
    recorder.until(is_idle).await;
    recorder.compare("prompts_that_wait");
    session.terminate().await;
}

async fn an_abort() {
    let (_gateway, session, mut recorder) = watched().await;
    recorder.send(&prompt("/ask something", QueueMode::Followup)).await;
    recorder.until(|frame| frame["type"] == "question").await;
    recorder.send(&prompt("/say never", QueueMode::Followup)).await;
    recorder.until(|frame| frame["data"]["promptQueued"] == true).await;
    recorder.send(&json!({"type": "abort"})).await;
    recorder.until(|frame| frame["data"]["aborted"] == true).await;
    recorder.until(|frame| frame["entry"]["eventType"] == "agent.turn_complete").await;
    recorder.compare("an_abort");
    session.terminate().await;
}

async fn a_failure() {
    let (_gateway, session, mut recorder) = watched().await;
    recorder.send(&prompt("/fail on purpose", QueueMode::Followup)).await;
    recorder.until(ends_turn).await;
    recorder.until(is_idle).await;
    recorder.send(&json!({"type": "prompt", "content": " "})).await;
    recorder.until(|frame| frame["type"] == "error").await;
    recorder.send(&json!({"type": "ping"})).await;
    recorder.until(|frame| frame["type"] == "pong").await;
    recorder.compare("a_failure");
    session.terminate().await;
}

async fn a_rest() {
    let (_gateway, session, mut recorder) = watched().await;
    session.api.post(&session.path("/hibernate"), &json!({})).await.expect(200);
    recorder.until(|frame| frame["data"]["status"] == "hibernated").await;
    session.api.post(&session.path("/wake"), &json!({})).await.expect(200);
    recorder.until(|frame| frame["data"]["runnerConnected"] == true).await;
    session.terminate().await;
    recorder.until(|frame| frame["data"]["status"] == "terminated").await;
    recorder.until(|frame| frame["entry"]["eventType"] == "session.terminated").await;
    recorder.compare("a_rest");
}

async fn a_visit() {
    let (gateway, session, mut recorder) = watched().await;
    recorder.send(&prompt("/ask something", QueueMode::Followup)).await;
    recorder.until(|frame| frame["type"] == "question").await;
    let mut visitor = Recorder::open(&gateway, &session).await;
    visitor.until(|frame| frame["type"] == "user.joined").await;
    visitor.compare("a_visit");
    session.terminate().await;
}

async fn a_child() {
    let (_gateway, session, mut recorder) = watched().await;
    let child = json!({
        "workspace": "test",
        "agent": "demo",
        "title": "Helper",
        "parentSessionId": session.id,
        "initialPrompt": "/say done",
    });
    session.api.session(child).await;
    recorder.until(|frame| frame["entry"]["eventType"] == "child.idle").await;
    recorder.compare("a_child");
    session.terminate().await;
}

/// A client of protocol 2 that goes away and comes back.
async fn a_return() {
    let (gateway, session, recorder) = watched().await;
    drop(recorder);
    eventually("nobody is there", async || (session.detail().await["doStatus"]["connectedClients"] == 0).then_some(()))
        .await;
    let mut recorder = Recorder::open_with(&gateway, &session, "&protocol=2").await;
    recorder.until(|frame| frame["type"] == "user.joined").await;
    recorder.send(&prompt("/say one two", QueueMode::Followup)).await;
    let ended = recorder.until(ends_turn).await;
    recorder.until(is_idle).await;
    let seq = ended["seq"].as_u64().unwrap();
    recorder.send(&json!({"type": "ack", "seq": seq})).await;
    recorder.send(&json!({"type": "history", "before": 1})).await;
    recorder.until(|frame| frame["type"] == "history").await;
    let mut other = session.socket().await;
    let said = other.prompt("/say three", None).await;
    other.answer_to(&said).await;
    other.turn_end().await;
    other.agent_is(AgentStatus::Idle).await;
    drop(other);
    eventually("nobody else is there", async || {
        (session.detail().await["doStatus"]["connectedClients"] == 1).then_some(())
    })
    .await;
    let _before = recorder.reopen(&session, &format!("&protocol=2&resumeFrom={seq}")).await;
    recorder.until(|frame| frame["type"] == "resumed").await;
    recorder.forget_counters();
    recorder.compare("a_return");
    session.terminate().await;
}

/// A prompt with a picture, and one with something that cannot go with a prompt.
async fn a_picture() {
    let (_gateway, session, mut recorder) = watched().await;
    let url = "data:image/png;base64,iVBORw0KGgo=";
    let attached = json!([{"type": "file", "mime": "image/png", "url": url, "filename": "a.png"}]);
    recorder.send(&json!({"type": "prompt", "content": "/look", "attachments": attached})).await;
    recorder.until(ends_turn).await;
    recorder.until(is_idle).await;
    let wrong = json!([{"type": "file", "mime": "video/mp4", "url": url}]);
    recorder.send(&json!({"type": "prompt", "content": "", "attachments": wrong})).await;
    recorder.until(|frame| frame["type"] == "error").await;
    recorder.compare("a_picture");
    session.terminate().await;
}

/// A prompt for a model that the agent has, and one for a model that it does not have.
async fn a_missing_model() {
    let (_gateway, session, mut recorder) = watched().await;
    for model in ["demo/long", "other/model"] {
        recorder.send(&json!({"type": "prompt", "content": "/model", "model": model})).await;
        recorder.until(ends_turn).await;
        recorder.until(is_idle).await;
    }
    recorder.compare("a_missing_model");
    session.terminate().await;
}

async fn files() {
    let gateway = Gateway::start("").await;
    let checkout = Checkout::new();
    let session = gateway.api().session(checkout.opening()).await;
    says(&session).await;
    let mut recorder = Recorder::open(&gateway, &session).await;
    recorder.until(|frame| frame["type"] == "user.joined").await;
    recorder.forget();
    recorder.send(&prompt("/tally one", QueueMode::Followup)).await;
    recorder.until(|frame| frame["type"] == "files-changed").await;
    checkout.git(&["checkout", "-q", "-b", "tidy"]);
    checkout.commit();
    recorder.send(&prompt("/say nothing more", QueueMode::Followup)).await;
    recorder.until(|frame| frame["type"] == "git-state").await;
    recorder.compare("files");
    session.terminate().await;
}
