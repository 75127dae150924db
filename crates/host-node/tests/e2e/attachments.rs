//! What goes with prompts: from whoever says something to the agent, and to everybody who may read it.

use std::fs::File;
use std::time::{Duration, SystemTime};

use portway_protocol::message::{Attached, Part};
use reqwest::Method;
use serde_json::json;

use crate::harness::api::send;
use crate::harness::eventually;
use crate::harness::gateway::Gateway;
use crate::harness::mirror::Entry;
use crate::harness::session::Session;
use crate::trials::Trials;

const PICTURE: &str = "data:image/png;base64,iVBORw0KGgo=";

pub(crate) fn add(trials: &mut Trials) {
    trials.add("attachments::a_picture_reaches_the_agent_and_every_reader", a_picture_reaches_the_agent);
    trials.add("attachments::a_text_becomes_a_file_of_the_workspace", a_text_becomes_a_file);
    trials.add("attachments::collected_prompts_bring_theirs", collected_prompts_bring_theirs);
    trials.add("attachments::what_cannot_be_attached_is_refused", what_cannot_be_attached_is_refused);
    trials.add("attachments::a_large_picture_reaches_the_agent", a_large_picture_reaches_the_agent);
    trials.add("attachments::large_bodies_are_for_prompts_alone", large_bodies_are_for_prompts_alone);
    trials.add("attachments::what_a_crash_left_behind_is_removed", what_a_crash_left_behind_is_removed);
}

/// What goes with the first message that has anything.
fn attached(messages: &[Entry]) -> Option<Attached> {
    messages.iter().flat_map(|message| &message.parts).find_map(|part| match part {
        Part::Image(attached) | Part::Audio(attached) | Part::File(attached) => Some(attached.clone()),
        _ => None,
    })
}

/// Says something with an attachment, and answers what the demo agent says about it.
async fn look(session: &Session, attachment: serde_json::Value) -> String {
    let mut socket = session.socket().await;
    let prompt = session.prompt_with(json!({"content": "/look", "attachments": [attachment]})).await;
    socket.answer_to(&prompt).await.content
}

async fn a_picture_reaches_the_agent() {
    let mut gateway = Gateway::start("").await;
    let session = gateway.api().demo_session().await;
    let mut socket = session.socket().await;
    let picture = json!({"type": "file", "mime": "image/png", "url": PICTURE, "filename": "a \u{e4}.png"});
    let frame = json!({"type": "prompt", "content": "/look", "attachments": [picture]});
    socket.send_text(&frame.to_string()).await;
    let shown = socket.wait_until("the picture", |mirror| attached(&mirror.messages)).await;
    assert_eq!((shown.data.as_deref(), shown.mime_type.as_str()), (Some("iVBORw0KGgo="), "image/png"));
    assert_eq!((shown.size, shown.filename.as_deref()), (8, Some("a \u{e4}.png")));
    let prompt = socket.mirror.messages.iter().find(|message| !message.parts.is_empty()).unwrap().id.clone();
    let answer = socket.answer_to(&prompt).await;
    assert!(answer.content.starts_with("I see image/png of 12 characters."), "{}", answer.content);

    let url = shown.url.clone().unwrap();
    for _ in 0..2 {
        let api = gateway.api();
        let response = api.request(Method::GET, &url).send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "image/png");
        assert_eq!(response.headers()["content-disposition"], "inline; filename*=UTF-8''a%20%C3%A4.png");
        assert_eq!(response.headers()["x-content-type-options"], "nosniff");
        assert_eq!(response.headers()["content-security-policy"], "default-src 'none'; sandbox");
        let tag = response.headers()["etag"].clone();
        assert_eq!(&response.bytes().await.unwrap()[..], b"\x89PNG\r\n\x1a\n");
        let again = api.request(Method::GET, &url).header("if-none-match", tag).send().await.unwrap();
        assert_eq!(again.status(), 304);
        assert_eq!(send(api.anonymous(Method::GET, &url)).await.status, 401);
        api.get(&format!("{url}1")).await.refused(404, "NOT_FOUND");
        assert_eq!(attached(&session.socket().await.mirror.messages), Some(shown.clone()));
        let in_list = attached(&session.transcript().await).unwrap();
        assert_eq!(in_list, Attached { data: None, ..shown.clone() });
        gateway.restart().await;
    }
}

async fn a_text_becomes_a_file() {
    let gateway = Gateway::start("").await;
    let session = gateway.api().demo_session().await;
    let answer =
        look(&session, json!({"type": "file", "name": "../n\u{f6}.txt", "data": "aGVsbG8=", "mimeType": "text/plain"}));
    let answer = answer.await;
    let path = answer.split("It is saved as ").nth(1).unwrap_or_else(|| panic!("{answer}")).trim();
    assert!(path.contains("/.portway/attachments/") && path.ends_with("1-_n\u{f6}.txt"), "{answer}");
    assert_eq!(std::fs::read_to_string(path).unwrap(), "hello");
}

async fn collected_prompts_bring_theirs() {
    let gateway = Gateway::start("").await;
    let session = gateway.api().demo_session().await;
    let mut socket = session.socket().await;
    let body = |text: &str| {
        let picture = json!({"type": "url", "name": "a.png", "data": PICTURE});
        json!({"content": text, "queueMode": "collect", "attachments": [picture]})
    };
    session.prompt_with(body("/look at both")).await;
    let last = session.prompt_with(body("of them")).await;
    let answer = socket.answer_to(&last).await;
    assert_eq!(answer.content.matches("I see image/png").count(), 2, "{}", answer.content);
}

async fn what_cannot_be_attached_is_refused() {
    let gateway = Gateway::start("").await;
    let session = gateway.api().demo_session().await;
    let picture = || json!({"type": "file", "name": "a", "data": PICTURE});
    for (attachments, field) in [
        (json!([{"type": "file", "name": "a", "data": PICTURE, "mimeType": "video/mp4"}]), "attachments[0].mime"),
        (
            json!([picture(), {"type": "file", "name": "a", "data": "!", "mimeType": "image/png"}]),
            "attachments[1].data",
        ),
        (json!([{"type": "url", "name": "a", "data": "https://example.org/a.png", "mimeType": "image/png"}]), "data"),
        (json!([{"type": "file", "name": "a\nb", "data": PICTURE}]), "attachments[0].filename"),
        (json!(vec![picture(); 9]), "attachments"),
    ] {
        let reply = session.try_prompt(json!({"content": "", "attachments": attachments})).await;
        reply.refused(400, "VALIDATION_ERROR");
        assert!(reply.text.contains(field), "{field}: {}", reply.text);
    }
    session.try_prompt(json!({"content": " "})).await.refused(400, "VALIDATION_ERROR");
    assert!(attached(&session.transcript().await).is_none());
    assert!(!gateway.data().join("objects/sessions").exists());
}

/// A prompt with a picture of eight million characters.
fn large(content: &str) -> serde_json::Value {
    let data = "A".repeat(8_000_000);
    json!({"content": content, "attachments": [{"type": "file", "name": "a.png", "data": data, "mimeType": "image/png"}]})
}

async fn a_large_picture_reaches_the_agent() {
    let gateway = Gateway::start("").await;
    let session = gateway.api().demo_session().await;
    let mut socket = session.socket().await;
    let prompt = session.prompt_with(large("/look")).await;
    let answer = socket.answer_to(&prompt).await.content;
    assert!(answer.starts_with("I see image/png of 8000000 characters."), "{answer}");
}

async fn large_bodies_are_for_prompts_alone() {
    let gateway = Gateway::start("").await;
    let session = gateway.api().demo_session().await;
    let reply = gateway.api().post(&session.path("/abort"), &large("/say thanks")).await;
    reply.refused(413, "PAYLOAD_TOO_LARGE");
}

async fn what_a_crash_left_behind_is_removed() {
    let mut gateway = Gateway::start("").await;
    let session = gateway.api().demo_session().await;
    let answer = look(&session, json!({"type": "file", "name": "a.png", "data": PICTURE})).await;
    assert!(answer.contains("I see"), "{answer}");
    let kept = attached(&session.transcript().await).unwrap();
    gateway.kill9().await;
    // As it is left by a gateway that ends after the object and before the commit.
    let folder = gateway.data().join("objects/sessions").join(&session.id).join("attachments");
    let stray = folder.join("never-said.1");
    std::fs::write(&stray, "{\"contentType\":\"image/png\",\"length\":1}\nx").unwrap();
    let days_ago = SystemTime::now() - Duration::from_secs(3 * 24 * 3_600);
    for path in [&stray, &folder.join(&kept.id)] {
        File::options().write(true).open(path).unwrap().set_modified(days_ago).unwrap();
    }
    gateway.launch().await;
    eventually("the object is removed", async || (!stray.exists()).then_some(())).await;
    let url = kept.url.unwrap();
    assert_eq!(gateway.api().get(&url).await.status, 200);
}
