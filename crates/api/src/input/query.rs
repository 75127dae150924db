//! Query strings, read strictly: what is not well formed is refused and not guessed.

use std::borrow::Cow;

use super::Pair;
use crate::error::ApiError;

/// Most parameters that a query may have.
const MAX_PARAMETERS: usize = 64;

/// Appends the decoded parameters of a query (without its `?`) to `pairs`.
pub(crate) fn read<'a>(query: &'a str, pairs: &mut Vec<Pair<'a>>) -> Result<(), ApiError> {
    for (count, part) in query.split('&').filter(|part| !part.is_empty()).enumerate() {
        if count == MAX_PARAMETERS {
            return Err(ApiError::invalid_request("the query has more than 64 parameters"));
        }
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        match (decode(name), decode(value)) {
            (Some(name), Some(value)) => pairs.push((name, value)),
            _ => {
                return Err(ApiError::invalid_request(
                    "the query is not well formed: '%' must be followed by two hexadecimal digits, and the result be UTF-8",
                ));
            }
        }
    }
    Ok(())
}

/// Whether every `%` in `text` is followed by two hexadecimal digits.
pub(crate) fn is_well_formed(text: &str) -> bool {
    text.split('%')
        .skip(1)
        .all(|rest| matches!(rest.as_bytes(), [high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit()))
}

fn decode(text: &str) -> Option<Cow<'_, str>> {
    if !text.bytes().any(|byte| matches!(byte, b'%' | b'+')) {
        return Some(Cow::Borrowed(text));
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => hex_digit(rest.next()?)? << 4 | hex_digit(rest.next()?)?,
            other => other,
        });
    }
    String::from_utf8(bytes).ok().map(Cow::Owned)
}

fn hex_digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(query: &str) -> Option<Vec<(String, String)>> {
        let mut pairs = Vec::new();
        read(query, &mut pairs).ok()?;
        Some(pairs.into_iter().map(|(name, value)| (name.into_owned(), value.into_owned())).collect())
    }

    #[test]
    fn decodes_escapes_and_plus() {
        let expected = [("a", "x y"), ("b", "ü&="), ("flag", ""), ("c", "")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(pairs("a=x+y&b=%C3%bc%26=&&flag&c=").unwrap(), expected);
        assert_eq!(pairs("").unwrap(), []);
    }

    #[test]
    fn refuses_bad_escapes_and_too_many() {
        for bad in ["a=%", "a=%4", "a=%zz", "a=%ff", "%e4=1", "a=%+1"] {
            assert_eq!(pairs(bad), None, "{bad}");
        }
        assert!(pairs(&"a=1&".repeat(64)).is_some());
        assert!(pairs(&"a=1&".repeat(65)).is_none());
        assert!(is_well_formed("/a%20b") && is_well_formed("/a"));
        assert!(!is_well_formed("/a%2") && !is_well_formed("/%zz"));
    }
}
