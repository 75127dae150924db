//! The table `memories`.

use portway_domain::ids::{MemoryId, UserId};
use portway_domain::memories::{MAX_MEMORIES, Memory, MemoryCategory, Relevance};
use portway_domain::search::Document;
use portway_domain::time::Timestamp;
use portway_ports::memories::MemoryFilter;
use portway_ports::pages::MAX_PAGE;
use sea_query::{Expr, ExprTrait, InsertStatement, Order, Query, SelectStatement, Value};

use crate::archive::Records;
use crate::dialect::Dialect;
use crate::driver::{SqlError, Statement, Step};
use crate::record::{Record, record};
use crate::row::Row;
use crate::search::{self, MEMORIES, Matching, scopes};
use crate::shape::{Parameter, Shape};
use crate::tokens::Whose;

const TABLE: &str = MemoryRow::TABLE;

record! {
    struct MemoryRow in "memories" {
        id: MemoryId,
        user: UserId = "user_id",
        category: MemoryCategory,
        content: String,
        relevance: Relevance,
        created_at: Timestamp,
        last_accessed_at: Timestamp,
    }
}

/// How rows are checked.
pub(crate) const RECORDS: Records = Records::of::<MemoryRow>();

impl From<Memory> for MemoryRow {
    fn from(memory: Memory) -> Self {
        let Memory { id, user, category, content, relevance, created_at, last_accessed_at } = memory;
        Self { id, user, category, content, relevance, created_at, last_accessed_at }
    }
}

impl From<MemoryRow> for Memory {
    fn from(row: MemoryRow) -> Self {
        let MemoryRow { id, user, category, content, relevance, created_at, last_accessed_at } = row;
        Self { id, user, category, content, relevance, created_at, last_accessed_at }
    }
}

/// Somebody's memories; see [`MemoryFilter`].
pub(crate) fn list(dialect: Dialect, whose: Whose<'_>, filter: &MemoryFilter) -> Statement {
    // By how they are chosen: all, of a category, by words, both.
    static LIST: [[Shape; 4]; Whose::KINDS] = [const { [const { Shape::new() }; 4] }; Whose::KINDS];
    let choice = usize::from(filter.category.is_some()) + 2 * usize::from(filter.query.is_some());
    let shape = &LIST[whose.kind()][choice];
    let arguments = [
        whose.argument(),
        filter.limit().into(),
        filter.category.map(MemoryCategory::as_str).into(),
        filter.query.as_ref().map(|query| search::expression(dialect, query, Matching::Any, None)).into(),
        // The category is looked at afterwards, so all hits are taken.
        MAX_MEMORIES.into(),
    ];
    shape.fill(dialect, arguments, |[user, limit, category, sought, all]| {
        let mut select = match &filter.query {
            Some(_) => found(MEMORIES.hits(dialect, whose.user(user), sought, all)),
            None => by_relevance(&mut MemoryRow::select(), Order::Desc),
        };
        select
            .and_where(Expr::col((TABLE, "user_id")).eq(whose.user(user)))
            .and_where_option(filter.category.map(|_| Expr::col((TABLE, "category")).eq(category)))
            .limit(limit.as_number())
            .take()
    })
}

/// The memories of hits, the best first.
fn found(hits: SelectStatement) -> SelectStatement {
    Query::select()
        .columns(MemoryRow::COLUMNS.iter().map(|column| (TABLE, *column)))
        .from_subquery(hits, "hits")
        // SQLite takes the tables of a cross join in this order.
        .cross_join(TABLE)
        .and_where(Expr::col((TABLE, "row_number")).equals(("hits", "row_number")))
        .order_by(("hits", "score"), Order::Desc)
        .order_by(("hits", "row_number"), Order::Desc)
        .take()
}

fn by_relevance(select: &mut SelectStatement, order: Order) -> SelectStatement {
    for column in ["relevance", "last_accessed_at", "id"] {
        select.order_by((TABLE, column), order.clone());
    }
    select.take()
}

/// The memories in the answer to [`list`].
pub(crate) fn decode(rows: Vec<Row>) -> Result<Vec<Memory>, SqlError> {
    Ok(MemoryRow::decode_all(rows)?.into_iter().map(Memory::from).collect())
}

/// How many memories somebody has, as `memories`.
pub(crate) fn count(dialect: Dialect, whose: Whose<'_>) -> Statement {
    static COUNT: [Shape; Whose::KINDS] = [const { Shape::new() }; Whose::KINDS];
    COUNT[whose.kind()].fill(dialect, [whose.argument()], |[user]| {
        Query::select()
            .expr_as(Expr::col("id").count(), "memories")
            .from(TABLE)
            .and_where(Expr::col("user_id").eq(whose.user(user)))
            .take()
    })
}

/// Somebody's memories that go first, as `id`.
pub(crate) fn least_relevant(dialect: Dialect, whose: Whose<'_>) -> Statement {
    static LEAST: [Shape; Whose::KINDS] = [const { Shape::new() }; Whose::KINDS];
    LEAST[whose.kind()].fill(dialect, [whose.argument()], |[user]| {
        let mut select = Query::select();
        select
            .column((TABLE, "id"))
            .from(TABLE)
            .and_where(Expr::col((TABLE, "user_id")).eq(whose.user(user)))
            .limit(MAX_PAGE.into());
        by_relevance(&mut select, Order::Asc)
    })
}

/// The words of a memory with that category and content, as they are kept.
pub(crate) fn words(dialect: Dialect, category: &str, content: &str) -> String {
    search::stored(dialect, &Document::of(&Memory::searched_text(category, content)), None)
}

/// Adds a memory of a user who exists.
pub(crate) fn add(dialect: Dialect, memory: Memory) -> Result<Step, SqlError> {
    static ADD: Shape = Shape::new();
    let words = words(dialect, memory.category.as_str(), &memory.content);
    let mut values = MemoryRow::from(memory).into_values(dialect)?;
    values.push(words.into());
    ADD.fill_values(dialect, &values, insert_with_scope).map(Step::guarded)
}

/// An insert that does nothing unless the user exists. The user comes second of the columns, the words come last.
fn insert_with_scope(values: &[Parameter]) -> Result<InsertStatement, SqlError> {
    let [_, user, ..] = values else {
        return Err(SqlError::Statement("a memory belongs to a user".into()));
    };
    let select = Query::select()
        .exprs(values.iter().copied().map(Expr::from))
        .column((scopes::TABLE, "number"))
        .from(scopes::TABLE)
        .and_where(Expr::col((scopes::TABLE, "user_id")).eq(*user))
        .take();
    let mut insert = Query::insert();
    insert
        .into_table(TABLE)
        .columns(MemoryRow::COLUMNS.iter().copied().chain(["words", "scope"]))
        .select_from(select)
        .map_err(|error| SqlError::Statement(error.to_string()))?;
    Ok(insert)
}

/// Removes a memory of a user.
pub(crate) fn remove(dialect: Dialect, id: &MemoryId, user: &UserId) -> Step {
    static REMOVE: Shape = Shape::new();
    Step::guarded(REMOVE.fill(dialect, [id.as_str().into(), user.as_str().into()], |[id, user]| {
        Query::delete()
            .from_table(TABLE)
            .and_where(Expr::col("id").eq(id))
            .and_where(Expr::col("user_id").eq(user))
            .take()
    }))
}

/// Notes that memories of a user were used.
pub(crate) fn note_use(dialect: Dialect, user: &UserId, ids: &[MemoryId], at: Timestamp) -> Step {
    let constant = |relevance: Relevance| Expr::Constant(Value::Unsigned(Some(relevance.tenths())));
    let grown = Expr::col("relevance").add(constant(Relevance::USE));
    let ids: Vec<&str> = ids.iter().map(MemoryId::as_str).collect();
    let update = Query::update()
        .table(TABLE)
        .value(
            "relevance",
            Expr::case(Expr::col("relevance").lt(constant(Relevance::MAX)), grown).finally(Expr::col("relevance")),
        )
        .value("last_accessed_at", dialect.time(at))
        .and_where(Expr::col("user_id").eq(user.as_str()))
        .and_where(dialect.in_list(Expr::col("id"), &ids))
        .take();
    Step::new(dialect.statement(&update))
}
