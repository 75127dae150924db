//! What an error of D1 means to a caller. There are no codes: the text of the message has to tell.

use portway_sql::driver::SqlError;

use super::guard;

/// Prefixes that say where a message passed through, not what it is about.
const PREFIXES: [&str; 2] = ["D1_ERROR: ", "Error: "];

/// Begins the name that SQLite has for an error, near the end of the message.
const CODE: &str = ": SQLITE_";

/// What SQLite says about keys. The state of the data, not a fault.
const KEYS: [&str; 2] = ["UNIQUE constraint failed", "FOREIGN KEY constraint failed"];

/// References that are checked at the end of a batch take the whole object down with them.
const REFERENCES_AT_END: &str = "constraints were violated: FOREIGN KEY constraint failed";

/// Messages about statements that D1 did not even begin.
const WRONG: [&str; 4] =
    ["Wrong number of parameter bindings", "No SQL statements detected", "To execute a transaction", "D1_TYPE_ERROR"];

/// Messages about calls that D1 did not even begin.
const NOT_BEGUN: [&str; 4] =
    ["D1 DB is overloaded", "Exceeded maximum DB size", "Cannot resolve D1 DB", "Your account has exceeded"];

/// Why a batch ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The guard of this step.
    Guard(usize),
    /// A unique key is taken, or a referenced row is missing. Which step it was is not told.
    Key,
    /// A referenced row is missing at the end of all steps.
    KeyAtEnd,
    /// Something else, and certainly nothing was written.
    Error(SqlError),
    /// The answer got lost: it may have been written.
    Lost(String),
}

impl Refusal {
    /// The meaning of a message.
    pub(crate) fn of(message: &str) -> Self {
        let mut text = message;
        while let Some(rest) = PREFIXES.iter().find_map(|prefix| text.strip_prefix(prefix)) {
            text = rest;
        }
        if let Some(step) = guard::step(text) {
            return Self::Guard(step);
        }
        if text.contains(REFERENCES_AT_END) {
            return Self::KeyAtEnd;
        }
        if begins_with_one_of(text, &KEYS) {
            return Self::Key;
        }
        if let Some(name) = code(text) {
            return Self::Error(by_code(name, text.to_owned()));
        }
        if begins_with_one_of(text, &WRONG) {
            return Self::Error(SqlError::Statement(text.to_owned()));
        }
        if begins_with_one_of(text, &NOT_BEGUN) {
            return Self::Error(SqlError::Unavailable(text.to_owned()));
        }
        Self::Lost(text.to_owned())
    }

    /// The error of statements that write nothing.
    pub(crate) fn into_read_error(self) -> SqlError {
        match self {
            Self::Guard(_) | Self::Key | Self::KeyAtEnd => SqlError::Statement("a read ran into a constraint".into()),
            Self::Error(error) => error,
            Self::Lost(text) => SqlError::Unavailable(text),
        }
    }
}

impl From<SqlError> for Refusal {
    fn from(error: SqlError) -> Self {
        Self::Error(error)
    }
}

fn begins_with_one_of(text: &str, beginnings: &[&str]) -> bool {
    beginnings.iter().any(|beginning| text.starts_with(beginning))
}

/// The name of the error without `SQLITE_`, such as `CONSTRAINT_CHECK`.
fn code(text: &str) -> Option<&str> {
    let rest = &text[text.rfind(CODE)? + CODE.len()..];
    let end = rest.find(|letter: char| !letter.is_ascii_uppercase() && letter != '_').unwrap_or(rest.len());
    Some(&rest[..end])
}

fn by_code(name: &str, text: String) -> SqlError {
    match name.split('_').next().unwrap_or(name) {
        "CONSTRAINT" | "MISMATCH" | "TOOBIG" => SqlError::Rejected(text),
        "BUSY" | "LOCKED" | "IOERR" | "FULL" | "CANTOPEN" | "READONLY" | "NOMEM" | "INTERRUPT" | "ABORT"
        | "PROTOCOL" | "PERM" | "CORRUPT" | "NOTADB" => SqlError::Unavailable(text),
        _ => SqlError::Statement(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn constraint(text: &str, name: &str) -> String {
        format!("D1_ERROR: {text}: SQLITE_CONSTRAINT (extended: SQLITE_CONSTRAINT_{name})")
    }

    #[test]
    fn lost_races_are_told_from_bad_values() {
        assert_eq!(Refusal::of("D1_ERROR: bad JSON path: 'guard:7': SQLITE_ERROR"), Refusal::Guard(7));
        assert_eq!(Refusal::of(&constraint("UNIQUE constraint failed: items.id", "PRIMARYKEY")), Refusal::Key);
        assert_eq!(Refusal::of("D1_ERROR: UNIQUE constraint failed: items.id: SQLITE_CONSTRAINT"), Refusal::Key);
        assert_eq!(Refusal::of(&constraint("FOREIGN KEY constraint failed", "FOREIGNKEY")), Refusal::Key);
        for message in [
            constraint("CHECK constraint failed: score >= 0", "CHECK"),
            constraint("NOT NULL constraint failed: items.version", "NOTNULL"),
            constraint("cannot store TEXT value in INTEGER column items.score", "DATATYPE"),
            constraint("poison", "TRIGGER"),
            "D1_ERROR: string or blob too big: SQLITE_TOOBIG".to_owned(),
            "D1_ERROR: datatype mismatch: SQLITE_MISMATCH".to_owned(),
        ] {
            assert!(matches!(Refusal::of(&message), Refusal::Error(SqlError::Rejected(_))), "{message}");
        }
    }

    #[test]
    fn a_reference_that_is_checked_at_the_end_is_a_conflict() {
        let message = "Durable Object was reset and rolled back to its last known good state because the application \
            left the database in a state where constraints were violated: FOREIGN KEY constraint failed: \
            SQLITE_CONSTRAINT (extended: SQLITE_CONSTRAINT_FOREIGNKEY)";
        assert_eq!(Refusal::of(message), Refusal::KeyAtEnd);
    }

    #[test]
    fn mistakes_are_told_from_trouble() {
        for message in [
            "D1_ERROR: no such table: things: SQLITE_ERROR",
            "D1_ERROR: near \"SELEC\": syntax error at offset 0: SQLITE_ERROR",
            "D1_ERROR: not authorized: SQLITE_AUTH",
            "D1_ERROR: bad JSON path: 'UNIQUE constraint failed': SQLITE_ERROR",
            "D1_ERROR: Wrong number of parameter bindings for SQL query.",
            "D1_TYPE_ERROR: Type 'bigint' not supported for value '10'",
        ] {
            assert!(matches!(Refusal::of(message), Refusal::Error(SqlError::Statement(_))), "{message}");
        }
        for message in [
            "D1_ERROR: database or disk is full: SQLITE_FULL",
            "D1_ERROR: D1 DB is overloaded. Requests queued for too long.",
            "D1_ERROR: Exceeded maximum DB size",
        ] {
            assert!(matches!(Refusal::of(message), Refusal::Error(SqlError::Unavailable(_))), "{message}");
        }
    }

    #[test]
    fn whatever_is_not_known_may_have_been_written() {
        for message in [
            "D1_ERROR: Network connection lost.",
            "D1_ERROR: D1 DB storage operation exceeded timeout which caused object to be reset.",
            "D1_ERROR: D1 DB reset because its code was updated.",
            "something new",
        ] {
            let refusal = Refusal::of(message);
            assert!(matches!(&refusal, Refusal::Lost(text) if !text.starts_with("D1_ERROR")), "{message}");
            assert!(matches!(refusal.into_read_error(), SqlError::Unavailable(_)));
        }
    }
}
