//! What is known of the workspace of a session.

use http::Method;
use portway_domain::access::{Permission, SessionRole};
use portway_domain::workspaces::{GitState, KeptFile};
use portway_services::{Context, Services};
use schemars::JsonSchema;
use serde::Serialize;

use super::sessions::SessionPath;
use super::{Answer, State, session_id};
use crate::operation::Operation;

pub(super) fn rows() -> Vec<Operation<Services>> {
    let reader = Permission::Session(SessionRole::Viewer);
    vec![
        Operation::new("sessions.git_state", Method::GET, "/api/sessions/{id}/git-state", reader)
            .summary("Read what git says of a workspace")
            .describe(
                "`null` until the session's runner has said it, which it does where the workspace is a repository.",
            )
            .handler(git_state),
        Operation::new("sessions.files_changed", Method::GET, "/api/sessions/{id}/files-changed", reader)
            .summary("List the files that a session changed")
            .describe("By path; against the commit that the session began with. At most 500.")
            .handler(files_changed),
    ]
}

/// What git says of a workspace.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct GitStateAnswer {
    git_state: Option<GitStateView>,
}

/// What git says of a workspace. What the gateway does not know is `null`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct GitStateView {
    id: String,
    session_id: String,
    source_type: Option<String>,
    source_pr_number: Option<u32>,
    source_issue_number: Option<u32>,
    source_repo_full_name: Option<String>,
    source_repo_url: Option<String>,
    /// The branch; `HEAD` where there is none.
    branch: Option<String>,
    #[serde(rename = "ref")]
    git_ref: Option<String>,
    /// The branch that the session began on.
    base_branch: Option<String>,
    /// Commits since the session began.
    commit_count: u32,
    pr_number: Option<u32>,
    pr_title: Option<String>,
    pr_state: Option<String>,
    pr_url: Option<String>,
    pr_created_at: Option<String>,
    pr_merged_at: Option<String>,
    /// Whether the agent made the pull request.
    agent_authored: bool,
    created_at: String,
    updated_at: String,
}

impl GitStateView {
    fn of(session: String, state: GitState) -> Self {
        Self {
            id: session.clone(),
            session_id: session,
            source_type: None,
            source_pr_number: None,
            source_issue_number: None,
            source_repo_full_name: None,
            source_repo_url: None,
            branch: state.branch,
            git_ref: None,
            base_branch: state.base_branch,
            commit_count: state.commit_count,
            pr_number: None,
            pr_title: None,
            pr_state: None,
            pr_url: None,
            pr_created_at: None,
            pr_merged_at: None,
            agent_authored: false,
            created_at: state.created_at.to_string(),
            updated_at: state.updated_at.to_string(),
        }
    }
}

/// The files that differ from where a session began.
#[derive(Debug, Serialize, JsonSchema)]
struct FilesAnswer {
    files: Vec<FileView>,
}

/// A file that differs.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct FileView {
    id: String,
    session_id: String,
    file_path: String,
    /// `added`, `modified`, `deleted` or `renamed`.
    status: &'static str,
    /// Lines that were added; 0 for binary files.
    additions: u32,
    /// Lines that were deleted; 0 for binary files.
    deletions: u32,
    created_at: String,
    updated_at: String,
}

impl FileView {
    fn of(session: &str, file: KeptFile) -> Self {
        Self {
            id: format!("{session}:{}", file.change.path),
            session_id: session.to_owned(),
            file_path: file.change.path,
            status: file.change.status.as_str(),
            additions: file.change.additions,
            deletions: file.change.deletions,
            created_at: file.created_at.to_string(),
            updated_at: file.updated_at.to_string(),
        }
    }
}

async fn git_state(services: State, context: Context, input: SessionPath) -> Answer<GitStateAnswer> {
    let state = services.git_state(&context, &session_id(&input.id)?).await?;
    Ok(GitStateAnswer { git_state: state.map(|state| GitStateView::of(input.id, state)) })
}

async fn files_changed(services: State, context: Context, input: SessionPath) -> Answer<FilesAnswer> {
    let files = services.changed_files(&context, &session_id(&input.id)?).await?;
    Ok(FilesAnswer { files: files.into_iter().map(|file| FileView::of(&input.id, file)).collect() })
}
