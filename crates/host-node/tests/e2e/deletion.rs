//! Deleting sessions for good.

use serde_json::{Value, json};

use crate::harness::eventually;
use crate::harness::gateway::Gateway;
use crate::trials::Trials;

pub(crate) fn add(trials: &mut Trials) {
    trials.add("deletion::nothing_is_left", nothing_is_left);
    trials.add("deletion::of_what_cannot_be_named", of_what_cannot_be_named);
    trials.add("deletion::goes_on_after_a_crash", goes_on_after_a_crash);
}

const PATH: &str = "/api/sessions/bulk-delete";

async fn nothing_is_left() {
    let gateway = Gateway::start("").await;
    let api = gateway.api();
    let (session, other) = (api.demo_session().await, api.demo_session().await);
    // It works until it is deleted: its end would be something to do for the agent of its parent.
    let child =
        json!({"workspace": "test", "agent": "demo", "parentSessionId": session.id, "initialPrompt": "/slow 1000"});
    let child = api.session(child).await;
    let mut socket = session.socket().await;
    let url = "data:image/png;base64,iVBORw0KGgo=";
    let prompt = session
        .prompt_with(
            json!({"content": "/say hello", "attachments": [{"type": "file", "mime": "image/png", "url": url}]}),
        )
        .await;
    socket.answer_to(&prompt).await;
    let picture = session.path(&format!("/attachments/{prompt}.1"));
    assert_eq!(api.get(&picture).await.status, 200);
    let strange = "0197b2c4-5d1e-7000-8f3a-2b6c9d0e1f42";
    let deleted = api.post(PATH, &json!({"sessionIds": [session.id, strange]})).await.expect(200);
    assert_eq!(deleted, json!({"deleted": 1, "errors": []}));
    for gone in [&session, &child] {
        eventually("the session is gone", async || (api.get(&gone.path("")).await.status == 404).then_some(())).await;
    }
    assert_eq!(socket.close_code().await, Some(1008));
    assert_eq!(api.get(&picture).await.status, 404);
    let listed = api.get("/api/sessions").await.expect(200);
    let ids: Vec<&Value> = listed["sessions"].as_array().unwrap().iter().map(|listed| &listed["id"]).collect();
    assert_eq!(ids, [&json!(other.id)]);
    other.terminate().await;
    gateway.no_descendants().await;
}

async fn of_what_cannot_be_named() {
    let gateway = Gateway::start("").await;
    let api = gateway.api();
    let session = api.demo_session().await;
    let too_many = vec![session.id.as_str(); 101];
    for ids in [json!([]), json!(too_many), json!([session.id, "nobody"]), json!("x")] {
        api.post(PATH, &json!({"sessionIds": ids})).await.refused(400, "VALIDATION_ERROR");
    }
    assert_ne!(session.status().await, "terminated");
    session.terminate().await;
}

async fn goes_on_after_a_crash() {
    let mut gateway = Gateway::start("").await;
    let api = gateway.api();
    let mut sessions = Vec::new();
    for _ in 0..4 {
        sessions.push(api.demo_session().await);
    }
    let ids: Vec<&str> = sessions.iter().map(|session| session.id.as_str()).collect();
    let deleted = api.post(PATH, &json!({"sessionIds": ids})).await.expect(200);
    assert_eq!(deleted["deleted"], 4);
    gateway.kill9().await;
    gateway.launch().await;
    let api = gateway.api();
    for session in &sessions {
        let path = session.path("");
        eventually("the session is gone", async || (api.get(&path).await.status == 404).then_some(())).await;
    }
    gateway.no_descendants().await;
}
