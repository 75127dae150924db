//! The table `access_tokens`, and who a caller is.

use portway_domain::access::{Principal, Role};
use portway_domain::ids::{TokenId, UserId};
use portway_domain::time::Timestamp;
use portway_domain::tokens::{AccessToken, TokenHash, TokenKind};
use portway_ports::users::TokenListItem;
use sea_query::{Expr, ExprTrait, Order, Query, Value};

use crate::archive::Records;
use crate::dialect::Dialect;
use crate::driver::{SqlError, Statement, Step};
use crate::record::{Cells, Record, record};
use crate::row::Row;
use crate::shape::{Parameter, Shape};
use crate::subquery::scalar;

const TABLE: &str = TokenRow::TABLE;

record! {
    struct TokenRow in "access_tokens" {
        id: TokenId,
        user: UserId = "user_id",
        kind: TokenKind,
        name: String,
        prefix: String,
        hash: TokenHash = "token_hash",
        created_at: Timestamp,
        expires_at: Option<Timestamp>,
    }
}

/// How rows are checked.
pub(crate) const RECORDS: Records = Records::of::<TokenRow>();

record! {
    struct PresentedToken in "access_tokens" {
        id: TokenId,
        user: UserId = "user_id",
        expires_at: Option<Timestamp>,
    }
}

record! {
    struct Identity in "users" {
        role: Role,
        email: String,
        name: Option<String>,
        avatar_url: Option<String>,
    }
}

impl From<AccessToken> for TokenRow {
    fn from(token: AccessToken) -> Self {
        Self {
            id: token.id,
            user: token.user,
            kind: token.kind,
            name: token.name,
            prefix: token.prefix,
            hash: token.hash,
            created_at: token.created_at,
            expires_at: token.expires_at,
        }
    }
}

impl From<TokenRow> for AccessToken {
    fn from(row: TokenRow) -> Self {
        Self {
            id: row.id,
            user: row.user,
            kind: row.kind,
            name: row.name,
            prefix: row.prefix,
            hash: row.hash,
            created_at: row.created_at,
            expires_at: row.expires_at,
        }
    }
}

/// The id of the user whom the token of that hash signs in; `NULL` when nobody is.
pub(crate) fn user_of(caller: Parameter) -> Expr {
    scalar(
        Query::select()
            .column((TABLE, "user_id"))
            .from(TABLE)
            .and_where(Expr::col((TABLE, "token_hash")).eq(caller))
            .and_where(Expr::col((TABLE, "revoked_at")).is_null())
            .take(),
    )
}

/// Whose rows are meant.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Whose<'a> {
    /// Those of the user whom the token of that hash signs in.
    Caller(&'a TokenHash),
    /// Those of that user.
    User(&'a UserId),
}

impl Whose<'_> {
    /// How many kinds there are.
    pub(crate) const KINDS: usize = 2;

    /// Which kind it is, from 0.
    pub(crate) fn kind(self) -> usize {
        match self {
            Self::Caller(_) => 0,
            Self::User(_) => 1,
        }
    }

    /// What stands for the user.
    pub(crate) fn argument(self) -> Value {
        match self {
            Self::Caller(caller) => caller.as_str().into(),
            Self::User(user) => user.as_str().into(),
        }
    }

    /// The id of the user that the argument stands for.
    pub(crate) fn user(self, argument: Parameter) -> Expr {
        match self {
            Self::Caller(_) => user_of(argument),
            Self::User(_) => argument.into(),
        }
    }
}

/// Who the caller is.
pub(crate) fn principal(dialect: Dialect, caller: &TokenHash) -> Statement {
    static PRINCIPAL: Shape = Shape::new();
    PRINCIPAL.fill(dialect, [caller.as_str().into()], |[caller]| {
        PresentedToken::select()
            .columns(Identity::COLUMNS.iter().map(|column| (Identity::TABLE, *column)))
            .inner_join(Identity::TABLE, Expr::col((Identity::TABLE, "id")).equals((TABLE, "user_id")))
            .and_where(Expr::col((TABLE, "token_hash")).eq(caller))
            .and_where(Expr::col((TABLE, "revoked_at")).is_null())
            .take()
    })
}

/// The caller in the answer to [`principal`].
pub(crate) fn decode_principal(rows: Vec<Row>) -> Result<Option<Principal>, SqlError> {
    let Some(row) = rows.into_iter().next() else {
        return Ok(None);
    };
    let mut cells = Cells::new(row);
    let token = PresentedToken::decode_cells(&mut cells)?;
    let identity = Identity::decode_cells(&mut cells)?;
    Ok(Some(Principal {
        user: token.user,
        token: token.id,
        role: identity.role,
        email: identity.email,
        name: identity.name,
        avatar_url: identity.avatar_url,
        expires_at: token.expires_at,
    }))
}

/// Those of some tokens that sign somebody in at `now`.
pub(crate) fn valid(dialect: Dialect, tokens: &[TokenId], now: Timestamp) -> Statement {
    let ids: Vec<&str> = tokens.iter().map(TokenId::as_str).collect();
    let expiry = || Expr::col("expires_at");
    let select = Query::select()
        .column("id")
        .from(TABLE)
        .and_where(dialect.in_list(Expr::col("id"), &ids))
        .and_where(Expr::col("revoked_at").is_null())
        .and_where(expiry().is_null().or(expiry().gt(Expr::val(dialect.time(now)))))
        .take();
    dialect.statement(&select)
}

/// The tokens in the answer to [`valid`].
pub(crate) fn decode_valid(rows: Vec<Row>) -> Result<Vec<TokenId>, SqlError> {
    rows.into_iter().map(|row| Cells::new(row).take(TABLE, "id")).collect()
}

/// The caller's tokens made for programs, newest first.
pub(crate) fn list(dialect: Dialect, caller: &TokenHash, limit: u32) -> Statement {
    static LIST: Shape = Shape::new();
    LIST.fill(dialect, [caller.as_str().into(), limit.into()], |[caller, limit]| {
        TokenRow::select()
            .column((TABLE, "last_used_at"))
            .and_where(Expr::col("user_id").eq(user_of(caller)))
            .and_where(Expr::col("kind").eq(TokenKind::Api.as_str()))
            .and_where(Expr::col("revoked_at").is_null())
            .order_by("created_at", Order::Desc)
            .order_by("id", Order::Desc)
            .limit(limit.as_number())
            .take()
    })
}

/// The tokens in the answer to [`list`].
pub(crate) fn decode_list(rows: Vec<Row>) -> Result<Vec<TokenListItem>, SqlError> {
    let decode = |row| {
        let mut cells = Cells::new(row);
        let token = TokenRow::decode_cells(&mut cells)?.into();
        let last_used_at = cells.take(TABLE, "last_used_at")?;
        Ok(TokenListItem { token, last_used_at })
    };
    rows.into_iter().map(decode).collect()
}

/// Adds a token.
pub(crate) fn add(dialect: Dialect, token: AccessToken) -> Result<Step, SqlError> {
    Ok(Step::new(TokenRow::from(token).insert(dialect)?))
}

/// Revokes a token of a user.
pub(crate) fn revoke(dialect: Dialect, id: &TokenId, user: &UserId, at: Timestamp) -> Step {
    static REVOKE: Shape = Shape::new();
    let arguments = [id.as_str().into(), user.as_str().into(), dialect.time(at)];
    Step::guarded(REVOKE.fill(dialect, arguments, |[id, user, at]| {
        Query::update()
            .table(TABLE)
            .value("revoked_at", at)
            .and_where(Expr::col("id").eq(id))
            .and_where(Expr::col("user_id").eq(user))
            .and_where(Expr::col("revoked_at").is_null())
            .take()
    }))
}
