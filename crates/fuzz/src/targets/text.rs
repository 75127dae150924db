//! Ids, cursors, times and keys.

use std::fmt::Display;

use portway::domain::ids::{Id, MessageId, QuestionId, SessionId, TokenId};
use portway::domain::time::Timestamp;
use portway::domain::tokens::{TokenHash, TokenSecret};
use portway::ports::pages::Cursor;

use super::{Target, kind};

pub(super) struct Text;

impl Target for Text {
    fn feed(&mut self, input: &[u8]) -> Result<String, String> {
        let Ok(text) = str::from_utf8(input) else {
            return Ok("no text".to_owned());
        };
        let text = text.trim_end_matches('\n');
        Ok([
            id(text, SessionId::parse)?,
            id(text, MessageId::parse)?,
            id(text, QuestionId::parse)?,
            id(text, TokenId::parse)?,
            cursor(text)?,
            time(text)?,
            key(text),
        ]
        .join("; "))
    }
}

fn id<T: Id, E: Display>(text: &str, parse: impl Fn(String) -> Result<T, E>) -> Result<String, String> {
    match parse(text.to_owned()) {
        Ok(id) if id.as_str() == text => Ok(format!("id {}", text.len() / 16)),
        Ok(id) => Err(format!("{text:?} became {:?}", id.as_str())),
        Err(error) => Ok(kind(&error.to_string())),
    }
}

fn cursor(text: &str) -> Result<String, String> {
    let Ok(cursor) = Cursor::parse(text) else {
        return Ok("no cursor".to_owned());
    };
    let _ = cursor.at.to_string();
    match Cursor::parse(&cursor.to_string()) {
        Ok(again) if again == cursor => Ok(format!("cursor {}", cursor.at.as_micros().signum())),
        other => Err(format!("{cursor:?} is written as {cursor} and read as {other:?}")),
    }
}

fn time(text: &str) -> Result<String, String> {
    let time = match Timestamp::parse(text) {
        Ok(time) => time,
        Err(error) => return Ok(kind(&error.to_string())),
    };
    match Timestamp::parse(&time.to_string()) {
        Ok(again) if again.to_string() == time.to_string() => Ok(format!("time {}", text.len())),
        other => Err(format!("{text:?} is written as {time} and read as {other:?}")),
    }
}

fn key(text: &str) -> String {
    let _ = TokenHash::of(text);
    match TokenSecret::chosen(text) {
        Ok(_) => "key".to_owned(),
        Err(error) => kind(&error.to_string()),
    }
}
