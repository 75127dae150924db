//! Everything that is wrong with a configuration, told at once.

use std::path::Path;

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use super::ConfigError;
use super::decode::{Error, Reason, Step, decode};

/// Most mistakes that are told at once.
const MAX_TOLD: usize = 50;

/// Longest key that a known one is looked for, in bytes.
const MAX_KEY_BYTES: usize = 64;

/// A configuration file, and what was found wrong with it and with what stands beside it.
pub(crate) struct Mistakes<'t> {
    path: &'t Path,
    text: &'t str,
    table: DeTable<'t>,
    told: Vec<Told>,
    /// Keys whose values could not be decoded, unknown keys, and those that were meant by them.
    keys: Vec<Vec<String>>,
}

struct Told {
    /// Where in the file it is, for their order.
    offset: Option<usize>,
    text: String,
}

impl<'t> Mistakes<'t> {
    /// Decodes a file. What has a mistake is left out, as if it were not in the file.
    ///
    /// # Errors
    /// [`ConfigError`] when the text is no TOML, so that nothing more can be said.
    pub(crate) fn decode<T: DeserializeOwned + Default>(
        path: &'t Path,
        text: &'t str,
    ) -> Result<(T, Self), ConfigError> {
        let mut mistakes = Self { path, text, table: DeTable::new(), told: Vec::new(), keys: Vec::new() };
        match DeTable::parse(text) {
            Ok(table) => mistakes.table = table.into_inner(),
            Err(error) => {
                // The message alone: the line itself may have a secret.
                mistakes.tell(error.span().map(|span| span.start), &format!("not valid TOML: {}", error.message()));
                return Err(ConfigError(mistakes.into_texts()));
            }
        }
        let decoded = mistakes.decode_table();
        Ok((decoded, mistakes))
    }

    fn decode_table<T: DeserializeOwned + Default>(&mut self) -> T {
        loop {
            let error = match decode(&self.table) {
                Ok(decoded) => return decoded,
                Err(error) => error,
            };
            let path = error.path();
            self.refuse(&error, &path);
            // Without what was told, the next mistake comes to light.
            if !remove(&mut self.table, &path) {
                return T::default();
            }
            if self.told.len() >= MAX_TOLD {
                self.tell(None, "more mistakes are told when these are corrected");
                return T::default();
            }
        }
    }

    fn refuse(&mut self, error: &Error, path: &[Step]) {
        let keys = keys(path);
        let what = match &error.reason {
            Reason::Value(message) => message.clone(),
            Reason::UnknownKey(known) => self.unknown(&keys, known),
        };
        let place = find(&self.table, path).map(|(key, value)| match error.reason {
            Reason::UnknownKey(_) => key,
            Reason::Value(_) => value.span().start,
        });
        self.tell(place, &format!("{}: {what}", name(&keys)));
        self.keys.push(keys);
    }

    /// What to say about a key that is not known, where these are.
    fn unknown(&mut self, keys: &[String], known: &[&str]) -> String {
        let Some((key, section)) = keys.split_last() else { return "there is no such key".to_owned() };
        let Some(meant) = nearest(key, known) else {
            return format!("there is no such key here, only {}", known.join(", "));
        };
        let mut path = section.to_vec();
        path.push(meant.to_owned());
        let found = find(&self.table, &[Step::Key(key.clone())]).filter(|_| section.is_empty());
        let is_section = found.is_some_and(|(_, value)| matches!(value.get_ref(), DeValue::Table(_)));
        let remedy = if is_section { format!("[{meant}]") } else { meant.to_owned() };
        self.keys.push(path);
        format!("there is no such key: did you mean {remedy}?")
    }

    fn tell(&mut self, offset: Option<usize>, what: &str) {
        let place = offset.map_or_else(String::new, |offset| position(self.text, offset));
        self.told.push(Told { offset, text: format!("{}{place}: {what}", self.path.display()) });
    }

    /// Adds a mistake in the value of a key, unless it may come of one that was told while decoding.
    pub(crate) fn at(&mut self, keys: &[&str], what: impl AsRef<str>) {
        if self.is_told(keys) {
            return;
        }
        // A key that should be there has the place of its section.
        let path: Vec<Step> = keys.iter().map(|key| Step::Key((*key).to_owned())).collect();
        let found = (1..=path.len()).rev().find_map(|count| find(&self.table, &path[..count]));
        self.tell(found.map(|(place, _)| place), &format!("{}: {}", name(keys), what.as_ref()));
    }

    /// Adds a mistake in a setting that is not in the file.
    pub(crate) fn beside(&mut self, setting: &str, what: impl AsRef<str>) {
        self.told.push(Told { offset: None, text: format!("{setting}: {}", what.as_ref()) });
    }

    /// Whether this key, something in it or what it is in could not be decoded.
    pub(crate) fn is_told(&self, keys: &[&str]) -> bool {
        self.keys.iter().any(|told| told.iter().zip(keys).all(|(told, key)| told == key))
    }

    /// The error with all of them, or `Ok` if there are none.
    pub(crate) fn into_result(self) -> Result<(), ConfigError> {
        if self.told.is_empty() { Ok(()) } else { Err(ConfigError(self.into_texts())) }
    }

    /// Those of the file in its order, then the others.
    fn into_texts(mut self) -> Vec<String> {
        self.told.sort_by_key(|told| told.offset.unwrap_or(usize::MAX));
        self.told.into_iter().map(|told| told.text).collect()
    }
}

fn keys(path: &[Step]) -> Vec<String> {
    let keys = path.iter().filter_map(|step| match step {
        Step::Key(key) => Some(key.clone()),
        Step::Index(_) => None,
    });
    keys.collect()
}

/// A key as the file has it: `default_agent`, `[log] access`, `[agents.mine]`.
fn name(keys: &[impl AsRef<str>]) -> String {
    let keys: Vec<&str> = keys.iter().map(AsRef::as_ref).collect();
    match &*keys {
        [] => "the file".to_owned(),
        [key] => (*key).to_owned(),
        ["agents", agent] => format!("[agents.{agent}]"),
        [section @ .., key] => format!("[{}] {key}", section.join(".")),
    }
}

/// `:line:column` of an offset, both from 1, the column in characters.
fn position(text: &str, offset: usize) -> String {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
    format!(":{line}:{}", before[line_start..].chars().count() + 1)
}

/// The known key that was probably meant.
fn nearest<'k>(key: &str, known: &[&'k str]) -> Option<&'k str> {
    if key.len() > MAX_KEY_BYTES {
        return None;
    }
    let plain = |text: &str| text.to_lowercase().replace(['-', '_'], "");
    let key = plain(key);
    let distances = known.iter().map(|known| (strsim::osa_distance(&key, &plain(known)), *known));
    let (distance, nearest) = distances.min_by_key(|(distance, _)| *distance)?;
    (distance * 3 <= nearest.len().max(key.len())).then_some(nearest)
}

/// What is there, and where: the start of its key, or of itself in a list.
fn find<'a, 't>(table: &'a DeTable<'t>, path: &[Step]) -> Option<(usize, &'a Spanned<DeValue<'t>>)> {
    let (Step::Key(first), rest) = path.split_first()? else { return None };
    let (key, value) = table.get_key_value(first.as_str())?;
    let mut found = (key.span().start, value);
    for (done, step) in rest.iter().enumerate() {
        found = match (found.1.get_ref(), step) {
            (DeValue::Table(table), _) => return find(table, &rest[done..]),
            (DeValue::Array(values), Step::Index(index)) => {
                let value = values.get(*index)?;
                (value.span().start, value)
            }
            _ => return None,
        };
    }
    Some(found)
}

fn remove(table: &mut DeTable<'_>, path: &[Step]) -> bool {
    match path.split_first() {
        Some((Step::Key(key), [])) => table.remove(key.as_str()).is_some(),
        Some((Step::Key(key), rest)) => {
            table.get_mut(key.as_str()).is_some_and(|value| remove_from(value.get_mut(), rest))
        }
        _ => false,
    }
}

fn remove_from(value: &mut DeValue<'_>, path: &[Step]) -> bool {
    match (value, path.split_first()) {
        (DeValue::Table(table), _) => remove(table, path),
        (DeValue::Array(values), Some((Step::Index(index), []))) => {
            let (before, all) = (values.len(), std::mem::replace(values, DeArray::new()));
            *values = all.into_iter().enumerate().filter(|(at, _)| at != index).map(|(_, value)| value).collect();
            values.len() < before
        }
        (DeValue::Array(values), Some((Step::Index(index), rest))) => {
            values.get_mut(*index).is_some_and(|value| remove_from(value.get_mut(), rest))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Default, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields, default)]
    struct File {
        name: Option<String>,
        hosts: Vec<String>,
        timeouts: Timeouts,
        agents: BTreeMap<String, Agent>,
    }

    #[derive(Debug, Default, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields, default)]
    struct Timeouts {
        start: Option<u64>,
        silence: Option<u64>,
        mode: Option<Mode>,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(rename_all = "lowercase")]
    enum Mode {
        Soft,
        Hard,
    }

    #[derive(Debug, Default, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields, default)]
    struct Agent {
        command: Vec<String>,
        env: BTreeMap<String, String>,
    }

    fn decode(text: &str) -> (File, Vec<String>) {
        match Mistakes::decode(Path::new("p.toml"), text) {
            Ok((file, mistakes)) => (file, mistakes.into_texts()),
            Err(ConfigError(told)) => (File::default(), told),
        }
    }

    #[test]
    fn a_good_file_is_decoded() {
        let text = "name = \"n\"\nhosts = [\"a\"]\n[timeouts]\nstart = 0x1_0\nmode = \"hard\"\n[agents.\"a.b\".env]\nK = \"v\"";
        let (file, told) = decode(text);
        assert_eq!(told, [""; 0]);
        assert_eq!((file.name.as_deref(), &*file.hosts), (Some("n"), &["a".to_owned()][..]));
        assert_eq!(file.timeouts, Timeouts { start: Some(16), silence: None, mode: Some(Mode::Hard) });
        assert_eq!(file.agents["a.b"].env["K"], "v");
    }

    #[test]
    fn every_mistake_has_its_place_and_its_remedy() {
        let text = r#"
nme = "x"
name = 5
hosts = ["a", 1, true]
colour = "red"
[timeout]
start = 1
[timeouts]
start = -5
silence = "long"
mode = "gentle"
[agents.mine]
command = "mine"
Env = { KEY = "v" }
[agents.yours]
env = { KEY = 4711 }
[agents]
third = 3
"#;
        let (file, told) = decode(text);
        let expected = [
            "p.toml:2:1: nme: there is no such key: did you mean name?",
            "p.toml:3:8: name: expected text, found a whole number",
            "p.toml:4:15: hosts: expected text, found a whole number",
            "p.toml:4:18: hosts: expected text, found true or false",
            "p.toml:5:1: colour: there is no such key here, only name, hosts, timeouts, agents",
            "p.toml:6:2: timeout: there is no such key: did you mean [timeouts]?",
            "p.toml:9:9: [timeouts] start: expected a whole number that is not negative",
            "p.toml:10:11: [timeouts] silence: expected a whole number that is not negative, found text",
            "p.toml:11:8: [timeouts] mode: expected one of soft, hard",
            "p.toml:13:11: [agents.mine] command: expected a list, found text",
            "p.toml:14:1: [agents.mine] Env: there is no such key: did you mean env?",
            "p.toml:16:15: [agents.yours.env] KEY: expected text, found a whole number",
            "p.toml:18:9: [agents.third]: expected a section, found a whole number",
        ];
        assert_eq!(told, expected);
        assert_eq!(file.hosts, ["a"], "what is right is kept");
    }

    #[test]
    fn values_are_not_told() {
        let texts = [
            "[agents.a.env]\nKEY = 4711",
            "[agents.a.env]\nKEY = { hunter = \"hunter2\" }",
            "[agents.a]\nenv = \"hunter2\"",
            "[agents.a.env]\nKEY = \"hunter2",
            "[agents.a.env]\nKEY = hunter2",
        ];
        for text in texts {
            let (_, told) = decode(text);
            assert!(
                !told.is_empty() && !told.concat().contains("hunter2") && !told.concat().contains("4711"),
                "{told:?}"
            );
        }
    }

    #[test]
    fn what_is_no_toml_is_told_with_its_place() {
        for (text, place) in
            [("name = \"a\"\nname = \"b\"", "2:1"), ("name = \"a\"\nhosts = ", "2:9"), ("[a\nb", "1:3")]
        {
            let (_, told) = decode(text);
            assert!(told.len() == 1 && told[0].starts_with(&format!("p.toml:{place}: not valid TOML: ")), "{told:?}");
        }
    }

    #[test]
    fn a_list_is_no_section() {
        let (_, told) = decode("[[timeouts]]\nstart = 1\n[agents]\na = [1]");
        let expected = [
            "p.toml:1:1: timeouts: expected a section, found a list",
            "p.toml:4:5: [agents.a]: expected a section, found a list",
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn no_more_is_told_than_anybody_reads() {
        let text: String = (0..1_000).map(|number| format!("wrong{number} = 1\n")).collect();
        let (file, told) = decode(&text);
        assert_eq!((file, told.len()), (File::default(), MAX_TOLD + 1));
    }

    #[test]
    fn what_comes_of_another_mistake_is_not_told() {
        let text = "[agents.mine]\ncomand = [\"a\"]\n[agents.other]\n";
        let (_, mut mistakes) = Mistakes::decode::<File>(Path::new("p.toml"), text).unwrap();
        mistakes.at(&["agents", "mine", "command"], "is missing");
        mistakes.at(&["agents", "other", "command"], "is missing");
        mistakes.at(&["agents", "other", "command"], "is too short");
        mistakes.at(&["name"], "is missing");
        mistakes.beside("--flag", "is wrong");
        assert!(mistakes.is_told(&["agents"]) && mistakes.is_told(&["agents", "mine"]));
        assert!(!mistakes.is_told(&["agents", "other"]) && !mistakes.is_told(&["name"]));
        let ConfigError(told) = mistakes.into_result().unwrap_err();
        let expected = [
            "p.toml:2:1: [agents.mine] comand: there is no such key: did you mean command?",
            "p.toml:3:9: [agents.other] command: is missing",
            "p.toml:3:9: [agents.other] command: is too short",
            "p.toml: name: is missing",
            "--flag: is wrong",
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn columns_are_counted_in_characters() {
        let (_, told) = decode("hosts = [\"ü\", 1]");
        assert_eq!(told, ["p.toml:1:15: hosts: expected text, found a whole number"]);
    }
}
