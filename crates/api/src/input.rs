//! Reads the input of an operation: one type whose fields come from the path, the query and the JSON body together.
//!
//! The names are disjoint: a name that is given twice is refused. Path and query values are text, and become numbers,
//! booleans (`true`, `false`, `1`, `0`), strings, ids or enums without data as the field asks; `Option` fields may be
//! left out. Two things follow from how serde works: a struct under `#[serde(flatten)]` gets query values as strings
//! only, and lists cannot be given in the query.

mod joined;
mod nul;
mod place;
mod query;
mod text;

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;

use garde::Validate;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::error::Category;

use crate::error::{ApiError, FieldError};

pub(crate) use nul::refuse as refuse_nul;
pub(crate) use query::{is_well_formed, read as read_query};

/// A decoded name and value of the path or the query.
pub type Pair<'a> = (Cow<'a, str>, Cow<'a, str>);

/// The input of an operation that takes none. Whatever is sent is ignored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema, Validate)]
pub struct NoInput {}

/// Reads `T` from the pairs of path and query, followed by the entries of the JSON object in `body`. An empty body
/// counts as an empty object.
///
/// # Errors
/// `INVALID_REQUEST` when the body is no JSON object; `VALIDATION_ERROR`, naming the fields, when a value is missing,
/// given twice, of the wrong type, out of its bounds or has a NUL character.
pub fn decode<T>(pairs: &[Pair<'_>], body: &[u8]) -> Result<T, ApiError>
where
    T: DeserializeOwned + Validate<Context = ()>,
{
    let body = object(body)?;
    refuse_nul(pairs, body)?;
    let mut json = serde_json::Deserializer::from_str(body);
    let reading = Cell::new(None);
    let input: T = T::deserialize(joined::Joined { pairs, json: &mut json, reading: &reading })
        .map_err(|error| explain(reading.get(), body, &error))?;
    json.end().map_err(|error| malformed(&error))?;
    match input.validate() {
        Ok(()) => Ok(input),
        Err(report) => Err(out_of_bounds(&report)),
    }
}

fn object(body: &[u8]) -> Result<&str, ApiError> {
    match body.trim_ascii_start() {
        [] => Ok("{}"),
        text @ [b'{', ..] => std::str::from_utf8(text).map_err(|error| malformed(&error)),
        _ => Err(ApiError::invalid_request("the request body must be a JSON object")),
    }
}

fn malformed(error: &dyn fmt::Display) -> ApiError {
    ApiError::invalid_request(format!("the request body is not valid JSON: {error}"))
}

/// What is wrong with the pair of that name or, if none was being read, with the body.
fn explain(pair: Option<&str>, body: &str, error: &serde_json::Error) -> ApiError {
    if error.classify() != Category::Data {
        return malformed(error);
    }
    let path = match pair {
        Some(name) => name.to_owned(),
        None => place::path_at(body, error.line(), error.column()),
    };
    let text = error.to_string();
    let position = format!(" at line {} column {}", error.line(), error.column());
    let message = text.strip_suffix(&position).unwrap_or(&text);
    match about_a_field(message) {
        Some((name, says)) if path.is_empty() => ApiError::field(name, says),
        Some((name, says)) => ApiError::field(format!("{path}.{name}"), says),
        None => ApiError::field(path, message),
    }
}

/// serde reports a missing or unknown field at its parent and names it in the text.
fn about_a_field(message: &str) -> Option<(&str, &'static str)> {
    [
        ("missing field `", "is required"),
        ("unknown field `", "is not known here"),
        ("duplicate field `", "is given more than once"),
    ]
    .into_iter()
    .find_map(|(start, says)| {
        let (name, _) = message.strip_prefix(start)?.split_once('`')?;
        Some((name, says))
    })
}

fn out_of_bounds(report: &garde::Report) -> ApiError {
    let fields = report
        .iter()
        .map(|(path, error)| FieldError { field: wire_name(&path.to_string()), message: error.to_string() })
        .collect();
    ApiError::fields(fields)
}

/// Bounds are reported under the names of the Rust fields; the wire speaks camel case.
fn wire_name(path: &str) -> String {
    let mut name = String::with_capacity(path.len());
    let mut chars = path.trim_start_matches("r#").chars().peekable();
    while let Some(char) = chars.next() {
        match chars.peek() {
            Some(next) if char == '_' && next.is_ascii_alphanumeric() => {
                name.push(next.to_ascii_uppercase());
                chars.next();
            }
            _ => name.push(char),
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use portway_domain::ids::SessionId;

    use super::*;
    use crate::error::{Details, ErrorCode};

    #[derive(Debug, PartialEq, Deserialize, JsonSchema)]
    #[serde(rename_all = "lowercase")]
    enum Colour {
        Red,
        Green,
    }

    #[derive(Debug, PartialEq, Deserialize, JsonSchema)]
    struct Id(String);

    #[derive(Debug, PartialEq, Deserialize, Validate)]
    #[serde(rename_all = "camelCase")]
    struct Config {
        #[garde(range(min = 1, max = 60))]
        time_out: u32,
        #[garde(skip)]
        parent: Option<SessionId>,
    }

    #[derive(Debug, PartialEq, Deserialize, Validate)]
    #[serde(rename_all = "camelCase")]
    struct Input {
        #[garde(skip)]
        id: Id,
        #[garde(skip)]
        limit: Option<u8>,
        #[garde(skip)]
        after: Option<i64>,
        #[garde(skip)]
        ratio: Option<f64>,
        #[garde(skip)]
        all: Option<bool>,
        #[garde(skip)]
        colour: Option<Colour>,
        #[garde(length(max = 5))]
        long_title: Option<String>,
        #[garde(dive)]
        config: Option<Config>,
        #[garde(skip)]
        extra: Option<serde_json::Value>,
        #[garde(skip)]
        more: Option<Vec<Config>>,
    }

    type Given<'a> = &'a [(&'a str, &'a str)];

    fn read(pairs: Given<'_>, body: &str) -> Result<Input, ApiError> {
        let pairs: Vec<Pair<'_>> =
            pairs.iter().map(|(name, value)| (Cow::Borrowed(*name), Cow::Borrowed(*value))).collect();
        decode(&pairs, body.as_bytes())
    }

    fn wrong(pairs: Given<'_>, body: &str) -> (String, String) {
        let error = read(pairs, body).unwrap_err();
        assert_eq!(error.code, ErrorCode::ValidationError);
        match error.details {
            Some(Details::Fields { fields }) => (fields[0].field.clone(), error.message.into()),
            None => (String::new(), error.message.into()),
        }
    }

    #[test]
    fn text_becomes_what_the_field_asks_for() {
        let input = read(
            &[
                ("id", "7"),
                ("limit", "9"),
                ("after", "-3"),
                ("ratio", "0.5"),
                ("all", "1"),
                ("colour", "green"),
                ("longTitle", "12"),
                ("unknown", "x"),
            ],
            r#"{"config":{"timeOut":5}}"#,
        )
        .unwrap();
        assert_eq!(
            input,
            Input {
                id: Id("7".into()),
                limit: Some(9),
                after: Some(-3),
                ratio: Some(0.5),
                all: Some(true),
                colour: Some(Colour::Green),
                long_title: Some("12".into()),
                config: Some(Config { time_out: 5, parent: None }),
                extra: None,
                more: None,
            }
        );
    }

    #[test]
    fn wrong_fields_are_named_by_their_path() {
        let id = ("id", "a");
        let cases: [(Given<'_>, &str, &str); 11] = [
            (&[], "{}", "id: is required"),
            (&[id, ("limit", "300")], "", "limit: expected a whole number from 0 to 255"),
            (&[id, ("all", "yes")], "", "all: expected true or false"),
            (&[id, ("ratio", "NaN")], "", "ratio: expected a number"),
            (&[id, ("colour", "blue")], "", "colour: unknown variant `blue`, expected `red` or `green`"),
            (&[id], r#"{"config":{}}"#, "config.timeOut: is required"),
            (&[id], r#"{"config":{"timeOut":"x"}}"#, "config.timeOut: invalid type: string \"x\", expected u32"),
            (&[id], r#"{"config":{"timeOut":0}}"#, "config.timeOut: lower than 1"),
            (&[id], r#"{"longTitle":"123456"}"#, "longTitle: length is greater than 5"),
            (&[id], r#"{"id":"b"}"#, "id: is given more than once"),
            (&[id, ("config", "x")], "", "config: cannot be given in the path or the query"),
        ];
        for (pairs, body, expected) in cases {
            let (field, message) = wrong(pairs, body);
            assert_eq!(message, expected);
            assert!(message.starts_with(&format!("{field}: ")), "{field} {message}");
        }
        assert_eq!(wrong(&[id, id], "").1, "id: is given more than once");
        assert_eq!(wrong(&[id, ("x", "1")], r#"{"x":2}"#).1, "x: is given more than once");
    }

    #[test]
    fn what_is_inside_of_something_is_named_by_its_whole_path() {
        let bad_id = "expected an id of 1 to 128 characters out of A-Z, a-z, 0-9, ':', '_', '-' and '.'";
        for (body, path, says) in [
            (r#"{"config":{"timeOut":1,"parent":"a b"}}"#, "config.parent", bad_id),
            (r#"{"config":{"timeOut":1,"parent":"a b" } , "all":true}"#, "config.parent", bad_id),
            (
                r#"{"config":{"timeOut":1,"parent":["a"]}}"#,
                "config.parent",
                "invalid type: sequence, expected a string",
            ),
            (
                r#"{"more":[{"timeOut":1},{"timeOut":-1}]}"#,
                "more[1].timeOut",
                "invalid value: integer `-1`, expected u32",
            ),
            ("{\n\"more\":[{\"timeOut\":1}\n,{\n}]}", "more[1].timeOut", "is required"),
            (r#"{"more":[{"timeOut":1},true]}"#, "more[1]", "invalid type: boolean `true`, expected struct Config"),
            (r#"{"more":[{"timeOut":1,"timeOut":2}]}"#, "more[0].timeOut", "is given more than once"),
            (r#"{"more":{}}"#, "more", "invalid type: map, expected a sequence"),
        ] {
            assert_eq!(wrong(&[("id", "a")], body), (path.to_owned(), format!("{path}: {says}")), "{body}");
        }
    }

    #[test]
    fn an_empty_body_is_an_empty_object() {
        for body in ["", " \n", "{}"] {
            assert!(read(&[("id", "a")], body).is_ok(), "{body:?}");
        }
    }

    #[test]
    fn what_is_no_json_object_is_refused() {
        for body in ["[1]", "null", "3", "{", r#"{"id":"a"} x"#, "{\"id\":\"\u{1}\"}", "nonsense", "{\"a\":1,}"] {
            let error = read(&[("id", "a")], body).unwrap_err();
            assert!(matches!(error.code, ErrorCode::InvalidRequest | ErrorCode::ValidationError), "{body}");
            assert!(error.message.is_ascii() && error.status == 400, "{body}");
        }
        let error = decode::<Input>(&[], b"{\"id\":\"\xff\"}").unwrap_err();
        assert_eq!(error.code, ErrorCode::InvalidRequest);
    }

    #[test]
    fn depth_is_bounded() {
        let deep = |levels: usize| format!(r#"{{"extra":{}{}}}"#, "[".repeat(levels), "]".repeat(levels));
        assert!(read(&[("id", "a")], &deep(100)).is_ok());
        let error = read(&[("id", "a")], &deep(200)).unwrap_err();
        assert_eq!(error.code, ErrorCode::InvalidRequest);
        let unknown = deep(100_000).replace("extra", "other");
        assert!(read(&[("id", "a")], &unknown).is_ok());
    }

    #[test]
    fn no_input_ignores_everything() {
        assert!(decode::<NoInput>(&[("a".into(), "b".into())], br#"{"c":[1]}"#).is_ok());
    }
}
