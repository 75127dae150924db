//! Which files a database still needs.

use portway_domain::time::Timestamp;

use super::{AppliedMigration, Migration};

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
}
