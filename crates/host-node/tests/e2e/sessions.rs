//! Opening, listing, naming and looking at sessions.

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::agents::custom_agent;
use crate::harness::api::send;
use crate::harness::database::{add_member, allow_sessions};
use crate::harness::gateway::Gateway;
use crate::harness::host::is_worker;
use crate::harness::socket::connect;
use crate::trials::Trials;

const OTHER_KEY: &str = "sk_test_other_other_other_other_other_other";

pub(crate) fn add(trials: &mut Trials) {
    trials.add("sessions::are_opened_named_and_listed", are_opened_named_and_listed);
    trials.add("sessions::of_others_cannot_be_seen", of_others_cannot_be_seen);
    trials.add("sessions::are_limited_in_number", are_limited_in_number);
    trials.add("sessions::work_in_a_folder_of_the_user", work_in_a_folder_of_the_user);
    trials.add("sessions::take_the_first_configured_agent", take_the_first_configured_agent);
}

async fn are_opened_named_and_listed() {
    let gateway = Gateway::start("").await;
    let api = gateway.api();
    let opened = api.post("/api/sessions", &json!({"workspace": "one"})).await.expect(201);
    let (session, id) = (&opened["session"], opened["session"]["id"].as_str().unwrap());
    assert_eq!(opened["ok"], true);
    assert_eq!(
        (&session["workspace"], &session["agent"], &session["status"]),
        (&"one".into(), &"demo".into(), &"initializing".into())
    );
    let address = format!("ws://{}/api/sessions/{id}/ws?role=client&userId=", api.address());
    assert!(opened["websocketUrl"].as_str().unwrap().starts_with(&address), "{opened}");
    for name in ["two", "three"] {
        api.post("/api/sessions", &json!({"workspace": name})).await.expect(201);
    }

    let first = api.get("/api/sessions?limit=2").await.expect(200);
    let workspaces = |page: &Value| -> Vec<String> {
        let rows = page["sessions"].as_array().unwrap().iter();
        rows.map(|row| row["workspace"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(workspaces(&first), ["three", "two"]);
    assert_eq!((&first["hasMore"], &first["sessions"][0]["isOwner"]), (&true.into(), &true.into()));
    let rest =
        api.get(&format!("/api/sessions?limit=2&cursor={}", first["cursor"].as_str().unwrap())).await.expect(200);
    assert_eq!((workspaces(&rest), &rest["hasMore"]), (vec!["one".to_owned()], &false.into()));
    api.get("/api/sessions?cursor=rubbish").await.refused(400, "VALIDATION_ERROR");

    let path = format!("/api/sessions/{id}");
    send(api.request(Method::PATCH, &path).json(&json!({"title": "Renamed"}))).await.expect(200);
    assert_eq!(api.get(&path).await.expect(200)["session"]["title"], "Renamed");
    send(api.request(Method::PATCH, &path).json(&json!({"title": ""}))).await.refused(400, "VALIDATION_ERROR");
    api.delete(&path).await.expect(200);
    let ended = api.get("/api/sessions?status=terminated").await.expect(200);
    assert_eq!(workspaces(&ended), ["one"]);
    let agents = api.get("/api/agents").await.expect(200);
    assert_eq!(agents["agents"], json!([{"name": "demo", "default": true}]));
}

async fn of_others_cannot_be_seen() {
    let mut gateway = Gateway::start("").await;
    gateway.stop().await;
    add_member(&gateway, "other", OTHER_KEY).await;
    gateway.launch().await;
    let session = gateway.api().demo_session().await;
    let mut stranger = session.clone();
    stranger.api = session.api.with_key(OTHER_KEY);
    assert_eq!(stranger.api.get("/api/auth/me").await.expect(200)["user"]["role"], "member");

    let nothing = stranger.api.get("/api/sessions/0198c0de-0000-7000-8000-000000000000").await;
    let nothing = nothing.refused(404, "NOT_FOUND")["error"].as_str().unwrap().to_owned();
    let hidden = stranger.api.get(&session.path("")).await.refused(404, "NOT_FOUND");
    let same = nothing.replace("0198c0de-0000-7000-8000-000000000000", &session.id);
    assert_eq!(hidden["error"], same.as_str(), "absent and forbidden look the same");
    stranger.api.get(&session.path("/messages")).await.refused(404, "NOT_FOUND");
    stranger.try_prompt(json!({"content": "/say hello"})).await.refused(404, "NOT_FOUND");
    stranger.abort().await.refused(404, "NOT_FOUND");
    stranger.answer("q", json!(true)).await.refused(404, "NOT_FOUND");
    stranger.api.delete(&session.path("")).await.refused(404, "NOT_FOUND");
    assert!(stranger.try_socket().await.is_none());
    assert_eq!(stranger.api.get("/api/sessions").await.expect(200)["sessions"], json!([]));
    // Nor with the other role of the socket.
    assert!(connect(&stranger.api, &session.path("/ws?role=runner")).await.is_err());
    let folder = json!({"workspace": "test", "directory": gateway.scratch()});
    stranger.api.post("/api/sessions", &folder).await.refused(403, "FORBIDDEN");
    assert_eq!(session.transcript().await, []);
}

async fn are_limited_in_number() {
    let mut gateway = Gateway::start("").await;
    gateway.stop().await;
    allow_sessions(&gateway, 2).await;
    gateway.launch().await;
    let api = gateway.api();
    let body = json!({"workspace": "test"});
    let first = api.session(body.clone()).await;
    // The race for the last place has one winner.
    let race = |_| {
        let (api, body) = (api.clone(), body.clone());
        tokio::spawn(async move { api.post("/api/sessions", &body).await })
    };
    let racers: Vec<_> = (0..6).map(race).collect();
    let mut won = 0;
    for racer in racers {
        let reply = racer.await.unwrap();
        if reply.status == 201 {
            won += 1;
            continue;
        }
        let refused = reply.refused(429, "SESSION_QUOTA_EXCEEDED");
        assert_eq!((&refused["activeCount"], &refused["limit"]), (&2.into(), &2.into()));
        assert!(reply.header("retry-after").parse::<u32>().is_ok_and(|seconds| seconds > 0));
    }
    assert_eq!(won, 1);
    first.terminate().await;
    api.session(body.clone()).await;
    api.post("/api/sessions", &body).await.refused(429, "SESSION_QUOTA_EXCEEDED");
}

async fn work_in_a_folder_of_the_user() {
    let gateway = Gateway::start("").await;
    let api = gateway.api();
    let checkout = tempfile::tempdir().unwrap();
    std::fs::write(checkout.path().join("NOTES.md"), "remember the milk").unwrap();
    let body = json!({"workspace": "test", "directory": checkout.path()});

    if !is_worker() {
        let far = api.request(Method::POST, "/api/sessions").header("X-Forwarded-For", "192.0.2.1").json(&body);
        send(far).await.refused(403, "FORBIDDEN");
    }
    let relative = json!({"workspace": "test", "directory": "checkout"});
    let refused = api.post("/api/sessions", &relative).await.refused(400, "VALIDATION_ERROR");
    assert_eq!(refused["details"]["fields"][0]["field"], "directory");

    let session = api.session(body).await;
    assert_eq!(session.detail().await["session"]["directory"], json!(checkout.path()));
    let mut socket = session.socket().await;
    let prompt = socket.prompt("Into my own folder", None).await;
    let question = socket.question().await;
    session.answer(&question.id, json!(true)).await.expect(200);
    let answer = serde_json::to_string(&socket.answer_to(&prompt).await.parts).unwrap();
    assert!(answer.contains("remember the milk"), "{answer}");
    assert_eq!(std::fs::read_to_string(checkout.path().join("demo.md")).unwrap(), "Into my own folder");
    assert!(!gateway.workspace(&session.id).exists());
    session.terminate().await;
    gateway.no_descendants().await;
    assert!(checkout.path().join("NOTES.md").exists(), "the user's folder stays");
}

async fn take_the_first_configured_agent() {
    let demo = env!("CARGO_BIN_EXE_portway");
    let config = custom_agent("zebra", &["no-such-program"]) + &custom_agent("mine", &[demo, "demo-agent"]);
    let gateway = Gateway::start(&config).await;
    let session = gateway.api().session(json!({"workspace": "test"})).await;
    assert_eq!(session.detail().await["session"]["agent"], "mine");
    let mut socket = session.socket().await;
    let prompt = socket.prompt("/say at work", None).await;
    assert_eq!(socket.answer_to(&prompt).await.content, "at work");
    let unknown = gateway.api().post("/api/sessions", &json!({"workspace": "test", "agent": "codex"})).await;
    let text = unknown.refused(400, "VALIDATION_ERROR")["error"].as_str().unwrap().to_owned();
    assert!(text.contains("demo, mine, zebra"), "{text}");
}
