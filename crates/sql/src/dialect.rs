//! What differs between the databases. Nothing outside this file writes SQL text.

use portway_domain::time::Timestamp;
use sea_query::{
    BinOper, Expr, ExprTrait, Func, Query, QueryStatementWriter, SchemaStatementBuilder, SelectStatement,
    SqliteQueryBuilder, Value,
};
#[cfg(feature = "postgres")]
use {sea_query::PostgresQueryBuilder, time::OffsetDateTime};

use crate::driver::Statement;
#[cfg(feature = "postgres")]
use crate::subquery::scalar;

/// The SQL that a driver speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// SQLite and its kin (Cloudflare D1, Durable Object storage).
    Sqlite,
    /// PostgreSQL, where the crate has the feature for it.
    #[cfg(feature = "postgres")]
    Postgres,
}

impl Dialect {
    /// Renders a statement with its arguments.
    #[must_use]
    pub fn statement(self, query: &impl QueryStatementWriter) -> Statement {
        let (text, values) = match self {
            Self::Sqlite => query.build(SqliteQueryBuilder),
            #[cfg(feature = "postgres")]
            Self::Postgres => query.build(PostgresQueryBuilder),
        };
        Statement { text: text.into(), args: values.0 }
    }

    /// A point in time as an argument, exact to the microsecond.
    ///
    /// Every time goes through here, because the databases differ in the type they store it as: SQLite has a number of
    /// microseconds since the epoch, Postgres a time.
    #[must_use]
    pub fn time(self, time: Timestamp) -> Value {
        self.optional_time(Some(time))
    }

    /// A point in time that may be missing, as an argument.
    #[must_use]
    pub fn optional_time(self, time: Option<Timestamp>) -> Value {
        match self {
            Self::Sqlite => Value::BigInt(time.map(Timestamp::as_micros)),
            #[cfg(feature = "postgres")]
            Self::Postgres => Value::TimeDateTimeWithTimeZone(time.map(moment)),
        }
    }

    /// The present time by the database's own clock, in the type that times are stored as.
    pub(crate) fn clock(self) -> Expr {
        match self {
            Self::Sqlite => Expr::cust("CAST(unixepoch('subsec') * 1000 AS INTEGER) * 1000"),
            #[cfg(feature = "postgres")]
            Self::Postgres => Expr::cust("CURRENT_TIMESTAMP"),
        }
    }

    /// `column IN (items)` for text, with one argument however many items there are: the statement stays the same
    /// (and prepared), and no limit on arguments applies. False when there are no items.
    #[must_use]
    pub fn in_list<T: AsRef<str>>(self, column: Expr, items: &[T]) -> Expr {
        let list = serde_json::Value::from_iter(items.iter().map(AsRef::as_ref));
        match self {
            Self::Sqlite => {
                let items = Expr::cust_with_values("SELECT value FROM json_each(?)", [Value::from(list.to_string())]);
                column.binary(BinOper::In, items)
            }
            // As an array the items are looked up in the index of the column, however few they are thought to be.
            #[cfg(feature = "postgres")]
            Self::Postgres => {
                let items = "ARRAY (SELECT jsonb_array_elements_text($1))";
                column.eq(Func::cust("ANY").arg(Expr::cust_with_values(items, [Value::from(list)])))
            }
        }
    }

    /// `column` is among what `choice` selects, which is run exactly once: a choice that has a limit and locks its rows
    /// must not be made anew for each row that is looked at.
    pub(crate) fn among(self, column: Expr, choice: SelectStatement) -> Expr {
        match self {
            Self::Sqlite => column.in_subquery(choice),
            #[cfg(feature = "postgres")]
            Self::Postgres => column.eq(Func::cust("ANY").arg(Expr::cust_with_expr("ARRAY $1", scalar(choice)))),
        }
    }

    /// How many bytes the text of a value takes; 0 for a missing one.
    pub(crate) fn octets(self, value: Expr) -> Expr {
        let length = Func::cust("octet_length").arg(value);
        Expr::from(Func::coalesce([Expr::from(length), Expr::Constant(Value::Int(Some(0)))])).cast_as("bigint")
    }

    /// These columns of all rows of a query as JSON text, in no order: an array with an array for each row; an empty one, or
    /// `NULL`, when there is none.
    pub(crate) fn json_rows(self, columns: impl IntoIterator<Item = (&'static str, &'static str)>) -> Expr {
        let (array, row) = match self {
            Self::Sqlite => ("json_group_array", "json_array"),
            #[cfg(feature = "postgres")]
            Self::Postgres => ("json_agg", "json_build_array"),
        };
        let row = Func::cust(row).args(columns.into_iter().map(Expr::col));
        Expr::from(Func::cust(array).arg(row)).cast_as("text")
    }

    /// Selects from the members of a JSON array of arrays, which is one argument however many there are; see
    /// [`Dialect::item_member`]. The condition tells SQLite where an insert of what is selected goes on.
    pub(crate) fn select_items(self, select: &mut SelectStatement, list: Expr) -> &mut SelectStatement {
        let (items, always) = (self.items(), Expr::Constant(Value::Bool(Some(true))));
        select.from_function(Func::cust(items).arg(list), items).and_where(always)
    }

    /// The text of a member of the present array of [`Dialect::select_items`].
    pub(crate) fn item_member(self, index: i32) -> Expr {
        let item = Expr::col((self.items(), "value"));
        item.binary(BinOper::Custom("->>"), Expr::Constant(Value::Int(Some(index))))
    }

    /// What makes rows of a JSON array.
    fn items(self) -> &'static str {
        match self {
            Self::Sqlite => "json_each",
            #[cfg(feature = "postgres")]
            Self::Postgres => "jsonb_array_elements",
        }
    }

    /// Asks whether there is a table, as `found`.
    pub(crate) fn has_table(self, name: &str) -> Statement {
        let mut select = Query::select();
        match self {
            Self::Sqlite => select
                .expr_as(Expr::col("name").count().gt(0), "found")
                .from("sqlite_schema")
                .and_where(Expr::col("name").eq(name)),
            #[cfg(feature = "postgres")]
            Self::Postgres => select.expr_as(Expr::from(Func::cust("to_regclass").arg(name)).is_not_null(), "found"),
        };
        self.statement(&select)
    }

    /// A statement that makes or drops a table.
    pub(crate) fn schema(self, change: &impl SchemaStatementBuilder) -> Statement {
        let text = match self {
            Self::Sqlite => change.build(SqliteQueryBuilder),
            #[cfg(feature = "postgres")]
            Self::Postgres => change.build(PostgresQueryBuilder),
        };
        Statement { text: text.into(), args: Vec::new() }
    }

    /// Moves the counter of a column with row numbers behind those that are there. SQLite does that by itself.
    #[cfg_attr(not(feature = "postgres"), expect(unused_variables, reason = "SQLite does it by itself"))]
    pub(crate) fn count_on(self, table: &'static str, column: &'static str) -> Option<Statement> {
        match self {
            Self::Sqlite => None,
            #[cfg(feature = "postgres")]
            Self::Postgres => Some(self.statement(&count_on(table, column))),
        }
    }

    /// The text of a member of the JSON object in `column`; `NULL` when it is missing. Only for members that are text:
    /// the databases disagree on how a boolean looks as text.
    #[must_use]
    pub fn json_text(self, column: Expr, member: &'static str) -> Expr {
        column.binary(BinOper::Custom("->>"), Expr::Constant(Value::from(member)))
    }
}

/// Moves the counter behind the highest number.
#[cfg(feature = "postgres")]
fn count_on(table: &'static str, column: &'static str) -> SelectStatement {
    let constant = |text: &str| Expr::Constant(Value::from(text));
    let counter = Func::cust("pg_get_serial_sequence").args([constant(table), constant(column)]);
    let counter = Expr::from(counter).cast_as("regclass");
    let highest = Expr::col(column).max();
    let one = Expr::Constant(Value::BigInt(Some(1)));
    let next = Func::coalesce([highest.clone(), one]);
    let set = Func::cust("setval").args([counter, Expr::from(next), highest.is_not_null()]);
    Query::select().expr_as(Expr::from(set), "counter").from(table).take()
}

/// Both types have the years up to 9999, so every time has its counterpart.
#[cfg(feature = "postgres")]
fn moment(time: Timestamp) -> OffsetDateTime {
    let nanos = i128::from(time.as_micros()) * 1_000;
    OffsetDateTime::from_unix_timestamp_nanos(nanos).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
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
            r#"SELECT "id" FROM "sessions" WHERE "a" = $1 AND "id" = ANY(ARRAY (SELECT jsonb_array_elements_text($2))) AND "b" = $3"#
        );
        assert_eq!(postgres.args.len(), 3);
    }

    #[test]
    fn a_choice_is_made_once() {
        let render = |dialect: Dialect| {
            let choice = Query::select().column("id").from("jobs").limit(3).take();
            let query =
                Query::select().column("work").from("jobs").and_where(dialect.among(Expr::col("id"), choice)).take();
            dialect.statement(&query).text
        };
        assert_eq!(
            render(Dialect::Sqlite),
            r#"SELECT "work" FROM "jobs" WHERE "id" IN (SELECT "id" FROM "jobs" LIMIT ?)"#
        );
        assert_eq!(
            render(Dialect::Postgres),
            r#"SELECT "work" FROM "jobs" WHERE "id" = ANY(ARRAY (SELECT "id" FROM "jobs" LIMIT $1))"#
        );
    }

    #[test]
    fn tables_are_looked_for_and_made() {
        let found = |dialect: Dialect| dialect.has_table("jobs").text.into_owned();
        assert_eq!(
            found(Dialect::Sqlite),
            r#"SELECT COUNT("name") > ? AS "found" FROM "sqlite_schema" WHERE "name" = ?"#
        );
        assert_eq!(found(Dialect::Postgres), r#"SELECT to_regclass($1) IS NOT NULL AS "found""#);
        let drop = sea_query::Table::drop().table("jobs").take();
        assert_eq!(Dialect::Sqlite.schema(&drop).text, r#"DROP TABLE "jobs""#);
    }

    #[test]
    fn rows_become_json() {
        let render = |dialect: Dialect| {
            let rows = dialect.json_rows([("notes", "id"), ("notes", "title")]);
            dialect.statement(&Query::select().expr(rows).from("notes").take()).text.into_owned()
        };
        assert_eq!(
            render(Dialect::Sqlite),
            r#"SELECT CAST(json_group_array(json_array("notes"."id", "notes"."title")) AS text) FROM "notes""#
        );
        assert_eq!(
            render(Dialect::Postgres),
            r#"SELECT CAST(json_agg(json_build_array("notes"."id", "notes"."title")) AS text) FROM "notes""#
        );
    }

    #[test]
    fn json_becomes_rows() {
        let render = |dialect: Dialect| {
            let mut select = Query::select();
            dialect.select_items(&mut select, Expr::val("[]")).expr(dialect.item_member(0));
            select.expr(dialect.item_member(1).cast_as("bigint"));
            dialect.statement(&select).text.into_owned()
        };
        assert_eq!(
            render(Dialect::Sqlite),
            r#"SELECT "json_each"."value" ->> 0, CAST(("json_each"."value" ->> 1) AS bigint) FROM json_each(?) AS "json_each" WHERE TRUE"#
        );
        assert_eq!(
            render(Dialect::Postgres),
            r#"SELECT "jsonb_array_elements"."value" ->> 0, CAST(("jsonb_array_elements"."value" ->> 1) AS bigint) FROM jsonb_array_elements($1) AS "jsonb_array_elements" WHERE TRUE"#
        );
    }

    #[test]
    fn counters_go_on_where_they_have_to_be_told() {
        assert_eq!(Dialect::Sqlite.count_on("memories", "row_number"), None);
        let statement = Dialect::Postgres.count_on("memories", "row_number").unwrap();
        assert!(statement.args.is_empty());
        assert_eq!(
            statement.text,
            "SELECT setval(CAST(pg_get_serial_sequence('memories', 'row_number') AS regclass), \
             COALESCE(MAX(\"row_number\"), 1), MAX(\"row_number\") IS NOT NULL) AS \"counter\" FROM \"memories\""
        );
    }

    #[test]
    fn every_time_is_exact() {
        for micros in [i64::MIN, -1_000_001, -1, 0, 1, 1_771_927_200_123_456, i64::MAX] {
            let time = Timestamp::from_micros(micros);
            assert_eq!(Dialect::Sqlite.time(time), Value::BigInt(Some(time.as_micros())));
            let Value::TimeDateTimeWithTimeZone(Some(moment)) = Dialect::Postgres.time(time) else { panic!("no time") };
            assert_eq!(moment.unix_timestamp_nanos(), i128::from(time.as_micros()) * 1_000);
        }
        assert_eq!(Dialect::Postgres.optional_time(None), Value::TimeDateTimeWithTimeZone(None));
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
