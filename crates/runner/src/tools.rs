//! Tool calls of a turn: merging what an agent tells bit by bit.

use std::collections::HashMap;

use portway_protocol::message::ToolStatus;
use portway_protocol::runner::RunnerEvent;
use serde_json::{Value, json};

use crate::acp::{CallStatus, Content, ToolFields};

/// Calls of one turn that are remembered; further ones are passed on unmerged.
const MAX_CALLS: usize = 10_000;

/// Longest name of a call, in bytes.
const MAX_NAME: usize = 1024;

/// Longest id of a call, in bytes.
const MAX_ID: usize = 512;

/// Largest argument or result as JSON, in bytes; larger ones become a clipped text.
const MAX_VALUE: usize = 1024 * 1024;

/// What is kept of the output of a command that goes on, in bytes: at least its last so many, at most twice that.
const MAX_PRINTED: usize = 64 * 1024;

/// The calls of a turn.
#[derive(Debug, Default)]
pub(crate) struct Tools {
    calls: HashMap<String, Call>,
    active: usize,
}

#[derive(Debug, Clone, Default)]
struct Call {
    title: Option<String>,
    name: Option<String>,
    kind: Option<String>,
    status: Option<CallStatus>,
    printed: String,
}

/// A change that clients see.
#[derive(Debug)]
pub(crate) struct Change {
    /// To be sent.
    pub(crate) event: RunnerEvent,
    /// What the tool is called, if it is at work.
    pub(crate) at_work: Option<String>,
}

impl Tools {
    /// Whether any call is at work.
    pub(crate) fn any_active(&self) -> bool {
        self.active > 0
    }

    /// Merges the fields into the call and tells what changed, if anything did that clients see.
    pub(crate) fn merge(&mut self, turn_id: &str, mut fields: ToolFields) -> Option<Change> {
        let printed = fields.take_printed();
        let call_id = clip(fields.tool_call_id, MAX_ID);
        let known = self.calls.get(&call_id).cloned();
        let before = known.as_ref().map(|call| (call.display(), call.status()));
        let was_active = known.as_ref().is_some_and(Call::active);
        let mut call = known.unwrap_or_default();
        call.title = text(fields.title).or(call.title);
        call.name = text(fields.name).or(call.name);
        call.kind = text(fields.kind).or(call.kind);
        call.status = fields.status.or(call.status);
        call.print(printed);

        let (tool_name, status) = (call.display(), call.status());
        let outcome = outcome(&fields.content, fields.raw_output).or_else(|| call.told());
        let args = fields.raw_input.filter(|args| !args.is_null()).map(bounded);
        let changed = before.as_ref() != Some(&(tool_name.clone(), status));
        let active = call.active();
        if self.calls.contains_key(&call_id) || self.calls.len() < MAX_CALLS {
            self.active = self.active + usize::from(active) - usize::from(was_active);
            self.calls.insert(call_id.clone(), call);
        }
        if !changed && args.is_none() && outcome.is_none() {
            return None;
        }
        let (result, error) = match status {
            ToolStatus::Error => (None, Some(failure(outcome))),
            _ => (outcome.map(bounded), None),
        };
        Some(Change {
            at_work: active.then(|| tool_name.clone()),
            event: RunnerEvent::ToolUpdate {
                turn_id: Some(turn_id.to_owned()),
                call_id,
                tool_name,
                status,
                args,
                result,
                error,
            },
        })
    }

    /// What a call is called, for a question about it.
    pub(crate) fn title(&self, call_id: &str) -> Option<String> {
        self.calls.get(call_id).map(Call::display)
    }
}

impl Call {
    fn display(&self) -> String {
        [&self.title, &self.name, &self.kind].into_iter().find_map(Clone::clone).unwrap_or_else(|| "tool".to_owned())
    }

    fn status(&self) -> ToolStatus {
        match self.status {
            None | Some(CallStatus::Pending) => ToolStatus::Pending,
            Some(CallStatus::InProgress) => ToolStatus::Running,
            Some(CallStatus::Completed) => ToolStatus::Completed,
            Some(CallStatus::Failed) => ToolStatus::Error,
        }
    }

    fn print(&mut self, text: Option<String>) {
        self.printed.push_str(&text.unwrap_or_default());
        if self.printed.len() > 2 * MAX_PRINTED {
            let cut = self.printed.ceil_char_boundary(self.printed.len() - MAX_PRINTED);
            self.printed.replace_range(..cut, "…");
        }
    }

    /// What it printed, once it is over. A result stays until there is another one, so it is told once; an error is
    /// told again with every update.
    fn told(&mut self) -> Option<Value> {
        let text = match self.status() {
            ToolStatus::Completed => std::mem::take(&mut self.printed),
            ToolStatus::Error => self.printed.clone(),
            _ => return None,
        };
        (!text.is_empty()).then_some(Value::String(text))
    }

    fn active(&self) -> bool {
        matches!(self.status(), ToolStatus::Pending | ToolStatus::Running)
    }
}

fn text(field: Option<String>) -> Option<String> {
    field.filter(|text| !text.trim().is_empty()).map(|text| clip(text, MAX_NAME))
}

/// What came of a call: its text, or with file changes a list of both, or else the raw output.
fn outcome(content: &[Value], raw_output: Option<Value>) -> Option<Value> {
    let texts = || content.iter().filter_map(|item| Content::decode(&item["content"]).into_text());
    let diffs: Vec<Value> = content
        .iter()
        .filter(|item| item["type"] == "diff")
        .map(|item| {
            json!({
                "type": "diff",
                "path": item["path"],
                "oldText": item["oldText"],
                "newText": item["newText"],
            })
        })
        .collect();
    if !diffs.is_empty() {
        let texts = texts().map(|text| json!({"type": "text", "text": text}));
        return Some(texts.chain(diffs).collect());
    }
    let text = texts().collect::<Vec<_>>().join("\n");
    if text.is_empty() { raw_output.filter(|output| !output.is_null()) } else { Some(Value::String(text)) }
}

fn failure(outcome: Option<Value>) -> String {
    let text = match outcome {
        None => return "The tool call failed.".to_owned(),
        Some(Value::String(text)) => text,
        Some(other) => match other["error"].as_str().or(other["message"].as_str()) {
            Some(text) => text.to_owned(),
            None => other.to_string(),
        },
    };
    clip(text, MAX_VALUE)
}

fn bounded(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(clip(text, MAX_VALUE)),
        Value::Object(_) | Value::Array(_) => match value.to_string() {
            text if text.len() > MAX_VALUE => Value::String(clip(text, MAX_VALUE)),
            _ => value,
        },
        small => small,
    }
}

/// Cuts the text to at most `max` bytes and a mark.
pub(crate) fn clip(mut text: String, max: usize) -> String {
    if text.len() > max {
        text.truncate(text.floor_char_boundary(max));
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merge(tools: &mut Tools, fields: Value) -> Option<Value> {
        let change = tools.merge("m.1", serde_json::from_value(fields).unwrap())?;
        Some(serde_json::to_value(change.event).unwrap())
    }

    #[test]
    fn a_call_keeps_what_an_update_leaves_out() {
        let mut tools = Tools::default();
        merge(&mut tools, json!({"toolCallId": "t", "title": "Read", "kind": "read", "rawInput": {"p": 1}}));
        assert!(tools.any_active());
        let done = merge(
            &mut tools,
            json!({"toolCallId": "t", "status": "completed", "title": null,
                   "content": [{"type": "content", "content": {"type": "text", "text": "ok"}}],
                   "rawOutput": {"long": true}}),
        )
        .unwrap();
        assert_eq!(done["toolName"], "Read");
        assert_eq!(done["status"], "completed");
        assert_eq!(done["result"], "ok");
        assert!(done.get("args").is_none(), "unchanged keys are left out");
        assert!(!tools.any_active());
    }

    #[test]
    fn an_update_without_news_is_nothing() {
        let mut tools = Tools::default();
        merge(&mut tools, json!({"toolCallId": "t", "kind": "edit"}));
        assert_eq!(merge(&mut tools, json!({"toolCallId": "t", "locations": [{"path": "/x"}]})), None);
    }

    #[test]
    fn an_unannounced_call_and_one_without_a_name_are_shown() {
        let shown = merge(&mut Tools::default(), json!({"toolCallId": "t", "status": "in_progress"})).unwrap();
        assert_eq!(shown["toolName"], "tool");
        assert_eq!(shown["status"], "running");
    }

    #[test]
    fn a_failure_has_words() {
        for (fields, words) in [
            (json!({}), "The tool call failed."),
            (json!({"rawOutput": {"error": "no space"}}), "no space"),
            (json!({"content": [{"type": "content", "content": {"type": "text", "text": "denied"}}]}), "denied"),
        ] {
            let mut fields = fields;
            fields["toolCallId"] = json!("t");
            fields["status"] = json!("failed");
            let shown = merge(&mut Tools::default(), fields).unwrap();
            assert_eq!(shown["error"], words);
            assert!(shown.get("result").is_none());
        }
    }

    fn printing(key: &str, text: &str) -> Value {
        json!({"toolCallId": "t", "status": "in_progress", "_meta": {key: {"terminal_id": "t", "data": text}}})
    }

    #[test]
    fn what_a_command_printed_is_told_when_it_is_over() {
        for key in ["terminal_output", "terminal_output_delta"] {
            for (status, told) in [("completed", "result"), ("failed", "error")] {
                let mut tools = Tools::default();
                merge(&mut tools, printing(key, "one\n"));
                assert_eq!(merge(&mut tools, printing(key, "two\n")), None);
                let end = json!({"toolCallId": "t", "status": status, "_meta": {key: {"data": "three"}}});
                assert_eq!(merge(&mut tools, end).unwrap()[told], "one\ntwo\nthree");
                let again = merge(&mut tools, json!({"toolCallId": "t", "status": status, "title": "x"})).unwrap();
                let stays = again.get(told).is_none() || again[told] == "one\ntwo\nthree";
                assert!(stays, "{again}");
            }
        }
        let mut tools = Tools::default();
        merge(&mut tools, printing("terminal_output", "printed"));
        let end = json!({"toolCallId": "t", "status": "completed", "rawOutput": "told"});
        assert_eq!(merge(&mut tools, end).unwrap()["result"], "told", "what the agent tells goes first");
    }

    #[test]
    fn of_long_output_the_end_is_kept() {
        let mut tools = Tools::default();
        for _ in 0..9 {
            merge(&mut tools, printing("terminal_output", &"ä".repeat(MAX_PRINTED / 4)));
        }
        let end = json!({"toolCallId": "t", "status": "completed", "_meta": {"terminal_output": {"data": "end"}}});
        let shown = merge(&mut tools, end).unwrap();
        let text = shown["result"].as_str().unwrap();
        assert!(text.starts_with('…') && text.ends_with("äend"));
        assert!((MAX_PRINTED..=2 * MAX_PRINTED).contains(&text.len()), "{}", text.len());
    }

    #[test]
    fn changes_of_files_are_kept_as_such() {
        let shown = merge(
            &mut Tools::default(),
            json!({"toolCallId": "t", "content": [
                {"type": "diff", "path": "/a", "newText": "new"},
                {"type": "terminal", "terminalId": "x"}]}),
        )
        .unwrap();
        assert_eq!(shown["result"], json!([{"type": "diff", "path": "/a", "oldText": null, "newText": "new"}]));
    }

    #[test]
    fn large_values_are_clipped() {
        let shown = merge(
            &mut Tools::default(),
            json!({"toolCallId": "t", "rawInput": {"a": "ä".repeat(MAX_VALUE)},
                   "rawOutput": "ö".repeat(MAX_VALUE)}),
        )
        .unwrap();
        for key in ["args", "result"] {
            let text = shown[key].as_str().unwrap();
            assert!(text.len() <= MAX_VALUE + 4 && text.ends_with('…'), "{key}");
        }
    }
}
