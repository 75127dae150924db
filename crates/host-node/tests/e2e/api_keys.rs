//! Keys for programs.

use serde_json::{Value, json};

use crate::events::close_code;
use crate::harness::gateway::Gateway;
use crate::harness::session::Session;
use crate::harness::socket::{CLOSE_POLICY, connect};
use crate::trials::Trials;

pub(crate) fn add(trials: &mut Trials) {
    trials.add("api_keys::are_made_listed_and_revoked", are_made_listed_and_revoked);
    trials.add("api_keys::outlive_a_restart", outlive_a_restart);
}

async fn are_made_listed_and_revoked() {
    let gateway = Gateway::start("").await;
    let api = gateway.api();
    let made = api.post("/api/api-keys", &json!({"name": "ci", "expiresInDays": 30})).await.expect(201);
    let secret = made["token"].as_str().unwrap().to_owned();
    assert!(secret.starts_with("sk_live_") && secret.len() == 92, "the form of a key");
    assert!(made["expiresAt"].is_string(), "{made}");

    let listed = api.get("/api/api-keys").await;
    let keys = listed.expect(200)["keys"].clone();
    let names: Vec<&str> = keys.as_array().unwrap().iter().map(|key| key["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["ci", "Bootstrap key"]);
    assert!(!listed.text.contains(&secret), "a secret is shown once");
    assert_eq!(keys[0]["prefix"], made["prefix"]);

    let program = api.with_key(&secret);
    let me = program.get("/api/auth/me").await.expect(200);
    assert_eq!(me["user"]["role"], "admin");
    let session = program.demo_session().await;
    let mut socket = session.socket().await;
    let mut events = connect(&program, "/api/events/ws").await.unwrap();
    let mut others = Session::new(api.clone(), &session.id).socket().await;

    let path = format!("/api/api-keys/{}", made["id"].as_str().unwrap());
    api.delete(&path).await.expect(200);
    program.get("/api/auth/me").await.refused(401, "UNAUTHORIZED");
    program.get("/api/sessions").await.refused(401, "UNAUTHORIZED");
    assert!(session.try_socket().await.is_none(), "no new socket");
    assert_eq!(socket.close_code().await, Some(CLOSE_POLICY), "an open one ends");
    assert_eq!(close_code(&mut events).await, Some(CLOSE_POLICY), "so does that of events");
    let prompt = others.prompt("/say hello", None).await;
    assert_eq!(others.answer_to(&prompt).await.content, "hello", "those of other keys go on");
    api.delete(&path).await.refused(404, "NOT_FOUND");
    let left = api.get("/api/api-keys").await.expect(200);
    assert_eq!(left["keys"].as_array().map(Vec::len), Some(1), "{left}");
    api.post("/api/api-keys", &json!({"name": ""})).await.refused(400, "VALIDATION_ERROR");
    api.post("/api/api-keys", &json!({"name": "x", "expiresInDays": 0})).await.refused(400, "VALIDATION_ERROR");
}

async fn outlive_a_restart() {
    let mut gateway = Gateway::start("").await;
    let made = gateway.api().post("/api/api-keys", &json!({"name": "ci"})).await.expect(201);
    assert_eq!(made["expiresAt"], Value::Null);
    gateway.restart().await;
    let program = gateway.api().with_key(made["token"].as_str().unwrap());
    program.get("/api/auth/me").await.expect(200);
}
