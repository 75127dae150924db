//! The caller's key for doing something at most once.

use http::{HeaderMap, HeaderName};
use portway_domain::tokens::hex;
use sha2::{Digest, Sha256};

use crate::error::ApiError;
use crate::input::Pair;

/// Longest key, in bytes.
const MAX_KEY_BYTES: usize = 255;

pub(super) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The key that the request carries, if any.
pub(super) fn key(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let bytes = value.as_bytes();
    let printable = bytes.iter().all(|b| matches!(b, 0x20..=0x7e));
    match value.to_str() {
        Ok(key) if printable && (1..=MAX_KEY_BYTES).contains(&bytes.len()) && values.next().is_none() => {
            Ok(Some(key.to_owned()))
        }
        _ => Err(ApiError::invalid_request(
            "Idempotency-Key must be given once, with 1 to 255 printable ASCII characters",
        )),
    }
}

/// What the key stands for: operation, path, parameters and body. Each part is preceded by its length, so that no two
/// requests run together into the same bytes.
pub(super) fn digest(operation: &str, path: &str, pairs: &[Pair<'_>], body: &[u8]) -> String {
    let mut hash = Sha256::new();
    let mut part = |bytes: &[u8]| {
        hash.update((bytes.len() as u64).to_be_bytes());
        hash.update(bytes);
    };
    part(operation.as_bytes());
    part(path.as_bytes());
    for (name, value) in pairs {
        part(name.as_bytes());
        part(value.as_bytes());
    }
    part(body);
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

    #[test]
    fn every_part_counts() {
        let pair = |name: &'static str, value: &'static str| (name.into(), value.into());
        let digests = [
            digest("a", "/a", &[], b""),
            digest("b", "/a", &[], b""),
            digest("a", "/b", &[], b""),
            digest("a", "/a", &[pair("x", "y")], b""),
            digest("a", "/a", &[pair("xy", "")], b""),
            digest("a", "/a", &[], b"xy"),
        ];
        let distinct: std::collections::HashSet<_> = digests.iter().collect();
        assert_eq!(distinct.len(), digests.len());
        assert_eq!(digests[0].len(), 64);
    }
}
