//! Statements whose text is rendered once.
//!
//! Building and rendering a statement costs more than an embedded database needs to answer it. The text of most
//! statements never changes; only their arguments do.

use std::sync::OnceLock;

use sea_query::{Expr, QueryStatementWriter, Value};

use crate::dialect::Dialect;
use crate::driver::{SqlError, Statement};

/// Parameters are the numbers from here on: larger than any that a column can hold.
const MARK: u64 = u64::MAX - MAX_PARAMETERS;

/// Most parameters of one shape.
const MAX_PARAMETERS: u64 = 255;

/// A statement with its arguments left open. One shape is one place in the code, and renders its text once for each
/// dialect.
///
/// ```ignore
/// static BY_ID: Shape = Shape::new();
/// BY_ID.fill(dialect, [id.as_str().into()], |[id]| UserRow::select().and_where(Expr::col("id").eq(id)).take())
/// ```
pub(crate) struct Shape {
    sqlite: OnceLock<Rendered>,
    #[cfg_attr(not(feature = "postgres"), expect(dead_code, reason = "for PostgreSQL"))]
    postgres: OnceLock<Rendered>,
}

struct Rendered {
    text: String,
    arguments: Vec<Argument>,
}

/// What stands in for one placeholder of the text.
enum Argument {
    /// The parameter of this index.
    Parameter(usize),
    /// The same value every time.
    Constant(Value),
}

/// An argument that is not known yet.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Parameter(usize);

impl Parameter {
    /// The parameter where a number is asked for, as by `limit`.
    pub(crate) fn as_number(self) -> u64 {
        MARK + self.0 as u64
    }

    fn of(value: &Value) -> Option<usize> {
        match value {
            Value::BigUnsigned(Some(number)) => usize::try_from(number.checked_sub(MARK)?).ok(),
            _ => None,
        }
    }
}

impl From<Parameter> for Expr {
    fn from(parameter: Parameter) -> Self {
        Self::val(parameter.as_number())
    }
}

impl Shape {
    pub(crate) const fn new() -> Self {
        Self { sqlite: OnceLock::new(), postgres: OnceLock::new() }
    }

    /// The statement with these arguments. `build` makes it of its parameters, the first time only: what it takes from
    /// elsewhere has to be the same every time.
    pub(crate) fn fill<const N: usize, Q: QueryStatementWriter>(
        &'static self,
        dialect: Dialect,
        arguments: [Value; N],
        build: impl FnOnce([Parameter; N]) -> Q,
    ) -> Statement {
        self.fill_both(dialect, arguments, [], |parameters, []| build(parameters))
    }

    /// As [`Shape::fill`], for arguments that come from two sides.
    pub(crate) fn fill_both<const M: usize, const N: usize, Q: QueryStatementWriter>(
        &'static self,
        dialect: Dialect,
        first: [Value; M],
        others: [Value; N],
        build: impl FnOnce([Parameter; M], [Parameter; N]) -> Q,
    ) -> Statement {
        const { assert!(((M + N) as u64) < MAX_PARAMETERS) };
        let build = || build(std::array::from_fn(Parameter), std::array::from_fn(|index| Parameter(M + index)));
        let rendered = self.cell(dialect).get_or_init(|| Rendered::of(dialect, &build()));
        rendered.with(|index| first.get(index).or_else(|| others.get(index.checked_sub(M)?)))
    }

    /// As [`Shape::fill`], for the values of a record and whatever comes after them.
    ///
    /// # Errors
    /// Those of `build`.
    pub(crate) fn fill_values<Q: QueryStatementWriter>(
        &'static self,
        dialect: Dialect,
        values: &[Value],
        build: impl FnOnce(&[Parameter]) -> Result<Q, SqlError>,
    ) -> Result<Statement, SqlError> {
        let cell = self.cell(dialect);
        let rendered = match cell.get() {
            Some(rendered) => rendered,
            None => {
                let parameters: Vec<Parameter> = (0..values.len()).map(Parameter).collect();
                let rendered = Rendered::of(dialect, &build(&parameters)?);
                cell.get_or_init(|| rendered)
            }
        };
        Ok(rendered.with(|index| values.get(index)))
    }

    fn cell(&self, dialect: Dialect) -> &OnceLock<Rendered> {
        match dialect {
            Dialect::Sqlite => &self.sqlite,
            #[cfg(feature = "postgres")]
            Dialect::Postgres => &self.postgres,
        }
    }
}

impl Rendered {
    fn of(dialect: Dialect, query: &impl QueryStatementWriter) -> Self {
        let statement = dialect.statement(query);
        let argument = |value| match Parameter::of(&value) {
            Some(index) => Argument::Parameter(index),
            None => Argument::Constant(value),
        };
        Self { text: statement.text.into_owned(), arguments: statement.args.into_iter().map(argument).collect() }
    }

    fn with<'a>(&'static self, value_of: impl Fn(usize) -> Option<&'a Value>) -> Statement {
        let argument = |argument: &Argument| match argument {
            // There is a value for each parameter: both are made of the same list.
            Argument::Parameter(index) => value_of(*index).cloned().unwrap_or(Value::BigInt(None)),
            Argument::Constant(value) => value.clone(),
        };
        Statement { text: (&*self.text).into(), args: self.arguments.iter().map(argument).collect() }
    }
}

#[cfg(test)]
mod tests {
    use sea_query::{ExprTrait, Query};

    use super::*;

    fn list(dialect: Dialect, owner: &str, limit: u64) -> Statement {
        static LIST: Shape = Shape::new();
        LIST.fill(dialect, [owner.into(), limit.into()], |[owner, limit]| {
            let mine = Expr::col("owner").eq(owner).or(Expr::col("editor").eq(owner));
            Query::select()
                .column("id")
                .from("items")
                .and_where(mine)
                .and_where(Expr::col("kind").eq("note"))
                .limit(limit.as_number())
                .take()
        })
    }

    #[test]
    fn arguments_stand_where_their_parameters_did() {
        for dialect in [Dialect::Sqlite, Dialect::Postgres] {
            for (owner, limit) in [("ann", 1), ("bob", 2)] {
                let filled = list(dialect, owner, limit);
                let mine = Expr::col("owner").eq(owner).or(Expr::col("editor").eq(owner));
                let mut plain = Query::select();
                plain.column("id").from("items").and_where(mine).and_where(Expr::col("kind").eq("note")).limit(limit);
                assert_eq!(filled, dialect.statement(&plain));
            }
        }
    }

    #[test]
    fn the_text_is_rendered_once() {
        let [first, second] = ["ann", "bob"].map(|owner| list(Dialect::Sqlite, owner, 1));
        assert!(std::ptr::eq(&*first.text, &*second.text));
    }
}
