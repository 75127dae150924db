//! The caller's key for doing something at most once.

use http::{HeaderMap, HeaderName};
use portway_domain::tokens::hex;
use portway_services::context::IdempotencyKey;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::error::ApiError;
use crate::input::Pair;

/// Longest key, in bytes.
const MAX_KEY_BYTES: usize = 255;

pub(super) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The key that the request carries, if any.
pub(super) fn key(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => checked(value.as_bytes()).map(Some),
        (Some(_), Some(_)) => Err(unusable()),
    }
}

/// The key, if it can be one.
pub(super) fn checked(key: &[u8]) -> Result<String, ApiError> {
    let is_printable = key.iter().all(|b| matches!(b, 0x20..=0x7e));
    match str::from_utf8(key) {
        Ok(key) if is_printable && (1..=MAX_KEY_BYTES).contains(&key.len()) => Ok(key.to_owned()),
        _ => Err(unusable()),
    }
}

fn unusable() -> ApiError {
    ApiError::invalid_request("an idempotency key must be given once, with 1 to 255 printable ASCII characters")
}

/// The key with what it stands for: the operation and its input, whichever surface they come by.
pub(super) fn of(key: String, operation: &str, pairs: &[Pair<'_>], body: &[u8]) -> IdempotencyKey {
    IdempotencyKey { key, digest: digest(operation, pairs, body) }
}

/// Each part is preceded by its length, so that no two requests run together into the same bytes. Path and query have their
/// values as text, so numbers and booleans count as what they are written as; nothing else counts as a text.
fn digest(operation: &str, pairs: &[Pair<'_>], body: &[u8]) -> String {
    let mut hash = Sha256::new();
    let mut part = |bytes: &[u8]| {
        hash.update((bytes.len() as u64).to_be_bytes());
        hash.update(bytes);
    };
    part(operation.as_bytes());
    let body = body.trim_ascii();
    let mut input: Map<String, Value> = serde_json::from_slice(body).unwrap_or_else(|_| {
        // What is no object will be refused, and is not the same as none.
        if !body.is_empty() {
            part(body);
        }
        Map::new()
    });
    for (name, value) in pairs {
        input.insert(name.to_string(), value.as_ref().into());
    }
    for (name, value) in &input {
        part(name.as_bytes());
        let (kind, text) = match value {
            Value::String(text) => ("text", text.clone()),
            Value::Number(_) | Value::Bool(_) => ("text", value.to_string()),
            Value::Null | Value::Array(_) | Value::Object(_) => ("json", value.to_string()),
        };
        part(kind.as_bytes());
        part(text.as_bytes());
    }
    hex(&hash.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn keys_are_bounded() {
        let with = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.append(IDEMPOTENCY_KEY, HeaderValue::from_bytes(text.as_bytes()).unwrap());
            headers
        };
        assert_eq!(key(&HeaderMap::new()).unwrap(), None);
        assert_eq!(key(&with("a b~")).unwrap().as_deref(), Some("a b~"));
        assert!(key(&with(&"a".repeat(255))).is_ok());
        for bad in ["", "a\tb", "ü", &"a".repeat(256)] {
            assert!(key(&with(bad)).is_err(), "{bad:?}");
        }
        let mut twice = with("a");
        twice.append(IDEMPOTENCY_KEY, HeaderValue::from_static("b"));
        assert!(key(&twice).is_err());
    }

    fn pair(name: &'static str, value: &'static str) -> Pair<'static> {
        (name.into(), value.into())
    }

    #[test]
    fn every_part_counts() {
        let digests = [
            digest("a", &[], b""),
            digest("b", &[], b""),
            digest("a", &[pair("x", "y")], b""),
            digest("a", &[pair("xy", "")], b""),
            digest("a", &[], br#"{"x":"z"}"#),
            digest("a", &[], br#"{"x":null}"#),
            digest("a", &[], br#"{"x":"null"}"#),
            digest("a", &[], br#"{"x":["y"]}"#),
            digest("a", &[], br#"{"x":"[\"y\"]"}"#),
            digest("a", &[], b"[]"),
            digest("a", &[], b"nonsense"),
            digest("a", &[], br#"{"x":{"y":"z"}}"#),
        ];
        let distinct: std::collections::HashSet<_> = digests.iter().collect();
        assert_eq!(distinct.len(), digests.len());
        assert_eq!(digests[0].len(), 64);
    }

    #[test]
    fn the_way_and_the_writing_do_not_count() {
        let whole = digest("a", &[], br#"{"id":"1","n":7,"on":true,"body":{"b":1,"a":[2]}}"#);
        let split = [pair("n", "7"), pair("on", "true"), pair("id", "1")];
        assert_eq!(digest("a", &split, br#" { "body": {"a": [2], "b": 1} }"#), whole);
        assert_eq!(digest("a", &[], b"{}"), digest("a", &[], b" \n"), "no body is an empty object");
    }
}
