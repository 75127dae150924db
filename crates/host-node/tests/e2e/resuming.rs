//! Clients of protocol 2, which get on where they left off.

mod client;

use portway_protocol::CLOSE_LAGGING;
use portway_protocol::server::ServerFrame;
use reqwest::Method;
use serde_json::json;

use self::client::Resuming;
use crate::harness::api::send;
use crate::harness::gateway::Gateway;
use crate::harness::postgres::{POSTGRES, Server};
use crate::harness::session::Session;
use crate::trials::Trials;

pub(crate) fn add(trials: &mut Trials) {
    trials.add("resuming::what_happened_meanwhile_is_told", what_happened_meanwhile_is_told);
    trials.add("resuming::a_killed_gateway_is_gone_on_with", a_killed_gateway_is_gone_on_with);
    trials.add_for(POSTGRES, "resuming::another_gateway_is_gone_on_with", another_gateway_is_gone_on_with);
    trials.add("resuming::who_acknowledges_nothing_is_told_where_to_resume", who_acknowledges_nothing);
    trials.add("resuming::five_hundred_messages_are_paged_through", five_hundred_messages_are_paged_through);
    trials.add("resuming::what_cannot_be_resumed_is_refused", what_cannot_be_resumed_is_refused);
}

fn path_of(session: &Session, prompt: &str) -> String {
    session.path(&format!("/queue/{prompt}"))
}

/// Says something and waits for the answer.
async fn talk(session: &Session, text: &str) {
    let mut socket = session.socket().await;
    let prompt = socket.prompt(&format!("/say {text}"), None).await;
    assert_eq!(socket.answer_to(&prompt).await.content, text);
    socket.turn_end().await;
}

async fn what_happened_meanwhile_is_told() {
    let gateway = Gateway::start("").await;
    let session = gateway.api().demo_session().await;
    talk(&session, "first").await;
    let mut socket = Resuming::open(&session, None).await;
    let seq = socket.seq.unwrap();
    drop(socket);
    talk(&session, "second").await;
    let mut talker = session.socket().await;
    let busy = talker.prompt("/ask something", None).await;
    talker.question().await;
    let withdrawn = talker.prompt("/say never", None).await;
    talker.queued(1).await;
    let watcher = Resuming::open(&session, Some(seq)).await;
    assert!(!watcher.has_init, "it goes on");
    let shown = watcher.texts();
    assert!(
        ["/say second", "second", "/ask something", "/say never"]
            .iter()
            .all(|text| shown.iter().any(|shown| shown == text)),
        "{shown:?}"
    );
    assert!(!shown.contains(&"first".to_owned()), "{shown:?}");
    let seq = watcher.seq;
    drop(watcher);
    send(session.api.request(Method::DELETE, &path_of(&session, &withdrawn))).await.expect(200);
    socket = Resuming::open(&session, seq).await;
    assert_eq!(socket.removed, [withdrawn]);
    session.abort().await.expect(200);
    socket.until(|frame| matches!(frame, ServerFrame::Status { data } if data.runner_busy == Some(false))).await;
    assert!(session.transcript().await.iter().any(|entry| entry.id == busy));
}

async fn a_killed_gateway_is_gone_on_with() {
    let mut gateway = Gateway::start("").await;
    let session = gateway.api().demo_session().await;
    talk(&session, "first").await;
    let mut socket = Resuming::open(&session, None).await;
    let prompt = session.prompt("/slow 60").await;
    socket.until(|frame| matches!(frame, ServerFrame::Chunk { .. })).await;
    gateway.kill9().await;
    let seq = socket.seq;
    gateway.launch().await;
    let session = Session::new(gateway.api(), &session.id);
    let mut again = Resuming::open(&session, seq).await;
    assert!(!again.has_init, "it goes on");
    again
        .messages
        .extend(socket.messages.into_iter().filter(|(id, _)| !again.messages.contains_key(id)).collect::<Vec<_>>());
    let answer = format!("{prompt}.1");
    while again.messages.get(&answer).is_none_or(|shown| !shown.is_finished) {
        again.receive().await.expect("the socket is open");
    }
    again.shows(&session.transcript().await);
}

async fn another_gateway_is_gone_on_with(server: Server) {
    let mut one = Gateway::prepared("").on_server(server);
    one.launch().await;
    let mut two = Gateway::prepared("").beside(&one);
    two.launch().await;
    let here = one.api().with_neighbours().demo_session().await;
    talk(&here, "first").await;
    let socket = Resuming::open(&here, None).await;
    let (seq, known) = (socket.seq, socket.messages.clone());
    drop(socket);
    talk(&here, "second").await;
    let there = Session::new(two.api().with_neighbours(), &here.id);
    let mut socket = Resuming::open(&there, seq).await;
    assert!(!socket.has_init, "it goes on");
    assert_eq!(socket.messages.len(), 2, "only what is new: {:?}", socket.messages);
    socket.messages.extend(known);
    let prompt = here.prompt("/say third").await;
    let answer = format!("{prompt}.1");
    while socket.messages.get(&answer).is_none_or(|shown| !shown.is_finished) {
        socket.receive().await.expect("the socket is open");
    }
    socket.shows(&here.transcript().await);
}

async fn who_acknowledges_nothing() {
    let gateway = Gateway::start("").await;
    let session = gateway.api().demo_session().await;
    talk(&session, "first").await;
    let mut lazy = Resuming::lazy(&session).await;
    let known = lazy.seq;
    lazy.acknowledge().await;
    // It reads nothing of this, and goes on talking.
    let long = "x".repeat(90_000);
    for _ in 0..14 {
        talk(&session, &long).await;
    }
    for _ in 0..100 {
        lazy.try_send(&json!({"type": "ping"})).await;
    }
    let mut resume_from = None;
    while let Some(frame) = lazy.receive().await {
        if let ServerFrame::Lagging { resume_from: from } = frame.frame {
            resume_from = Some(from);
        }
    }
    assert_eq!(lazy.close_code, Some(CLOSE_LAGGING));
    assert!(resume_from >= known, "{resume_from:?} {known:?}");
    let socket = Resuming::open(&session, resume_from).await;
    let texts = socket.texts();
    let last = session.transcript().await.pop().unwrap();
    assert_eq!(texts.last(), Some(&last.content));
}

async fn five_hundred_messages_are_paged_through() {
    let gateway = Gateway::start("").await;
    let session = gateway.api().demo_session().await;
    let mut socket = session.socket().await;
    for number in 0..250 {
        let prompt = socket.prompt(&format!("/say {number}"), None).await;
        socket.answer_to(&prompt).await;
        socket.turn_end().await;
    }
    let mut paging = Resuming::open(&session, None).await;
    assert_eq!(paging.messages.len(), 50);
    let mut pages = 0;
    while let Some(before) = paging.before {
        paging.send(&json!({"type": "history", "before": before})).await;
        paging.until(|frame| matches!(frame, ServerFrame::History { .. })).await;
        pages += 1;
    }
    assert_eq!((pages, paging.messages.len()), (9, 500));
    paging.shows(&session.transcript().await);
}

async fn what_cannot_be_resumed_is_refused() {
    let gateway = Gateway::start("").await;
    let session = gateway.api().demo_session().await;
    let cases = [
        ("protocol=3", "protocol", "`1` or `2`"),
        ("protocol=", "protocol", "`1` or `2`"),
        ("protocol=2&resumeFrom=abc", "resumeFrom", ""),
        ("protocol=2&resumeFrom=-1", "resumeFrom", ""),
        ("protocol=2&resumeFrom=9007199254740992", "resumeFrom", ""),
        ("protocol=1&resumeFrom=3", "resumeFrom", "protocol=2"),
        ("resumeFrom=3", "resumeFrom", "protocol=2"),
    ];
    for (query, field, words) in cases {
        let request = session.api.request(Method::GET, &session.path(&format!("/ws?role=client&{query}")));
        let request = request.header("connection", "upgrade").header("upgrade", "websocket");
        let request = request.header("sec-websocket-version", "13");
        let reply = send(request.header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")).await;
        let refused = reply.refused(400, "VALIDATION_ERROR").to_string();
        assert!(refused.contains(field) && refused.contains(words), "{query}: {refused}");
    }
}
