//! Lines about tool calls and plans.

use portway_protocol::message::{PlanEntry, ToolStatus};
use serde_json::Value;

use super::page::Tone;
use crate::terminal_text::clean_line;

/// Most characters of a tool's name, of what it works on, and of why it failed.
const MAX_CHARS: usize = 160;

/// Arguments that tell best what a call works on, best first.
const SUBJECTS: [&str; 8] = ["file_path", "path", "command", "pattern", "query", "url", "description", "prompt"];

/// What was printed of a tool call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ToolSeen {
    title: String,
    ended: Option<ToolStatus>,
}

/// A tool call as a frame tells it.
pub(super) struct ToolNow<'a> {
    pub(super) name: &'a str,
    pub(super) status: ToolStatus,
    pub(super) args: Option<&'a Value>,
    pub(super) error: Option<&'a str>,
}

impl ToolNow<'_> {
    /// What has been seen once this is printed.
    pub(super) fn seen(&self) -> ToolSeen {
        let ended = matches!(self.status, ToolStatus::Completed | ToolStatus::Error).then_some(self.status);
        ToolSeen { title: self.title(), ended }
    }

    /// The line to print, if there is news. That an announced call began to run is none.
    pub(super) fn line(&self, before: Option<&ToolSeen>) -> Option<(Tone, String)> {
        let now = self.seen();
        if before.is_some_and(|before| before.ended.is_some() || *before == now) {
            return None;
        }
        let title = now.title;
        Some(match self.status {
            ToolStatus::Pending | ToolStatus::Running => (Tone::Dim, format!("⏺ {title} …")),
            ToolStatus::Completed => (Tone::Good, format!("⏺ {title} … done")),
            ToolStatus::Error => {
                let reason = clean_line(self.error.unwrap_or_default(), MAX_CHARS);
                let reason = if reason.is_empty() { reason } else { format!(": {reason}") };
                (Tone::Bad, format!("✗ {title} … failed{reason}"))
            }
        })
    }

    fn title(&self) -> String {
        let name = clean_line(self.name, MAX_CHARS);
        let name = if name.is_empty() { "tool".to_owned() } else { name };
        let subject = SUBJECTS.iter().find_map(|key| self.args?.get(key)?.as_str());
        match subject.map(|subject| clean_line(subject, MAX_CHARS)) {
            Some(subject) if !subject.is_empty() && !name.contains(&subject) && !mentions(&name, &subject) => {
                format!("{name} {subject}")
            }
            _ => name,
        }
    }
}

/// Whether a title names the last part of a path.
fn mentions(name: &str, subject: &str) -> bool {
    subject.rsplit('/').next().is_some_and(|last| !last.is_empty() && name.contains(last))
}

/// The lines of a plan.
pub(super) fn plan_lines(entries: &[PlanEntry]) -> String {
    let mut lines = "plan:".to_owned();
    for entry in entries {
        let mark = match entry.status.as_str() {
            "completed" => "x",
            "in_progress" => ">",
            _ => " ",
        };
        lines.push_str(&format!("\n  [{mark}] {}", clean_line(&entry.content, MAX_CHARS)));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn now<'a>(name: &'a str, status: ToolStatus, args: Option<&'a Value>) -> ToolNow<'a> {
        ToolNow { name, status, args, error: None }
    }

    #[test]
    fn each_change_has_its_line() {
        let args = json!({"path": "/home/ada/demo.md"});
        let pending = now("Write", ToolStatus::Pending, Some(&args));
        assert_eq!(pending.line(None), Some((Tone::Dim, "⏺ Write /home/ada/demo.md …".to_owned())));
        let running = now("Write", ToolStatus::Running, Some(&args));
        assert_eq!(running.line(Some(&pending.seen())), None);
        let done = now("Write", ToolStatus::Completed, Some(&args));
        assert_eq!(done.line(Some(&running.seen())), Some((Tone::Good, "⏺ Write /home/ada/demo.md … done".to_owned())));
        assert_eq!(done.line(Some(&done.seen())), None);
        assert_eq!(running.line(Some(&done.seen())), None, "a late update is no news");
    }

    #[test]
    fn a_title_that_says_it_all_stays() {
        let args = json!({"file_path": "/home/ada/demo.md"});
        assert_eq!(now("Write demo.md", ToolStatus::Running, Some(&args)).seen().title, "Write demo.md");
        assert_eq!(now("", ToolStatus::Running, None).seen().title, "tool");
    }

    #[test]
    fn a_better_title_is_news() {
        let before = now("Write", ToolStatus::Pending, None).seen();
        let args = json!({"path": "a\u{1b}[31m\nb"});
        let line = now("Write", ToolStatus::Running, Some(&args)).line(Some(&before));
        assert_eq!(line, Some((Tone::Dim, "⏺ Write a[31m b …".to_owned())));
    }

    #[test]
    fn a_failure_says_why() {
        let failed = ToolNow { name: "Run", status: ToolStatus::Error, args: None, error: Some("no\nway") };
        assert_eq!(failed.line(None), Some((Tone::Bad, "✗ Run … failed: no way".to_owned())));
    }

    #[test]
    fn plans_show_how_far_they_are() {
        let entry = |content: &str, status: &str| PlanEntry {
            content: content.to_owned(),
            status: status.to_owned(),
            priority: "medium".to_owned(),
        };
        let entries = [entry("read", "completed"), entry("write", "in_progress"), entry("test", "pending")];
        assert_eq!(plan_lines(&entries), "plan:\n  [x] read\n  [>] write\n  [ ] test");
    }
}
