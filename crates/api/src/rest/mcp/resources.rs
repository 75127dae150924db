//! Resources: the transcripts of sessions, and the reference of the API.

use std::fmt::Write as _;

use portway_protocol::message::Part;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::listing::FLEETING;
use super::tool_calls::CallError;
use super::{Exchange, Outcome};
use crate::error::{ApiError, ErrorCode};
use crate::mcp::{McpError, McpMethod, Reply};
use crate::rest::serve::Api;

/// The published description.
const REFERENCE: &str = "portway://api/openapi.json";

/// Before and after the id of a session in the URI of its transcript, which may go on with `?after=` and the id of a message.
const SESSIONS: &str = "portway://sessions/";
const TRANSCRIPT: &str = "/transcript";
const AFTER: &str = "?after=";

pub(super) const TEMPLATE: &str = "portway://sessions/{id}/transcript{?after}";

const MARKDOWN: &str = "text/markdown";

/// Sessions in the list: those that something happened in last.
const LISTED: u32 = 50;

/// What a URI names.
enum Resource<'a> {
    Reference,
    Transcript { session: &'a str, after: Option<&'a str> },
}

impl<'a> Resource<'a> {
    fn parse(uri: &'a str) -> Option<Self> {
        if uri == REFERENCE {
            return Some(Self::Reference);
        }
        let (session, rest) = uri.strip_prefix(SESSIONS)?.split_once('/')?;
        let rest = rest.strip_prefix(&TRANSCRIPT[1..])?;
        let after = if rest.is_empty() { None } else { Some(rest.strip_prefix(AFTER)?) };
        Some(Self::Transcript { session, after })
    }
}

/// The URI of a session's transcript.
pub(super) fn transcript_uri(session: &str) -> String {
    format!("{SESSIONS}{session}{TRANSCRIPT}")
}

impl<S: Send + Sync + 'static> Api<S> {
    pub(super) fn mcp_resource_templates() -> Vec<Value> {
        vec![json!({
            "uriTemplate": TEMPLATE,
            "name": "transcript",
            "title": "Transcript of a session",
            "description": "What was said in a session, up to 100 messages at a time; `after` is the id of the last message \
                            that is known already.",
            "mimeType": MARKDOWN,
        })]
    }

    pub(super) async fn mcp_resources(&self, exchange: &Exchange) -> Result<Vec<Value>, ApiError> {
        let reference = json!({
            "uri": REFERENCE,
            "name": "openapi.json",
            "title": "Reference of the API",
            "description": "Every operation over REST, as OpenAPI 3.1.",
            "mimeType": "application/json",
        });
        let sessions = self.mcp_sessions_of(exchange, LISTED).await?;
        let transcript = |session: &Value| {
            let id = session["id"].as_str()?;
            let title =
                session["title"].as_str().filter(|title| !title.is_empty()).unwrap_or("A session without a title");
            Some(json!({ "uri": transcript_uri(id), "name": id, "title": title, "mimeType": MARKDOWN }))
        };
        Ok(std::iter::once(reference).chain(sessions.iter().filter_map(transcript)).collect())
    }

    /// Up to `limit` sessions of the caller's, as `sessions.list` gives them.
    pub(super) async fn mcp_sessions_of(&self, exchange: &Exchange, limit: u32) -> Result<Vec<Value>, ApiError> {
        let Some(operation) = self.operation("sessions.list") else { return Ok(Vec::new()) };
        let arguments = Map::from_iter([("limit".to_owned(), limit.into())]);
        match self.mcp_operation(exchange, operation, None, &arguments).await {
            Ok(list) => {
                let mut list: Value = serde_json::from_slice(&list).unwrap_or_default();
                Ok(list["sessions"].as_array_mut().map(std::mem::take).unwrap_or_default())
            }
            Err(CallError::Here(error)) => Err(error),
            Err(CallError::There(_)) => Err(ApiError::internal("another instance lists no sessions")),
        }
    }

    pub(super) async fn mcp_read_resource(&self, exchange: &Exchange) -> Outcome {
        let uri = exchange.params.get("uri").and_then(Value::as_str);
        let uri = uri.ok_or_else(|| McpError::invalid_params("uri: expected the URI of a resource"))?;
        match Resource::parse(uri) {
            None => self.mcp_elsewhere(exchange, McpMethod::ReadResource).await,
            Some(Resource::Reference) => {
                let document = self.document().map(|document| String::from_utf8_lossy(document));
                let text = document.ok_or_else(|| McpError::no_resource(uri, exchange.revision()))?;
                contents(uri, "application/json", &text)
            }
            Some(Resource::Transcript { session, after }) => {
                let text = self.mcp_transcript(exchange, uri, session, after).await?;
                contents(uri, MARKDOWN, &text)
            }
        }
    }

    /// Up to a hundred messages of a session, for people and models to read.
    pub(super) async fn mcp_transcript(
        &self,
        exchange: &Exchange,
        uri: &str,
        session: &str,
        after: Option<&str>,
    ) -> Result<String, super::Failure> {
        let nothing = || McpError::no_resource(uri, exchange.revision());
        let operation = self.operation("messages.list").ok_or_else(nothing)?;
        let mut arguments = Map::from_iter([("id".to_owned(), session.into())]);
        if let Some(after) = after {
            arguments.insert("after".to_owned(), after.into());
        }
        match self.mcp_operation(exchange, operation, None, &arguments).await {
            Ok(list) => {
                let list: Value = serde_json::from_slice(&list).unwrap_or_default();
                Ok(transcript(session, after, list["messages"].as_array().map_or(&[], Vec::as_slice)))
            }
            Err(CallError::Here(error)) if error.code != ErrorCode::NotFound => Err(error.into()),
            Err(_) => Err(nothing().into()),
        }
    }
}

fn contents(uri: &str, media_type: &str, text: &str) -> Outcome {
    let contents = json!({ "contents": [{ "uri": uri, "mimeType": media_type, "text": text }] });
    Ok(Reply::of(&contents)?.cached(FLEETING))
}

/// Messages as they are read, which came after that one.
fn transcript(session: &str, after: Option<&str>, messages: &[Value]) -> String {
    let mut text = String::new();
    for message in messages {
        let part = |name: &str| message[name].as_str().unwrap_or_default();
        let author = message["authorName"].as_str().map(|name| format!(" ({name})")).unwrap_or_default();
        let _ = writeln!(text, "## {}{author}, {}\n\n{}\n", part("role"), part("createdAt"), part("content"));
    }
    let uri = |after: Option<&str>| {
        let after = after.map(|id| format!("{AFTER}{id}")).unwrap_or_default();
        format!("{}{after}", transcript_uri(session))
    };
    let id = |message: &Value| message["id"].as_str().map(str::to_owned);
    let _ = match messages {
        [] => writeln!(text, "There are no messages."),
        [before @ .., last] if is_open(last) => {
            let known = before.last().and_then(id);
            let uri = uri(known.as_deref().or(after));
            writeln!(text, "The agent is still at this message, and messages after it: {uri}")
        }
        [.., last] => writeln!(text, "Messages after these: {}", uri(id(last).as_deref())),
    };
    text
}

/// Whether a message may get longer.
fn is_open(message: &Value) -> bool {
    let is_end = |part: &Value| <Part as Deserialize>::deserialize(part).is_ok_and(|part| part.is_end());
    let has_ended = message["parts"].as_array().is_some_and(|parts| parts.iter().any(is_end));
    message["role"] == "assistant" && !has_ended
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uris_name_what_there_is() {
        let named = |uri: &'static str| match Resource::parse(uri) {
            Some(Resource::Reference) => "reference".to_owned(),
            Some(Resource::Transcript { session, after }) => format!("{session} {}", after.unwrap_or("-")),
            None => String::new(),
        };
        assert_eq!(named(REFERENCE), "reference");
        assert_eq!(named("portway://sessions/s1/transcript"), "s1 -");
        assert_eq!(named("portway://sessions/s1/transcript?after=m1"), "s1 m1");
        for other in [
            "portway://sessions/s1",
            "portway://sessions/s1/transcripts",
            "portway://sessions/s1/transcript?x=1",
            "test://a",
        ] {
            assert_eq!(named(other), "", "{other}");
        }
    }

    #[test]
    fn a_transcript_says_where_it_goes_on() {
        let message = json!({ "id": "m1", "role": "user", "authorName": "Ann", "createdAt": "T", "content": "Hello" });
        let text = transcript("s1", None, &[message]);
        assert!(text.starts_with("## user (Ann), T\n\nHello\n"), "{text}");
        assert!(text.ends_with("these: portway://sessions/s1/transcript?after=m1\n"), "{text}");
        assert_eq!(transcript("s1", None, &[]), "There are no messages.\n");
    }

    #[test]
    fn a_message_that_may_get_longer_is_read_once_more() {
        let message = |id: &str, parts: Value| json!({ "id": id, "role": "assistant", "parts": parts });
        let said = json!({ "type": "text", "text": "so far" });
        let open = || message("m2", json!([said]));
        let ended = message("m1", json!([said, { "type": "finish", "reason": "end_turn" }]));
        let source = json!({
            "type": "forwarded",
            "sourceSessionId": "s2",
            "sourceSessionTitle": "Two",
            "originalRole": "user",
            "originalCreatedAt": 1,
        });
        let copied = message("m1", json!([said, source]));
        for (after, messages, goes_on) in [
            (None, vec![ended.clone()], "these: portway://sessions/s1/transcript?after=m1\n"),
            (None, vec![copied], "these: portway://sessions/s1/transcript?after=m1\n"),
            (None, vec![ended, open()], "it: portway://sessions/s1/transcript?after=m1\n"),
            (Some("m0"), vec![open()], "it: portway://sessions/s1/transcript?after=m0\n"),
            (None, vec![message("m2", Value::Null)], "it: portway://sessions/s1/transcript\n"),
        ] {
            let text = transcript("s1", after, &messages);
            assert!(text.ends_with(goes_on), "{text}");
        }
    }
}
