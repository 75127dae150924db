//! Sessions that a session opened.

use garde::Validate;
use http::Method;
use portway_domain::access::{Permission, SessionRole};
use portway_ports::children::{ChildFilter, ChildSummary};
use portway_ports::pages::{Cursor, PageRequest};
use portway_services::error::Error;
use portway_services::{Context, Services};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::sessions::StatusName;
use super::tunnels::{TunnelView, gateway_url, some_tunnels};
use super::{Answer, State, session_id};
use crate::operation::Operation;

/// Rows of a page when the caller does not say.
const DEFAULT_PAGE: u32 = 20;

pub(super) fn rows() -> Vec<Operation<Services>> {
    let viewer = Permission::Session(SessionRole::Viewer);
    vec![
        Operation::new("sessions.children", Method::GET, "/api/sessions/{id}/children", viewer)
            .summary("List the sessions that a session opened")
            .describe("Newest first. `cursor` of one page asks for the next.")
            .handler(list),
    ]
}

/// Which children.
#[derive(Debug, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase")]
struct ListChildren {
    /// The session.
    #[garde(skip)]
    id: String,
    /// Rows of the page, brought to between 1 and 100; 20 if left out.
    #[garde(skip)]
    limit: Option<i64>,
    /// Where the page begins: `cursor` of the page before.
    #[garde(skip)]
    cursor: Option<String>,
    /// Only those with this status.
    #[garde(skip)]
    status: Option<StatusName>,
    /// `true` leaves out those that have ended, unless a status is asked for.
    #[garde(skip)]
    hide_terminated: Option<bool>,
}

/// One page of children.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct ChildrenPage {
    children: Vec<ChildView>,
    /// Asks for the next page.
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
    has_more: bool,
    /// How many there are on all pages.
    total_count: u32,
}

/// A child in a list.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ChildView {
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<String>,
    /// Where it is in its life.
    status: &'static str,
    workspace: String,
    created_at: String,
    /// Where the gateway of its sandbox is, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    gateway_url: Option<String>,
    /// Ports of its sandbox that can be reached from outside, if there are any.
    #[serde(skip_serializing_if = "Option::is_none")]
    tunnels: Option<Vec<TunnelView>>,
}

impl From<ChildSummary> for ChildView {
    fn from(child: ChildSummary) -> Self {
        Self {
            id: child.id.into(),
            title: child.title,
            status: child.status.as_str(),
            workspace: child.workspace,
            created_at: child.created_at.to_string(),
            gateway_url: gateway_url(&child.exposure),
            tunnels: some_tunnels(&child.exposure),
        }
    }
}

async fn list(services: State, context: Context, input: ListChildren) -> Answer<ChildrenPage> {
    let after = input.cursor.as_deref().filter(|text| !text.is_empty()).map(Cursor::parse).transpose();
    let after = after.map_err(|invalid| Error::Invalid { field: "cursor".to_owned(), message: invalid.to_string() })?;
    let limit = input.limit.map_or(DEFAULT_PAGE, |limit| u32::try_from(limit.max(0)).unwrap_or(u32::MAX));
    let filter = match (input.status, input.hide_terminated) {
        (Some(status), _) => ChildFilter::Status(status.into()),
        (None, Some(true)) => ChildFilter::Live,
        (None, _) => ChildFilter::All,
    };
    let id = session_id(&input.id)?;
    let found = services.children(&context, &id, filter, PageRequest::new(limit, after)).await?;
    let cursor = found.page.next.map(|next| next.to_string());
    let children = found.page.items.into_iter().map(ChildView::from).collect();
    Ok(ChildrenPage { children, has_more: cursor.is_some(), cursor, total_count: found.total })
}
