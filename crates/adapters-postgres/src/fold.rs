//! Several reads as one statement: one round trip, one snapshot.
//!
//! `SELECT ARRAY(SELECT ROW(r.*) FROM (first) AS r), ARRAY(SELECT ROW(r.*) FROM (second) AS r)` answers with one row. Each of its
//! columns is the list of the rows of one statement, in their order, and each row tells the types of its fields. What it
//! does not tell is their names: those are asked for once, before the first use.

use std::collections::HashMap;
use std::fmt::Write;
use std::sync::{Arc, Mutex, PoisonError};

use portway_sql::driver::{SqlError, Statement};
use portway_sql::row::Row;
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, SqlSafeStr, SqlStr};

use crate::cells;
use crate::error::{Failure, changes_something};
use crate::session::Session;

/// Most folds that are kept; there are some dozens.
const KEPT: usize = 1024;

/// Several statements as one.
#[derive(Debug)]
pub(crate) struct Fold {
    text: Arc<str>,
    /// For each statement the names of its columns.
    names: Vec<Arc<[String]>>,
}

/// Folds by the texts of their statements.
#[derive(Default)]
pub(crate) struct Folds(Mutex<HashMap<String, Arc<Fold>>>);

impl Folds {
    /// The fold of these statements; the first time the server is asked about each of them.
    pub(crate) async fn of(&self, statements: &[Statement], session: &mut Session) -> Result<Arc<Fold>, Failure> {
        let key = key(statements);
        if let Some(fold) = self.known(&key) {
            return Ok(fold);
        }
        let text = text(statements).map_err(Failure::Value)?;
        let mut names = Vec::with_capacity(statements.len());
        for statement in statements {
            let columns = session.describe(statement).await?;
            // What answers with nothing was not asked for an answer.
            if columns.is_empty() {
                return Err(Failure::Value(changes_something()));
            }
            names.push(columns.into());
        }
        let fold = Arc::new(Fold { text: text.into(), names });
        self.keep(key, fold.clone());
        Ok(fold)
    }

    fn known(&self, key: &str) -> Option<Arc<Fold>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    fn keep(&self, key: String, fold: Arc<Fold>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= KEPT {
            known.clear();
        }
        known.insert(key, fold);
    }
}

impl Fold {
    /// The one statement. Its arguments are those of all statements, in order.
    pub(crate) fn text(&self) -> SqlStr {
        AssertSqlSafe(self.text.clone()).into_sql_str()
    }

    /// The rows of each statement in the one row of the answer.
    pub(crate) fn unfold(&self, answer: &[PgRow]) -> Result<Vec<Vec<Row>>, SqlError> {
        let row = answer.first().ok_or_else(|| SqlError::Statement("the server sent no answer".into()))?;
        let list = |(index, names)| match cells::field(row, index)? {
            Some(array) => cells::records(array, names),
            None => Ok(Vec::new()),
        };
        self.names.iter().enumerate().map(list).collect()
    }
}

fn key(statements: &[Statement]) -> String {
    let length = statements.iter().map(|statement| statement.text.len() + 1).sum();
    let mut key = String::with_capacity(length);
    for statement in statements {
        key.push_str(&statement.text);
        key.push('\0');
    }
    key
}

/// The text of the fold. Placeholders count on from statement to statement.
fn text(statements: &[Statement]) -> Result<String, SqlError> {
    let mut text = String::from("SELECT ");
    let mut before = 0;
    for (index, statement) in statements.iter().enumerate() {
        if index > 0 {
            text.push_str(", ");
        }
        text.push_str("ARRAY(SELECT ROW(r.*) FROM (");
        let placeholders = renumbered(&statement.text, before, &mut text);
        if placeholders != statement.args.len() {
            return Err(SqlError::Statement(format!(
                "{} arguments for {placeholders} placeholders",
                statement.args.len()
            )));
        }
        text.push_str(") AS r)");
        before += statement.args.len();
    }
    Ok(text)
}

/// Writes a statement with `before` added to the number of each placeholder, and answers the highest number that it had.
/// Dollar signs in quotes are no placeholders.
fn renumbered(statement: &str, before: usize, text: &mut String) -> usize {
    let mut highest = 0;
    let mut rest = statement;
    while let Some(at) = rest.find(['$', '\'', '"']) {
        text.push_str(&rest[..at]);
        let (quote, after) = rest[at..].split_at(1);
        if quote == "$" {
            let digits = after.len() - after.trim_start_matches(|letter: char| letter.is_ascii_digit()).len();
            text.push('$');
            if let Ok(number) = after[..digits].parse::<usize>() {
                highest = highest.max(number);
                // Writing to a string cannot fail.
                let _ = write!(text, "{}", number + before);
            }
            rest = &after[digits..];
        } else {
            let escapes = quote == "'" && rest[..at].ends_with(['E', 'e']);
            let end = quoted(after, quote, escapes);
            text.push_str(quote);
            text.push_str(&after[..end]);
            rest = &after[end..];
        }
    }
    text.push_str(rest);
    highest
}

/// How long a quoted text is, with the quote at its end. A doubled quote ends it and begins another one, which is as
/// good here.
fn quoted(text: &str, quote: &str, escapes: bool) -> usize {
    let mut escaped = false;
    for (at, letter) in text.char_indices() {
        if escaped {
            escaped = false;
        } else if escapes && letter == '\\' {
            escaped = true;
        } else if quote.starts_with(letter) {
            return at + 1;
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statement(text: &str, args: usize) -> Statement {
        Statement { text: text.to_owned().into(), args: vec![1.into(); args] }
    }

    fn renumber(text: &str) -> (String, usize) {
        let mut written = String::new();
        let highest = renumbered(text, 10, &mut written);
        (written, highest)
    }

    #[test]
    fn placeholders_count_on() {
        let folded = text(&[statement("SELECT $1, $2", 2), statement("SELECT $2, $1", 2), statement("SELECT 1", 0)]);
        assert_eq!(
            folded.unwrap(),
            "SELECT ARRAY(SELECT ROW(r.*) FROM (SELECT $1, $2) AS r), \
             ARRAY(SELECT ROW(r.*) FROM (SELECT $4, $3) AS r), \
             ARRAY(SELECT ROW(r.*) FROM (SELECT 1) AS r)"
        );
    }

    #[test]
    fn what_is_quoted_stays() {
        for same in [r#"SELECT '$1', "$2", 'it''s $3', E'\'$4', e'\\', "a""$5", 'ü$6'"#, "SELECT '$1", "$", "a$b"] {
            assert_eq!(renumber(same), (same.to_owned(), 0));
        }
        assert_eq!(renumber(r"SELECT E'\\', $1, '\', $2::text"), (r"SELECT E'\\', $11, '\', $12::text".to_owned(), 2));
    }

    #[test]
    fn arguments_have_to_fit() {
        for (sql, args) in [("SELECT $1", 0), ("SELECT $1", 2), ("SELECT $2", 1)] {
            assert!(matches!(text(&[statement(sql, args)]), Err(SqlError::Statement(_))), "{sql}");
        }
    }
}
