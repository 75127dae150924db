//! What callers send: one call, or several in a batch.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::response::Fault;
use crate::error::ApiError;

/// Most calls of a batch. They are carried out one after the other, so a longer one would keep its caller waiting.
pub(crate) const MAX_CALLS: usize = 50;

/// The only version there is.
const VERSION: &str = "2.0";

/// The body of a request.
#[derive(Debug)]
pub(crate) enum Message<'a> {
    /// One call, or what was none.
    One(Result<Call<'a>, Fault>),
    /// Up to [`MAX_CALLS`], at least one.
    Batch(Vec<Result<Call<'a>, Fault>>),
}

/// One call.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    /// What the answer is known by, as it was written; none of a notification, which has no answer.
    pub(crate) id: Option<&'a str>,
    pub(crate) method: Cow<'a, str>,
    /// A JSON object.
    pub(crate) params: &'a str,
    /// The caller's key for doing this at most once.
    pub(crate) idempotency_key: Option<Cow<'a, str>>,
    /// The call as it was written.
    pub(crate) text: &'a str,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Members<'a> {
    #[serde(borrow)]
    jsonrpc: Cow<'a, str>,
    // `null` is an id too, if a bad one.
    #[serde(borrow, default, deserialize_with = "present")]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    method: Cow<'a, str>,
    #[serde(borrow, default)]
    params: Option<&'a RawValue>,
    #[serde(borrow, default)]
    idempotency_key: Option<Cow<'a, str>>,
}

fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

/// Reads a body.
///
/// # Errors
/// What the whole body is answered with: it is no JSON, or a batch of none or of too many.
pub(crate) fn read(body: &[u8]) -> Result<Message<'_>, Fault> {
    let text = str::from_utf8(body).map_err(|error| unreadable(&error))?;
    if !text.trim_ascii_start().starts_with('[') {
        return match call(text) {
            // Only what is read again tells what is no call from what is no JSON.
            Err(fault) => match serde_json::from_str::<&RawValue>(text) {
                Ok(_) => Ok(Message::One(Err(fault))),
                Err(error) => Err(unreadable(&error)),
            },
            call => Ok(Message::One(call)),
        };
    }
    let calls: Vec<&RawValue> = serde_json::from_str(text).map_err(|error| unreadable(&error))?;
    if calls.is_empty() {
        return Err(Fault::no_call("a batch has at least one call"));
    }
    if calls.len() > MAX_CALLS {
        return Err(Fault::no_call(format!("a batch has at most {MAX_CALLS} calls")));
    }
    Ok(Message::Batch(calls.into_iter().map(|text| call(text.get())).collect()))
}

fn unreadable(error: &dyn fmt::Display) -> Fault {
    Fault::unreadable(ApiError::invalid_request(format!("the body is not valid JSON: {error}")))
}

fn call(text: &str) -> Result<Call<'_>, Fault> {
    let Members { jsonrpc, id, method, params, idempotency_key } =
        serde_json::from_str(text).map_err(|error| Fault::no_call(format!("this is no call: {error}")))?;
    let id = id.map(RawValue::get);
    if jsonrpc != VERSION {
        return Err(Fault::no_call("jsonrpc must be \"2.0\""));
    }
    if id.is_some_and(|id| !(id == "null" || id.starts_with(|c: char| c == '"' || c == '-' || c.is_ascii_digit()))) {
        return Err(Fault::no_call("id must be a string or a number"));
    }
    let params = params.map_or("{}", RawValue::get);
    if !params.starts_with('{') {
        let error = ApiError::field("params", "expected an object: parameters are given by name");
        return Err(Fault::of(error).with_id(id));
    }
    Ok(Call { id, method, params, idempotency_key, text })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> Result<Call<'_>, Fault> {
        match read(text.as_bytes()) {
            Ok(Message::One(call)) => call,
            Ok(Message::Batch(_)) => panic!("{text} is a batch"),
            Err(fault) => Err(fault),
        }
    }

    fn code(text: &str) -> i32 {
        one(text).unwrap_err().code
    }

    #[test]
    fn a_call_is_kept_as_it_was_written() {
        let text = r#"{"jsonrpc":"2.0","id":"a\u0062","method":"sessions.\u006cist","params":{"limit": 1}}"#;
        let call = one(text).unwrap();
        assert_eq!((call.id, &*call.method, call.params), (Some(r#""a\u0062""#), "sessions.list", r#"{"limit": 1}"#));
        assert_eq!(call.text, text);
        assert_eq!(code("{\"a\":\"\u{fffd}\"}"), -32600);
        assert_eq!(read(b"{\"a\":\"\xff\"}").unwrap_err().code, -32700);
        assert_eq!(one(r#" {"jsonrpc":"2.0","id":1.5,"method":"a"} "#).unwrap().params, "{}");
    }

    #[test]
    fn a_call_without_an_id_is_a_notification() {
        assert_eq!(one(r#"{"jsonrpc":"2.0","method":"a"}"#).unwrap().id, None);
        assert_eq!(one(r#"{"jsonrpc":"2.0","id":null,"method":"a"}"#).unwrap().id, Some("null"));
    }

    #[test]
    fn what_is_no_call_is_told_by_its_code() {
        for text in ["", "{", "{\"jsonrpc\":\"2.0\",}", "[1,", "\u{1}", r#"{"jsonrpc":"2.0","method":"a"} x"#] {
            assert_eq!(code(text), -32700, "{text:?}");
        }
        for text in [
            "1",
            "null",
            "{}",
            r#"{"jsonrpc":"1.0","id":1,"method":"a"}"#,
            r#"{"jsonrpc":"2.0","id":1}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":2}"#,
            r#"{"jsonrpc":"2.0","id":{},"method":"a"}"#,
            r#"{"jsonrpc":"2.0","id":true,"method":"a"}"#,
            r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"a"}"#,
        ] {
            assert_eq!(code(text), -32600, "{text}");
        }
        let by_position = one(r#"{"jsonrpc":"2.0","id":7,"method":"a","params":[1]}"#).unwrap_err();
        assert_eq!((by_position.code, &*by_position.id), (-32602, "7"));
    }

    #[test]
    fn batches_are_bounded() {
        let batch = |count: usize| format!("[{}]", vec![r#"{"jsonrpc":"2.0","method":"a"}"#; count].join(","));
        assert!(matches!(read(batch(MAX_CALLS).as_bytes()), Ok(Message::Batch(calls)) if calls.len() == MAX_CALLS));
        for bad in [batch(0), batch(MAX_CALLS + 1)] {
            assert_eq!(read(bad.as_bytes()).unwrap_err().code, -32600);
        }
        let Ok(Message::Batch(calls)) = read(br#"[1,{"jsonrpc":"2.0","id":1,"method":"a"}]"#) else {
            panic!("it is a batch");
        };
        assert!(calls[0].is_err() && calls[1].is_ok());
    }
}
