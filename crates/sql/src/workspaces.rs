//! The table `workspaces`: what git says of the workspace of a session, and when its files were reported.

use portway_domain::ids::SessionId;
use portway_domain::time::Timestamp;
use portway_domain::workspaces::{GitReport, GitState};
use sea_query::{Expr, ExprTrait, Func, OnConflict};

use crate::archive::Records;
use crate::dialect::Dialect;
use crate::driver::{SqlError, Statement, Step};
use crate::record::{Record, record};
use crate::row::Row;
use crate::sessions::{Scope, ScopedShape};
use crate::shape::{Parameter, Shape};

const TABLE: &str = WorkspaceRow::TABLE;

record! {
    struct WorkspaceRow in "workspaces" {
        session: SessionId = "session_id",
        branch: Option<String>,
        base_branch: Option<String>,
        commit_count: Option<u32>,
        git_seq: u64,
        files_seq: u64,
        created_at: Timestamp,
        updated_at: Timestamp,
    }
}

/// How rows are checked.
pub(crate) const RECORDS: Records = Records::of::<WorkspaceRow>();

/// What is known, and since when.
#[derive(Debug, Default)]
pub(crate) struct Known {
    /// What git said; absent before its first report.
    pub(crate) git: Option<GitState>,
    /// The session's change counter at the last report of git; 0 before the first.
    pub(crate) git_seq: u64,
    /// The same of the files.
    pub(crate) files_seq: u64,
}

/// What is known of the workspace of a session.
pub(crate) fn of_session(dialect: Dialect, scope: Scope<'_>) -> Statement {
    static OF_SESSION: ScopedShape = ScopedShape::new();
    OF_SESSION.fill(dialect, scope, [], |session, []| {
        WorkspaceRow::select().and_where(Expr::col("session_id").eq(session)).take()
    })
}

/// The answer to [`of_session`].
pub(crate) fn decode(rows: Vec<Row>) -> Result<Known, SqlError> {
    let Some(row) = WorkspaceRow::decode_first(rows)? else {
        return Ok(Known::default());
    };
    let WorkspaceRow { branch, base_branch, commit_count, git_seq, files_seq, created_at, updated_at, .. } = row;
    let git = GitState { branch, base_branch, commit_count: commit_count.unwrap_or(0), created_at, updated_at };
    Ok(Known { git: (git_seq > 0).then_some(git), git_seq, files_seq })
}

/// Git said something. What it did not say stays.
pub(crate) fn set_git(
    dialect: Dialect,
    session: &SessionId,
    report: GitReport,
    seq: u64,
    at: Timestamp,
) -> Result<Step, SqlError> {
    static SET_GIT: Shape = Shape::new();
    let GitReport { branch, base_branch, commit_count } = report;
    let row = WorkspaceRow { branch, base_branch, commit_count, git_seq: seq, ..empty(session, at) };
    let mut known = OnConflict::column("session_id");
    known.update_columns(["git_seq", "updated_at"]);
    known.values(["branch", "base_branch", "commit_count"].map(|column| (column, newer(column))));
    upsert(&SET_GIT, dialect, row, known)
}

/// The files were reported.
pub(crate) fn note_files(dialect: Dialect, session: &SessionId, seq: u64, at: Timestamp) -> Result<Step, SqlError> {
    static NOTE_FILES: Shape = Shape::new();
    let row = WorkspaceRow { files_seq: seq, ..empty(session, at) };
    let mut known = OnConflict::column("session_id");
    known.update_columns(["files_seq"]);
    upsert(&NOTE_FILES, dialect, row, known)
}

fn empty(session: &SessionId, at: Timestamp) -> WorkspaceRow {
    WorkspaceRow {
        session: session.clone(),
        branch: None,
        base_branch: None,
        commit_count: None,
        git_seq: 0,
        files_seq: 0,
        created_at: at,
        updated_at: at,
    }
}

/// The new value of a column, or the one that is there.
fn newer(column: &'static str) -> Expr {
    Func::coalesce([Expr::col(("excluded", column)), Expr::col((TABLE, column))]).into()
}

fn upsert(shape: &'static Shape, dialect: Dialect, row: WorkspaceRow, known: OnConflict) -> Result<Step, SqlError> {
    let values = row.into_values(dialect)?;
    let statement = shape.fill_values(dialect, &values, |values: &[Parameter]| {
        Ok(WorkspaceRow::insert_of(values.iter().copied())?.on_conflict(known).take())
    })?;
    Ok(Step::new(statement))
}
