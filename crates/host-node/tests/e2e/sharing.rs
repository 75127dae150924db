//! Sessions that others take part in.

use futures_util::SinkExt;
use portway_protocol::client::{AnswerValue, ClientFrame};
use portway_protocol::server::ServerFrame;
use reqwest::Method;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::harness::api::{Api, Reply, send};
use crate::harness::database::add_member;
use crate::harness::gateway::{Gateway, gateways_are_two};
use crate::harness::session::Session;
use crate::harness::socket::{CLOSE_POLICY, Stream, connect};
use crate::trials::Trials;

pub(crate) fn add(trials: &mut Trials) {
    trials.add("sharing::roles_decide_on_every_operation", roles_decide_on_every_operation);
    trials.add("sharing::roles_decide_on_every_frame", roles_decide_on_every_frame);
    trials.add("sharing::participants_come_and_go", participants_come_and_go);
    trials.add("sharing::a_link_lets_so_many_in", a_link_lets_so_many_in);
    trials.add("sharing::links_are_refused_when_they_should_be", links_are_refused_when_they_should_be);
    trials.add("sharing::participants_hear_of_events", participants_hear_of_events);
    trials.add("sharing::updates_of_a_session_are_for_those_who_take_part", updates_are_for_those_who_take_part);
    // Between gateways hints may be lost, and what is only of the moment is with them.
    if !gateways_are_two() {
        trials.add("sharing::only_the_owner_gets_toasts", only_the_owner_gets_toasts);
    }
}

fn key(name: &str) -> String {
    format!("sk_test_{name}_0000000000000000000000000000000000")
}

/// A gateway that knows some members besides its administrator.
pub(crate) async fn gateway_with(members: &[&str]) -> Gateway {
    let mut gateway = Gateway::start("").await;
    gateway.stop().await;
    for name in members {
        add_member(&gateway, name, &key(name)).await;
    }
    gateway.launch().await;
    gateway
}

/// The session as somebody else reaches it.
pub(crate) fn seen_by(session: &Session, name: &str) -> Session {
    Session { api: session.api.with_key(&key(name)), id: session.id.clone() }
}

pub(crate) async fn let_in(session: &Session, name: &str, role: &str) {
    let invitation = json!({"email": format!("{name}@localhost"), "role": role});
    session.api.post(&session.path("/participants"), &invitation).await.expect(200);
}

async fn remove(session: &Session, name: &str) -> Reply {
    session.api.delete(&session.path(&format!("/participants/{name}"))).await
}

/// The roles in the order of what they may do; the first is none.
const ROLES: [&str; 4] = ["stranger", "viewer", "collaborator", "owner"];

/// A session, and how each role reaches it.
pub(crate) async fn everybody(gateway: &Gateway) -> [Session; 4] {
    let session = gateway.api().demo_session().await;
    let_in(&session, "viewer", "viewer").await;
    let_in(&session, "collaborator", "collaborator").await;
    let of = |name| seen_by(&session, name);
    [of("stranger"), of("viewer"), of("collaborator"), session.clone()]
}

/// A body that an operation accepts.
fn body(operation: &str) -> Value {
    match operation {
        "sessions.update" => json!({"title": "Title"}),
        "messages.create" => json!({"content": "/say hello"}),
        "questions.answer" => json!({"answer": true}),
        "participants.add" => json!({"email": "nobody@localhost", "role": "viewer"}),
        "share_links.create" => json!({"role": "viewer"}),
        _ => json!({}),
    }
}

/// Whether a request was refused because there is no such session for the caller.
fn is_hidden(reply: &Reply) -> bool {
    let answer: Value = serde_json::from_str(&reply.text).unwrap_or_default();
    reply.status == 404 && answer["error"].as_str().is_some_and(|error| error.starts_with("Session with id"))
}

async fn roles_decide_on_every_operation() {
    let gateway = gateway_with(&ROLES[..3]).await;
    let description = gateway.api().get("/openapi.json").await.expect(200);
    let mut asked = 0;
    for (path, methods) in description["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let Some(needed) = operation["x-permission"].as_str().and_then(|name| name.strip_prefix("session:")) else {
                continue;
            };
            let never_ends = !operation["responses"]["200"]["content"]["text/event-stream"].is_null();
            if never_ends || operation["x-websocket"] == true {
                continue;
            }
            let needed = ROLES.iter().position(|role| *role == needed).unwrap();
            let name = operation["operationId"].as_str().unwrap();
            let people = everybody(&gateway).await;
            for (role, session) in ROLES.iter().zip(&people) {
                let path = path.replace("{id}", &session.id).replace(['{', '}'], "");
                let request = session.api.request(method.to_uppercase().parse().unwrap(), &path);
                let reply = send(request.json(&body(name))).await;
                let is_refused = ROLES.iter().position(|known| known == role).unwrap() < needed;
                assert_eq!(is_hidden(&reply), is_refused, "{name} by a {role}: {} {}", reply.status, reply.text);
                // These agents are processes: their sandboxes let nobody in.
                let is_unheard_of = name == "sessions.sandbox_token" && reply.status == 501;
                let is_fine = reply.status != 401 && (reply.status < 500 || is_unheard_of);
                assert!(is_fine, "{name} by a {role}: {}", reply.status);
                asked += 1;
            }
            people[3].terminate().await;
        }
    }
    assert!(asked >= 4 * 15, "the description names the operations of sessions: {asked}");
}

async fn roles_decide_on_every_frame() {
    let gateway = gateway_with(&ROLES[..3]).await;
    let [stranger, viewer, collaborator, owner] = everybody(&gateway).await;
    assert!(stranger.try_socket().await.is_none());
    let said = owner.prompt("/slow 200").await;
    // What waits is withdrawn and promoted; what the agent has is not.
    owner.socket().await.text_of(&said, 1).await;
    let frames = || {
        [
            ClientFrame::Prompt {
                content: "/say no".to_owned(),
                queue_mode: None,
                model: None,
                attachments: Vec::new(),
                channel_type: None,
                channel_id: None,
            },
            ClientFrame::Answer { question_id: "q".to_owned(), answer: AnswerValue::Flag(true) },
            ClientFrame::Withdraw { message_id: said.clone() },
            ClientFrame::Promote { message_id: said.clone() },
            ClientFrame::Revert { message_id: said.clone() },
            ClientFrame::Diff {},
            ClientFrame::Review {},
            ClientFrame::Command { command: "x".to_owned(), args: None, channel_type: None, channel_id: None },
            ClientFrame::ABORT,
        ]
    };
    let mut socket = viewer.socket().await;
    for frame in frames() {
        socket.send(&frame).await;
        assert_eq!(socket.refusal().await, "NOT_FOUND", "{frame:?} by a viewer");
    }
    assert_eq!(owner.transcript().await.iter().filter(|entry| entry.content == "/say no").count(), 0);
    // Whoever may gets as far as the state of things.
    for session in [&collaborator, &owner] {
        let mut socket = session.socket().await;
        for frame in frames() {
            match frame {
                ClientFrame::Prompt { content, .. } => drop(socket.prompt(&content, None).await),
                ClientFrame::Diff {} | ClientFrame::Review {} | ClientFrame::Command { .. } => {
                    socket.send(&frame).await;
                    socket.wait_for("an answer", is_answer).await;
                }
                ClientFrame::Revert { .. } => {
                    socket.send(&frame).await;
                    assert_ne!(socket.refusal().await, "NOT_FOUND");
                }
                ClientFrame::Abort { .. } => socket.send(&frame).await,
                _ => {
                    socket.send(&frame).await;
                    assert_eq!(socket.refusal().await, "CONFLICT", "{frame:?}");
                }
            }
        }
    }
    owner.terminate().await;
}

fn is_answer(frame: &ServerFrame) -> Option<()> {
    use ServerFrame as F;
    matches!(frame, F::Diff { .. } | F::ReviewResult { .. } | F::CommandResult { .. }).then_some(())
}

async fn participants(session: &Session) -> Vec<(String, String)> {
    let list = session.api.get(&session.path("/participants")).await.expect(200);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let list = list["participants"].as_array().unwrap();
    list.iter().map(|one| (text(&one["userId"]), text(&one["role"]))).collect()
}

async fn participants_come_and_go() {
    let gateway = gateway_with(&["bob", "eve"]).await;
    let session = gateway.api().demo_session().await;
    let (bob, eve) = (seen_by(&session, "bob"), seen_by(&session, "eve"));
    let owner = session.detail().await["session"]["userId"].as_str().unwrap().to_owned();
    let unknown = json!({"email": "nobody@localhost", "role": "viewer"});
    session.api.post(&session.path("/participants"), &unknown).await.refused(404, "NOT_FOUND");
    let twice = json!({"email": "bob@localhost", "userId": "bob", "role": "viewer"});
    session.api.post(&session.path("/participants"), &twice).await.refused(400, "VALIDATION_ERROR");
    let himself = json!({"userId": owner, "role": "viewer"});
    session.api.post(&session.path("/participants"), &himself).await.refused(400, "VALIDATION_ERROR");

    let_in(&session, "bob", "viewer").await;
    let by_id = json!({"userId": "eve", "role": "collaborator"});
    session.api.post(&session.path("/participants"), &by_id).await.expect(200);
    let expected = [(&*owner, "owner"), ("bob", "viewer"), ("eve", "collaborator")];
    let expected = expected.map(|(user, role)| (user.to_owned(), role.to_owned()));
    for reader in [&session, &bob, &eve] {
        assert_eq!(participants(reader).await, expected);
    }
    let listed = bob.api.get("/api/sessions?ownership=shared").await.expect(200)["sessions"][0].take();
    assert_eq!((&listed["id"], &listed["isOwner"]), (&json!(session.id), &json!(false)));
    assert_eq!((&listed["ownerEmail"], &listed["participantCount"]), (&json!("admin@localhost"), &json!(2)));
    assert_eq!(listed["participants"][1]["email"], "eve@localhost");
    assert_eq!(bob.api.get("/api/sessions?ownership=mine").await.expect(200)["sessions"], json!([]));

    let mut socket = bob.socket().await;
    bob.try_prompt(json!({"content": "/say no"})).await.refused(404, "NOT_FOUND");
    let_in(&session, "bob", "collaborator").await;
    let prompt = socket.prompt("/say hello", None).await;
    assert_eq!(socket.answer_to(&prompt).await.content, "hello");

    remove(&bob, "eve").await.refused(403, "FORBIDDEN");
    remove(&session, "bob").await.expect(200);
    assert_eq!(socket.close_code().await, Some(CLOSE_POLICY));
    bob.try_prompt(json!({"content": "/say no"})).await.refused(404, "NOT_FOUND");
    assert!(bob.try_socket().await.is_none());
    let mut socket = eve.socket().await;
    remove(&eve, "eve").await.expect(200);
    assert_eq!(socket.close_code().await, Some(CLOSE_POLICY));
    remove(&session, "eve").await.expect(200);
    assert_eq!(participants(&session).await.len(), 1);
    let audit = session.api.get(&session.path("/audit-log?eventType=participant.removed")).await.expect(200);
    let by: Vec<&Value> = audit["entries"].as_array().unwrap().iter().map(|entry| &entry["actorId"]).collect();
    assert_eq!(by, [&json!(owner), &json!("eve")]);
    let first = session.api.get(&session.path("/audit-log?limit=1")).await.expect(200);
    assert_eq!(first["entries"][0]["eventType"], "session.started");
    let after = first["entries"][0]["id"].as_str().unwrap();
    let next = session.api.get(&session.path(&format!("/audit-log?limit=1&after={after}"))).await.expect(200);
    assert_eq!(next["entries"][0]["eventType"], "participant.added");
    session.api.get(&session.path("/audit-log?after=x")).await.refused(400, "VALIDATION_ERROR");
    assert_eq!(eve.api.get("/api/sessions").await.expect(200)["sessions"], json!([]));
    session.terminate().await;
}

async fn make_link(session: &Session, body: Value) -> Value {
    session.api.post(&session.path("/share-link"), &body).await.expect(201)["shareLink"].take()
}

async fn join(api: &Api, token: &str) -> Reply {
    send(api.request(Method::POST, &format!("/api/sessions/join/{token}"))).await
}

async fn a_link_lets_so_many_in() {
    let members = ["m1", "m2", "m3", "m4", "m5", "m6"];
    let gateway = gateway_with(&members).await;
    let session = gateway.api().demo_session().await;
    let link = make_link(&session, json!({"role": "collaborator", "maxUses": 2})).await;
    let token = link["token"].as_str().unwrap().to_owned();
    assert_eq!((token.len(), &link["useCount"], &link["active"]), (48, &json!(0), &json!(true)));
    let race = members.map(|name| {
        let (api, token) = (session.api.with_key(&key(name)), token.clone());
        tokio::spawn(async move { join(&api, &token).await })
    });
    let mut won = Vec::new();
    for (racer, name) in race.into_iter().zip(members) {
        let reply = racer.await.unwrap();
        if reply.status == 200 {
            assert_eq!(reply.expect(200), json!({"sessionId": session.id, "role": "collaborator"}));
            won.push(name);
        } else {
            reply.refused(400, "VALIDATION_ERROR");
        }
    }
    assert_eq!(won.len(), 2, "{won:?}");
    assert_eq!(participants(&session).await.len(), 3);
    let listed = session.api.get(&session.path("/share-links")).await.expect(200);
    assert_eq!(listed["shareLinks"][0]["useCount"], 2);
    // Who is in uses nothing up, and the owner stays the owner.
    let link = make_link(&session, json!({"role": "viewer", "maxUses": 1})).await;
    let token = link["token"].as_str().unwrap();
    assert_eq!(join(&session.api.with_key(&key(won[0])), token).await.expect(200)["role"], "collaborator");
    assert_eq!(join(&session.api, token).await.expect(200)["role"], "owner");
    let listed = session.api.get(&session.path("/share-links")).await.expect(200);
    assert_eq!(listed["shareLinks"][0]["useCount"], 0, "newest first");
    session.terminate().await;
}

async fn links_are_refused_when_they_should_be() {
    let gateway = gateway_with(&["bob"]).await;
    let session = gateway.api().demo_session().await;
    let bob = session.api.with_key(&key("bob"));
    for token in ["x", &"0".repeat(48), &"g".repeat(48)] {
        join(&bob, token).await.refused(400, "VALIDATION_ERROR");
    }
    let past = json!({"role": "viewer", "expiresAt": "2020-01-01T00:00:00Z"});
    session.api.post(&session.path("/share-link"), &past).await.refused(400, "VALIDATION_ERROR");
    let owner = json!({"role": "owner"});
    session.api.post(&session.path("/share-link"), &owner).await.refused(400, "VALIDATION_ERROR");
    let link = make_link(&session, json!({"role": "viewer", "expiresAt": "2100-01-01T00:00:00Z"})).await;
    assert_eq!(link["expiresAt"], "2100-01-01T00:00:00.000Z");
    let (id, token) = (link["id"].as_str().unwrap(), link["token"].as_str().unwrap());
    let other = session.api.demo_session().await;
    other.api.delete(&other.path(&format!("/share-link/{id}"))).await.refused(404, "NOT_FOUND");
    session.api.delete(&session.path(&format!("/share-link/{id}"))).await.expect(200);
    session.api.delete(&session.path(&format!("/share-link/{id}"))).await.refused(404, "NOT_FOUND");
    join(&bob, token).await.refused(400, "VALIDATION_ERROR");
    assert_eq!(session.api.get(&session.path("/share-links")).await.expect(200)["shareLinks"], json!([]));
    session.terminate().await;
    other.terminate().await;
}

async fn participants_hear_of_events() {
    let gateway = gateway_with(&["bob"]).await;
    let session = gateway.api().demo_session().await;
    let bob = seen_by(&session, "bob");
    let mut events = connect(&bob.api, "/api/events/ws").await.unwrap();
    let_in(&session, "bob", "collaborator").await;
    session.prompt("/ask something").await;
    let asked = crate::events::event(&mut events, "question.asked").await;
    assert_eq!((&asked["sessionId"], &asked["userId"]), (&json!(session.id), &json!("bob")));
    bob.answer(asked["data"]["questionId"].as_str().unwrap(), true.into()).await.expect(200);
    crate::events::event(&mut events, "question.answered").await;
    session.terminate().await;
}

/// Whoever takes part hears next that the viewer came or went.
async fn everybody_is_told(wanted: &str, people: &[Session; 4], sockets: &mut [Stream]) {
    for (session, events) in people.iter().zip(sockets).skip(1) {
        let me = session.api.get("/api/auth/me").await.expect(200)["user"]["id"].clone();
        let update = crate::events::event(events, "session.update").await;
        assert_eq!((&update["sessionId"], &update["userId"]), (&json!(session.id), &me));
        assert_eq!((&update["data"]["event"], &update["data"]["userId"]), (&json!(wanted), &json!("viewer")));
    }
}

/// Who comes and goes is told to everybody who takes part, there or not, and to nobody else. Another title or status is
/// none of these updates.
async fn updates_are_for_those_who_take_part() {
    let gateway = gateway_with(&ROLES[..3]).await;
    let people = everybody(&gateway).await;
    let mut sockets = Vec::new();
    for session in &people {
        sockets.push(connect(&session.api, "/api/events/ws").await.unwrap());
    }
    let [_, viewer, _, owner] = &people;
    owner.api.patch(&owner.path(""), &json!({"title": "Another"})).await.expect(200);
    let visit = viewer.socket().await;
    everybody_is_told("user.joined", &people, &mut sockets).await;
    drop(visit);
    everybody_is_told("user.left", &people, &mut sockets).await;
    owner.terminate().await;
    for events in &mut sockets[1..] {
        assert_eq!(crate::events::next(events).await["type"], "session.completed");
    }
    // Whatever a stranger is told would come before the answer to this.
    let stranger = &mut sockets[0];
    stranger.send(Message::text(r#"{"type":"ping"}"#)).await.unwrap();
    assert_eq!(crate::events::next(stranger).await["type"], "pong");
}

fn is_toast(frame: &ServerFrame) -> bool {
    matches!(frame, ServerFrame::Toast { .. })
}

async fn only_the_owner_gets_toasts() {
    let gateway = gateway_with(&["bob"]).await;
    let session = gateway.api().demo_session().await;
    let_in(&session, "bob", "collaborator").await;
    let mut bob = seen_by(&session, "bob").socket().await;
    let mut windows = [session.socket().await, session.socket().await];
    let prompt = bob.prompt("/ask something", None).await;
    let question = bob.question().await;
    for window in &mut windows {
        window.wait_for("a toast", |frame| is_toast(frame).then_some(())).await;
        let [.., asked, ServerFrame::Toast { description, .. }] = &window.frames[..] else {
            panic!("the toast is last: {:?}", window.frames);
        };
        assert!(matches!(asked, ServerFrame::Question { question_id, .. } if *question_id == question.id), "{asked:?}");
        assert_eq!(description.as_ref(), Some(&question.text));
    }
    bob.answer(&question.id, AnswerValue::Flag(true)).await;
    bob.answer_to(&prompt).await;
    assert!(!bob.frames.iter().any(is_toast), "{:?}", bob.frames);
    session.terminate().await;
}
