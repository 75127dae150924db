//! Brings the schema up to date.
//!
//! **Each file is atomic**, together with its line in the ledger: it is one batch. A batch may run for thirty seconds,
//! so all pending files are not one: when a later file fails, the earlier ones stay, and the next run goes on after
//! them. Of two that migrate at once, each file is run by one: the line in the ledger comes first and has a unique key.
//!
//! D1 always enforces references. A file may break one for a while, not for good; and dropping a table deletes its rows
//! first, with all that `ON DELETE CASCADE` brings along. A migration must not rebuild such a table by dropping it.

use std::borrow::Cow;

use portway_sql::dialect::Dialect;
use portway_sql::driver::{SqlError, Statement};
use portway_sql::migrations::{self, AppliedMigration, MigrateError, Migration, SQLITE_LEDGER, plan};
use portway_sql::record::Record;

use super::call::{Call, check_length};
use super::database::D1Database;
use super::refusal::Refusal;
use super::{rows, sql_text};

/// Lets a file break references as long as they are whole at its end.
const REFERENCES_LATER: &str = "PRAGMA defer_foreign_keys = ON";

/// What SQLite says about a database without a ledger.
const NO_LEDGER: &str = "no such table: schema_migrations";

impl D1Database {
    /// Runs the migrations that the database does not have yet, one after the other, and answers how many this call
    /// applied. Somebody else may do the same at the same time.
    ///
    /// # Errors
    /// [`MigrateError`]; it is safe to call this again.
    pub async fn migrate(&self, all: &[Migration]) -> Result<usize, MigrateError> {
        let mut count = 0;
        loop {
            let applied = self.prepare().await?;
            let pending = plan(&applied, all)?;
            let mut done = 0;
            for migration in pending {
                // Somebody else is at it: look again at what is left.
                if !self.apply(migration).await? {
                    break;
                }
                done += 1;
            }
            count += done;
            if done == pending.len() {
                return Ok(count);
            }
        }
    }

    /// Makes the ledger, unless it is there, and reads it.
    async fn prepare(&self) -> Result<Vec<AppliedMigration>, SqlError> {
        let all = AppliedMigration::all(Dialect::Sqlite);
        let calls = [Call::plain(SQLITE_LEDGER), Call::of(&all)?];
        let json = self.run(&calls).await.map_err(into_sql_error)?;
        decode_ledger(&json)
    }

    /// Which of the migrations the database lacks, without running any.
    ///
    /// # Errors
    /// [`MigrateError`] when it could not be migrated, for example because a newer program did that.
    pub async fn pending_migrations(&self, all: &[Migration]) -> Result<usize, MigrateError> {
        match migrations::pending(self, all).await {
            Err(MigrateError::Database(SqlError::Statement(text))) if text.contains(NO_LEDGER) => {
                Ok(plan(&[], all)?.len())
            }
            pending => pending,
        }
    }

    /// Proves that the database can be written and that `newest` is the last migration it ran.
    ///
    /// # Errors
    /// [`SqlError`] when the write fails; [`SqlError::Unavailable`] also when the schema is another one.
    pub async fn probe(&self, newest: &Migration) -> Result<(), SqlError> {
        migrations::probe(self, Some(*newest)).await
    }

    async fn ledger(&self) -> Result<Vec<AppliedMigration>, SqlError> {
        let all = AppliedMigration::all(Dialect::Sqlite);
        let json = self.run(&[Call::of(&all)?]).await.map_err(Refusal::into_read_error)?;
        decode_ledger(&json)
    }

    /// Runs one file, and answers whether it was this call that did.
    async fn apply(&self, migration: &Migration) -> Result<bool, MigrateError> {
        let failed = |detail: String| MigrateError::Failed { name: migration.name.to_owned(), detail };
        let line = AppliedMigration::enter(Dialect::Sqlite, migration)?;
        let calls = calls(&line, migration).map_err(|error| failed(error.to_string()))?;
        match self.run(&calls).await {
            Ok(_) => {
                tracing::info!(name = migration.name, "migration applied");
                Ok(true)
            }
            // Either the line of the ledger or something inside of the file.
            Err(Refusal::Key) if self.ledger().await?.iter().any(|line| line.id == migration.id) => Ok(false),
            Err(refusal @ (Refusal::Lost(_) | Refusal::Error(SqlError::Unavailable(_)))) => {
                Err(into_sql_error(refusal).into())
            }
            Err(refusal) => Err(failed(into_sql_error(refusal).to_string())),
        }
    }
}

/// The lines in the answer to calls of which only the last has rows.
fn decode_ledger(json: &str) -> Result<Vec<AppliedMigration>, SqlError> {
    AppliedMigration::decode_all(rows::parse(json)?.into_iter().flatten().collect())
}

fn calls<'a>(line: &'a Statement, migration: &'a Migration) -> Result<Vec<Call<'a>>, SqlError> {
    let mut calls = vec![Call::of(line)?, Call::plain(REFERENCES_LATER)];
    for statement in sql_text::statements(migration.sql) {
        calls.push(Call::new(Cow::Borrowed(statement), Vec::new())?);
    }
    check_length(calls.len())?;
    Ok(calls)
}

fn into_sql_error(refusal: Refusal) -> SqlError {
    match refusal {
        Refusal::Lost(text) => SqlError::Unknown(text),
        Refusal::Error(error) => error,
        Refusal::Key => SqlError::Rejected("a unique key is taken, or a row refers to a missing one".into()),
        Refusal::KeyAtEnd => SqlError::Rejected("a row is left that refers to a missing one".into()),
        Refusal::Guard(_) => SqlError::Rejected("a guard ended the batch".into()),
    }
}

#[cfg(test)]
mod tests {
    use portway_sql::migrations::SQLITE;

    use super::*;

    /// The tables that a file drops although rows of others refer to them.
    fn dropped_parents(all: &[Migration]) -> Vec<String> {
        let mut seen: Vec<Vec<String>> = Vec::new();
        let mut found = Vec::new();
        for statement in all.iter().flat_map(|migration| sql_text::statements(migration.sql)) {
            let plain = statement.to_lowercase().replace(['"', '`', '(', ')', ','], " ");
            let words: Vec<String> = plain.split_whitespace().map(str::to_owned).collect();
            if words[0] == "drop" && words[1] == "table" {
                let name = words.last().unwrap();
                let refers =
                    |words: &Vec<String>| words.windows(2).any(|two| two[0] == "references" && two[1] == *name);
                found.extend(seen.iter().any(refers).then(|| name.clone()));
            }
            seen.push(words);
        }
        found
    }

    #[test]
    fn no_migration_drops_a_table_that_others_refer_to() {
        assert_eq!(dropped_parents(SQLITE), Vec::<String>::new(), "D1 would delete the rows that refer to it");
        let sql = "CREATE TABLE a (id TEXT); CREATE TABLE b (a TEXT REFERENCES \"a\" (id)); CREATE TABLE c (id TEXT);
            DROP TABLE c; DROP TABLE IF EXISTS a;";
        assert_eq!(dropped_parents(&[Migration { id: 1, name: "0001_rebuild", sql }]), ["a"]);
    }

    #[test]
    fn a_file_is_one_batch_that_begins_with_its_line_in_the_ledger() {
        for migration in SQLITE {
            let line = AppliedMigration::enter(Dialect::Sqlite, migration).unwrap();
            let calls = calls(&line, migration).unwrap();
            assert!(calls[0].text.starts_with("INSERT INTO \"schema_migrations\""), "{}", calls[0].text);
            assert_eq!(calls.len(), 2 + sql_text::statements(migration.sql).len());
        }
    }
}
