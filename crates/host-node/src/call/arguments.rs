//! The command of an operation, made from its row and the schema of its input.

mod field;

use std::io::{IsTerminal as _, Read};

use clap::{Arg, ArgMatches, Command};
use portway_api::{Operation, Surfaces};
use portway_services::Services;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value};

use self::field::Field;
use super::rpc::CallError;

/// Name of the flag for the idempotency key.
const KEY: &str = "idempotency-key";

/// Most bytes of an input that is read.
const MAX_INPUT: u64 = 64 * 1024 * 1024;

/// The command of one operation.
#[derive(Debug)]
pub(super) struct OperationCommand {
    name: &'static str,
    summary: &'static str,
    description: &'static str,
    takes_key: bool,
    fields: Vec<Field>,
}

/// The commands of all operations that the command line offers.
pub(super) fn commands() -> Vec<OperationCommand> {
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.meta_schema = None);
    let mut generator = settings.for_deserialize().into_generator();
    let mut command = |operation: &Operation<Services>| {
        let row = operation.row();
        let schema = operation.input_schema(&mut generator).to_value();
        OperationCommand {
            name: row.name,
            summary: row.summary,
            description: row.description,
            takes_key: operation.is_idempotent_by_key(),
            fields: Field::all(&schema, generator.definitions()),
        }
    };
    // A test of the table rules out that it cannot be made.
    let Ok(table) = portway_api::operations() else {
        return Vec::new();
    };
    table.iter().filter(|operation| operation.surfaces().contains(Surfaces::CLI)).map(&mut command).collect()
}

impl OperationCommand {
    /// Its name, which is that of the operation.
    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    /// The command with a flag for each field.
    pub(super) fn command(&self) -> Command {
        let mut command = Command::new(self.name).args(self.fields.iter().map(Field::arg));
        if self.takes_key {
            let help = "Do it at most once: repeated with the same key, it gets the first answer";
            command = command.arg(Arg::new(KEY).long(KEY).value_name("KEY").help(help));
        }
        command
    }

    /// The command with what the operation says of itself.
    pub(super) fn describe(&self, command: Command) -> Command {
        let long = match self.description {
            "" => self.summary.to_owned(),
            more => format!("{}\n\n{more}", self.summary),
        };
        command.about(self.summary).long_about(long)
    }

    /// The idempotency key that was given.
    pub(super) fn key<'a>(&self, matches: &'a ArgMatches) -> Option<&'a str> {
        let key = if self.takes_key { matches.get_one::<String>(KEY) } else { None };
        key.map(String::as_str)
    }

    /// The input: the fields that flags give, and those of a file. Without a file the standard input is read if a field is
    /// missing that must be there, and it is no terminal.
    ///
    /// # Errors
    /// [`CallError::Usage`] says what is missing.
    pub(super) fn input(&self, matches: &ArgMatches, file: Option<&str>) -> Result<Map<String, Value>, CallError> {
        let given: Map<String, Value> = self.fields.iter().filter_map(|field| field.given(matches)).collect();
        let is_missing = |input: &Map<String, Value>| {
            let names = self.fields.iter().filter(|field| field.is_required() && !input.contains_key(field.name()));
            names.map(|field| format!("--{}", field.flag())).collect::<Vec<_>>()
        };
        let stdin = std::io::stdin();
        let mut input = match file {
            Some("-") => read(stdin.lock())?,
            Some(path) => {
                let opened = std::fs::File::open(path);
                read(opened.map_err(|error| CallError::Usage(format!("--input {path}: {error}")))?)?
            }
            None if !is_missing(&given).is_empty() && !stdin.is_terminal() => read(stdin.lock())?,
            None => Map::new(),
        };
        input.extend(given);
        match is_missing(&input).as_slice() {
            [] => Ok(input),
            missing => {
                let what = missing.join(", ");
                Err(CallError::Usage(format!("{} needs {what}, or a JSON object on the standard input", self.name)))
            }
        }
    }
}

/// Reads a JSON object; of nothing, an empty one.
fn read(reader: impl Read) -> Result<Map<String, Value>, CallError> {
    let mut text = String::new();
    let read = reader.take(MAX_INPUT + 1).read_to_string(&mut text);
    read.map_err(|error| CallError::Usage(format!("the input cannot be read: {error}")))?;
    if text.len() as u64 > MAX_INPUT {
        return Err(CallError::Usage(format!("the input has more than {MAX_INPUT} bytes")));
    }
    if text.trim().is_empty() {
        return Ok(Map::new());
    }
    serde_json::from_str(&text).map_err(|error| CallError::Usage(format!("the input is no JSON object: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn parse(name: &str, words: &[&str]) -> (OperationCommand, Result<ArgMatches, clap::Error>) {
        let operation = commands().into_iter().find(|operation| operation.name == name).unwrap();
        let words = std::iter::once(name).chain(words.iter().copied());
        let matches = operation.command().try_get_matches_from(words);
        (operation, matches)
    }

    fn input(name: &str, words: &[&str]) -> Value {
        let (operation, matches) = parse(name, words);
        let matches = matches.unwrap();
        operation.fields.iter().filter_map(|field| field.given(&matches)).collect::<Map<_, _>>().into()
    }

    #[test]
    fn every_operation_has_a_command() {
        let names: Vec<&str> = commands().iter().map(OperationCommand::name).collect();
        let table = portway_api::operations().unwrap();
        let offered = table.iter().filter(|operation| operation.surfaces().contains(Surfaces::CLI));
        assert_eq!(names, offered.map(|operation| operation.row().name).collect::<Vec<_>>());
        assert!(names.len() > 40, "{names:?}");
        for operation in commands() {
            operation.command().debug_assert();
        }
    }

    #[test]
    fn flags_are_read_as_their_fields_say() {
        let words = ["--workspace", "w", "--initial-prompt", "-1", "--config", r#"{"timeout":5}"#];
        let expected = json!({ "workspace": "w", "initialPrompt": "-1", "config": { "timeout": 5 } });
        assert_eq!(input("sessions.create", &words), expected);
        assert_eq!(input("sessions.create", &["--initialPrompt", "a"]), json!({ "initialPrompt": "a" }));
        assert_eq!(
            input("sessions.list", &["--limit", "5", "--status", "running"]),
            json!({ "limit": 5, "status": "running" })
        );
        let ids = ["--session-ids", "a", "--session-ids", "b"];
        assert_eq!(input("sessions.bulk_delete", &ids), json!({ "sessionIds": ["a", "b"] }));
        let answer = |text| input("questions.answer", &["--answer", text])["answer"].clone();
        assert_eq!([answer("true"), answer("yes")], [json!(true), json!("yes")]);
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for (name, words) in [
            ("sessions.list", ["--limit", "many"]),
            ("sessions.list", ["--limit", "1.5"]),
            ("sessions.list", ["--status", "asleep"]),
            ("sessions.create", ["--config", "{"]),
            ("sessions.create", ["--nonsense", "1"]),
        ] {
            assert!(parse(name, &words).1.is_err(), "{name} {words:?}");
        }
    }

    #[test]
    fn a_file_gives_what_flags_do_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("input.json");
        std::fs::write(&path, r#"{"workspace":"file","title":"file"}"#).unwrap();
        let (operation, matches) = parse("sessions.create", &["--title", "flag"]);
        let read = operation.input(&matches.unwrap(), path.to_str()).unwrap();
        assert_eq!(Value::from(read), json!({ "workspace": "file", "title": "flag" }));
        std::fs::write(&path, "[]").unwrap();
        let (operation, matches) = parse("sessions.create", &[]);
        let error = operation.input(&matches.unwrap(), path.to_str()).unwrap_err();
        assert!(error.to_string().contains("no JSON object"), "{error}");
    }
}
