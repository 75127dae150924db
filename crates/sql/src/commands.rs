//! The table `runner_commands`: what runners have not taken over.

use portway_domain::engine::Command;
use portway_domain::ids::{MessageId, SessionId};
use portway_ports::sessions::PendingCommand;
use sea_query::{DeleteStatement, Expr, ExprTrait, Order, Query};

use crate::archive::Records;
use crate::dialect::Dialect;
use crate::driver::{SqlError, Statement, Step};
use crate::json_text::JsonText;
use crate::messages;
use crate::record::{Cells, Record, record};
use crate::row::Row;
use crate::shape::{Parameter, Shape};
use crate::value::IntoValue;

const TABLE: &str = CommandRow::TABLE;

record! {
    struct CommandRow in "runner_commands" {
        session: SessionId = "session_id",
        generation: u32,
        number: u64,
        kind: String,
        prompt: Option<MessageId> = "prompt_id",
        command: JsonText<Command>,
    }
}

/// How rows are checked.
pub(crate) const RECORDS: Records = Records::of::<CommandRow>();

impl CommandRow {
    fn new(session: &SessionId, generation: u32, number: u64, command: Command) -> Self {
        let (kind, prompt) = match &command {
            Command::Prompt { prompt, .. } => ("prompt", Some(prompt.clone())),
            Command::Answer { .. } => ("answer", None),
            Command::Abort { .. } => ("abort", None),
        };
        let kind = kind.to_owned();
        Self { session: session.clone(), generation, number, kind, prompt, command: JsonText(command) }
    }
}

/// The commands of a generation after a number, in order, with the text of prompts.
pub(crate) fn pending(
    dialect: Dialect,
    session: &SessionId,
    generation: u32,
    after: u64,
    limit: u32,
) -> Result<Statement, SqlError> {
    static PENDING: Shape = Shape::new();
    let arguments =
        [session.as_str().into(), generation.into_value(dialect)?, after.into_value(dialect)?, limit.into()];
    Ok(PENDING.fill(dialect, arguments, |[session, generation, after, limit]| {
        let text = Expr::col((messages::TABLE, "session_id"))
            .equals((TABLE, "session_id"))
            .and(Expr::col((messages::TABLE, "id")).equals((TABLE, "prompt_id")));
        Query::select()
            .columns([(TABLE, "number"), (TABLE, "command"), (messages::TABLE, "content")])
            .from(TABLE)
            .left_join(messages::TABLE, text)
            .and_where(Expr::col((TABLE, "session_id")).eq(session))
            .and_where(Expr::col((TABLE, "generation")).eq(generation))
            .and_where(Expr::col((TABLE, "number")).gt(after))
            .order_by((TABLE, "number"), Order::Asc)
            .limit(limit.as_number())
            .take()
    }))
}

/// The commands in the answer to [`pending`].
pub(crate) fn decode(rows: Vec<Row>) -> Result<Vec<PendingCommand>, SqlError> {
    let decode = |row| {
        let mut cells = Cells::new(row);
        let number = cells.take(TABLE, "number")?;
        let command: JsonText<Command> = cells.take(TABLE, "command")?;
        let content = cells.take(messages::TABLE, "content")?;
        Ok(PendingCommand { number, command: command.0, content })
    };
    rows.into_iter().map(decode).collect()
}

/// Adds a command. The first one of a generation removes what older generations left.
pub(crate) fn give(
    dialect: Dialect,
    session: &SessionId,
    generation: u32,
    number: u64,
    command: Command,
) -> Result<Vec<Step>, SqlError> {
    static OLDER: Shape = Shape::new();
    let mut steps = Vec::new();
    if number == 1 {
        let arguments = [session.as_str().into(), generation.into_value(dialect)?];
        steps.push(Step::new(OLDER.fill(dialect, arguments, |[session, generation]| {
            of(session).and_where(Expr::col("generation").lt(generation)).take()
        })));
    }
    let row = CommandRow::new(session, generation, number, command);
    steps.push(Step::new(row.insert(dialect)?));
    Ok(steps)
}

/// Removes the commands of a generation up to a number.
pub(crate) fn take(dialect: Dialect, session: &SessionId, generation: u32, number: u64) -> Result<Step, SqlError> {
    static TAKE: Shape = Shape::new();
    let arguments = [session.as_str().into(), generation.into_value(dialect)?, number.into_value(dialect)?];
    Ok(Step::new(TAKE.fill(dialect, arguments, |[session, generation, number]| {
        of(session).and_where(Expr::col("generation").eq(generation)).and_where(Expr::col("number").lte(number)).take()
    })))
}

fn of(session: Parameter) -> DeleteStatement {
    Query::delete().from_table(TABLE).and_where(Expr::col("session_id").eq(session)).take()
}
