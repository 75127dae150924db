//! How a batch ends when a guarded step matches nothing.
//!
//! Inside a batch nothing but SQL can look at what a statement did, and nothing but a failing statement undoes the
//! batch. So a guarded step is followed by a query that fails when the step changed nothing.
//!
//! It has to be a query. A statement that writes first makes full-text tables store what they hold back, which changes
//! what `changes()` says: a guard that inserts a row, to let a trigger fail, overlooks what it should find. The one
//! failure of a query whose message can carry the number of the step is that of a JSON path that is none.

use std::borrow::Cow;

use portway_sql::driver::SqlError;

use super::arguments::Argument;
use super::call::Call;

/// Begins the path that is none.
const MARK: &str = "guard:";

/// Fails, and says which step it was. The cast makes an integer of the number, which D1 binds as a float. That it seems
/// to depend on `changes()` keeps SQLite from working it out before it is needed.
macro_rules! fail {
    () => {
        "json_extract('{}', 'guard:' || CAST(? + 0 * changes() AS INTEGER))"
    };
}

/// What D1 itself tells about changes counts those of triggers as well; `changes()` does not.
const CHANGED_OR_FAIL: &str = concat!("SELECT CASE changes() WHEN 0 THEN ", fail!(), " ELSE 1 END AS passed");
const FAIL: &str = concat!("SELECT ", fail!(), " AS passed");

/// Ends the batch when the statement before it changed nothing.
pub(crate) fn changed_or_fail(step: usize) -> Result<Call<'static>, SqlError> {
    Call::new(Cow::Borrowed(CHANGED_OR_FAIL), vec![number(step)])
}

/// Ends the batch when a query has no row. Queries leave `changes()` alone, so the query is asked again.
pub(crate) fn found_or_fail<'a>(step: usize, query: &Call<'a>) -> Result<Call<'a>, SqlError> {
    let query_text = query.text.trim_end().trim_end_matches(';');
    let text = format!("SELECT CASE WHEN EXISTS ({query_text}) THEN 1 ELSE {} END AS passed", fail!());
    let mut arguments = query.arguments.clone();
    arguments.push(number(step));
    Call::new(Cow::Owned(text), arguments)
}

/// Ends the batch in any case, as if this step had matched nothing.
pub(crate) fn fail(step: usize) -> Result<Call<'static>, SqlError> {
    Call::new(Cow::Borrowed(FAIL), vec![number(step)])
}

/// The step whose guard ended a batch, from the message of the error, which quotes the path.
pub(crate) fn step(message: &str) -> Option<usize> {
    let (before, rest) = message.split_once(MARK)?;
    let (step, _) = rest.split_once('\'')?;
    if before.ends_with('\'') { step.parse().ok() } else { None }
}

fn number<'a>(step: usize) -> Argument<'a> {
    Argument::Number(step as f64)
}

#[cfg(test)]
mod tests {
    use super::super::sql_text::Kind;
    use super::*;

    #[test]
    fn the_step_is_read_from_the_message() {
        assert_eq!(step("bad JSON path: 'guard:12': SQLITE_ERROR"), Some(12));
        assert_eq!(step("JSON path error near 'guard:0'"), Some(0));
        for other in ["guard:3", "'guard:3", "bad JSON path: 'guard:'", "bad JSON path: '$.guard:x'"] {
            assert_eq!(step(other), None, "{other}");
        }
    }

    #[test]
    fn a_guarded_query_is_asked_inside_of_its_guard() {
        let query = Call::new("SELECT id FROM t WHERE id = ?; ".into(), vec![Argument::Text("a".into())]).unwrap();
        let guard = found_or_fail(3, &query).unwrap();
        assert!(guard.text.contains("EXISTS (SELECT id FROM t WHERE id = ?) THEN"), "{}", guard.text);
        assert_eq!(guard.arguments, [Argument::Text("a".into()), Argument::Number(3.0)]);
    }

    #[test]
    fn guards_are_queries() {
        for guard in [changed_or_fail(0).unwrap(), fail(0).unwrap()] {
            assert_eq!(super::super::sql_text::kind(&guard.text), Some(Kind::Query), "{}", guard.text);
        }
        assert!(FAIL.contains(MARK));
    }
}
