//! What to do when a user has as many sessions as the gateway allows.

use std::time::Duration;

use portway_domain::time::Timestamp;

use super::api::ListedSession;
use crate::terminal_text::clean_line;

/// Most sessions that are listed.
const MAX_LINES: usize = 10;

/// Most characters of a session's name, and of a time that cannot be read.
const MAX_NAME: usize = 60;

/// The active sessions, newest first, and how to make room among them.
pub(super) fn advice(active: &[ListedSession], now: Timestamp) -> String {
    let mut lines = String::new();
    if !active.is_empty() {
        lines.push_str("Active now:\n");
    }
    for session in active.iter().take(MAX_LINES) {
        let name = session.title.as_deref().unwrap_or(&session.workspace);
        let (name, active) = (clean_line(name, MAX_NAME), activity(&session.last_active_at, now));
        lines.push_str(&format!("  {}  {name}, last active {active}\n", session.id));
    }
    if active.len() > MAX_LINES {
        lines.push_str("  …\n");
    }
    lines + "Join one with `portway chat --session ID`, and end it there with /end"
}

fn activity(at: &str, now: Timestamp) -> String {
    match Timestamp::parse(at) {
        Ok(at) => ago(now.since(at)),
        Err(_) => clean_line(at, MAX_NAME),
    }
}

fn ago(span: Duration) -> String {
    match span.as_secs() / 60 {
        0 => "just now".to_owned(),
        minutes @ 1..120 => format!("{minutes} min ago"),
        minutes @ 120..2880 => format!("{} h ago", minutes / 60),
        minutes => format!("{} days ago", minutes / 1440),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use portway_domain::ids::SessionId;

    fn session(id: &str, title: Option<&str>, at: &str) -> ListedSession {
        ListedSession {
            id: SessionId::parse(id).unwrap(),
            title: title.map(str::to_owned),
            workspace: "chat".to_owned(),
            last_active_at: at.to_owned(),
        }
    }

    #[test]
    fn each_session_has_its_line() {
        let now = Timestamp::parse("2026-02-24T10:00:00.000Z").unwrap();
        let active = [
            session("s1", Some("Fix\n\u{1b}[2Jit"), "2026-02-24T09:57:10.000Z"),
            session("s2", None, "2026-02-20T10:00:00.000Z"),
            session("s3", None, "2026-02-24T06:00:00.000Z"),
            session("s4", None, "2026-02-24T10:00:09.000Z"),
        ];
        let expected = "Active now:
  s1  Fix [2Jit, last active 2 min ago
  s2  chat, last active 4 days ago
  s3  chat, last active 4 h ago
  s4  chat, last active just now
Join one with `portway chat --session ID`, and end it there with /end";
        assert_eq!(advice(&active, now), expected);
    }

    #[test]
    fn the_list_is_short() {
        let active: Vec<_> = (0..15).map(|number| session(&format!("s{number}"), None, "?")).collect();
        let text = advice(&active, Timestamp::default());
        assert_eq!(text.lines().count(), 1 + MAX_LINES + 2);
        assert!(text.contains("  s9  chat, last active ?\n  …\n"), "{text}");
        assert_eq!(advice(&[], Timestamp::default()).lines().count(), 1);
    }
}
