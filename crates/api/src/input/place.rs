//! Where in a JSON text something is wrong.
//!
//! serde_json tells how far it has read when it finds a value that does not suit, so the path to the value follows from the
//! text before. To keep the path while everything is read would compile each type twice.

use std::borrow::Cow;

/// The path to what ends at that line and column of `text`, as it is written on the wire; empty at the top. A name that has
/// no value yet is not part of it.
pub(super) fn path_at(text: &str, line: usize, column: usize) -> String {
    let start: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    let end = text.len().min(start + column);
    let mut path = Path::default();
    let mut rest = &text.as_bytes()[..end];
    while let [first, after @ ..] = rest {
        rest = after;
        if *first == b'"' {
            let length = string_length(rest);
            path.string(&rest[..length]);
            rest = rest.get(length + 1..).unwrap_or_default();
        } else {
            path.sign(*first);
        }
    }
    path.written()
}

/// How many bytes there are before the quotation mark that ends the string.
fn string_length(text: &[u8]) -> usize {
    let mut at = 0;
    while at < text.len() && text[at] != b'"' {
        at += if text[at] == b'\\' { 2 } else { 1 };
    }
    at.min(text.len())
}

/// The arrays and objects that are open.
#[derive(Default)]
struct Path<'a>(Vec<Level<'a>>);

enum Level<'a> {
    Array { index: usize },
    Object { name: Option<&'a [u8]>, has_value: bool },
}

impl<'a> Path<'a> {
    fn sign(&mut self, sign: u8) {
        match (sign, self.0.last_mut()) {
            (b'[', _) => self.0.push(Level::Array { index: 0 }),
            (b'{', _) => self.0.push(Level::Object { name: None, has_value: false }),
            (b']' | b'}', _) => drop(self.0.pop()),
            (b',', Some(Level::Array { index })) => *index += 1,
            (b',', Some(level)) => *level = Level::Object { name: None, has_value: false },
            (b':', Some(Level::Object { has_value, .. })) => *has_value = true,
            _ => {}
        }
    }

    fn string(&mut self, text: &'a [u8]) {
        if let Some(Level::Object { name: name @ None, .. }) = self.0.last_mut() {
            *name = Some(text);
        }
    }

    fn written(&self) -> String {
        let mut text = String::new();
        for level in &self.0 {
            match level {
                Level::Array { index } => text.push_str(&format!("[{index}]")),
                Level::Object { name: Some(name), has_value: true } => {
                    if !text.is_empty() {
                        text.push('.');
                    }
                    text.push_str(&unescaped(name));
                }
                Level::Object { .. } => {}
            }
        }
        text
    }
}

fn unescaped(name: &[u8]) -> Cow<'_, str> {
    let as_written = String::from_utf8_lossy(name);
    match serde_json::from_str(&format!("\"{as_written}\"")) {
        Ok(name) => Cow::Owned(name),
        Err(_) => as_written,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The path at the mark.
    fn path(marked: &str) -> String {
        let (before, after) = marked.split_once('|').unwrap();
        let (line, column) = match before.rfind('\n') {
            Some(end) => (before.split('\n').count(), before.len() - end - 1),
            None => (1, before.len()),
        };
        path_at(&format!("{before}{after}"), line, column)
    }

    #[test]
    fn follows_from_what_was_read() {
        for (text, expected) in [
            (r#"{"a":1|}"#, "a"),
            (r#"{"a":{"b":[1,"x,\"]|{"|]}}"#, "a.b[1]"),
            (r#"{"a":{"b":[{},{"c d":"|"}]}}"#, "a.b[1].c d"),
            (r#"{"a":{"b":1}|}"#, "a"),
            (r#"{"a":{"b":1},|"c":2}"#, ""),
            (r#"{"a":{"b"|:1}}"#, "a"),
            (r#"{"a":{"b":1}}|"#, ""),
            ("{\n \"a\": 1,\n \"b\\u0020\\\"\": [[2], 3|]}", "b \"[1]"),
            ("|", ""),
            ("{|", ""),
            (r#"["\\",|"#, "[1]"),
            (r#"]]}|"#, ""),
            (r#"{"a":"\|"#, "a"),
        ] {
            assert_eq!(path(text), expected, "{text}");
        }
    }

    #[test]
    fn no_place_is_out_of_bounds() {
        let text = "{\"\u{e9}\":\n[\"\u{e9}";
        for line in 0..4 {
            for column in 0..12 {
                let _ = path_at(text, line, column);
            }
        }
    }
}
