//! The table `users`.

use portway_domain::access::Role;
use portway_domain::ids::{SessionId, UserId};
use portway_domain::sessions::QueueMode;
use portway_domain::time::Timestamp;
use portway_domain::tokens::TokenHash;
use portway_domain::users::{Profile, User};
use sea_query::{Expr, ExprTrait, Query};

use crate::archive::Records;
use crate::dialect::Dialect;
use crate::driver::{SqlError, Statement, Step};
use crate::record::{Record, record};
use crate::row::{Json, Row};
use crate::sessions::{self, Scope, ScopedShape};
use crate::shape::Shape;
use crate::tokens::user_of;
use crate::value::IntoValue;

pub(crate) const TABLE: &str = UserRow::TABLE;

record! {
    struct UserRow in "users" {
        id: UserId,
        email: String,
        name: Option<String>,
        avatar_url: Option<String>,
        git_name: Option<String>,
        git_email: Option<String>,
        role: Role,
        onboarding_completed: bool,
        idle_timeout_seconds: u32,
        model_preferences: Json<Vec<String>>,
        queue_mode: QueueMode,
        max_active_sessions: Option<u32>,
        version: u64,
        created_at: Timestamp,
        updated_at: Timestamp,
    }
}

/// How rows are checked.
pub(crate) const RECORDS: Records = Records::of::<UserRow>();

record! {
    pub(crate) struct ProfileRow in "users" {
        id: UserId,
        email: String,
        name: Option<String>,
        avatar_url: Option<String>,
    }
}

impl From<ProfileRow> for Profile {
    fn from(row: ProfileRow) -> Self {
        let ProfileRow { id, email, name, avatar_url } = row;
        Self { id, email, name, avatar_url }
    }
}

impl From<User> for UserRow {
    fn from(user: User) -> Self {
        Self {
            id: user.id,
            email: user.email,
            name: user.name,
            avatar_url: user.avatar_url,
            git_name: user.git_name,
            git_email: user.git_email,
            role: user.role,
            onboarding_completed: user.onboarding_completed,
            idle_timeout_seconds: user.idle_timeout_seconds,
            model_preferences: Json(user.model_preferences),
            queue_mode: user.queue_mode,
            max_active_sessions: user.max_active_sessions,
            version: user.version,
            created_at: user.created_at,
            updated_at: user.updated_at,
        }
    }
}

impl From<UserRow> for User {
    fn from(row: UserRow) -> Self {
        Self {
            id: row.id,
            email: row.email,
            name: row.name,
            avatar_url: row.avatar_url,
            git_name: row.git_name,
            git_email: row.git_email,
            role: row.role,
            onboarding_completed: row.onboarding_completed,
            idle_timeout_seconds: row.idle_timeout_seconds,
            model_preferences: row.model_preferences.0,
            queue_mode: row.queue_mode,
            max_active_sessions: row.max_active_sessions,
            version: row.version,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

/// The user of a token.
pub(crate) fn of_caller(dialect: Dialect, caller: &TokenHash) -> Statement {
    static OF_CALLER: Shape = Shape::new();
    OF_CALLER.fill(dialect, [caller.as_str().into()], |[caller]| {
        UserRow::select().and_where(Expr::col("id").eq(user_of(caller))).take()
    })
}

/// The user of that id.
pub(crate) fn by_id(dialect: Dialect, id: &UserId) -> Statement {
    static BY_ID: Shape = Shape::new();
    BY_ID.fill(dialect, [id.as_str().into()], |[id]| UserRow::select().and_where(Expr::col("id").eq(id)).take())
}

/// The user with that address.
pub(crate) fn by_email(dialect: Dialect, email: &str) -> Statement {
    static BY_EMAIL: Shape = Shape::new();
    BY_EMAIL.fill(dialect, [email.into()], |[email]| UserRow::select().and_where(Expr::col("email").eq(email)).take())
}

/// The owner of a session.
pub(crate) fn owner_of(dialect: Dialect, scope: Scope<'_>) -> Statement {
    static OWNER: ScopedShape = ScopedShape::new();
    OWNER.fill(dialect, scope, [], |id, []| {
        ProfileRow::select()
            .inner_join(sessions::TABLE, Expr::col((sessions::TABLE, "owner_id")).equals((UserRow::TABLE, "id")))
            .and_where(Expr::col((sessions::TABLE, "id")).eq(id))
            .take()
    })
}

/// The owner of a session, whole.
pub(crate) fn owning(dialect: Dialect, session: &SessionId) -> Statement {
    static OWNING: Shape = Shape::new();
    OWNING.fill(dialect, [session.as_str().into()], |[session]| {
        UserRow::select()
            .inner_join(sessions::TABLE, Expr::col((sessions::TABLE, "owner_id")).equals((UserRow::TABLE, "id")))
            .and_where(Expr::col((sessions::TABLE, "id")).eq(session))
            .take()
    })
}

/// The profile in the answer to [`owner_of`].
pub(crate) fn decode_profile(rows: Vec<Row>) -> Result<Option<Profile>, SqlError> {
    Ok(ProfileRow::decode_first(rows)?.map(Profile::from))
}

/// One row when there is any user.
pub(crate) fn any(dialect: Dialect) -> Statement {
    dialect.statement(&Query::select().column("id").from(UserRow::TABLE).limit(1).take())
}

/// The user in the answer to [`of_caller`], [`by_id`], [`by_email`] or [`owning`].
pub(crate) fn decode(rows: Vec<Row>) -> Result<Option<User>, SqlError> {
    Ok(UserRow::decode_first(rows)?.map(User::from))
}

/// Adds a user.
pub(crate) fn add(dialect: Dialect, user: User) -> Result<Step, SqlError> {
    Ok(Step::new(UserRow::from(user).insert(dialect)?))
}

/// Sets all fields of a user.
pub(crate) fn set(dialect: Dialect, user: User, version: u64) -> Result<Step, SqlError> {
    static SET: Shape = Shape::new();
    let row = UserRow { version: version.saturating_add(1), ..UserRow::from(user) };
    let mut values = row.into_values(dialect)?;
    values.push(version.into_value(dialect)?);
    SET.fill_values(dialect, &values, |values| Ok(UserRow::update_of(values, "id"))).map(Step::guarded)
}

/// Counts the version of a user up.
pub(crate) fn bump(dialect: Dialect, id: &UserId, version: u64) -> Result<Step, SqlError> {
    static BUMP: Shape = Shape::new();
    let next = version.saturating_add(1).into_value(dialect)?;
    let arguments = [id.as_str().into(), version.into_value(dialect)?, next];
    Ok(Step::guarded(BUMP.fill(dialect, arguments, |[id, version, next]| {
        Query::update()
            .table(UserRow::TABLE)
            .value("version", next)
            .and_where(Expr::col("id").eq(id))
            .and_where(Expr::col("version").eq(version))
            .take()
    })))
}
