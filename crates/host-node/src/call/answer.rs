//! Answers, as they are printed.

use std::fmt;

use comfy_table::{ContentArrangement, Table};
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::terminal_text::clean_line;

/// Most characters of one cell.
const MAX_CELL: usize = 200;

/// Columns of the screen around a cell.
const PADDING: usize = 2;

/// The answer as the gateway wrote it; nothing for `null`.
pub(super) fn json(answer: &str) -> String {
    if answer == "null" { String::new() } else { format!("{answer}\n") }
}

/// How wide the terminal is, in columns.
pub(super) fn terminal_width() -> Option<u16> {
    terminal_size::terminal_size().map(|(width, _)| width.0)
}

/// The answer in tables of at most `width` columns of the screen: its list with a line for each item, and a line for each
/// other value.
pub(super) fn table(answer: &str, width: Option<u16>) -> String {
    let members: Members<'_> = match serde_json::from_str(answer) {
        Ok(members) => members,
        Err(_) => return json(answer),
    };
    let mut text = String::new();
    let mut values = Vec::new();
    for (name, value) in members.0 {
        match serde_json::from_str::<Vec<Members<'_>>>(value.get()) {
            Ok(items) => {
                let title = if items.is_empty() { format!("{name}: none\n") } else { list(&items, width) };
                text.push_str(&title);
            }
            Err(_) => flatten(&name, value, &mut values),
        }
    }
    if !values.is_empty() {
        let mut table = plain(width);
        table.add_rows(values.into_iter().map(|(name, value)| [name, value]));
        text.push_str(&lines(&table));
    }
    text
}

fn list(items: &[Members<'_>], width: Option<u16>) -> String {
    let mut names: Vec<&str> = Vec::new();
    for (name, value) in items.iter().flat_map(|item| &item.0) {
        if is_plain(value) && !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    let value = |item: &Members<'_>, name: &str| {
        item.0.iter().find(|(known, _)| known == name).map_or_else(String::new, |(_, value)| cell(value))
    };
    let columns = names.into_iter().map(|name| {
        let values = items.iter().map(|item| value(item, name));
        std::iter::once(heading(name)).chain(values).collect::<Vec<_>>()
    });
    let columns = fitting(columns, width);
    let mut table = plain(width);
    for line in 0..=items.len() {
        table.add_row(columns.iter().map(|column| &column[line]));
    }
    lines(&table)
}

/// The columns that have room beside those before them; the first one always.
fn fitting(columns: impl Iterator<Item = Vec<String>>, width: Option<u16>) -> Vec<Vec<String>> {
    let mut room = usize::from(width.unwrap_or(u16::MAX));
    let mut chosen = Vec::new();
    for column in columns {
        let needed = column.iter().map(|cell| cell.chars().count()).max().unwrap_or(0) + PADDING;
        if needed <= room || chosen.is_empty() {
            room = room.saturating_sub(needed);
            chosen.push(column);
        }
    }
    chosen
}

fn plain(width: Option<u16>) -> Table {
    let mut table = Table::new();
    table.load_style(comfy_table::presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    if let Some(width) = width {
        table.set_width(width);
    }
    table
}

fn lines(table: &Table) -> String {
    table.lines().map(|line| line.trim().to_owned() + "\n").collect()
}

/// The values inside of a value, each with the way to it.
fn flatten(name: &str, value: &RawValue, values: &mut Vec<(String, String)>) {
    match serde_json::from_str::<Members<'_>>(value.get()) {
        Ok(members) => members.0.iter().for_each(|(inner, value)| flatten(&format!("{name}.{inner}"), value, values)),
        Err(_) => values.push((name.to_owned(), cell(value))),
    }
}

fn is_plain(value: &RawValue) -> bool {
    !value.get().starts_with(['{', '['])
}

fn cell(value: &RawValue) -> String {
    match serde_json::from_str(value.get()) {
        Ok(Value::Null) | Err(_) => String::new(),
        Ok(Value::String(text)) => clean_line(&text, MAX_CELL),
        Ok(other) => clean_line(&other.to_string(), MAX_CELL),
    }
}

/// The name of a field as the heading of a column: `createdAt` becomes `CREATED AT`.
fn heading(name: &str) -> String {
    let mut heading = String::with_capacity(name.len() + 4);
    for letter in name.chars() {
        if letter.is_ascii_uppercase() {
            heading.push(' ');
        }
        heading.push(letter.to_ascii_uppercase());
    }
    heading
}

/// The members of an object, in the order of the gateway.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(Members(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_as_it_was_written() {
        assert_eq!(json(r#"{"b":1,"a":[ ]}"#), "{\"b\":1,\"a\":[ ]}\n");
        assert_eq!(json("null"), "");
    }

    #[test]
    fn lists_have_a_line_for_each_item() {
        let answer = r#"{"sessions":[{"id":"s1","createdAt":"now","parts":[1]},{"id":"s2","title":"a\u001b[31m\nb"}],"hasMore":false}"#;
        let text = table(answer, Some(80));
        let rows: Vec<Vec<&str>> = text
            .lines()
            .map(|line| line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect())
            .collect();
        assert_eq!(
            rows,
            [vec!["ID", "CREATED AT", "TITLE"], vec!["s1", "now"], vec!["s2", "a[31m b"], vec!["hasMore", "false"]]
        );
        assert_eq!(table(r#"{"sessions":[]}"#, None), "sessions: none\n");
    }

    #[test]
    fn columns_without_room_are_left_out() {
        let answer = r#"{"sessions":[{"id":"0123456789","workspace":"a long name","n":1}]}"#;
        let headings = |width| {
            let text = table(answer, Some(width));
            text.lines().next().unwrap().split_whitespace().map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(headings(80), ["ID", "WORKSPACE", "N"]);
        assert_eq!(headings(20), ["ID", "N"]);
        assert_eq!(headings(12), ["ID"]);
    }

    #[test]
    fn other_values_have_a_line_each() {
        let text = table(r#"{"session":{"id":"s1","metadata":{"timeout":5}},"tags":["a","b"],"none":null}"#, None);
        let rows: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(
            rows,
            [
                vec!["session.id", "s1"],
                vec!["session.metadata.timeout", "5"],
                vec!["tags", r#"["a","b"]"#],
                vec!["none"]
            ]
        );
        assert_eq!(table("7", None), "7\n");
    }
}
