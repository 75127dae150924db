//! The table `share_links`.

use portway_domain::ids::{SessionId, ShareLinkId, UserId};
use portway_domain::sharing::{ParticipantRole, ShareLink, ShareToken};
use portway_domain::time::Timestamp;
use sea_query::{Expr, ExprTrait, Order, Query};

use crate::archive::Records;
use crate::dialect::Dialect;
use crate::driver::{SqlError, Statement, Step};
use crate::record::{Record, record};
use crate::row::Row;
use crate::sessions::{Scope, ScopedShape};
use crate::shape::Shape;

const TABLE: &str = LinkRow::TABLE;

/// Most links in an answer about a session.
const MOST: u64 = 100;

record! {
    struct LinkRow in "share_links" {
        id: ShareLinkId,
        session: SessionId = "session_id",
        token: ShareToken,
        role: ParticipantRole,
        created_by: UserId,
        created_at: Timestamp,
        expires_at: Option<Timestamp>,
        max_uses: Option<u32>,
        uses: u32,
        is_active: bool,
    }
}

/// How rows are checked.
pub(crate) const RECORDS: Records = Records::of::<LinkRow>();

impl From<ShareLink> for LinkRow {
    fn from(link: ShareLink) -> Self {
        let ShareLink { id, session, token, role, created_by, created_at, expires_at, max_uses, uses, is_active } =
            link;
        Self { id, session, token, role, created_by, created_at, expires_at, max_uses, uses, is_active }
    }
}

impl From<LinkRow> for ShareLink {
    fn from(row: LinkRow) -> Self {
        let LinkRow { id, session, token, role, created_by, created_at, expires_at, max_uses, uses, is_active } = row;
        Self { id, session, token, role, created_by, created_at, expires_at, max_uses, uses, is_active }
    }
}

/// The links of a session that were not revoked, newest first.
pub(crate) fn of_session(dialect: Dialect, scope: Scope<'_>) -> Statement {
    static OF_SESSION: ScopedShape = ScopedShape::new();
    OF_SESSION.fill(dialect, scope, [], |id, []| {
        LinkRow::select()
            .and_where(Expr::col("session_id").eq(id))
            .and_where(Expr::col("is_active").eq(true))
            .order_by("created_at", Order::Desc)
            .order_by("id", Order::Desc)
            .limit(MOST)
            .take()
    })
}

/// The link with that secret.
pub(crate) fn by_token(dialect: Dialect, token: &ShareToken) -> Statement {
    static BY_TOKEN: Shape = Shape::new();
    BY_TOKEN.fill(dialect, [token.reveal().into()], |[token]| {
        LinkRow::select().and_where(Expr::col("token").eq(token)).take()
    })
}

/// The links in the answer to [`of_session`] or [`by_token`].
pub(crate) fn decode(rows: Vec<Row>) -> Result<Vec<ShareLink>, SqlError> {
    Ok(LinkRow::decode_all(rows)?.into_iter().map(ShareLink::from).collect())
}

/// Adds a link.
pub(crate) fn add(dialect: Dialect, link: ShareLink) -> Result<Step, SqlError> {
    Ok(Step::new(LinkRow::from(link).insert(dialect)?))
}

/// Counts a use of a link that lets somebody in at that time.
pub(crate) fn note_use(dialect: Dialect, id: &ShareLinkId, at: Timestamp) -> Step {
    static USE: Shape = Shape::new();
    Step::guarded(USE.fill(dialect, [id.as_str().into(), dialect.time(at)], |[id, at]| {
        let lasts = Expr::col("expires_at").is_null().or(Expr::col("expires_at").gt(at));
        let has_room = Expr::col("max_uses").is_null().or(Expr::col("uses").lt(Expr::col("max_uses")));
        Query::update()
            .table(TABLE)
            .value("uses", Expr::col("uses").add(Expr::cust("1")))
            .and_where(Expr::col("id").eq(id))
            .and_where(Expr::col("is_active").eq(true))
            .and_where(lasts)
            .and_where(has_room)
            .take()
    }))
}

/// Revokes a link of a session.
pub(crate) fn revoke(dialect: Dialect, session: &SessionId, id: &ShareLinkId) -> Step {
    static REVOKE: Shape = Shape::new();
    Step::guarded(REVOKE.fill(dialect, [session.as_str().into(), id.as_str().into()], |[session, id]| {
        Query::update()
            .table(TABLE)
            .value("is_active", false)
            .and_where(Expr::col("id").eq(id))
            .and_where(Expr::col("session_id").eq(session))
            .and_where(Expr::col("is_active").eq(true))
            .take()
    }))
}
