//! What is read and written is what serde derives for `#[serde(tag = "…")]`.

use portway_tagged::tagged;
use serde::{Deserialize, Serialize};
use serde_json::{Value, from_str, json, to_string};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Inner {
    some_number: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    text: Option<String>,
}

macro_rules! enum_of {
    ($name:ident, $inside:ident, $(#[$meta:meta])*) => {
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        $(#[$meta])*
        enum $name {
            Fields {
                a_field: u32,
                #[serde(default, skip_serializing_if = "Vec::is_empty")]
                list: Vec<$inside>,
            },
            #[serde(rename = "with.dot")]
            Object(Inner),
            Unit,
            Any(serde_json::Map<String, Value>),
            Empty {},
            #[serde(other)]
            Unknown,
        }
    };
}

enum_of!(Ours, Ours, #[serde(remote = "Self", rename_all = "kebab-case", rename_all_fields = "camelCase")]);
enum_of!(Theirs, Theirs, #[serde(tag = "type", rename_all = "kebab-case", rename_all_fields = "camelCase")]);
tagged!(Ours, "type");

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Wrapped<T> {
    #[serde(flatten)]
    inner: T,
    seq: Option<u64>,
}

const GOOD: [&str; 13] = [
    r#"{"type":"fields","aField":1}"#,
    r#"{"aField":1,"type":"fields"}"#,
    r#"{"type":"fields","aField":1,"list":[{"type":"unit"},{"text":"x","type":"with.dot","someNumber":3}]}"#,
    r#"{"list":[{"someNumber":1,"type":"with.dot"}],"more":{"x":[1.5,null]},"aField":1,"type":"fields"}"#,
    r#"{"type":"with.dot","someNumber":7,"text":"\u00fc\""}"#,
    r#"{"type":"unit"}"#,
    r#"{"type":"unit","more":1}"#,
    r#"{"more":{"a":[1]},"type":"unit"}"#,
    r#"{"type":"any","x":1,"y":[true]}"#,
    r#"{"type":"empty"}"#,
    r#"{"type":"whatever","x":{"type":"unit"}}"#,
    r#"{"x":1,"type":"whatever"}"#,
    r#"{"ty\u0070e":"un\u0069t"}"#,
];

const BAD: [&str; 12] = [
    "{}",
    "[]",
    "null",
    r#""unit""#,
    r#"{"aField":1}"#,
    r#"{"type":1}"#,
    r#"{"aField":1,"type":null}"#,
    r#"{"type":"fields"}"#,
    r#"{"type":"fields","aField":"x"}"#,
    r#"{"aField":-1,"type":"fields"}"#,
    r#"{"type":"with.dot","someNumber":[]}"#,
    r#"{"type":"fields","aField":1,"list":[{"x":1}]}"#,
];

#[test]
fn what_serde_reads_is_read() {
    for text in GOOD {
        let ours: Ours = from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        let theirs: Theirs = from_str(text).unwrap();
        assert_eq!(format!("{ours:?}"), format!("{theirs:?}"), "{text}");
        assert_eq!(to_string(&ours).unwrap(), to_string(&theirs).unwrap());
        let value: Value = from_str(text).unwrap();
        assert_eq!(serde_json::from_value::<Ours>(value).unwrap(), ours, "{text}");
        assert_eq!(serde_json::to_value(&ours).unwrap(), serde_json::to_value(&theirs).unwrap());
    }
}

#[test]
fn what_serde_refuses_is_refused() {
    for text in BAD {
        assert!(from_str::<Theirs>(text).is_err(), "{text}");
        assert!(from_str::<Ours>(text).is_err(), "{text}");
    }
    let error = |text: &str| from_str::<Ours>(text).unwrap_err().to_string();
    assert_eq!(error("{}"), "missing field `type` at line 1 column 2");
    assert_eq!(error(r#"{"type":"fields"}"#), "missing field `aField` at line 1 column 17");
    let late = error(r#"{"aField":"x","type":"fields"}"#);
    assert_eq!(late, "invalid type: string \"x\", expected u32 at line 1 column 30");
}

#[test]
fn a_variant_may_be_a_part_of_a_larger_object() {
    for text in [r#"{"type":"with.dot","someNumber":7,"seq":3}"#, r#"{"seq":3,"someNumber":7,"type":"with.dot"}"#] {
        let ours: Wrapped<Ours> = from_str(text).unwrap();
        let theirs: Wrapped<Theirs> = from_str(text).unwrap();
        assert_eq!(to_string(&ours).unwrap(), to_string(&theirs).unwrap());
        assert_eq!(ours.seq, Some(3));
    }
}

#[test]
fn the_place_of_what_is_wrong_is_known() {
    let text = r#"{"type":"fields","aField":1,"list":[{"type":"with.dot","someNumber":"x"}]}"#;
    let error = serde_path_to_error::deserialize::<_, Ours>(&mut serde_json::Deserializer::from_str(text)).unwrap_err();
    assert_eq!(error.path().to_string(), "list[0].someNumber");
}

#[test]
fn what_is_no_object_is_not_written() {
    #[derive(Debug, Serialize, Deserialize)]
    #[serde(remote = "Self")]
    enum Wrong {
        Number(u32),
        Two(u32, u32),
    }
    tagged!(Wrong, "type");
    for wrong in [Wrong::Number(1), Wrong::Two(1, 2)] {
        assert!(to_string(&wrong).is_err(), "{wrong:?}");
    }
    assert!(from_str::<Wrong>(r#"{"type":"Number"}"#).is_err());
    assert!(from_str::<Wrong>(r#"{"type":"Two"}"#).is_err());
    assert_eq!(json!(Ours::Unit), json!({"type": "unit"}));
}
