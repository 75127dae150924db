//! Makes text of an agent or a gateway safe to print in a terminal.

/// Most lines of a message that a summary shows.
const BRIEF_LINES: usize = 6;

/// Most characters of a message that a summary shows.
const BRIEF_CHARS: usize = 500;

/// The text without anything that a terminal would obey: control characters but newline and tab are dropped, and so
/// are the marks that reorder text on the screen. Works on any piece of a text: pieces cleaned one by one read like
/// the whole cleaned at once.
pub(crate) fn clean(text: &str) -> String {
    text.chars().filter(|symbol| is_harmless(*symbol)).collect()
}

/// The text on one line of at most `most` characters.
pub(crate) fn clean_line(text: &str, most: usize) -> String {
    let mut line = String::new();
    for word in clean(text).split_whitespace() {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    cut(&line, most)
}

/// The beginning of a message.
pub(crate) fn brief(text: &str) -> String {
    let cleaned = clean(text.trim());
    let lines: Vec<&str> = cleaned.lines().collect();
    let shown = lines.get(..BRIEF_LINES).unwrap_or(&lines).join("\n");
    let short = cut(&shown, BRIEF_CHARS);
    if lines.len() > BRIEF_LINES && !short.ends_with('…') { short + " …" } else { short }
}

fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(most.saturating_sub(1)).collect();
    short.push('…');
    short
}

fn is_harmless(symbol: char) -> bool {
    let reorders = matches!(symbol, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    matches!(symbol, '\n' | '\t') || !(symbol.is_control() || reorders)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_escape_sequence_survives() {
        assert_eq!(
            clean("\u{1b}[2Jrm\u{1b}]0;title\u{7} -rf\u{9b}31m\u{8}\u{7f}\r\n\tok"),
            "[2Jrm]0;title -rf31m\n\tok"
        );
        assert_eq!(clean("safe \u{202e}desrever\u{2066}\u{2069}"), "safe desrever");
        assert_eq!(clean("grüße 🦀 日本"), "grüße 🦀 日本");
    }

    #[test]
    fn pieces_read_like_the_whole() {
        let text = "a\u{1b}[31mb\u{1b}\u{1b}c\u{9d}ü";
        let pieces: String = text.chars().map(|symbol| clean(&symbol.to_string())).collect();
        assert_eq!(pieces, clean(text));
    }

    #[test]
    fn lines_are_one_line_and_short() {
        assert_eq!(clean_line("  Write\n\ta\u{1b}[0m.md ", 40), "Write a[0m.md");
        assert_eq!(clean_line("abcdef", 4), "abc…");
        assert_eq!(clean_line("ééé", 3), "ééé");
    }

    #[test]
    fn a_summary_says_that_it_is_one() {
        assert_eq!(brief("short\n"), "short");
        assert_eq!(brief("1\n2\n3\n4\n5\n6\n7"), "1\n2\n3\n4\n5\n6 …");
        let long = brief(&"x".repeat(2_000));
        assert_eq!(long.chars().count(), BRIEF_CHARS);
        assert!(long.ends_with('…'));
    }
}
