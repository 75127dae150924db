//! The schema as a list of numbered files, and the decision which of them a database still needs.
//!
//! A released file never changes: databases that ran it would differ from those that run it later. Each runner keeps
//! a ledger of what it applied ([`AppliedMigration`]) and asks [`plan`] before it touches anything.

use portway_domain::time::Timestamp;
use sea_query::{Expr, ExprTrait, Order, Query};
use sha2::{Digest, Sha256};

use crate::dialect::Dialect;
use crate::driver::{Statement, Step};
use crate::record::{Record, record};

/// One step of the schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Migration {
    /// Its number. Numbers start at 1 and have no holes.
    pub id: u32,
    /// File name without extension, such as `0001_identity`.
    pub name: &'static str,
    /// The statements. No transaction control and no `PRAGMA`: a runner adds its own.
    pub sql: &'static str,
}

impl Migration {
    /// SHA-256 in lower-case hexadecimal over the lines, each without trailing white space: an editor that trims lines
    /// or changes line ends does not make another file of it.
    #[must_use]
    pub fn checksum(&self) -> String {
        let mut hash = Sha256::new();
        for line in self.sql.lines() {
            hash.update(line.trim_end());
            hash.update("\n");
        }
        let mut text = String::with_capacity(64);
        for byte in hash.finalize() {
            for digit in [byte >> 4, byte & 15] {
                text.push(char::from_digit(digit.into(), 16).unwrap_or('?'));
            }
        }
        text
    }
}

/// The files of one folder below `migrations/`, compiled in.
macro_rules! files {
    ($folder:literal: $($id:literal $name:literal),* $(,)?) => {
        &[$(Migration {
            id: $id,
            name: $name,
            sql: include_str!(concat!("../../../migrations/", $folder, "/", $name, ".sql")),
        }),*]
    };
}

/// The schema of SQLite and Cloudflare D1: every file of `migrations/sqlite`.
pub const SQLITE: &[Migration] =
    files!("sqlite": 1 "0001_identity", 2 "0002_sessions", 3 "0003_transcript", 4 "0004_work");

record! {
    /// A line of the ledger of applied migrations.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct AppliedMigration in "schema_migrations" {
        /// Number of the migration.
        pub id: u32,
        /// Its name when it was applied.
        pub name: String,
        /// Its checksum when it was applied.
        pub checksum: String,
        /// When it was applied.
        pub applied_at: Timestamp,
    }
}

impl AppliedMigration {
    /// The whole ledger, oldest migration first.
    #[must_use]
    pub fn all(dialect: Dialect) -> Statement {
        dialect.statement(&Self::select().order_by("id", Order::Asc).take())
    }

    /// A write that proves two things at once: the database can be written, and `newest` is the last migration it ran.
    /// Otherwise it ends in an error or a conflict. It changes nothing.
    #[must_use]
    pub fn probe(dialect: Dialect, newest: &Migration) -> Step {
        let newer = Query::select()
            .expr(Expr::val(1))
            .from_as(Self::TABLE, "newer")
            .and_where(Expr::col(("newer", "id")).gt(i64::from(newest.id)))
            .take();
        let probe = Query::update()
            .table(Self::TABLE)
            .value("name", Expr::col("name"))
            .and_where(Expr::col("id").eq(i64::from(newest.id)))
            .and_where(Expr::col("checksum").eq(newest.checksum()))
            .and_where(Expr::exists(newer).not())
            .take();
        Step::guarded(dialect.statement(&probe))
    }
}

/// Why the migrations cannot run. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MigrationError {
    /// The text of an applied file is not what it was.
    #[error(
        "migration {name} was applied on {applied_at} with other content: restore the released file and put the change \
         into a new migration"
    )]
    Edited {
        /// The file.
        name: String,
        /// When it was applied.
        applied_at: Timestamp,
    },
    /// The database ran a migration that this binary does not have.
    #[error(
        "the database ran migration {name}, which this binary does not have: start the newer binary that ran it, or \
         restore the backup from before the upgrade"
    )]
    Newer {
        /// The migration of the newer binary.
        name: String,
    },
    /// A later migration was applied, this one was not.
    #[error(
        "migration {name} was never applied although a later one was: give it a number after {last} if it is new, or \
         restore a complete backup"
    )]
    Hole {
        /// The migration that is missing.
        name: String,
        /// The last one that was applied.
        last: u32,
    },
    /// The numbers of the compiled files are not 1, 2, 3 and so on.
    #[error("migration {name} should have number {expected}: number the files without holes and in order")]
    Misnumbered {
        /// The file with the wrong number.
        name: String,
        /// The number that it should have.
        expected: u32,
    },
}

/// The migrations that are still to run, in order. `applied` is the ledger, `all` the compiled list.
///
/// # Errors
/// [`MigrationError`], with what to do, when ledger and list do not belong together.
pub fn plan<'a>(applied: &[AppliedMigration], all: &'a [Migration]) -> Result<&'a [Migration], MigrationError> {
    check_numbers(all)?;
    let mut applied: Vec<_> = applied.iter().collect();
    applied.sort_by_key(|line| line.id);
    if let Some(newer) = applied.iter().find(|line| !all.iter().any(|migration| migration.id == line.id)) {
        return Err(MigrationError::Newer { name: newer.name.clone() });
    }
    for (line, migration) in applied.iter().zip(all) {
        if line.id != migration.id {
            return Err(MigrationError::Hole {
                name: migration.name.to_owned(),
                last: applied.last().map_or(0, |line| line.id),
            });
        }
        if line.checksum != migration.checksum() {
            return Err(MigrationError::Edited { name: migration.name.to_owned(), applied_at: line.applied_at });
        }
    }
    Ok(all.get(applied.len()..).unwrap_or_default())
}

fn check_numbers(all: &[Migration]) -> Result<(), MigrationError> {
    for (expected, migration) in (1..).zip(all) {
        if migration.id != expected {
            return Err(MigrationError::Misnumbered { name: migration.name.to_owned(), expected });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Migration; 3] = [
        migration(1, "0001_one", "CREATE TABLE one (id TEXT)"),
        migration(2, "0002_two", "CREATE TABLE two (id TEXT)"),
        migration(3, "0003_three", "CREATE TABLE three (id TEXT)"),
    ];

    const fn migration(id: u32, name: &'static str, sql: &'static str) -> Migration {
        Migration { id, name, sql }
    }

    fn applied(migrations: &[Migration]) -> Vec<AppliedMigration> {
        migrations
            .iter()
            .map(|migration| AppliedMigration {
                id: migration.id,
                name: migration.name.to_owned(),
                checksum: migration.checksum(),
                applied_at: Timestamp::from_millis(0),
            })
            .collect()
    }

    #[test]
    fn what_is_not_applied_is_planned_in_order() {
        assert_eq!(plan(&[], &ALL).unwrap(), ALL);
        assert_eq!(plan(&applied(&ALL[..1]), &ALL).unwrap(), &ALL[1..]);
        assert_eq!(plan(&applied(&ALL), &ALL).unwrap(), []);
        assert_eq!(plan(&[], &[]).unwrap(), []);
    }

    #[test]
    fn an_edited_file_is_refused() {
        let mut edited = ALL;
        edited[0].sql = "CREATE TABLE one (id TEXT, name TEXT)";
        let error = plan(&applied(&ALL[..2]), &edited).unwrap_err();
        assert!(matches!(&error, MigrationError::Edited { name, .. } if name == "0001_one"));
        assert!(error.to_string().contains("new migration"));
    }

    #[test]
    fn white_space_at_line_ends_is_no_edit() {
        let one = migration(1, "one", "CREATE TABLE t (\n  id TEXT\n);");
        let two = migration(1, "one", "CREATE TABLE t (  \r\n  id TEXT\t\r\n);\r\n");
        assert_eq!(one.checksum(), two.checksum());
        let other = migration(1, "one", "CREATE TABLE t (\nid TEXT\n);");
        assert_ne!(one.checksum(), other.checksum());
        // SHA-256 of "a\n".
        assert_eq!(
            migration(1, "one", "a").checksum(),
            "87428fc522803d31065e7bce3cf03fe475096631e5e07bbd7a0fde60c4cf25c7"
        );
    }

    #[test]
    fn a_newer_database_is_refused() {
        let error = plan(&applied(&ALL), &ALL[..2]).unwrap_err();
        assert!(matches!(&error, MigrationError::Newer { name } if name == "0003_three"));
        assert!(error.to_string().contains("newer binary"));
    }

    #[test]
    fn a_hole_is_refused() {
        let mut ledger = applied(&ALL);
        ledger.remove(1);
        let error = plan(&ledger, &ALL).unwrap_err();
        assert!(matches!(&error, MigrationError::Hole { name, last: 3 } if name == "0002_two"));
        let misnumbered = [ALL[0], ALL[2]];
        assert!(matches!(plan(&[], &misnumbered), Err(MigrationError::Misnumbered { expected: 2, .. })));
    }

    #[test]
    fn the_order_of_the_ledger_does_not_matter() {
        let mut ledger = applied(&ALL[..2]);
        ledger.reverse();
        assert_eq!(plan(&ledger, &ALL).unwrap(), &ALL[2..]);
    }

    #[test]
    fn the_compiled_list_is_the_folder() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../migrations/sqlite");
        let mut files: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter_map(|name| name.strip_suffix(".sql").map(str::to_owned))
            .collect();
        files.sort();
        let compiled: Vec<&str> = SQLITE.iter().map(|migration| migration.name).collect();
        assert_eq!(compiled, files, "list every file of the folder in this module");
        for migration in SQLITE {
            assert!(migration.name.starts_with(&format!("{:04}_", migration.id)));
        }
        assert!(plan(&[], SQLITE).is_ok());
    }
}
