//! Values at their limits.

use portway_domain::engine::Change;
use portway_domain::messages::{Message, MessageRole, Part, ToolCall, ToolStatus};
use portway_domain::sessions::Session;
use portway_domain::time::Timestamp;
use portway_domain::users::User;
use portway_ports::commit::Write;
use serde_json::json;

use crate::failure::Outcome;
use crate::fixture::{Fixture, added, at};
use crate::samples::{note, prompt, session, tool_call};
use crate::transcript::transcript;

/// The largest whole number that every database keeps: D1 passes numbers as 64-bit floats.
const LARGEST: u64 = (1 << 53) - 1;

pub(crate) async fn text_of_every_kind_is_read_back(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    let texts = [
        "",
        " ",
        "  both ends  \n",
        "NULL",
        "'; DROP TABLE users; --",
        "\"quoted\" `ticked` [boxed] \\ \\n ? $1 :name %s",
        "0123",
        "1e5",
        "Grüße, 世界, \u{1F468}\u{200D}\u{1F469}\u{200D}\u{1F467}",
        "e\u{301} is not \u{e9}",
        "\u{202E}right to left",
        "\u{1}\u{7}\u{1b}[31m\t\r\n\u{7f}\u{85}",
        "\u{FEFF}\u{FFFD}\u{FFFF}\u{10FFFF}",
    ];
    let session = f.session(&ada).await?;
    let messages: Vec<Message> =
        (1..).zip(texts).map(|(position, text)| prompt(f.id(), position, text, &ada.user)).collect();
    f.changed(&session.id, messages.iter().cloned().map(Change::MessageAdded)).await?;
    check_eq!(transcript(&f, &ada, &session).await?.messages, messages);
    for (number, text) in (1..).zip(texts) {
        let text = text.to_owned();
        let user = User { name: Some(text.clone()), model_preferences: vec![text.clone()], ..ada.user.clone() };
        f.done([Write::SetUser { user: user.clone(), version: number }]).await?;
        check_eq!(f.store.user(&user.id).await?, Some(User { version: number + 1, ..user }));
        let titled = Session { title: Some(text), ..crate::samples::session(f.id(), &ada.user.id, at(0)) };
        f.done([added(&titled)]).await?;
        let found = f.store.session(ada.hash(), &titled.id).await?.value;
        check_eq!(found.map(|access| access.session), Some(titled));
    }
    Ok(())
}

pub(crate) async fn control_characters_survive_in_documents(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    let session = f.session(&ada).await?;
    let call = ToolCall {
        args: Some(json!({"b\0": "\0", "a": ["\u{1}", "", i64::MIN, u64::MAX, -0.5, 1e300], "": {}})),
        result: Some(json!("a\0b")),
        error: Some("\0".to_owned()),
        ..tool_call("c", ToolStatus::Error)
    };
    let parts = vec![Part::ToolCall(call), Part::Text { text: "\0".to_owned() }];
    let message = Message { role: MessageRole::Assistant, parts, ..note(f.id(), 1) };
    f.changed(&session.id, [Change::MessageAdded(message.clone())]).await?;
    check_eq!(transcript(&f, &ada, &session).await?.messages, [message]);
    Ok(())
}

pub(crate) async fn long_text_is_read_back(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    let session = f.session(&ada).await?;
    // D1 takes rows of up to 1 MB.
    let long = "ü0".repeat(150_000);
    let parts = vec![Part::Text { text: long.clone() }];
    let messages = [
        prompt(f.id(), 1, &long, &ada.user),
        Message { role: MessageRole::Assistant, parts, content: "short".to_owned(), ..note(f.id(), 2) },
    ];
    f.changed(&session.id, messages.clone().map(Change::MessageAdded)).await?;
    check_eq!(transcript(&f, &ada, &session).await?.messages, messages);
    Ok(())
}

pub(crate) async fn large_numbers_are_read_back(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    let session = f.session(&ada).await?;
    let message = Message { seq: LARGEST, ..note(f.id(), LARGEST - 1) };
    f.changed(&session.id, [Change::MessageAdded(message.clone())]).await?;
    check_eq!(transcript(&f, &ada, &session).await?.messages, std::slice::from_ref(&message));
    check_eq!(f.store.message_position(&session.id, &message.id).await?, Some(LARGEST - 1));
    let mut engine = f.engine(&session.id).await?.value;
    engine.seq = LARGEST;
    engine.runner.generation = u32::MAX;
    engine.runner.last_frame = u64::MAX;
    engine.nonce = u64::MAX;
    f.done([Write::SetEngine { engine: engine.clone(), version: 1 }]).await?;
    check_eq!(f.engine(&session.id).await?.value, engine);
    let user = User { idle_timeout_seconds: u32::MAX, max_active_sessions: Some(0), ..ada.user };
    f.done([Write::SetUser { user: user.clone(), version: 1 }]).await?;
    check_eq!(f.store.user(&user.id).await?, Some(User { version: 2, ..user }));
    Ok(())
}

pub(crate) async fn far_away_times_are_read_back(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    let furthest = i64::try_from(LARGEST).unwrap_or(i64::MAX);
    let mut expected = Vec::new();
    for micros in [furthest, 1, 0, -1, -furthest] {
        let time = Timestamp::from_micros(micros);
        let session = Session { last_active_at: time, ..session(f.id(), &ada.user.id, time) };
        f.done([added(&session)]).await?;
        expected.push(session);
    }
    let page = portway_ports::pages::PageRequest::new(10, None);
    let page = f.store.sessions(ada.hash(), portway_ports::sessions::SessionFilter::default(), page).await?.value;
    let listed: Vec<Session> = page.items.into_iter().map(|item| item.session).collect();
    check_eq!(listed, expected);
    Ok(())
}
