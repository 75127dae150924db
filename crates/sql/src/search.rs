//! Full-text search: the one thing besides [`Dialect`] that each database does in its own way.
//!
//! An index is a table of rows with `row_number`, `scope` and `words`. Repositories write that table only; the schema
//! keeps what is searched in step with it, which is an FTS5 table beside it on SQLite and a column with a GIN index on
//! PostgreSQL. Words come folded and stemmed from [`portway_domain::search`], so a database compares and counts, and
//! knows nothing of languages.
//!
//! Every word in an index begins with the scope of whoever may find it. So a search reads entries of the caller's only,
//! what it costs does not grow with those of others, and how it orders what it finds tells nothing about their words. In
//! `words` and in queries `~` stands for the scope until the database puts it in, in the same statement that finds out
//! who the caller is.

pub(crate) mod messages;
pub(crate) mod scopes;
mod terms;

use portway_ports::search::{MAX_RANKED, Score};
use sea_query::{BinOper, Expr, ExprTrait, Func, Order, Query, SelectStatement, Value};

use crate::dialect::Dialect;
use crate::shape::Parameter;
#[cfg(feature = "postgres")]
use crate::subquery::scalar;

pub(crate) use self::terms::{Matching, expression, stored};

/// Stands for the scope in words and queries. No word has it.
const SCOPE: &str = "~";

/// The newest rows that fit, which are the ones that are ranked.
const NEWEST: &str = "newest";

/// Something that can be searched.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Index {
    /// The table of the rows.
    #[cfg_attr(not(feature = "postgres"), expect(dead_code, reason = "for PostgreSQL"))]
    rows: &'static str,
    /// Where SQLite keeps their words.
    entries: &'static str,
}

/// Finished messages.
const MESSAGES: Index = Index { rows: "message_words", entries: "message_search" };

/// Memories.
pub(crate) const MEMORIES: Index = Index { rows: "memories", entries: "memory_search" };

impl Index {
    /// The best hits of a user, as `row_number` and `score`: higher is better, and of equal ones the newest row comes
    /// first. `sought` is an [`expression`].
    pub(crate) fn hits(self, dialect: Dialect, user: Expr, sought: Parameter, limit: Parameter) -> SelectStatement {
        let sought = with_scope(user, sought);
        let mut hits = match dialect {
            Dialect::Sqlite => self.ranked_entries(sought),
            #[cfg(feature = "postgres")]
            Dialect::Postgres => self.ranked_documents(sought),
        };
        hits.order_by("score", Order::Desc)
            .order_by((NEWEST, "row_number"), Order::Desc)
            .limit(limit.as_number())
            .take()
    }

    /// The newest rows that fit, with their scores: FTS5 goes through its entries in this order and ranks what is asked.
    fn ranked_entries(self, sought: Expr) -> SelectStatement {
        let newest = Query::select()
            .expr_as(Expr::col("rowid"), "row_number")
            // Better rows have lower ranks.
            .expr_as(Expr::col("rank").mul(Expr::Constant(Value::Int(Some(-1)))), "score")
            .from(self.entries)
            .and_where(Expr::col(self.entries).binary(BinOper::Custom("MATCH"), sought))
            .order_by("rowid", Order::Desc)
            .limit(MAX_RANKED.into())
            .take();
        Query::select().columns(["row_number", "score"]).from_subquery(newest, NEWEST).take()
    }

    /// The newest rows that fit, with their scores. Documents are fetched after the newest are known: a sort that
    /// carries those of all that fit goes through the disk.
    #[cfg(feature = "postgres")]
    fn ranked_documents(self, sought: Expr) -> SelectStatement {
        let sought = scalar(Query::select().expr(sought.cast_as("tsquery")).take());
        // Ordered by the column alone, the server might walk through its index and look at every row.
        let order = Expr::col("row_number").add(Expr::Constant(Value::Int(Some(0))));
        let newest = Query::select()
            .column("row_number")
            .from(self.rows)
            .and_where(Expr::col("document").binary(BinOper::Custom("@@"), sought.clone()))
            .order_by_expr(order, Order::Desc)
            .limit(MAX_RANKED.into())
            .take();
        let is_same = Expr::col((self.rows, "row_number")).equals((NEWEST, "row_number"));
        Query::select()
            .column((NEWEST, "row_number"))
            .expr_as(rank(sought), "score")
            .from_subquery(newest, NEWEST)
            .inner_join(self.rows, is_same)
            .take()
    }
}

/// How well a document of PostgreSQL fits.
#[cfg(feature = "postgres")]
fn rank(sought: Expr) -> Expr {
    let flags = Expr::Constant(Value::Int(Some(RANK_FLAGS)));
    Expr::from(Func::cust("ts_rank_cd").args([Expr::col("document"), sought, flags])).cast_as("double precision")
}

/// PostgreSQL divides a rank by the logarithm of the length of the text, then maps it into 0 to 1.
#[cfg(feature = "postgres")]
const RANK_FLAGS: i32 = 1 | 32;

/// The score of a hit, from what [`Index::hits`] answers.
pub(crate) fn score(dialect: Dialect, score: f64) -> Score {
    match dialect {
        // A sum over the terms, without an upper bound.
        Dialect::Sqlite => Score::new(score / (1.0 + score)),
        #[cfg(feature = "postgres")]
        Dialect::Postgres => Score::new(score),
    }
}

/// What is sought, with the caller's scope in its place. Nobody has the scope 0.
fn with_scope(user: Expr, sought: Parameter) -> Expr {
    let scope = Func::coalesce([scopes::of(user), Expr::Constant(Value::from("0"))]);
    let mark = Expr::Constant(Value::from(SCOPE));
    Expr::from(Func::cust("replace").args([Expr::from(sought), mark, Expr::from(scope)]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shape::Shape;
    use crate::tokens::user_of;

    fn rendered(dialect: Dialect) -> String {
        static HITS: Shape = Shape::new();
        let hits = HITS.fill(dialect, ["hash".into(), "words".into(), 3.into()], |[caller, sought, limit]| {
            MESSAGES.hits(dialect, user_of(caller), sought, limit)
        });
        hits.text.into_owned()
    }

    #[test]
    fn a_search_of_sqlite_asks_the_entries() {
        let text = rendered(Dialect::Sqlite);
        let newest = r#"(SELECT "rowid" AS "row_number", "rank" * -1 AS "score" FROM "message_search" WHERE"#;
        assert!(text.contains(newest), "{text}");
        assert!(text.contains(r#""message_search" MATCH replace(?, '~', COALESCE((SELECT"#), "{text}");
        assert!(text.contains(r#"ORDER BY "rowid" DESC LIMIT ?) AS "newest""#), "{text}");
        assert!(text.ends_with(r#"ORDER BY "score" DESC, "newest"."row_number" DESC LIMIT ?"#), "{text}");
    }

    #[test]
    fn a_search_of_postgres_asks_the_column() {
        let text = rendered(Dialect::Postgres);
        assert!(text.contains(r#"CAST(ts_rank_cd("document", (SELECT CAST(replace($1, '~',"#), "{text}");
        assert!(text.contains(r#"FROM "message_words" WHERE "document" @@ (SELECT CAST(replace("#), "{text}");
        assert!(text.contains(r#"ORDER BY "row_number" + 0 DESC LIMIT"#), "{text}");
    }

    #[test]
    fn a_score_is_between_zero_and_one() {
        for raw in [0.0, 1e-9, 0.5, 1.0, 40.0, 1e300] {
            for dialect in [Dialect::Sqlite, Dialect::Postgres] {
                let score = score(dialect, raw).as_f64();
                assert!(score > 0.0 && score < 1.0, "{raw} {score}");
            }
        }
    }
}
