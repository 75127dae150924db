//! Channels and their conversations, and what is not text.

use serde_json::{Value, json};

use super::runner::Runner;
use super::{ends_turn, is_idle, watched};
use crate::harness::gateway::Gateway;
use crate::harness::session::Session;
use crate::harness::socket::connect;
use crate::trials::Trials;
use crate::wire::recorder::Recorder;

pub(super) fn add(trials: &mut Trials) {
    trials.add("legacy_runner::conversations_of_channels", conversations_of_channels);
    trials.add("legacy_runner::an_abort_of_a_channel", an_abort_of_a_channel);
    trials.add("legacy_runner::pictures", pictures);
    trials.add("legacy_runner::audio_transcripts", audio_transcripts);
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

/// A client's socket with those parameters.
async fn client_with(gateway: &Gateway, session: &Session, parameters: &str) -> Recorder {
    let path = session.path(&format!("/ws?role=client{parameters}"));
    Recorder::over(connect(&session.api, &path).await.unwrap(), gateway)
}

fn transcripts(message: &Value) -> Vec<&Value> {
    message["parts"].as_array().unwrap().iter().map(|part| &part["transcript"]).collect()
}

fn of<'a>(messages: &'a Value, id: &str) -> &'a Value {
    messages.as_array().unwrap().iter().find(|message| message["id"] == id).unwrap()
}

async fn audio_transcripts() {
    let (_backend, mut gateway, session, mut runner, mut client) = watched().await;
    let mut resuming = client_with(&gateway, &session, "&protocol=2").await;
    let seq = resuming.until(|frame| frame["type"] == "init").await["session"]["seq"].clone();
    let file = |mime: &str| json!({"mime": mime, "url": format!("data:{mime};base64,AAEC")});
    let attached = json!([file("audio/ogg"), file("image/png"), file("audio/webm")]);
    client.send(&json!({"type": "prompt", "content": "listen", "attachments": attached})).await;
    let prompt = runner.prompted("listen").await;
    runner.begin("t1").await;
    let silent = session.transcript().await[0].id.clone();
    for (message, transcript) in [("unknown", "No"), ("", "No"), (&silent, "No"), (&prompt, ""), (&prompt, "Hello")] {
        runner.say(json!({"type": "audio-transcript", "messageId": message, "transcript": transcript})).await;
    }
    let expected = [&json!("Hello"), &Value::Null, &json!("Hello")];
    for client in [&mut client, &mut resuming] {
        let updated = client.until(|frame| frame["type"] == "message.updated").await;
        assert_eq!((&updated["data"]["id"], &updated["data"]["content"]), (&json!(prompt), &json!("listen")));
        assert_eq!(transcripts(&updated["data"]), expected, "{updated}");
        let (is_numbered, sound) = (updated["seq"].is_u64(), &updated["data"]["parts"][0]);
        // Who gets pictures and sounds with their content gets them so again.
        assert_eq!((&sound["data"] == "AAEC", sound["url"].is_string()), (!is_numbered, !is_numbered), "{updated}");
    }
    runner.end("t1", "heard").await;
    client.until(ends_turn).await;
    gateway.kill9().await;
    gateway.launch().await;
    let session = Session::new(gateway.api(), &session.id);
    let listed = session.api.get(&session.path("/messages")).await.expect(200);
    assert_eq!(transcripts(of(&listed["messages"], &prompt)), expected);
    let init = client_with(&gateway, &session, "").await.until(|frame| frame["type"] == "init").await;
    assert_eq!(transcripts(of(&init["session"]["messages"], &prompt)), expected);
    let mut resuming = client_with(&gateway, &session, &format!("&protocol=2&resumeFrom={seq}")).await;
    let changed = resuming.until(|frame| frame["type"] == "message" && frame["data"]["id"] == prompt.as_str()).await;
    assert_eq!(transcripts(&changed["data"]), expected);
    resuming.until(|frame| frame["type"] == "resumed").await;
    session.terminate().await;
}
