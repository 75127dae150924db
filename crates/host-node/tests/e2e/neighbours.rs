//! Two gateways on one database.

use serde_json::json;

use crate::commands;
use crate::harness::eventually;
use crate::harness::gateway::Gateway;
use crate::harness::postgres::{POSTGRES, Server};
use crate::harness::session::Session;
use crate::kills;
use crate::trials::Trials;

pub(crate) fn add(trials: &mut Trials) {
    trials.add_for(POSTGRES, "neighbours::a_client_of_one_talks_to_a_runner_of_the_other", client_and_runner_apart);
    trials.add_for(POSTGRES, "neighbours::who_is_there_through_another_is_known", who_is_there);
    trials.add_for(
        POSTGRES,
        "neighbours::a_client_of_one_asks_a_runner_of_the_other",
        commands::through_another_gateway,
    );
    trials.add_for(POSTGRES, "neighbours::one_dies_and_the_other_goes_on", kills::one_of_two_gateways_dies);
}

/// Two that run, each with a data folder of its own.
pub(crate) async fn two(server: Server) -> [Gateway; 2] {
    let mut one = Gateway::prepared("").on_server(server);
    one.launch().await;
    let mut two = Gateway::prepared("").beside(&one);
    two.launch().await;
    [one, two]
}

async fn client_and_runner_apart(server: Server) {
    let [one, two] = two(server).await;
    let here = one.api().with_neighbours().demo_session().await;
    here.reaches("running").await;
    let there = Session::new(two.api().with_neighbours(), &here.id);
    let mut near = here.socket().await;
    let mut far = there.socket().await;
    for number in 0..5 {
        let prompt = far.prompt(&format!("/say {number}"), None).await;
        assert_eq!(far.answer_to(&prompt).await.content, number.to_string());
        assert_eq!(near.answer_to(&prompt).await.content, number.to_string());
    }
    // A question, and the end of a turn, from the other side.
    let prompt = far.prompt("/ask may I?", None).await;
    let question = far.question().await;
    assert_eq!(near.question().await.id, question.id);
    there.answer(&question.id, json!(true)).await.expect(200);
    far.answer_to(&prompt).await;
    near.answer_to(&prompt).await;
    let slow = near.prompt("/slow 1000", None).await;
    far.text_of(&slow, 10).await;
    there.abort().await.expect(200);
    far.answer_to(&slow).await;
    near.answer_to(&slow).await;
    far.turn_end().await;
    near.turn_end().await;
    let transcript = here.transcript().await;
    assert_eq!(near.mirror.messages, transcript);
    assert_eq!(far.mirror.messages, transcript);
    assert_eq!(one.runner_count(), 1);
    assert_eq!(two.runner_count(), 0);
}

/// Waits until the session has so many sockets, wherever they are.
async fn sockets(session: &Session, count: u64) {
    eventually(&format!("{count} sockets"), async || {
        let detail = session.detail().await;
        (detail["doStatus"]["connectedClients"] == count).then_some(())
    })
    .await;
}

async fn who_is_there(server: Server) {
    let [mut one, mut two] = two(server).await;
    let here = one.api().demo_session().await;
    let there = Session::new(two.api(), &here.id);
    let near = here.socket().await;
    let far = there.socket().await;
    for session in [&here, &there] {
        sockets(session, 2).await;
    }
    drop(near);
    sockets(&there, 1).await;
    let _near = here.socket().await;
    sockets(&there, 2).await;
    one.stop().await;
    sockets(&there, 1).await;
    one.launch().await;
    let here = Session::new(one.api(), &here.id);
    sockets(&here, 1).await;
    drop(far);
    sockets(&here, 0).await;
    let _far = there.socket().await;
    sockets(&here, 1).await;
    // Nobody says that it is gone: its time has to run out.
    two.kill9().await;
    sockets(&here, 0).await;
}
