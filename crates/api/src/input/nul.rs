//! NUL characters, which no caller has a use for and not every database can keep.

use serde_json::Value;

use super::Pair;
use crate::error::ApiError;

/// Refuses input that has one anywhere, and names the field.
pub(crate) fn refuse(pairs: &[Pair<'_>], body: &str) -> Result<(), ApiError> {
    let has_nul = |(name, value): &&Pair<'_>| name.contains('\0') || value.contains('\0');
    if let Some((name, _)) = pairs.iter().find(has_nul) {
        return Err(refusal(name));
    }
    // In JSON it can only be written in this way, so almost no body is read twice. What is no JSON is told elsewhere.
    let mut escapes = body.split('\\').skip(1);
    if !escapes.any(|escape| escape.starts_with("u0000")) {
        return Ok(());
    }
    let mut path = String::new();
    let has_one = serde_json::from_str(body).is_ok_and(|value| look(&value, &mut path));
    if has_one { Err(refusal(&path)) } else { Ok(()) }
}

fn refusal(field: &str) -> ApiError {
    ApiError::field(field.replace('\0', "\u{FFFD}"), "may not contain NUL characters")
}

/// Whether a text has one; then the path leads to the first that does, and otherwise stays as it was.
fn look(value: &Value, path: &mut String) -> bool {
    let before = path.len();
    let found = match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().enumerate().any(|(index, item)| {
            path.truncate(before);
            path.push_str(&format!("[{index}]"));
            look(item, path)
        }),
        Value::Object(members) => members.iter().any(|(name, member)| {
            path.truncate(before);
            if before > 0 {
                path.push('.');
            }
            path.push_str(name);
            name.contains('\0') || look(member, path)
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    };
    if !found {
        path.truncate(before);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(pairs: &[(&str, &str)], body: &str) -> Option<String> {
        let pairs: Vec<Pair<'_>> = pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        refuse(&pairs, body).err().map(|error| error.message.into_owned())
    }

    #[test]
    fn the_field_is_named() {
        let message = |field: &str| Some(format!("{field}: may not contain NUL characters"));
        for (body, field) in [
            (r#"{"name":"a\u0000"}"#, "name"),
            (r#"{"a":1,"config":{"title":"\u0000"}}"#, "config.title"),
            (r#"{"list":["a",[[]],{"b":["\u0000"]}]}"#, "list[2].b[0]"),
            (r#"{"config":{"\u0000":1}}"#, "config.\u{FFFD}"),
        ] {
            assert_eq!(refused(&[], body), message(field), "{body}");
        }
        assert_eq!(refused(&[("id", "1"), ("q", "a\0")], ""), message("q"));
    }

    #[test]
    fn what_only_looks_like_it_passes() {
        for body in [r#"{"name":"\\u0000"}"#, r#"{"name":"u0000 \u00001"#, r#"{"name":"\u0001"}"#, "[", ""] {
            assert_eq!(refused(&[("name", "\\u0000")], body), None, "{body}");
        }
    }
}
