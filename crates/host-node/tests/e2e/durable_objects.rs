//! What becomes of a session when its Durable Object is no longer in memory.

use std::time::Duration;

use portway_protocol::server::ServerFrame;
use reqwest::Method;

use crate::harness::api::send;
use crate::harness::gateway::Gateway;
use crate::harness::host::WorkerFiles;
use crate::harness::socket::ClientSocket;
use crate::hibernation::hibernate;
use crate::rates::{ONCE, guess_from};
use crate::trials::Trials;

/// After so much silence workerd has put an object away whose sockets may sleep: it does so after ten seconds.
const SILENCE: Duration = Duration::from_secs(12);

pub(crate) fn add(trials: &mut Trials) {
    if WorkerFiles::find().is_some() {
        trials.add("durable_objects::sockets_outlive_them", sockets_outlive_them);
        trials.add("durable_objects::no_pause_gives_calls_back", no_pause_gives_calls_back);
        trials.add("durable_objects::a_panic_ends_no_session", a_panic_ends_no_session);
        trials.add("durable_objects::work_is_begun_by_the_queue", work_is_begun_by_the_queue);
    }
}

/// Leaves the object alone until it was put away: then the state is told anew.
async fn put_away(socket: &mut ClientSocket) {
    let begin = socket.frames.len();
    while !socket.frames[begin..].iter().any(|frame| matches!(frame, ServerFrame::Init { .. })) {
        if tokio::time::timeout(SILENCE, socket.receive()).await.is_err() {
            socket.ping().await;
        }
    }
}

async fn sockets_outlive_them() {
    // To go on with a socket is no call: there would be none left for the second one.
    let gateway = Gateway::start("[rate_limits]\nenabled = true\nstrangers = { agent = 1 }").await;
    let session = gateway.api().demo_session().await;
    let mut socket = session.socket().await;
    let first = socket.prompt("/say one", None).await;
    socket.answer_to(&first).await;
    socket.turn_end().await;
    // An object with a runner does not sleep.
    hibernate(&gateway, &session, &mut socket).await;
    let mut other = session.socket().await;

    put_away(&mut socket).await;
    assert_eq!(session.detail().await["doStatus"]["connectedClients"], 2);
    let second = other.prompt("/say two", None).await;
    assert_eq!(socket.answer_to(&second).await.content, "two");
    assert_eq!(other.answer_to(&second).await.content, "two");
    assert_eq!(session.transcript().await, socket.mirror.messages);
    session.terminate().await;
}

async fn no_pause_gives_calls_back() {
    let gateway = Gateway::start(ONCE).await;
    guess_from(&gateway, "/api/auth/me", "192.0.2.1").await.refused(401, "UNAUTHORIZED");
    // Whoever looks at the object keeps it in memory.
    tokio::time::sleep(SILENCE).await;
    guess_from(&gateway, "/api/auth/me", "192.0.2.1").await.refused(429, "RATE_LIMIT_EXCEEDED");
}

async fn a_panic_ends_no_session() {
    let gateway = Gateway::start("").await;
    let session = gateway.api().demo_session().await;
    let mut socket = session.socket().await;
    let prompt = socket.prompt("/slow 20", None).await;
    socket.text_of(&prompt, 1).await;
    let broken = send(session.api.request(Method::POST, &session.path("/panic"))).await;
    assert_eq!(broken.status, 500, "{}", broken.text);
    assert!(socket.answer_to(&prompt).await.content.ends_with("word20 "));
    assert_eq!(session.generation().await, 1, "the agent has not noticed");
    assert_eq!(session.transcript().await, socket.mirror.messages);
    session.terminate().await;
}

async fn work_is_begun_by_the_queue() {
    let mut gateway = Gateway::prepared("").with_variable("PORTWAY_TEST_SCHEDULE", "once");
    gateway.launch().await;
    let session = gateway.api().demo_session().await;
    // Nobody asks for anything meanwhile: whoever is asked would do what is due as well.
    gateway.runner(&session.id).await;
    let mut socket = session.socket().await;
    let prompt = socket.prompt("/say one", None).await;
    assert_eq!(socket.answer_to(&prompt).await.content, "one");
    session.terminate().await;
    gateway.no_descendants().await;
    assert!(!gateway.log().contains("the queue takes no message"), "{}", gateway.log());
}
