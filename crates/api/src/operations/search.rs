//! Finding what was said.

use std::ops::Range;

use garde::Validate;
use http::Method;
use portway_domain::access::Permission;
use portway_domain::ids::SessionId;
use portway_domain::search::{MAX_QUERY_CHARS, Query, Snippet};
use portway_ports::search::MessageSearch;
use portway_services::error::Error;
use portway_services::search::MessageHit;
use portway_services::{Context, Services};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Answer, State};
use crate::operation::Operation;

/// Hits when the caller does not say how many.
const DEFAULT_HITS: u32 = 20;

pub(super) fn rows() -> Vec<Operation<Services>> {
    vec![
        Operation::new("search.messages", Method::GET, "/api/search", Permission::SignedIn)
            .summary("Find messages")
            .describe(
                "Searches what people and agents said in one's own sessions; the best come first. All words are needed, in \
                 any order and form; case and accents do not matter. `\"words in quotes\"` follow each other, `-word` must \
                 not be there, `begin*` is the beginning of a word. Anything else counts as a space, so no query is wrong; \
                 one without a word to look for finds nothing. Of a long message the first 32,768 characters are searched.",
            )
            .handler(messages),
    ]
}

/// What to find.
#[derive(Debug, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase")]
struct SearchMessages {
    /// The words.
    #[garde(length(chars, max = MAX_QUERY_CHARS))]
    q: String,
    /// Hits of the answer, brought to between 1 and 100; 20 if left out.
    #[garde(skip)]
    limit: Option<i64>,
    /// Only messages of this session.
    #[garde(skip)]
    #[schemars(regex(pattern = "^[A-Za-z0-9:_.-]{1,128}$"))]
    session_id: Option<String>,
}

/// Messages that were found.
#[derive(Debug, Serialize, JsonSchema)]
struct Hits {
    /// The best first.
    hits: Vec<HitView>,
}

/// A message that was found.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct HitView {
    session_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    session_title: Option<String>,
    message_id: String,
    /// `user` or `assistant`.
    role: &'static str,
    created_at: String,
    /// How well it fits, between 0 and 1. Only scores of one answer can be compared.
    score: f64,
    snippet: SnippetView,
}

/// A part of a text, and where it has what was looked for.
#[derive(Debug, Serialize, JsonSchema)]
struct SnippetView {
    /// At most 240 characters of the text, as they are: not HTML.
    text: String,
    /// In order, without overlap. Empty when a word was found in a part that is not shown.
    highlights: Vec<HighlightView>,
}

/// Where a text has what was looked for, counted in UTF-16 code units as strings of JavaScript are:
/// `text.slice(start, end)`.
#[derive(Debug, PartialEq, Eq, Serialize, JsonSchema)]
struct HighlightView {
    /// The first unit.
    start: usize,
    /// The unit after the last.
    end: usize,
}

async fn messages(services: State, context: Context, input: SearchMessages) -> Answer<Hits> {
    let session = input.session_id.filter(|text| !text.is_empty()).map(SessionId::parse).transpose();
    let session =
        session.map_err(|invalid| Error::Invalid { field: "sessionId".to_owned(), message: invalid.to_string() })?;
    let limit = input.limit.map_or(DEFAULT_HITS, |limit| u32::try_from(limit.max(0)).unwrap_or(u32::MAX));
    let search = MessageSearch::new(Query::parse(&input.q), session, limit);
    let hits = services.search_messages(&context, &search).await?;
    Ok(Hits { hits: hits.into_iter().map(view).collect() })
}

fn view(hit: MessageHit) -> HitView {
    HitView {
        session_id: hit.message.session.into(),
        session_title: hit.message.session_title,
        message_id: hit.message.message.into(),
        role: hit.message.role.as_str(),
        created_at: hit.message.created_at.to_string(),
        score: hit.score.as_f64(),
        snippet: SnippetView { highlights: in_utf16(&hit.snippet), text: hit.snippet.text },
    }
}

/// The highlights in UTF-16 code units.
fn in_utf16(snippet: &Snippet) -> Vec<HighlightView> {
    let (mut bytes, mut units) = (0, 0);
    let mut unit_at = |byte: usize| {
        units += snippet.text[bytes..byte].encode_utf16().count();
        bytes = byte;
        units
    };
    let view = |Range { start, end }: &Range<usize>| HighlightView { start: unit_at(*start), end: unit_at(*end) };
    snippet.highlights.iter().map(view).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn highlights_are_counted_as_javascript_counts() {
        let text = "🦀 é needle 🧑‍🚀 日本 needle";
        let snippet = Query::parse("needle 日本 é").snippet(text);
        let units: Vec<u16> = snippet.text.encode_utf16().collect();
        let shown: Vec<String> = in_utf16(&snippet)
            .into_iter()
            .map(|HighlightView { start, end }| String::from_utf16(&units[start..end]).unwrap())
            .collect();
        assert_eq!(shown, ["é", "needle", "日本", "needle"]);
        assert_eq!(in_utf16(&snippet)[0], HighlightView { start: 3, end: 4 });
    }
}
