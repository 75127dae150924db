//! The table `session_participants`: who takes part in sessions of others.

use portway_domain::ids::{SessionId, UserId};
use portway_domain::sharing::{Participant, ParticipantRole};
use portway_domain::time::Timestamp;
use portway_domain::users::Profile;
use portway_ports::sharing::{ListedParticipant, ParticipantItem};
use sea_query::{Expr, ExprTrait, InsertStatement, OnConflict, Query, SelectStatement};
use serde::Deserialize;

use crate::archive::Records;
use crate::dialect::Dialect;
use crate::driver::{SqlError, Statement, Step};
use crate::json_text::JsonText;
use crate::record::{Cells, Record, record};
use crate::row::Row;
use crate::sessions::{self, Scope, ScopedShape};
use crate::shape::{Parameter, Shape};
use crate::subquery::scalar;
use crate::tokens::user_of;
use crate::users::ProfileRow;
use crate::value::IntoValue;

pub(crate) const TABLE: &str = ParticipantRow::TABLE;

record! {
    struct ParticipantRow in "session_participants" {
        session: SessionId = "session_id",
        user: UserId = "user_id",
        role: ParticipantRole,
        added_by: UserId,
        created_at: Timestamp,
        seq: u64,
        session_created_at: Timestamp,
    }
}

/// How rows are checked.
pub(crate) const RECORDS: Records = Records::of::<ParticipantRow>();

record! {
    struct PartRow in "session_participants" {
        role: ParticipantRole,
        added_by: UserId,
        created_at: Timestamp,
        seq: u64,
    }
}

/// The role that the caller has as a participant in the session of a row of `sessions`; `NULL` when it is none.
pub(crate) fn role_of(caller: Parameter) -> Expr {
    let role = Query::select()
        .column((TABLE, "role"))
        .from(TABLE)
        .and_where(Expr::col((TABLE, "session_id")).equals((sessions::TABLE, "id")))
        .and_where(Expr::col((TABLE, "user_id")).eq(user_of(caller)))
        .take();
    if_shared(scalar(role))
}

/// A value that only sessions have which were shared at some time.
fn if_shared(value: Expr) -> Expr {
    Expr::case(Expr::col((sessions::TABLE, "is_shared")), value).into()
}

/// The participants of the session of a row of `sessions`, as JSON text for [`Listed`].
pub(crate) fn listed(dialect: Dialect) -> Expr {
    let profile = ProfileRow::COLUMNS.iter().map(|column| (ProfileRow::TABLE, *column));
    let columns = [(TABLE, "seq"), (TABLE, "role")].into_iter().chain(profile);
    let of_session = Expr::col((TABLE, "session_id")).equals((sessions::TABLE, "id"));
    let listed = with_profiles(Query::select().expr(dialect.json_rows(columns))).and_where(of_session).take();
    if_shared(scalar(listed))
}

/// Participants with who they are.
fn with_profiles(select: &mut SelectStatement) -> SelectStatement {
    select
        .from(TABLE)
        .inner_join(ProfileRow::TABLE, Expr::col((ProfileRow::TABLE, "id")).equals((TABLE, "user_id")))
        .take()
}

/// What [`listed`] gives for one participant: the columns of [`ProfileRow`] behind when and as what they were let in.
#[derive(Debug, Deserialize)]
struct Listed(u64, ParticipantRole, UserId, String, Option<String>, Option<String>);

/// Takes the answer to [`listed`] from a row.
pub(crate) fn decode_listed(cells: &mut Cells) -> Result<Vec<ListedParticipant>, SqlError> {
    let listed: Option<JsonText<Vec<Listed>>> = cells.take(TABLE, "participants")?;
    let Some(JsonText(mut listed)) = listed else {
        return Ok(Vec::new());
    };
    listed.sort_by_key(|participant| participant.0);
    let participant = |Listed(_, role, id, email, name, avatar_url)| ListedParticipant {
        profile: Profile { id, email, name, avatar_url },
        role,
    };
    Ok(listed.into_iter().map(participant).collect())
}

/// The participants of a session.
pub(crate) fn of_session(dialect: Dialect, scope: Scope<'_>) -> Statement {
    static OF_SESSION: ScopedShape = ScopedShape::new();
    OF_SESSION.fill(dialect, scope, [], |id, []| {
        let part = PartRow::COLUMNS.iter().map(|column| (TABLE, *column));
        let profile = ProfileRow::COLUMNS.iter().map(|column| (ProfileRow::TABLE, *column));
        let mut select = with_profiles(Query::select().columns(part.chain(profile)));
        select.and_where(Expr::col((TABLE, "session_id")).eq(id)).take()
    })
}

/// The participants in the answer to [`of_session`], oldest first.
pub(crate) fn decode(rows: Vec<Row>) -> Result<Vec<ParticipantItem>, SqlError> {
    let decode = |row| {
        let mut cells = Cells::new(row);
        let PartRow { role, added_by, created_at, seq } = PartRow::decode_cells(&mut cells)?;
        let profile: Profile = ProfileRow::decode_cells(&mut cells)?.into();
        let participant = Participant { user: profile.id.clone(), role, added_by, created_at, seq };
        Ok(ParticipantItem { participant, profile })
    };
    let mut items: Vec<ParticipantItem> = rows.into_iter().map(decode).collect::<Result<_, SqlError>>()?;
    items.sort_by_key(|item| item.participant.seq);
    Ok(items)
}

/// Lets somebody take part in a session that exists, or gives them another role.
pub(crate) fn set(dialect: Dialect, session: &SessionId, participant: Participant) -> Result<Vec<Step>, SqlError> {
    static SET: Shape = Shape::new();
    static MARK: Shape = Shape::new();
    let Participant { user, role, added_by, created_at, seq } = participant;
    let values = [
        session.as_str().into(),
        user.into_value(dialect)?,
        role.into_value(dialect)?,
        added_by.into_value(dialect)?,
        dialect.time(created_at),
        seq.into_value(dialect)?,
    ];
    let insert = SET.fill_values(dialect, &values, insert_with_session)?;
    let mark = MARK.fill(dialect, [session.as_str().into()], |[session]| {
        Query::update().table(sessions::TABLE).value("is_shared", true).and_where(Expr::col("id").eq(session)).take()
    });
    Ok(vec![Step::guarded(insert), Step::new(mark)])
}

/// An insert that does nothing unless the session exists, and only sets the role of somebody who takes part already. The
/// session comes first of the values.
fn insert_with_session(values: &[Parameter]) -> Result<InsertStatement, SqlError> {
    let Some(session) = values.first() else {
        return Err(SqlError::Statement("a participant belongs to a session".into()));
    };
    let select = Query::select()
        .exprs(values.iter().copied().map(Expr::from))
        .column((sessions::TABLE, "created_at"))
        .from(sessions::TABLE)
        .and_where(Expr::col((sessions::TABLE, "id")).eq(*session))
        .take();
    let mut known = OnConflict::columns(["session_id", "user_id"]);
    known.update_columns(["role"]);
    let mut insert = Query::insert();
    insert
        .into_table(TABLE)
        .columns(ParticipantRow::COLUMNS.iter().copied())
        .select_from(select)
        .map_err(|error| SqlError::Statement(error.to_string()))?;
    Ok(insert.on_conflict(known).take())
}

/// Removes somebody who takes part.
pub(crate) fn remove(dialect: Dialect, session: &SessionId, user: &UserId) -> Step {
    static REMOVE: Shape = Shape::new();
    Step::guarded(REMOVE.fill(dialect, [session.as_str().into(), user.as_str().into()], |[session, user]| {
        Query::delete()
            .from_table(TABLE)
            .and_where(Expr::col("session_id").eq(session))
            .and_where(Expr::col("user_id").eq(user))
            .take()
    }))
}
