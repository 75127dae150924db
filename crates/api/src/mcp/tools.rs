//! Operations as tools: what the published description says of them, in the words of the protocol.

use http::Method;
use portway_domain::access::Permission;
use serde_json::{Map, Value, json};

use super::schemas::{input, output};
use crate::operation::Operation;
use crate::rate::RateClass;

/// An operation as a tool.
#[derive(Debug)]
pub(crate) struct Tool {
    /// The name of the tool, which models of all vendors can call: that of the operation with `_` for its dots.
    pub(crate) name: String,
    /// The name of the operation.
    pub(crate) operation: &'static str,
    /// What the operation demands.
    pub(crate) permission: Permission,
    /// The tool as it is listed, as JSON.
    pub(crate) text: String,
}

/// The operations of a description that are offered as tools, in its order.
pub(crate) fn tools<'a, S: Send + Sync + 'static>(
    openapi: &Value,
    operations: impl Iterator<Item = &'a Operation<S>>,
) -> Vec<Tool> {
    let entries = openapi["paths"].as_object().into_iter().flat_map(Map::values).filter_map(Value::as_object);
    let entries: Vec<&Value> = entries.flat_map(Map::values).collect();
    let of = |operation: &Operation<S>| {
        let row = operation.row();
        let entry = entries.iter().find(|entry| entry["operationId"] == row.name)?;
        let name = row.name.replace('.', "_");
        let mut tool = json!({
            "name": name,
            "title": row.summary,
            "description": description(row.summary, row.description),
            "inputSchema": input(openapi, entry),
            "annotations": annotations(operation),
        });
        if let Some(output) = output(openapi, entry) {
            tool["outputSchema"] = output;
        }
        Some(Tool { name, operation: row.name, permission: row.permission, text: tool.to_string() })
    };
    operations.filter_map(of).collect()
}

fn description(summary: &str, more: &str) -> String {
    if more.is_empty() { format!("{summary}.") } else { format!("{summary}. {more}") }
}

fn annotations<S: Send + Sync + 'static>(operation: &Operation<S>) -> Value {
    let row = operation.row();
    if row.is_bodyless() {
        return json!({ "readOnlyHint": true, "openWorldHint": false });
    }
    json!({
        "readOnlyHint": false,
        "destructiveHint": operation.is_destructive(),
        // Everything else that is asked for twice is done twice.
        "idempotentHint": matches!(row.method, Method::PUT | Method::PATCH | Method::DELETE),
        // What an agent does reaches beyond the gateway.
        "openWorldHint": row.rate == RateClass::Agent,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::openapi::of_tables;
    use crate::surfaces::Surfaces;

    fn product() -> Vec<(Tool, Value)> {
        let (operations, endpoints) = (crate::operations().unwrap(), crate::endpoints().unwrap());
        let offered = operations.iter().filter(|operation| operation.surfaces().contains(Surfaces::MCP));
        let tools = tools(&of_tables(&operations, &endpoints), offered);
        let read = |tool: Tool| {
            let text = serde_json::from_str(&tool.text).unwrap();
            (tool, text)
        };
        tools.into_iter().map(read).collect()
    }

    #[test]
    fn every_offered_operation_is_a_tool_with_a_name_of_its_own() {
        let operations = crate::operations().unwrap();
        let offered = operations.iter().filter(|operation| operation.surfaces().contains(Surfaces::MCP)).count();
        let tools = product();
        assert_eq!(tools.len(), offered);
        let names: BTreeSet<&str> = tools.iter().map(|(tool, _)| tool.name.as_str()).collect();
        assert_eq!(names.len(), offered);
        let is_plain = |name: &&str| name.len() <= 64 && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
        assert_eq!(names.iter().find(|name| !is_plain(name)), None);
    }

    #[test]
    fn a_tool_takes_what_its_operation_takes() {
        let tools = product();
        let find = |name: &str| &tools.iter().find(|(tool, _)| tool.name == name).unwrap().1;
        let say = find("messages_create");
        assert_eq!(say["inputSchema"]["required"], json!(["id"]));
        assert!(say["inputSchema"]["properties"].get("content").is_some());
        assert_eq!(
            (&say["annotations"]["readOnlyHint"], &say["annotations"]["openWorldHint"]),
            (&json!(false), &json!(true))
        );
        assert_eq!(find("sessions_list")["annotations"]["readOnlyHint"], true);
        assert_eq!(find("sessions_terminate")["annotations"]["destructiveHint"], true);
        assert_eq!(find("messages_list")["outputSchema"]["required"], json!(["messages"]));
    }
}
