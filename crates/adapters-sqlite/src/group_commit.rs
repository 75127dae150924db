//! Many change sets in one durable transaction, each of them all or nothing.
//!
//! The cost of a commit is the wait for the disk, and one wait can serve everybody who is in the queue. Each set runs
//! inside its savepoint, or is a single statement, so one that fails takes nothing of the others with it. Nobody is
//! answered before the common commit succeeded: a set that lost against another one of the group lost against nothing if
//! that one is undone.

use std::panic::{AssertUnwindSafe, catch_unwind};

use portway_sql::driver::{Expect, SqlError, Step, WriteOutcome};
use portway_sql::row::Row;

use crate::connection::Connection;
use crate::error::Failure;

/// What a change set is answered with.
pub(crate) type Answer = Result<WriteOutcome, SqlError>;

/// Why the steps of one set stopped.
enum Stop {
    Conflict(usize),
    Error(SqlError),
}

impl From<Stop> for Answer {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Conflict(step) => Ok(WriteOutcome::Conflict { step }),
            Stop::Error(error) => Err(error),
        }
    }
}

/// The transaction of a group ended before its commit: nothing of it was written.
struct Lost;

/// Writes the sets in order and answers each of them. A panic on the way ends in errors, not in the end of the thread.
///
/// Before the commit it asks for sets that have come in the meantime, until there are none: they come after the others
/// and share the wait for the disk.
pub(crate) fn settle(
    connection: &Connection,
    mut sets: Vec<Vec<Step>>,
    late: &mut dyn FnMut() -> Vec<Vec<Step>>,
) -> Vec<Answer> {
    let mut answers = Vec::new();
    let work = AssertUnwindSafe(|| write(connection, &mut sets, late, &mut answers));
    let fallback = match catch_unwind(work) {
        Ok(()) => SqlError::Unavailable("the write was not run".into()),
        Err(_) => after_panic(connection),
    };
    answers.resize(sets.len(), None);
    answers.into_iter().map(|answer| answer.unwrap_or_else(|| Err(fallback.clone()))).collect()
}

fn after_panic(connection: &Connection) -> SqlError {
    let error = if connection.take_committing() {
        SqlError::Unknown("the writer panicked while it committed".into())
    } else {
        SqlError::Unavailable("the writer panicked; nothing was written".into())
    };
    connection.rollback();
    tracing::error!(%error, "a write panicked");
    error
}

fn write(
    connection: &Connection,
    sets: &mut Vec<Vec<Step>>,
    late: &mut dyn FnMut() -> Vec<Vec<Step>>,
    answers: &mut Vec<Option<Answer>>,
) {
    if sets.is_empty() {
        return;
    }
    match write_together(connection, sets, late) {
        Ok(together) => answers.extend(together.into_iter().map(Some)),
        Err(Lost) => {
            for steps in sets {
                answers.push(Some(write_alone(connection, steps)));
            }
        }
    }
}

fn write_alone(connection: &Connection, steps: &[Step]) -> Answer {
    connection.begin_write().map_err(Failure::into_error)?;
    let outcomes = match run(connection, steps) {
        Ok(outcomes) => outcomes,
        Err(stop) => {
            connection.rollback();
            return stop.into();
        }
    };
    match connection.commit() {
        Ok(()) => Ok(WriteOutcome::Committed(outcomes)),
        Err(failure) => {
            connection.rollback();
            if failure.is_conflict() {
                return Ok(WriteOutcome::Conflict { step: steps.len().saturating_sub(1) });
            }
            Err(failure.into_commit_error())
        }
    }
}

/// Answers all sets, or none when they have to be tried one by one.
fn write_together(
    connection: &Connection,
    sets: &mut Vec<Vec<Step>>,
    late: &mut dyn FnMut() -> Vec<Vec<Step>>,
) -> Result<Vec<Answer>, Lost> {
    if let Err(failure) = connection.begin_write() {
        return Ok(vec![Err(failure.into_error()); sets.len()]);
    }
    let mut answers = Vec::with_capacity(sets.len());
    while let Some(steps) = sets.get(answers.len()) {
        answers.push(write_member(connection, steps).inspect_err(|Lost| connection.rollback())?);
        if answers.len() == sets.len() {
            sets.append(&mut late());
        }
    }
    let Err(failure) = connection.commit() else {
        return Ok(answers);
    };
    connection.rollback();
    // A reference that is only checked at the commit: one set is to blame, so each gets its own commit.
    if failure.is_conflict() {
        return Err(Lost);
    }
    Ok(answers_after_failed_commit(answers, failure))
}

/// Runs one set so that it leaves nothing behind when it fails.
fn write_member(connection: &Connection, steps: &[Step]) -> Result<Answer, Lost> {
    if let [only] = steps {
        return write_single(connection, only);
    }
    let control = |text| connection.control(text).map_err(|_| Lost);
    control("SAVEPOINT change_set")?;
    let answer = match run(connection, steps) {
        Ok(outcomes) => Ok(WriteOutcome::Committed(outcomes)),
        // Some errors (disk full, a trigger) end the whole transaction.
        Err(_) if connection.is_autocommit() => return Err(Lost),
        Err(stop) => {
            control("ROLLBACK TO change_set")?;
            stop.into()
        }
    };
    control("RELEASE change_set")?;
    Ok(answer)
}

/// A statement that conflicts or misses its row changes nothing, so a set of one needs no savepoint. After any other
/// failure, as of a row that cannot be read, the change may be there.
fn write_single(connection: &Connection, step: &Step) -> Result<Answer, Lost> {
    let result = run(connection, std::slice::from_ref(step));
    if connection.is_autocommit() {
        return Err(Lost);
    }
    match result {
        Ok(outcomes) => Ok(Ok(WriteOutcome::Committed(outcomes))),
        Err(stop @ Stop::Conflict(_)) => Ok(stop.into()),
        Err(Stop::Error(_)) => Err(Lost),
    }
}

fn answers_after_failed_commit(results: Vec<Answer>, failure: Failure) -> Vec<Answer> {
    let error = failure.into_commit_error();
    tracing::error!(%error, sets = results.len(), "a commit failed");
    results
        .into_iter()
        .map(|result| match result {
            Ok(WriteOutcome::Committed(_)) => Err(error.clone()),
            // It wrote nothing, but what it lost against is gone.
            Ok(WriteOutcome::Conflict { .. }) | Err(_) => Err(SqlError::Unavailable(error.to_string())),
        })
        .collect()
}

fn run(connection: &Connection, steps: &[Step]) -> Result<Vec<Vec<Row>>, Stop> {
    let mut rows = Vec::with_capacity(steps.len());
    for (index, step) in steps.iter().enumerate() {
        match connection.run(&step.statement) {
            Ok(ran) if step.expect == Expect::Row && ran.affected == 0 => return Err(Stop::Conflict(index)),
            Ok(ran) => rows.push(ran.rows),
            Err(failure) if failure.is_conflict() => return Err(Stop::Conflict(index)),
            Err(failure) => return Err(Stop::Error(failure.into_error())),
        }
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use portway_sql::driver::Statement;
    use portway_sql::row::Cell;

    use super::*;
    use crate::writer::PANIC;

    fn step(text: &str) -> Step {
        Step::new(Statement { text: text.to_owned().into(), args: vec![] })
    }

    fn insert(id: &str) -> Step {
        step(&format!("INSERT INTO items (id) VALUES ('{id}')"))
    }

    fn database() -> Connection {
        let connection = Connection::memory().unwrap();
        let schema = "
            CREATE TABLE items (id TEXT PRIMARY KEY, size INTEGER CHECK (size > 0)) STRICT;
            CREATE TABLE late (item TEXT REFERENCES items (id) DEFERRABLE INITIALLY DEFERRED) STRICT;
            CREATE TRIGGER poison BEFORE INSERT ON items WHEN NEW.id = 'poison'
                BEGIN SELECT RAISE(ROLLBACK, 'poison'); END;";
        connection.raw().execute_batch(schema).unwrap();
        connection
    }

    fn settled(connection: &Connection, sets: Vec<Vec<Step>>) -> Vec<Answer> {
        settle(connection, sets, &mut Vec::new)
    }

    fn ids(connection: &Connection) -> Vec<String> {
        let all = step("SELECT id FROM items ORDER BY id").statement;
        let rows = connection.query(&all).unwrap();
        rows.iter().map(|row| row.get("id").unwrap()).collect()
    }

    fn committed(answer: &Answer) -> bool {
        matches!(answer, Ok(WriteOutcome::Committed(_)))
    }

    #[test]
    fn one_member_loses_and_the_others_commit() {
        let connection = database();
        let answers = settled(
            &connection,
            vec![
                vec![insert("a"), insert("b")],
                vec![insert("c"), insert("a")],
                vec![insert("d"), step("INSERT INTO items (id, size) VALUES ('e', 0)")],
                vec![insert("f"), Step::guarded(step("UPDATE items SET size = 1 WHERE id = 'g'").statement)],
                vec![insert("c")],
            ],
        );
        assert!(committed(&answers[0]) && committed(&answers[4]));
        assert_eq!(answers[1], Ok(WriteOutcome::Conflict { step: 1 }));
        assert!(matches!(answers[2], Err(SqlError::Rejected(_))));
        assert_eq!(answers[3], Ok(WriteOutcome::Conflict { step: 1 }));
        assert_eq!(ids(&connection), ["a", "b", "c"]);
        assert!(connection.is_autocommit());
    }

    #[test]
    fn a_single_statement_that_fails_leaves_nothing_behind() {
        let connection = database();
        let not_text = step("INSERT INTO items (id) VALUES ('b') RETURNING CAST(x'ff' AS TEXT) AS text");
        let two_with_a_taken_one = step("INSERT INTO items (id) VALUES ('c'), ('a')");
        let missing = Step::guarded(step("UPDATE items SET size = 1 WHERE id = 'g'").statement);
        let answers = settled(
            &connection,
            vec![vec![insert("a")], vec![not_text], vec![two_with_a_taken_one], vec![missing], vec![insert("d")]],
        );
        assert!(committed(&answers[0]) && committed(&answers[4]));
        assert!(matches!(answers[1], Err(SqlError::Corrupt { .. })), "{:?}", answers[1]);
        assert_eq!(answers[2], Ok(WriteOutcome::Conflict { step: 0 }));
        assert_eq!(answers[3], Ok(WriteOutcome::Conflict { step: 0 }));
        assert_eq!(ids(&connection), ["a", "d"]);
    }

    #[test]
    fn members_see_what_earlier_members_wrote() {
        let connection = database();
        let answers = settled(&connection, vec![vec![insert("a")], vec![step("SELECT id FROM items")]]);
        let Ok(WriteOutcome::Committed(outcomes)) = &answers[1] else {
            panic!("{answers:?}");
        };
        assert_eq!(outcomes[0][0].cells(), [Cell::Text("a".into())]);
    }

    #[test]
    fn sets_that_come_before_the_commit_share_it() {
        let connection = database();
        let mut coming = vec![vec![vec![insert("c")]], vec![vec![insert("b")], vec![insert("a"), insert("b")]]];
        let mut late = || {
            assert!(!connection.is_autocommit());
            coming.pop().unwrap_or_default()
        };
        let answers = settle(&connection, vec![vec![insert("a")]], &mut late);
        assert!(committed(&answers[0]) && committed(&answers[1]) && committed(&answers[3]));
        assert_eq!(answers[2], Ok(WriteOutcome::Conflict { step: 0 }));
        assert_eq!(answers.len(), 4);
        assert_eq!(ids(&connection), ["a", "b", "c"]);
    }

    #[test]
    fn sets_that_come_before_a_failed_commit_are_repeated_too() {
        let connection = database();
        let dangling = step("INSERT INTO late (item) VALUES ('none')");
        let mut coming = vec![vec![vec![insert("b")]]];
        let answers =
            settle(&connection, vec![vec![insert("a")], vec![dangling]], &mut || coming.pop().unwrap_or_default());
        assert!(committed(&answers[0]) && committed(&answers[2]));
        assert_eq!(answers[1], Ok(WriteOutcome::Conflict { step: 0 }));
        assert_eq!(ids(&connection), ["a", "b"]);
    }

    #[test]
    fn a_member_that_ends_the_transaction_takes_nobody_with_it() {
        let connection = database();
        let answers = settled(
            &connection,
            vec![vec![insert("a")], vec![insert("b"), insert("poison")], vec![insert("c")], vec![insert("a")]],
        );
        assert!(committed(&answers[0]) && committed(&answers[2]));
        assert!(matches!(answers[1], Err(SqlError::Rejected(_))));
        assert_eq!(answers[3], Ok(WriteOutcome::Conflict { step: 0 }));
        assert_eq!(ids(&connection), ["a", "c"]);
    }

    #[test]
    fn a_commit_that_fails_for_one_member_is_repeated_for_each() {
        let connection = database();
        let dangling = step("INSERT INTO late (item) VALUES ('none')");
        let answers = settled(&connection, vec![vec![insert("a")], vec![insert("b"), dangling], vec![insert("c")]]);
        assert!(committed(&answers[0]) && committed(&answers[2]));
        assert_eq!(answers[1], Ok(WriteOutcome::Conflict { step: 1 }));
        assert_eq!(ids(&connection), ["a", "c"]);
    }

    #[test]
    fn a_member_that_commits_by_itself_is_an_error_of_its_own() {
        let connection = database();
        let answers = settled(&connection, vec![vec![insert("a")], vec![step("ROLLBACK")], vec![insert("b")]]);
        assert!(committed(&answers[0]) && committed(&answers[2]));
        assert!(answers[1].is_err());
        assert_eq!(ids(&connection), ["a", "b"]);
    }

    #[test]
    fn a_panic_undoes_the_group_and_leaves_the_connection_usable() {
        let connection = database();
        for others in [0, 2] {
            let mut sets = vec![vec![insert("a"), step(PANIC)]];
            sets.extend((0..others).map(|number| vec![insert(&number.to_string())]));
            let answers = settled(&connection, sets.clone());
            assert_eq!(answers.len(), sets.len());
            assert!(answers.iter().all(|answer| matches!(answer, Err(SqlError::Unavailable(_)))));
            assert!(ids(&connection).is_empty());
        }
        assert!(committed(&settled(&connection, vec![vec![insert("a")]])[0]));
    }

    #[test]
    fn a_failed_commit_is_nobodys_success() {
        let failure = || {
            let error = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_IOERR_FSYNC);
            Failure::Sqlite(rusqlite::Error::SqliteFailure(error, None))
        };
        let answers = answers_after_failed_commit(
            vec![Ok(WriteOutcome::Committed(vec![])), Ok(WriteOutcome::Conflict { step: 0 })],
            failure(),
        );
        assert!(matches!(answers[0], Err(SqlError::Unknown(_))));
        assert!(matches!(answers[1], Err(SqlError::Unavailable(_))));
    }
}
