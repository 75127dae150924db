//! The token of a request. It is hashed at once; the secret goes nowhere else.

use http::HeaderMap;
use http::header::AUTHORIZATION;
use portway_domain::tokens::{MAX_SECRET_BYTES, TokenHash};

/// The hash of the bearer token, or else of the token in the query.
pub(super) fn read(headers: &HeaderMap, query: Option<&str>) -> Option<TokenHash> {
    let header = headers.get(AUTHORIZATION).map(|value| value.as_bytes());
    let secret = header.and_then(bearer).or(query.map(str::as_bytes));
    secret.filter(|secret| !secret.is_empty()).map(hash)
}

fn bearer(header: &[u8]) -> Option<&[u8]> {
    let (scheme, secret) = header.split_at_checked("bearer ".len())?;
    let secret = secret.trim_ascii();
    (scheme.eq_ignore_ascii_case(b"bearer ") && !secret.is_empty()).then_some(secret)
}

/// What cannot be a token of ours becomes a hash that no token has.
fn hash(secret: &[u8]) -> TokenHash {
    match str::from_utf8(secret) {
        Ok(secret) if secret.len() <= MAX_SECRET_BYTES => TokenHash::of(secret),
        _ => TokenHash::from_stored("unusable".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn presented(header: Option<&str>, query: Option<&str>) -> Option<TokenHash> {
        let mut headers = HeaderMap::new();
        if let Some(header) = header {
            headers.insert(AUTHORIZATION, HeaderValue::from_str(header).unwrap());
        }
        read(&headers, query)
    }

    #[test]
    fn the_header_comes_before_the_query() {
        let hash = |secret| Some(TokenHash::of(secret));
        assert_eq!(presented(Some("Bearer abc"), Some("x")), hash("abc"));
        assert_eq!(presented(Some("bEARER  abc "), None), hash("abc"));
        assert_eq!(presented(Some("Basic abc"), Some("x")), hash("x"));
        assert_eq!(presented(None, Some("x")), hash("x"));
    }

    #[test]
    fn nothing_is_no_token() {
        for header in ["", "Bearer", "Bearer ", "Bear"] {
            assert_eq!(presented(Some(header), Some("")), None, "{header:?}");
        }
    }

    #[test]
    fn an_endless_token_is_not_even_hashed() {
        let long = "a".repeat(MAX_SECRET_BYTES + 1);
        let hash = presented(None, Some(&long)).unwrap();
        assert_ne!(hash, TokenHash::of(&long));
        assert_ne!(hash.as_str().len(), 64);
    }
}
