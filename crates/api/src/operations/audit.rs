//! What was done in a session, and by whom.

use garde::Validate;
use http::Method;
use portway_domain::access::{Permission, SessionRole};
use portway_domain::engine::AuditEntry;
use portway_ports::sessions::AuditPage;
use portway_services::error::Error;
use portway_services::{Context, Services};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Answer, State, session_id};
use crate::operation::Operation;

/// Entries of a page when the caller does not say, and at most.
const PAGE: i64 = 200;

pub(super) fn rows() -> Vec<Operation<Services>> {
    vec![
        Operation::new(
            "sessions.audit_log",
            Method::GET,
            "/api/sessions/{id}/audit-log",
            Permission::Session(SessionRole::Viewer),
        )
        .summary("Read what was done in a session")
        .describe("Oldest first. The id of the last entry of one page, as `after`, asks for the next.")
        .handler(list),
    ]
}

/// Which entries.
#[derive(Debug, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase")]
struct ListAudit {
    /// The session.
    #[garde(skip)]
    id: String,
    /// Entries of the page, brought to between 1 and 200; 200 if left out.
    #[garde(skip)]
    limit: Option<i64>,
    /// Only entries after the one of this id.
    #[garde(skip)]
    after: Option<String>,
    /// Only entries of this kind, such as `user.prompt`.
    #[garde(length(max = 100))]
    event_type: Option<String>,
}

/// Entries of the audit log.
#[derive(Debug, Serialize, JsonSchema)]
struct AuditList {
    entries: Vec<EntryView>,
}

/// Something that was done.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct EntryView {
    id: String,
    session_id: String,
    /// What kind of thing, such as `user.prompt`.
    event_type: String,
    /// In words.
    summary: String,
    /// Who did it; not there when nobody in particular did.
    #[serde(skip_serializing_if = "Option::is_none")]
    actor_id: Option<String>,
    created_at: String,
}

impl EntryView {
    fn of(session: &str, entry: AuditEntry) -> Self {
        Self {
            id: format!("{session}:{}", entry.seq),
            session_id: session.to_owned(),
            event_type: entry.event_type,
            summary: entry.summary,
            actor_id: entry.actor.map(Into::into),
            created_at: entry.created_at.to_string(),
        }
    }
}

async fn list(services: State, context: Context, input: ListAudit) -> Answer<AuditList> {
    let id = session_id(&input.id)?;
    let limit = u32::try_from(input.limit.unwrap_or(PAGE).clamp(1, PAGE)).unwrap_or(1);
    let after = match input.after.as_deref().filter(|text| !text.is_empty()) {
        Some(text) => number(&input.id, text).ok_or_else(unknown_entry)?,
        None => 0,
    };
    let page = AuditPage { after, limit, event_type: input.event_type };
    let entries = services.audit_log(&context, &id, page).await?;
    Ok(AuditList { entries: entries.into_iter().map(|entry| EntryView::of(&input.id, entry)).collect() })
}

/// The number in the id of an entry of that session.
fn number(session: &str, id: &str) -> Option<u64> {
    let number = id.strip_prefix(session)?.strip_prefix(':')?.parse().ok()?;
    // No database holds a larger one.
    i64::try_from(number).is_ok().then_some(number)
}

fn unknown_entry() -> Error {
    Error::Invalid { field: "after".to_owned(), message: "expected the id of an entry of this session".to_owned() }
}
