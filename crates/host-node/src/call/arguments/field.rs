//! A field of an input, as a flag.

use clap::builder::{PossibleValuesParser, TypedValueParser, ValueParser};
use clap::{Arg, ArgAction, ArgMatches};
use serde_json::{Map, Value};

/// A field.
#[derive(Debug)]
pub(super) struct Field {
    name: String,
    description: String,
    is_required: bool,
    form: Form,
}

/// What the value of a flag becomes.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Form {
    Text,
    /// One of these texts.
    Choice(Vec<String>),
    Integer,
    Number,
    Flag,
    /// A list of texts, one for each time that the flag is given.
    Texts,
    /// JSON, or else the text itself.
    JsonOrText,
    Json,
}

impl Field {
    /// The fields of an input, by name.
    pub(super) fn all(input: &Value, definitions: &Map<String, Value>) -> Vec<Self> {
        let required = input["required"].as_array().cloned().unwrap_or_default();
        let properties = input["properties"].as_object().into_iter().flatten();
        let field = |(name, schema): (&String, &Value)| Self {
            name: name.clone(),
            description: schema["description"].as_str().unwrap_or_default().to_owned(),
            is_required: required.iter().any(|known| known == name),
            form: Form::of(schema, definitions),
        };
        properties.map(field).collect()
    }

    /// Its name on the wire.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Whether there is no input without it.
    pub(super) fn is_required(&self) -> bool {
        self.is_required
    }

    /// Its name on the command line, without the dashes before it.
    pub(super) fn flag(&self) -> String {
        let mut flag = String::with_capacity(self.name.len() + 4);
        for letter in self.name.chars() {
            if letter.is_ascii_uppercase() {
                flag.push('-');
            }
            flag.push(letter.to_ascii_lowercase());
        }
        flag
    }

    /// The flag.
    pub(super) fn arg(&self) -> Arg {
        let flag = self.flag();
        let mut help = self.description.clone();
        if self.is_required {
            help.push_str(if help.is_empty() { "[required]" } else { " [required]" });
        }
        let mut arg = Arg::new(self.name.clone()).long(flag.clone()).help(help).value_parser(self.form.parser());
        if flag != self.name {
            arg = arg.alias(self.name.clone());
        }
        match &self.form {
            Form::Flag => arg.num_args(0..=1).default_missing_value("true").value_name("BOOL"),
            Form::Texts => arg.action(ArgAction::Append).allow_hyphen_values(true).value_name("TEXT"),
            Form::Text | Form::JsonOrText => arg.allow_hyphen_values(true).value_name("TEXT"),
            Form::Integer | Form::Number => arg.allow_negative_numbers(true).value_name("N"),
            Form::Choice(_) => arg.value_name("NAME"),
            Form::Json => arg.value_name("JSON"),
        }
    }

    /// Its name and its value, if the flag was given.
    pub(super) fn given(&self, matches: &ArgMatches) -> Option<(String, Value)> {
        let values: Vec<Value> = matches.get_many::<Value>(&self.name)?.cloned().collect();
        let value = if self.form == Form::Texts { Value::Array(values) } else { values.into_iter().next()? };
        Some((self.name.clone(), value))
    }
}

impl Form {
    fn of(schema: &Value, definitions: &Map<String, Value>) -> Self {
        if let Some(reference) = schema["$ref"].as_str() {
            let name = reference.rsplit('/').next().unwrap_or_default();
            return definitions.get(name).map_or(Self::Json, |schema| Self::of(schema, definitions));
        }
        if let Some(choices) = choices(schema) {
            return Self::Choice(choices);
        }
        if let Some(forms) = schema["anyOf"].as_array() {
            let mut forms = forms.iter().filter(|form| form["type"] != "null");
            return match (forms.next(), forms.next()) {
                (Some(only), None) => Self::of(only, definitions),
                _ if schema["anyOf"].as_array().is_some_and(|all| all.iter().any(|form| form["type"] == "string")) => {
                    Self::JsonOrText
                }
                _ => Self::Json,
            };
        }
        let types: Vec<&str> = match &schema["type"] {
            Value::String(name) => vec![name],
            Value::Array(names) => names.iter().filter_map(Value::as_str).filter(|name| *name != "null").collect(),
            _ => Vec::new(),
        };
        match types.as_slice() {
            ["string"] => Self::Text,
            ["integer"] => Self::Integer,
            ["number"] => Self::Number,
            ["boolean"] => Self::Flag,
            ["array"] if Self::of(&schema["items"], definitions) == Self::Text => Self::Texts,
            several if several.contains(&"string") => Self::JsonOrText,
            _ => Self::Json,
        }
    }

    fn parser(&self) -> ValueParser {
        match self {
            Self::Text | Self::Texts => ValueParser::new(|text: &str| Ok::<_, String>(Value::from(text))),
            Self::Choice(names) => PossibleValuesParser::new(names.clone()).map(Value::from).into(),
            Self::Integer => ValueParser::new(integer),
            Self::Number => ValueParser::new(|text: &str| json(text, Value::is_number, "expected a number")),
            Self::Flag => ValueParser::new(|text: &str| json(text, Value::is_boolean, "expected true or false")),
            Self::JsonOrText => ValueParser::new(|text: &str| {
                Ok::<_, String>(serde_json::from_str(text).unwrap_or_else(|_| Value::from(text)))
            }),
            Self::Json => ValueParser::new(|text: &str| {
                serde_json::from_str::<Value>(text).map_err(|error| format!("expected JSON: {error}"))
            }),
        }
    }
}

/// The values of an enumeration of texts.
fn choices(schema: &Value) -> Option<Vec<String>> {
    let names = match (schema["enum"].as_array(), schema["oneOf"].as_array()) {
        (Some(names), _) => names.iter().filter(|name| !name.is_null()).map(Value::as_str).collect(),
        (None, Some(forms)) => forms.iter().map(|form| form["const"].as_str()).collect::<Option<Vec<_>>>(),
        (None, None) => None,
    };
    names.map(|names| names.into_iter().map(str::to_owned).collect())
}

fn integer(text: &str) -> Result<Value, String> {
    json(text, |value| value.is_i64() || value.is_u64(), "expected a whole number")
}

fn json(text: &str, fits: impl Fn(&Value) -> bool, expected: &str) -> Result<Value, String> {
    serde_json::from_str(text).ok().filter(fits).ok_or_else(|| expected.to_owned())
}
