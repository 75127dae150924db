//! The table `idempotency_keys`.

use portway_domain::ids::{SessionId, UserId};
use portway_domain::time::Timestamp;
use portway_domain::tokens::TokenHash;
use portway_ports::commit::Remembered;
use sea_query::{Expr, ExprTrait, OnConflict, Order, Query};

use crate::dialect::Dialect;
use crate::driver::{SqlError, Statement, Step};
use crate::record::{Record, record};
use crate::row::Row;
use crate::sessions;
use crate::shape::Shape;
use crate::subquery::scalar;
use crate::tokens::user_of;

const TABLE: &str = RememberedRow::TABLE;

record! {
    struct RememberedRow in "idempotency_keys" {
        user: UserId = "user_id",
        key: String,
        digest: String,
        result: String,
        created_at: Timestamp,
        expires_at: Timestamp,
    }
}

impl From<Remembered> for RememberedRow {
    fn from(remembered: Remembered) -> Self {
        Self {
            user: remembered.user,
            key: remembered.key,
            digest: remembered.digest,
            result: remembered.result,
            created_at: remembered.created_at,
            expires_at: remembered.expires_at,
        }
    }
}

impl From<RememberedRow> for Remembered {
    fn from(row: RememberedRow) -> Self {
        Self {
            user: row.user,
            key: row.key,
            digest: row.digest,
            result: row.result,
            created_at: row.created_at,
            expires_at: row.expires_at,
        }
    }
}

/// What the caller's key led to, unless that has expired.
pub(crate) fn of_caller(dialect: Dialect, caller: &TokenHash, key: &str, now: Timestamp) -> Statement {
    static OF_CALLER: Shape = Shape::new();
    OF_CALLER.fill(dialect, [caller.as_str().into(), key.into(), dialect.time(now)], |[caller, key, now]| {
        RememberedRow::select()
            .and_where(Expr::col("user_id").eq(user_of(caller)))
            .and_where(Expr::col("key").eq(key))
            .and_where(Expr::col("expires_at").gt(now))
            .take()
    })
}

/// What a key of the owner of a session led to, unless that has expired.
pub(crate) fn of_owner(dialect: Dialect, session: &SessionId, key: &str, now: Timestamp) -> Statement {
    static OF_OWNER: Shape = Shape::new();
    OF_OWNER.fill(dialect, [session.as_str().into(), key.into(), dialect.time(now)], |[session, key, now]| {
        let owner = Query::select()
            .column((sessions::TABLE, "owner_id"))
            .from(sessions::TABLE)
            .and_where(Expr::col((sessions::TABLE, "id")).eq(session))
            .take();
        RememberedRow::select()
            .and_where(Expr::col("user_id").eq(scalar(owner)))
            .and_where(Expr::col("key").eq(key))
            .and_where(Expr::col("expires_at").gt(now))
            .take()
    })
}

/// The result in the answer to [`of_caller`] or [`of_owner`].
pub(crate) fn decode(rows: Vec<Row>) -> Result<Option<Remembered>, SqlError> {
    Ok(RememberedRow::decode_first(rows)?.map(Remembered::from))
}

/// Adds a result, in place of one that has expired.
pub(crate) fn remember(dialect: Dialect, remembered: Remembered) -> Result<Step, SqlError> {
    static REMEMBER: Shape = Shape::new();
    let values = RememberedRow::from(remembered).into_values(dialect)?;
    let remember = REMEMBER.fill_values(dialect, &values, |values| {
        let expired = Expr::col((TABLE, "expires_at")).lte(Expr::col(("excluded", "created_at")));
        let mut replace = OnConflict::columns(["user_id", "key"]);
        replace.update_columns(["digest", "result", "created_at", "expires_at"]).action_and_where(expired);
        Ok(RememberedRow::insert_of(values.iter().copied())?.on_conflict(replace).take())
    });
    remember.map(Step::guarded)
}

/// Puts another result in the place of the one that the key is held with.
pub(crate) fn settle(dialect: Dialect, remembered: &Remembered, hold: &str) -> Step {
    static SETTLE: Shape = Shape::new();
    let values = [
        remembered.result.as_str().into(),
        dialect.time(remembered.expires_at),
        remembered.user.as_str().into(),
        remembered.key.as_str().into(),
        hold.into(),
    ];
    Step::guarded(SETTLE.fill(dialect, values, |[result, expires_at, user, key, hold]| {
        Query::update()
            .table(TABLE)
            .value("result", result)
            .value("expires_at", expires_at)
            .and_where(Expr::col("user_id").eq(user))
            .and_where(Expr::col("key").eq(key))
            .and_where(Expr::col("result").eq(hold))
            .take()
    }))
}

/// A result that has expired, if there is one.
pub(crate) fn expired(dialect: Dialect, now: Timestamp) -> Statement {
    static EXPIRED: Shape = Shape::new();
    EXPIRED.fill(dialect, [dialect.time(now)], |[now]| {
        Query::select().column("key").from(TABLE).and_where(Expr::col("expires_at").lte(now)).limit(1).take()
    })
}

/// Removes some results that have expired, the oldest ones.
pub(crate) fn remove_expired(dialect: Dialect, at: Timestamp, limit: u32) -> Step {
    static REMOVE_EXPIRED: Shape = Shape::new();
    Step::new(REMOVE_EXPIRED.fill(dialect, [dialect.time(at), limit.into()], |[at, limit]| {
        let oldest = Query::select()
            .columns(["user_id", "key"])
            .from(TABLE)
            .and_where(Expr::col("expires_at").lte(at))
            .order_by("expires_at", Order::Asc)
            .limit(limit.as_number())
            .take();
        let key = Expr::tuple([Expr::col("user_id"), Expr::col("key")]);
        Query::delete().from_table(TABLE).and_where(key.in_subquery(oldest)).take()
    }))
}
