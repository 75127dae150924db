//! `portway db restore`.

use std::path::Path;

use portway_sql::archive::unfinished::{Task, Unfinished};
use portway_sql::archive::{Contents, Progress, Target, TargetState, inspect, open, restore, up_to};

use super::database::Database;
use super::error::DbError;
use super::place::Place;
use super::progress::Shown;
use super::{DatabaseArgs, file, say};

pub(super) async fn run(path: &Path, args: &DatabaseArgs) -> Result<(), DbError> {
    let mut progress = Shown::new();
    // Before anything is touched.
    let (header, _) = inspect(file::open(path)?, &mut Checking(&mut progress))?;
    let place = Place::configured(args)?;
    let taken = place.take().await?;
    let restored = fill(&taken.database, path, header.schema, &mut progress).await;
    drop(progress);
    taken.database.close().await;
    let contents = restored?;
    say(&format!("{} rows were restored; digest {}", contents.rows(), contents.digest()));
    Ok(())
}

/// Fills an empty database with an archive of that schema, and brings its schema up to date.
pub(super) async fn fill(
    database: &Database,
    path: &Path,
    schema: u32,
    progress: &mut Shown,
) -> Result<Contents, DbError> {
    clear_remains(database).await?;
    prepare(database, schema).await?;
    let shown = path.display().to_string();
    let mut target = Target::begin(database.snapshots(), schema, Task::Restore, &shown).await?;
    let archive = open(file::open(path)?)?;
    match restore(archive, &mut target, progress).await {
        Ok(contents) => {
            database.migrate(database.migrations()).await?;
            target.finish(progress).await?;
            Ok(contents)
        }
        Err(error) => {
            target.clear().await?;
            Err(error.into())
        }
    }
}

/// Removes what an interrupted restoration left.
async fn clear_remains(database: &Database) -> Result<(), DbError> {
    match TargetState::of(&*database.driver()).await? {
        TargetState::Unfinished(Unfinished { task: Task::Restore, schema, .. }) => {
            Ok(Target::resume(database.snapshots(), schema).clear().await?)
        }
        _ => Ok(()),
    }
}

/// Gives an empty database that schema.
pub(super) async fn prepare(database: &Database, schema: u32) -> Result<(), DbError> {
    match TargetState::of(&*database.driver()).await? {
        TargetState::Empty(found) if found <= schema => {
            database.migrate(up_to(database.migrations(), schema)).await?;
            Ok(())
        }
        TargetState::Empty(found) => Err(DbError::Refused(format!(
            "the database is empty, but its schema {found} is newer than {schema}, which is to be restored: name one \
             without tables"
        ))),
        TargetState::Filled(table) => Err(DbError::Refused(format!(
            "the database is not empty, there are {table}: name another one, or move its file away; nothing is overwritten"
        ))),
        TargetState::Unfinished(unfinished) => Err(DbError::refused(unfinished)),
    }
}

/// Says that what goes on is a check.
pub(super) struct Checking<'a>(pub(super) &'a mut Shown);

impl Progress for Checking<'_> {
    fn begin(&mut self, what: &str, total: Option<u64>) {
        self.0.begin(&format!("checking {what}"), total);
    }

    fn advance(&mut self, rows: u64) {
        self.0.advance(rows);
    }
}
