//! `portway db migrate`.

use portway_sql::archive::unfinished;
use portway_sql::migrations;

use super::error::DbError;
use super::place::Place;
use super::{DatabaseArgs, say};

pub(super) async fn run(args: &DatabaseArgs) -> Result<(), DbError> {
    let taken = Place::configured(args)?.take().await?;
    let database = &taken.database;
    let driver = database.driver();
    if let Some(unfinished) = unfinished::find(&*driver).await? {
        return Err(DbError::refused(unfinished));
    }
    let before = migrations::applied(&*driver).await?;
    let pending = migrations::plan(&before, database.migrations()).map_err(DbError::refused)?;
    database.migrate(database.migrations()).await?;
    for migration in pending {
        say(&format!("{} was run", migration.name));
    }
    let newest = database.migrations().last().map_or(0, |newest| newest.id);
    say(&format!("The schema is {newest}, that of this program."));
    database.close().await;
    Ok(())
}
