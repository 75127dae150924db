//! Attachments of two gateways on one database, in one bucket.

use std::path::Path;

use portway_protocol::message::{Attached, Part};
use reqwest::Method;
use serde_json::json;

use crate::harness::bucket::BucketServer;
use crate::harness::eventually;
use crate::harness::gateway::Gateway;
use crate::harness::mirror::Entry;
use crate::harness::postgres::{POSTGRES, Server};
use crate::harness::session::Session;
use crate::trials::Trials;

const PICTURE: &str = "iVBORw0KGgo=";
const SOUND: &str = "UklGRgA=";

pub(crate) fn add(trials: &mut Trials) {
    trials.add_for(POSTGRES, "neighbours::what_is_attached_at_one_is_read_at_the_other", read_at_the_other);
    trials.add_for(POSTGRES, "neighbours::deleting_at_one_takes_the_objects_of_the_other", deleted_at_the_other);
    trials.add_for(POSTGRES, "neighbours::objects_that_nobody_shares_are_warned_of", not_shared);
}

async fn two(server: Server, bucket: &BucketServer) -> [Gateway; 2] {
    let mut one = bucket.keeps_objects_of(Gateway::prepared("").on_server(server));
    one.launch().await;
    let mut two = bucket.keeps_objects_of(Gateway::prepared("").beside(&one));
    two.launch().await;
    [one, two]
}

fn picture_and_sound() -> serde_json::Value {
    json!([
        {"type": "file", "name": "a.png", "data": PICTURE, "mimeType": "image/png"},
        {"type": "file", "name": "a.wav", "data": SOUND, "mimeType": "audio/wav"},
    ])
}

/// All that goes with messages.
fn attached(messages: &[Entry]) -> Vec<Attached> {
    let parts = messages.iter().flat_map(|message| &message.parts);
    let attached = parts.filter_map(|part| match part {
        Part::Image(attached) | Part::Audio(attached) | Part::File(attached) => Some(attached.clone()),
        _ => None,
    });
    attached.collect()
}

async fn read_at_the_other(server: Server) {
    let bucket = BucketServer::start();
    let [one, two] = two(server, &bucket).await;
    let opened = two.api().with_neighbours().demo_session().await;
    opened.reaches("running").await;
    // The runner is a process of one of them, mostly of that at which the session was opened.
    let [one, two] = if two.runner_count() == 1 { [one, two] } else { [two, one] };
    let there = Session::new(two.api().with_neighbours(), &opened.id);
    let here = Session::new(one.api().with_neighbours(), &there.id);
    let mut far = there.socket().await;
    let prompt = here.prompt_with(json!({"content": "/look", "attachments": picture_and_sound()})).await;
    let answer = far.answer_to(&prompt).await.content;
    assert!(answer.contains("I see image/png of 12 characters."), "{answer}");
    // The demo agent does not hear.
    let saved = answer.split("It is saved as ").nth(1).unwrap_or_else(|| panic!("{answer}")).trim();
    assert!(Path::new(saved).starts_with(two.workspace(&there.id)), "{answer}");
    assert_eq!(std::fs::read(saved).unwrap(), b"RIFF\0");
    assert_eq!((one.runner_count(), two.runner_count()), (0, 1));

    let told = attached(&far.mirror.messages);
    let content: Vec<_> = told.iter().map(|attached| attached.data.as_deref()).collect();
    assert_eq!(content, [Some(PICTURE), Some(SOUND)]);
    assert_eq!(attached(&there.socket().await.mirror.messages), told);
    let in_list = |attached: &Attached| Attached { data: None, ..attached.clone() };
    assert_eq!(attached(&there.transcript().await), told.iter().map(in_list).collect::<Vec<_>>());
    let bytes: [(&str, &[u8]); 2] = [("image/png", b"\x89PNG\r\n\x1a\n"), ("audio/wav", b"RIFF\0")];
    for (attached, (mime, bytes)) in told.iter().zip(bytes) {
        let url = attached.url.as_deref().unwrap();
        let response = two.api().request(Method::GET, url).send().await.unwrap();
        assert_eq!((response.status().as_u16(), response.headers()["content-type"].to_str().unwrap()), (200, mime));
        assert_eq!(&response.bytes().await.unwrap()[..], bytes);
    }
    assert_eq!(bucket.objects_of(&there.id).await.len(), 2);
    for gateway in [&one, &two] {
        assert!(!gateway.data().join("objects/sessions").exists());
    }
}

async fn deleted_at_the_other(server: Server) {
    let bucket = BucketServer::start();
    let [one, two] = two(server, &bucket).await;
    // What is kept of a session is removed by one of them, mostly by that at which it was opened.
    let api = two.api().with_neighbours();
    let (here, kept) = (api.demo_session().await, api.demo_session().await);
    for session in [&here, &kept] {
        let mut socket = session.socket().await;
        let there = Session::new(one.api().with_neighbours(), &session.id);
        let prompt = there.prompt_with(json!({"content": "/say hi", "attachments": picture_and_sound()})).await;
        socket.answer_to(&prompt).await;
        assert_eq!(bucket.objects_of(&session.id).await.len(), 2);
    }
    let deleted = two.api().post("/api/sessions/bulk-delete", &json!({"sessionIds": [here.id]})).await.expect(200);
    assert_eq!(deleted["deleted"], 1);
    eventually("the session is gone", async || (two.api().get(&here.path("")).await.status == 404).then_some(())).await;
    assert_eq!(bucket.objects_of(&here.id).await, Vec::<String>::new());
    assert_eq!(bucket.objects_of(&kept.id).await.len(), 2);
}

async fn not_shared(server: Server) {
    let warning = "other gateways on this database do not have";
    let mut one = Gateway::prepared("").on_server(server);
    one.launch().await;
    assert!(one.log().contains(warning) && one.log().contains("--objects"), "{}", one.log());
    // Whoever names a folder says that all of them have it.
    let mut two = Gateway::prepared("").beside(&one);
    two.launch().await;
    assert!(!two.log().contains(warning), "{}", two.log());
}
