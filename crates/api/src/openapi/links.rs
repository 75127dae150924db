//! What can be done next with an answer: where a value of it names what another operation is about.

use serde_json::{Map, Value, json};

/// A value in the answer of one operation that another one takes.
struct Link {
    from: &'static str,
    to: &'static str,
    /// The parameter that takes the value.
    parameter: &'static str,
    /// Where the value is in the answer, as a JSON pointer.
    value: &'static str,
    /// Whether both are about the same session.
    same_session: bool,
}

const fn link(from: &'static str, value: &'static str, to: &'static str, parameter: &'static str) -> Link {
    Link { from, to, parameter, value, same_session: false }
}

const fn inside(from: &'static str, value: &'static str, to: &'static str, parameter: &'static str) -> Link {
    Link { same_session: true, ..link(from, value, to, parameter) }
}

const LINKS: [Link; 7] = [
    link("sessions.list", "/sessions/0/id", "sessions.get", "id"),
    link("api_keys.create", "/id", "api_keys.revoke", "id"),
    link("memories.create", "/memory/id", "memories.delete", "id"),
    link("share_links.create", "/shareLink/token", "sessions.join", "token"),
    inside("share_links.create", "/shareLink/id", "share_links.revoke", "linkId"),
    inside("messages.create", "/messageId", "prompts.withdraw", "messageId"),
    inside("messages.create", "/messageId", "prompts.promote", "messageId"),
];

/// What opens a session, and where the answer names it.
const OPENS: (&str, &str) = ("sessions.create", "/session/id");

/// What is done with a session first and last.
const WITH_A_SESSION: [&str; 9] = [
    "sessions.get",
    "sessions.update",
    "sessions.abort",
    "sessions.hibernate",
    "sessions.wake",
    "sessions.terminate",
    "messages.create",
    "messages.list",
    "share_links.create",
];

/// Puts the links into the paths.
pub(super) fn add(paths: &mut Map<String, Value>) {
    let (from, value) = OPENS;
    for to in WITH_A_SESSION {
        put(paths, from, to, &json!({ "id": body(value) }));
    }
    for link in LINKS {
        let mut parameters = json!({ link.parameter: body(link.value) });
        if link.same_session {
            parameters["id"] = json!("$request.path.id");
        }
        put(paths, link.from, link.to, &parameters);
    }
}

fn body(pointer: &str) -> String {
    format!("$response.body#{pointer}")
}

/// Nothing where the tables lack either operation.
fn put(paths: &mut Map<String, Value>, from: &str, to: &str, parameters: &Value) {
    if entry(paths, to).is_none() {
        return;
    }
    let Some(responses) = entry(paths, from).and_then(|entry| entry["responses"].as_object_mut()) else { return };
    let success = responses.iter_mut().find(|(status, _)| status.starts_with('2'));
    if let Some((_, response)) = success {
        response["links"][to] = json!({ "operationId": to, "parameters": parameters });
    }
}

fn entry<'a>(paths: &'a mut Map<String, Value>, name: &str) -> Option<&'a mut Value> {
    let entries = paths.values_mut().filter_map(Value::as_object_mut).flat_map(Map::values_mut);
    entries.into_iter().find(|entry| entry["operationId"] == name)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// The links that the document lacks.
    pub(in crate::openapi) fn missing(document: &Value) -> Vec<String> {
        let mut paths = document["paths"].as_object().unwrap().clone();
        let mut of = |name: &str| entry(&mut paths, name).cloned().unwrap_or_default();
        let links = LINKS.iter().map(|link| (link.from, link.to, link.parameter));
        let opened = WITH_A_SESSION.into_iter().map(|to| (OPENS.0, to, "id"));
        let broken = links.chain(opened).filter(|(from, to, parameter)| {
            let linked = of(from)["responses"].as_object().is_some_and(|responses| {
                responses.values().any(|response| response["links"][to]["parameters"].get(parameter).is_some())
            });
            let target = of(to);
            let taken =
                target["parameters"].as_array().is_some_and(|all| all.iter().any(|one| one["name"] == *parameter));
            !linked || !taken
        });
        broken.map(|(from, to, _)| format!("{from} to {to}")).collect()
    }
}
