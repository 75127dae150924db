//! What differs between the databases. Nothing outside this file writes SQL text.

use portway_domain::time::Timestamp;
use sea_query::{BinOper, Expr, ExprTrait, PostgresQueryBuilder, QueryStatementWriter, SqliteQueryBuilder, Value};

use crate::driver::Statement;

/// The SQL that a driver speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// SQLite and its kin (Cloudflare D1, Durable Object storage).
    Sqlite,
    /// PostgreSQL.
    Postgres,
}

impl Dialect {
    /// Renders a statement with its arguments.
    #[must_use]
    pub fn statement(self, query: &impl QueryStatementWriter) -> Statement {
        let (text, values) = match self {
            Self::Sqlite => query.build(SqliteQueryBuilder),
            Self::Postgres => query.build(PostgresQueryBuilder),
        };
        Statement { text: text.into(), args: values.0 }
    }

    /// A point in time as an argument: microseconds since the epoch.
    ///
    /// Every time goes through here, because the databases differ in the type they store it as.
    #[must_use]
    pub fn time(self, time: Timestamp) -> Value {
        self.optional_time(Some(time))
    }

    /// A point in time that may be missing, as an argument.
    #[must_use]
    pub fn optional_time(self, time: Option<Timestamp>) -> Value {
        match self {
            Self::Sqlite | Self::Postgres => Value::BigInt(time.map(Timestamp::as_micros)),
        }
    }

    /// `column IN (items)` for text, with one argument however many items there are: the statement stays the same
    /// (and prepared), and no limit on arguments applies. False when there are no items.
    #[must_use]
    pub fn in_list<T: AsRef<str>>(self, column: Expr, items: &[T]) -> Expr {
        let list = serde_json::Value::from_iter(items.iter().map(AsRef::as_ref));
        let items = match self {
            Self::Sqlite => Expr::cust_with_values("SELECT value FROM json_each(?)", [Value::from(list.to_string())]),
            Self::Postgres => Expr::cust_with_values("SELECT jsonb_array_elements_text($1)", [Value::from(list)]),
        };
        column.binary(BinOper::In, items)
    }

    /// The text of a member of the JSON object in `column`; `NULL` when it is missing. Only for members that are text:
    /// the databases disagree on how a boolean looks as text.
    #[must_use]
    pub fn json_text(self, column: Expr, member: &'static str) -> Expr {
        match self {
            Self::Sqlite | Self::Postgres => column.binary(BinOper::Custom("->>"), Expr::Constant(Value::from(member))),
        }
    }
}

#[cfg(test)]
mod tests {
    use sea_query::Query;

    use super::*;

    #[test]
    fn statements_carry_the_placeholders_of_the_dialect() {
        let query =
            Query::select().column("id").from("sessions").and_where(Expr::col("user_id").eq("u1")).limit(2).take();
        let sqlite = Dialect::Sqlite.statement(&query);
        assert_eq!(sqlite.text, r#"SELECT "id" FROM "sessions" WHERE "user_id" = ? LIMIT ?"#);
        let postgres = Dialect::Postgres.statement(&query);
        assert_eq!(postgres.text, r#"SELECT "id" FROM "sessions" WHERE "user_id" = $1 LIMIT $2"#);
        assert_eq!(sqlite.args, postgres.args);
    }

    #[test]
    fn a_list_is_one_argument_between_others() {
        let render = |dialect: Dialect| {
            dialect.statement(
                &Query::select()
                    .column("id")
                    .from("sessions")
                    .and_where(Expr::col("a").eq(1))
                    .and_where(dialect.in_list(Expr::col("id"), &["x", "y\"z"]))
                    .and_where(Expr::col("b").eq(2))
                    .take(),
            )
        };
        let sqlite = render(Dialect::Sqlite);
        assert_eq!(
            sqlite.text,
            r#"SELECT "id" FROM "sessions" WHERE "a" = ? AND "id" IN (SELECT value FROM json_each(?)) AND "b" = ?"#
        );
        assert_eq!(sqlite.args[1], Value::from(r#"["x","y\"z"]"#));
        let postgres = render(Dialect::Postgres);
        assert_eq!(
            postgres.text,
            r#"SELECT "id" FROM "sessions" WHERE "a" = $1 AND "id" IN (SELECT jsonb_array_elements_text($2)) AND "b" = $3"#
        );
        assert_eq!(postgres.args.len(), 3);
    }

    #[test]
    fn json_members_are_named_in_the_text() {
        for dialect in [Dialect::Sqlite, Dialect::Postgres] {
            let statement = dialect.statement(
                &Query::select().expr_as(dialect.json_text(Expr::col("meta"), "kind"), "kind").from("items").take(),
            );
            assert_eq!(statement.text, r#"SELECT "meta" ->> 'kind' AS "kind" FROM "items""#);
            assert!(statement.args.is_empty());
        }
    }
}
