//! Requests that are sent more than once and done once.

use std::collections::BTreeSet;

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::harness::api::{Api, send};
use crate::harness::gateway::Gateway;
use crate::harness::session::Session;
use crate::trials::Trials;

pub(crate) fn add(trials: &mut Trials) {
    trials.add("idempotency::of_opening_a_session", of_opening_a_session);
    trials.add("idempotency::of_saying_something", of_saying_something);
    trials.add("idempotency::eight_at_once_open_one_session", eight_at_once_open_one_session);
    trials.add("idempotency::eight_at_once_say_one_thing", eight_at_once_say_one_thing);
    trials.add("idempotency::eight_at_once_make_one_key", eight_at_once_make_one_key);
    trials.add("idempotency::answers_outlive_the_gateway", answers_outlive_the_gateway);
}

fn open(api: &Api, key: &str, title: &str) -> RequestBuilder {
    let body = json!({"workspace": "test", "agent": "demo", "title": title});
    api.request(Method::POST, "/api/sessions").header("Idempotency-Key", key).json(&body)
}

fn say(session: &Session, key: &str, text: &str) -> RequestBuilder {
    let request = session.api.request(Method::POST, &session.path("/messages"));
    request.header("Idempotency-Key", key).json(&json!({"content": text}))
}

async fn session_count(api: &Api) -> usize {
    api.get("/api/sessions?limit=100").await.expect(200)["sessions"].as_array().unwrap().len()
}

async fn of_opening_a_session() {
    let mut gateway = Gateway::start("").await;
    let api = gateway.api();
    let first = send(open(&api, "k1", "a")).await.expect(201);
    assert_eq!(send(open(&api, "k1", "a")).await.expect(201), first);
    send(open(&api, "k1", "b")).await.refused(409, "IDEMPOTENCY_KEY_REUSED");
    let second = send(open(&api, "k2", "a")).await.expect(201);
    assert_ne!(second["session"]["id"], first["session"]["id"]);
    gateway.kill9().await;
    gateway.launch().await;
    assert_eq!(send(open(&api, "k1", "a")).await.expect(201), first);
    assert_eq!(session_count(&api).await, 2);
    send(open(&api, &"k".repeat(256), "a")).await.refused(400, "INVALID_REQUEST");
}

async fn of_saying_something() {
    let gateway = Gateway::start("").await;
    let session = gateway.api().demo_session().await;
    let first = send(say(&session, "k1", "/tally a")).await.expect(200);
    assert_eq!(send(say(&session, "k1", "/tally a")).await.expect(200), first);
    send(say(&session, "k1", "/tally b")).await.refused(409, "IDEMPOTENCY_KEY_REUSED");
    // A key belongs to one path.
    let other = gateway.api().demo_session().await;
    send(say(&other, "k1", "/tally a")).await.refused(409, "IDEMPOTENCY_KEY_REUSED");
    // A refused request does not use its key up.
    send(say(&session, "k2", " ")).await.refused(400, "VALIDATION_ERROR");
    let second = send(say(&session, "k2", "/tally b")).await.expect(200);
    let mut socket = session.socket().await;
    socket.answer_to(second["messageId"].as_str().unwrap()).await;
    let tally = std::fs::read_to_string(gateway.workspace(&session.id).join("tally.log")).unwrap();
    assert_eq!(tally, "prompt a\nprompt b\n");
}

/// The distinct answers to eight requests that are sent together.
async fn eight(request: impl Fn() -> RequestBuilder, status: u16) -> BTreeSet<String> {
    let replies: Vec<_> = (0..8).map(|_| tokio::spawn(send(request()))).collect();
    let mut distinct = BTreeSet::new();
    for reply in replies {
        distinct.insert(reply.await.unwrap().expect(status).to_string());
    }
    distinct
}

async fn eight_at_once_open_one_session() {
    let gateway = Gateway::start("").await;
    let api = gateway.api();
    assert_eq!(eight(|| open(&api, "k1", "a"), 201).await.len(), 1);
    assert_eq!(session_count(&api).await, 1);
}

async fn eight_at_once_say_one_thing() {
    let gateway = Gateway::start("").await;
    let session = gateway.api().demo_session().await;
    let answers = eight(|| say(&session, "k1", "/tally a"), 200).await;
    assert_eq!(answers.len(), 1, "{answers:?}");
    let answer: Value = serde_json::from_str(answers.first().unwrap()).unwrap();
    let mut socket = session.socket().await;
    socket.answer_to(answer["messageId"].as_str().unwrap()).await;
    assert_eq!(session.transcript().await.len(), 2);
    let tally = std::fs::read_to_string(gateway.workspace(&session.id).join("tally.log")).unwrap();
    assert_eq!(tally, "prompt a\n");
}

async fn eight_at_once_make_one_key() {
    let gateway = Gateway::start("").await;
    let api = gateway.api();
    let count = async || api.get("/api/api-keys").await.expect(200)["keys"].as_array().unwrap().len();
    let before = count().await;
    let make = || {
        let request = api.request(Method::POST, "/api/api-keys").header("Idempotency-Key", "k1");
        send(request.json(&json!({"name": "once"})))
    };
    let replies: Vec<_> = (0..8).map(|_| tokio::spawn(make())).collect();
    let mut made = 0;
    for reply in replies {
        let reply = reply.await.unwrap();
        if reply.status == 201 {
            made += 1;
        } else {
            reply.refused(409, "CONFLICT");
        }
    }
    assert_eq!((made, count().await), (1, before + 1));
    make().await.refused(409, "CONFLICT");
}

async fn answers_outlive_the_gateway() {
    let mut gateway = Gateway::start("").await;
    let api = gateway.api();
    let session = api.demo_session().await;
    let share = || {
        let request = api.request(Method::POST, &session.path("/share-link")).header("Idempotency-Key", "k1");
        send(request.json(&json!({"role": "viewer"})))
    };
    let first = share().await.expect(201);
    gateway.kill9().await;
    gateway.launch().await;
    assert_eq!(share().await.expect(201), first);
    let links = api.get(&session.path("/share-links")).await.expect(200);
    assert_eq!(links["shareLinks"].as_array().unwrap().len(), 1);
}
