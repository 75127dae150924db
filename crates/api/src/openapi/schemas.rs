//! The named schemas. What is read and what is written have different rules (a field that is always written may be
//! left out when read), so a type that is used both ways may need two schemas.

use std::collections::BTreeSet;

use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::examples;

const INPUTS: &str = "#/inputs/";
const COMPONENTS: &str = "#/components/schemas/";

pub(super) struct Schemas {
    pub(super) input: SchemaGenerator,
    pub(super) output: SchemaGenerator,
}

impl Schemas {
    pub(super) fn new() -> Self {
        let settings = |path: &'static str| {
            SchemaSettings::draft2020_12().with(|settings| {
                settings.definitions_path = path.trim_start_matches('#').trim_end_matches('/').into();
                settings.meta_schema = None;
            })
        };
        Self {
            input: settings(INPUTS).for_deserialize().into_generator(),
            output: settings(COMPONENTS).for_serialize().into_generator(),
        }
    }

    /// Puts all named schemas into the document, and lets every reference point there.
    pub(super) fn finish(mut self, document: &mut Value) {
        let mut outputs = self.output.take_definitions(true);
        let inputs = self.input.take_definitions(true);
        let apart = unequal(&inputs, &outputs);
        let rename = |name: &str| {
            if apart.contains(name) { format!("{name}Input") } else { name.to_owned() }
        };
        for (name, schema) in inputs {
            let name = rename(&name);
            outputs.entry(name).or_insert(schema);
        }
        for (name, schema) in &mut outputs {
            without_lone_choice(schema);
            mark_times(schema);
            examples::add_to_schema(name, schema);
        }
        document["components"]["schemas"] = Value::Object(outputs);
        each_reference(document, &mut |reference| {
            if let Some(name) = reference.strip_prefix(INPUTS) {
                *reference = format!("{COMPONENTS}{}", rename(name));
            }
        });
    }
}

/// The names of the inputs that are not the same as an output: by themselves, or by what they refer to.
fn unequal(inputs: &Map<String, Value>, outputs: &Map<String, Value>) -> BTreeSet<String> {
    let same = |schema: &Value, other: &Value| {
        let mut schema = schema.clone();
        each_reference(&mut schema, &mut |reference| {
            if let Some(name) = reference.strip_prefix(INPUTS) {
                *reference = format!("{COMPONENTS}{name}");
            }
        });
        schema == *other
    };
    let mut apart: BTreeSet<String> = inputs
        .iter()
        .filter(|(name, schema)| outputs.get(*name).is_some_and(|other| !same(schema, other)))
        .map(|(name, _)| name.clone())
        .collect();
    loop {
        let more: Vec<String> = inputs
            .iter()
            .filter(|(name, schema)| outputs.contains_key(*name) && !apart.contains(*name) && refers(schema, &apart))
            .map(|(name, _)| name.clone())
            .collect();
        if more.is_empty() {
            return apart;
        }
        apart.extend(more);
    }
}

/// What is one of one thing is that thing.
fn without_lone_choice(schema: &mut Value) {
    let lone = schema.get("anyOf").and_then(Value::as_array).and_then(|choices| match choices.as_slice() {
        [only] => only.as_object().cloned(),
        _ => None,
    });
    if let (Some(only), Some(schema)) = (lone, schema.as_object_mut()) {
        schema.remove("anyOf");
        for (key, value) in only {
            schema.entry(key).or_insert(value);
        }
    }
}

/// Texts that end in `At` are times, as is the one of a probe.
fn mark_times(schema: &mut Value) {
    for (name, property) in schema.get_mut("properties").and_then(Value::as_object_mut).into_iter().flatten() {
        let is_text = property["type"] == "string" || property["type"] == json!(["string", "null"]);
        if is_text && (name.ends_with("At") || name == "timestamp") {
            property["format"] = json!("date-time");
        }
    }
}

fn refers(schema: &Value, names: &BTreeSet<String>) -> bool {
    let mut found = false;
    each_reference(&mut schema.clone(), &mut |reference| {
        let name = reference.strip_prefix(INPUTS);
        found |= name.is_some_and(|name| names.contains(name));
    });
    found
}

fn each_reference(value: &mut Value, act: &mut impl FnMut(&mut String)) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                match value {
                    Value::String(reference) if key == "$ref" => act(reference),
                    other => each_reference(other, act),
                }
            }
        }
        Value::Array(values) => {
            for value in values {
                each_reference(value, act);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemars::JsonSchema;
    use serde::{Deserialize, Serialize};

    #[derive(Serialize, Deserialize, JsonSchema)]
    struct Same {
        a: u8,
    }

    #[derive(Serialize, Deserialize, JsonSchema)]
    struct Differs {
        #[serde(default)]
        a: u8,
    }

    #[derive(Serialize, Deserialize, JsonSchema)]
    struct Holds {
        inner: Differs,
    }

    #[test]
    fn one_choice_is_no_choice_and_times_are_marked() {
        let mut schema = json!({
            "description": "Kept.",
            "anyOf": [{ "type": "object", "description": "Lost.", "properties": {
                "madeAt": { "type": ["string", "null"] },
                "startedAt": { "type": "integer" },
                "what": { "type": "string" },
            } }],
        });
        without_lone_choice(&mut schema);
        mark_times(&mut schema);
        let expected = json!({
            "description": "Kept.",
            "type": "object",
            "properties": {
                "madeAt": { "type": ["string", "null"], "format": "date-time" },
                "startedAt": { "type": "integer" },
                "what": { "type": "string" },
            },
        });
        assert_eq!(schema, expected);
        let choice = json!({ "anyOf": [{ "type": "string" }, { "type": "null" }] });
        let mut same = choice.clone();
        without_lone_choice(&mut same);
        assert_eq!(same, choice);
    }

    #[test]
    fn a_schema_is_shared_only_where_both_directions_agree() {
        let mut schemas = Schemas::new();
        let mut document = json!({
            "in": [schemas.input.subschema_for::<Same>(), schemas.input.subschema_for::<Holds>()],
            "out": [schemas.output.subschema_for::<Same>(), schemas.output.subschema_for::<Holds>()],
            "components": {},
        });
        schemas.finish(&mut document);
        assert_eq!(document["in"][0], document["out"][0]);
        assert_eq!(document["in"][1]["$ref"], "#/components/schemas/HoldsInput");
        let named = &document["components"]["schemas"];
        assert_eq!(named["HoldsInput"]["properties"]["inner"]["$ref"], "#/components/schemas/DiffersInput");
        assert_eq!(named["Differs"]["required"], json!(["a"]));
        assert!(named["DiffersInput"].get("required").is_none());
        assert!(named.get("SameInput").is_none());
    }
}
