//! The table `changed_files`: the files of a workspace that differ from where its session began.

use portway_domain::ids::SessionId;
use portway_domain::time::Timestamp;
use portway_domain::workspaces::{ChangedFiles, FileChange, FileStatus, KeptFile};
use sea_query::{Expr, ExprTrait, InsertStatement, OnConflict, Order, Query, Value};

use crate::archive::Records;
use crate::dialect::Dialect;
use crate::driver::{SqlError, Statement, Step};
use crate::record::{Record, record};
use crate::row::{Json, Row};
use crate::sessions::{Scope, ScopedShape};
use crate::shape::{Parameter, Shape};
use crate::value::IntoValue;

const TABLE: &str = FileRow::TABLE;

record! {
    struct FileRow in "changed_files" {
        session: SessionId = "session_id",
        path: String,
        status: FileStatus,
        additions: u32,
        deletions: u32,
        seq: u64,
        created_at: Timestamp,
        updated_at: Timestamp,
    }
}

/// How rows are checked.
pub(crate) const RECORDS: Records = Records::of::<FileRow>();

impl From<FileRow> for KeptFile {
    fn from(row: FileRow) -> Self {
        let FileRow { path, status, additions, deletions, created_at, updated_at, .. } = row;
        Self { change: FileChange { path, status, additions, deletions }, created_at, updated_at }
    }
}

/// The files of a session that were reported after a value of its counter, by path: all, or none. So many there are that
/// this needs no limit.
pub(crate) fn since(dialect: Dialect, scope: Scope<'_>, seq: u64) -> Result<Statement, SqlError> {
    static SINCE: ScopedShape = ScopedShape::new();
    Ok(SINCE.fill(dialect, scope, [seq.into_value(dialect)?], |session, [seq]| {
        FileRow::select()
            .and_where(Expr::col("session_id").eq(session))
            .and_where(Expr::col("seq").gt(seq))
            .order_by("path", Order::Asc)
            .take()
    }))
}

/// The files in the answer to [`since`].
pub(crate) fn decode(rows: Vec<Row>) -> Result<Vec<KeptFile>, SqlError> {
    Ok(FileRow::decode_all(rows)?.into_iter().map(KeptFile::from).collect())
}

/// These are the files now: those that are known keep when they were first reported, others go.
pub(crate) fn replace(
    dialect: Dialect,
    session: &SessionId,
    files: &ChangedFiles,
    seq: u64,
    at: Timestamp,
) -> Result<Vec<Step>, SqlError> {
    static FORGET: Shape = Shape::new();
    let mut steps = Vec::new();
    if !files.as_slice().is_empty() {
        steps.push(Step::new(set(dialect, session, files, seq, at)?));
    }
    let others = FORGET.fill(dialect, [session.as_str().into(), seq.into_value(dialect)?], |[session, seq]| {
        Query::delete()
            .from_table(TABLE)
            .and_where(Expr::col("session_id").eq(session))
            .and_where(Expr::col("seq").lt(seq))
            .take()
    });
    steps.push(Step::new(others));
    Ok(steps)
}

/// One statement however many files there are.
fn set(
    dialect: Dialect,
    session: &SessionId,
    files: &ChangedFiles,
    seq: u64,
    at: Timestamp,
) -> Result<Statement, SqlError> {
    static SET: Shape = Shape::new();
    let listed = files
        .as_slice()
        .iter()
        .map(|file| serde_json::json!([file.path, file.status.as_str(), file.additions, file.deletions]));
    let values: [Value; 4] = [
        session.as_str().into(),
        seq.into_value(dialect)?,
        dialect.time(at),
        Json(listed.collect::<Vec<_>>()).into_value(dialect)?,
    ];
    SET.fill_values(dialect, &values, |values| {
        let &[session, seq, at, list] = values else {
            return Err(SqlError::Statement("files belong to a session".into()));
        };
        insert(dialect, [session, seq, at], list)
    })
}

fn insert(dialect: Dialect, [session, seq, at]: [Parameter; 3], list: Parameter) -> Result<InsertStatement, SqlError> {
    let mut select = Query::select();
    let member = |index| dialect.item_member(index);
    let number = |index| dialect.item_member(index).cast_as("bigint");
    let of_file = [member(0), member(1), number(2), number(3)];
    dialect.select_items(&mut select, list.into()).expr(session).exprs(of_file).expr(seq).expr(at).expr(at);
    let mut known = OnConflict::columns(["session_id", "path"]);
    known.update_columns(["status", "additions", "deletions", "seq", "updated_at"]);
    let mut insert = Query::insert();
    insert
        .into_table(TABLE)
        .columns(FileRow::COLUMNS.iter().copied())
        .select_from(select)
        .map_err(|error| SqlError::Statement(error.to_string()))?;
    Ok(insert.on_conflict(known).take())
}
