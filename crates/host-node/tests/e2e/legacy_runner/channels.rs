//! Channels and their conversations, and what is not text.

use serde_json::{Value, json};

use super::runner::Runner;
use super::{ends_turn, is_idle, watched};
use crate::trials::Trials;
use crate::wire::recorder::Recorder;

pub(super) fn add(trials: &mut Trials) {
    trials.add("legacy_runner::conversations_of_channels", conversations_of_channels);
    trials.add("legacy_runner::an_abort_of_a_channel", an_abort_of_a_channel);
    trials.add("legacy_runner::pictures", pictures);
}

fn said(content: &str, channel: &str) -> Value {
    json!({"type": "prompt", "content": content, "queueMode": "followup", "channelType": "telegram", "channelId": channel})
}

/// A prompt from a channel, and its turn, in which the agent says what conversation it is.
async fn turn(client: &mut Recorder, runner: &mut Runner, content: &str, channel: &str, conversation: &str) -> Value {
    client.send(&said(content, channel)).await;
    let prompt = runner.until("prompt").await;
    assert_eq!(prompt["content"], content, "{prompt}");
    runner
        .say(json!({
            "type": "channel-session-created",
            "channelKey": format!("telegram:{channel}"),
            "opencodeSessionId": conversation,
        }))
        .await;
    runner.say(json!({"type": "agentStatus", "status": "streaming"})).await;
    runner
        .say(json!({
            "type": "message.create",
            "turnId": content,
            "channelType": "telegram",
            "channelId": channel,
            "opencodeSessionId": conversation,
        }))
        .await;
    runner.end(content, "done").await;
    client.until(ends_turn).await;
    client.until(is_idle).await;
    prompt
}

async fn conversations_of_channels() {
    let (_backend, _gateway, session, mut runner, mut client) = watched().await;
    for (content, channel, known) in
        [("one", "1", Value::Null), ("two", "2:7", Value::Null), ("three", "1", json!("ses_1"))]
    {
        let prompt = turn(&mut client, &mut runner, content, channel, &format!("ses_{channel}")).await;
        assert_eq!((&prompt["channelType"], &prompt["channelId"]), (&json!("telegram"), &json!(channel)));
        assert_eq!(prompt["opencodeSessionId"], known);
    }
    client.compare("legacy_channels");
    // What another connection is told is what was kept.
    runner.lose();
    runner.reconnect().await;
    runner.heard().await;
    let mut socket = session.socket().await;
    session
        .api
        .post(&session.path("/messages"), &json!({"content": "four", "channelType": "telegram", "channelId": "2:7"}))
        .await
        .expect(200);
    let prompt = runner.until("prompt").await;
    assert_eq!((&prompt["content"], &prompt["opencodeSessionId"]), (&json!("four"), &json!("ses_2:7")));
    runner.begin("four").await;
    runner.end("four", "done").await;
    socket.turn_end().await;
    session.terminate().await;
    runner.compare("legacy_channels_runner");
}

async fn an_abort_of_a_channel() {
    let (_backend, _gateway, session, mut runner, mut client) = watched().await;
    client.send(&said("one", "1")).await;
    runner.prompted("one").await;
    runner.begin("t1").await;
    client.until(|frame| frame["type"] == "message" && frame["data"]["role"] == "assistant").await;
    for (content, channel) in [("two", "2"), ("three", "1")] {
        client.send(&said(content, channel)).await;
        client.until(|frame| frame["data"]["promptQueued"] == true).await;
    }
    for channel in ["2", "1"] {
        client.send(&json!({"type": "abort", "channelType": "telegram", "channelId": channel})).await;
        client.until(|frame| frame["entry"]["eventType"] == "user.abort").await;
    }
    let abort = runner.until("abort").await;
    assert_eq!(abort, json!({"type": "abort", "channelType": "telegram", "channelId": "1"}));
    runner.say(json!({"type": "aborted"})).await;
    runner.idle().await;
    client.until(ends_turn).await;
    client.until(is_idle).await;
    client.send(&json!({"type": "abort", "channelType": "telegram"})).await;
    client.until(|frame| frame["type"] == "error").await;
    client.compare("legacy_abort_of_a_channel");
    session.terminate().await;
}

async fn pictures() {
    let (_backend, gateway, session, mut runner, mut client) = watched().await;
    let url = "data:image/png;base64,iVBORw0KGgo=";
    let attached = json!([{"type": "file", "mime": "image/png", "url": url, "filename": "a.png"}]);
    client.send(&json!({"type": "prompt", "content": "look", "queueMode": "followup", "attachments": attached})).await;
    let prompt = runner.until("prompt").await;
    assert_eq!(prompt["attachments"], attached, "{prompt}");
    runner.begin("t1").await;
    runner.say(json!({"type": "screenshot", "data": "no base64", "description": "Nothing"})).await;
    runner.say(json!({"type": "screenshot", "data": "iVBORw0KGgo=", "description": "A page"})).await;
    let shown = client.until(|frame| frame["data"]["role"] == "system").await;
    assert_eq!(
        (&shown["data"]["parts"]["type"], &shown["data"]["parts"]["data"]),
        (&json!("screenshot"), &json!("iVBORw0KGgo="))
    );
    runner.end("t1", "seen").await;
    client.until(ends_turn).await;
    client.until(is_idle).await;
    client.compare("legacy_pictures");
    let path = shown["data"]["parts"]["url"].as_str().unwrap();
    let picture = gateway.api().get(path).await;
    assert_eq!(picture.status, 200);
    let listed = session.api.get(&session.path("/messages")).await.expect(200);
    let listed = listed["messages"].as_array().unwrap().iter().find(|message| message["role"] == "system").cloned();
    assert_eq!(listed.unwrap()["parts"]["type"], "screenshot");
    session.terminate().await;
}
