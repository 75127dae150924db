//! The socket for everything that happens to one's sessions.

use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tokio_tungstenite::tungstenite::Message;

use crate::harness::PATIENCE;
use crate::harness::database::add_member;
use crate::harness::gateway::Gateway;
use crate::harness::socket::{Stream, connect};
use crate::trials::Trials;

const OTHER_KEY: &str = "sk_test_other_other_other_other_other_other";

pub(crate) fn add(trials: &mut Trials) {
    trials.add("events::the_owner_is_told", the_owner_is_told);
}

/// The next event.
pub(crate) async fn next(stream: &mut Stream) -> Value {
    let text = async {
        loop {
            if let Message::Text(text) = stream.next().await.expect("the socket is open").unwrap() {
                return text;
            }
        }
    };
    let text = tokio::time::timeout(PATIENCE, text).await.expect("no event came");
    serde_json::from_str(&text).unwrap()
}

/// The next event of that type.
pub(crate) async fn event(stream: &mut Stream, kind: &str) -> Value {
    loop {
        let event = next(stream).await;
        if event["type"] == kind {
            return event;
        }
    }
}

/// Reads to the end; answers with the code that the gateway closed the socket with.
pub(crate) async fn close_code(stream: &mut Stream) -> Option<u16> {
    let reading = async {
        loop {
            if let Message::Close(frame) = stream.next().await?.ok()? {
                return frame.map(|frame| frame.code.into());
            }
        }
    };
    tokio::time::timeout(PATIENCE, reading).await.expect("the socket is not closed")
}

async fn the_owner_is_told() {
    let mut gateway = Gateway::start("").await;
    gateway.stop().await;
    add_member(&gateway, "other", OTHER_KEY).await;
    gateway.launch().await;
    let api = gateway.api();
    let mut events = connect(&api, "/api/events/ws").await.unwrap();
    let mut strangers = connect(&api.with_key(OTHER_KEY), "/api/events/ws").await.unwrap();

    let session = api.demo_session().await;
    let started = event(&mut events, "session.started").await;
    assert_eq!(started["sessionId"], session.id);
    assert_eq!(started["userId"], session.detail().await["session"]["userId"]);
    assert!(started["timestamp"].as_str().is_some_and(|time| time.ends_with('Z')), "{started}");
    session.prompt("/ask something").await;
    let asked = event(&mut events, "question.asked").await;
    assert_eq!(asked["sessionId"], session.id);
    assert_eq!(asked["data"]["text"], "Note the answer to something");
    session.answer(asked["data"]["questionId"].as_str().unwrap(), true.into()).await.expect(200);
    let answered = event(&mut events, "question.answered").await;
    assert_eq!(answered["data"]["questionId"], asked["data"]["questionId"]);
    session.terminate().await;
    let completed = event(&mut events, "session.completed").await;
    assert_eq!((&completed["sessionId"], &completed["data"]["reason"]), (&session.id.into(), &"user_stopped".into()));

    // Whatever a stranger is told would come before the answer to this.
    strangers.send(Message::text(r#"{"type":"ping"}"#)).await.unwrap();
    assert_eq!(next(&mut strangers).await["type"], "pong");
}
