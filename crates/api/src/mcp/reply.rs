//! Results, as they are written.

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::revision::Revision;
use crate::error::ApiError;

/// Who answers, as clients are told.
#[derive(Debug, Clone)]
pub(crate) struct Server {
    pub(crate) title: String,
    pub(crate) version: String,
}

impl Server {
    pub(crate) fn info(&self) -> Value {
        json!({ "name": "portway", "title": self.title, "version": self.version })
    }
}

/// For how long a result may be kept by its client, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cached(pub(crate) u32);

/// A result that is an object, written but for what all results of a revision have.
#[derive(Debug)]
pub(crate) struct Reply {
    /// The object as JSON.
    text: String,
    cached: Option<Cached>,
    /// The members that every result has, where it brings them itself.
    own: Own,
}

#[derive(Debug, Default)]
struct Own {
    result_type: bool,
    meta: bool,
    caching: bool,
}

impl Reply {
    /// Of a value that is written as an object, without members that all results have.
    pub(crate) fn of(value: &impl Serialize) -> Result<Self, ApiError> {
        let text = serde_json::to_string(value);
        let text = text.map_err(|error| ApiError::internal(format!("a result cannot be written: {error}")))?;
        Ok(Self { text, cached: None, own: Own::default() })
    }

    /// Of a result that others made.
    pub(crate) fn of_object(mut object: Map<String, Value>, server: &Server, revision: Revision) -> Self {
        if revision.is_stateless()
            && let Some(meta) = object.get_mut("_meta").and_then(Value::as_object_mut)
        {
            meta.entry(SERVER_INFO).or_insert_with(|| server.info());
        }
        let has = |name: &str| object.contains_key(name);
        let own = Own { result_type: has("resultType"), meta: has("_meta"), caching: has("ttlMs") };
        Self { text: Value::Object(object).to_string(), cached: None, own }
    }

    /// The same, which may be kept.
    pub(crate) fn cached(mut self, cached: Cached) -> Self {
        self.cached = Some(cached);
        self
    }

    /// The result as a client of that revision gets it.
    pub(crate) fn finish(self, server: &Server, revision: Revision) -> String {
        if !revision.is_stateless() {
            return self.text;
        }
        let mut members = Map::new();
        if !self.own.result_type {
            members.insert("resultType".to_owned(), "complete".into());
        }
        if !self.own.meta {
            members.insert("_meta".to_owned(), json!({ SERVER_INFO: server.info() }));
        }
        if let Some(Cached(millis)) = self.cached.filter(|_| !self.own.caching) {
            members.insert("ttlMs".to_owned(), millis.into());
            members.insert("cacheScope".to_owned(), "private".into());
        }
        joined(&Value::Object(members).to_string(), &self.text)
    }
}

const SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";

/// Two objects without common members as one.
fn joined(first: &str, second: &str) -> String {
    match (first, second) {
        ("{}", other) | (other, "{}") => other.to_owned(),
        _ => format!("{},{}", &first[..first.len() - 1], &second[1..]),
    }
}

/// A message that has no answer.
pub(crate) fn notification(method: &str, params: &Value) -> Value {
    json!({ "jsonrpc": "2.0", "method": method, "params": params })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server() -> Server {
        Server { title: "T".to_owned(), version: "1".to_owned() }
    }

    fn finished(reply: Reply, revision: Revision) -> Value {
        serde_json::from_str(&reply.finish(&server(), revision)).unwrap()
    }

    #[test]
    fn only_requests_that_stand_alone_are_told_what_all_results_have() {
        let reply = || Reply::of(&json!({ "tools": [] })).unwrap().cached(Cached(7));
        assert_eq!(finished(reply(), Revision::November2025), json!({ "tools": [] }));
        let full = finished(reply(), Revision::July2026);
        assert_eq!((&full["resultType"], &full["ttlMs"]), (&json!("complete"), &json!(7)));
        assert_eq!(full["_meta"][SERVER_INFO]["name"], "portway");
        let empty = finished(Reply::of(&json!({})).unwrap(), Revision::July2026);
        assert_eq!(empty["resultType"], "complete");
    }

    #[test]
    fn what_a_result_brings_itself_stays() {
        let object = json!({ "resultType": "input_required", "_meta": { "a": 1 }, "ttlMs": 1, "cacheScope": "public" });
        let Value::Object(object) = object else { unreachable!() };
        let reply = Reply::of_object(object, &server(), Revision::July2026).cached(Cached(7));
        let full = finished(reply, Revision::July2026);
        assert_eq!((&full["resultType"], &full["ttlMs"]), (&json!("input_required"), &json!(1)));
        assert_eq!((&full["_meta"]["a"], &full["_meta"][SERVER_INFO]["version"]), (&json!(1), &json!("1")));
    }
}
