//! `portway db verify`: whether a backup can be restored and holds what a gateway can use.

use std::path::Path;

use portway_sql::archive::{Contents, Source, check_records, inspect};

use super::database::Database;
use super::error::DbError;
use super::place::create;
use super::progress::Shown;
use super::restore::{Checking, fill};
use super::{file, say};
use crate::gateway;

pub(super) async fn run(path: &Path) -> Result<(), DbError> {
    let mut progress = Shown::new();
    let (header, _) = inspect(file::open(path)?, &mut Checking(&mut progress))?;
    let scratch = tempfile::Builder::new().prefix("portway-verify-").tempdir();
    let scratch = scratch.map_err(DbError::file(&std::env::temp_dir()))?;
    let database = create(&scratch.path().join("portway.db"))?;
    let checked = async {
        let contents = fill(&database, path, header.schema, &mut progress).await?;
        let decoded = check(&database, &mut progress).await?;
        Ok::<(Contents, u64), DbError>((contents, decoded))
    };
    let checked = checked.await;
    drop(progress);
    database.close().await;
    let (contents, decoded) = checked?;
    let (rows, digest) = (contents.rows(), contents.digest());
    say(&format!(
        "{} can be restored: {rows} rows with the digests that were written, every reference holds, and {decoded} records \
         can be read; digest {digest}",
        path.display()
    ));
    Ok(())
}

async fn check(database: &Database, progress: &mut Shown) -> Result<u64, DbError> {
    if let Database::Own(gateway::Database::Sqlite(sqlite)) = database
        && let Some((table, parent)) = sqlite.broken_references(1).await?.first()
    {
        let reason = format!("a row of {table} refers to a row of {parent} that is not in the backup");
        return Err(DbError::Failed(reason + ": look at the database with `portway doctor`, and use an older backup"));
    }
    let schema = database.migrations().last().map_or(0, |newest| newest.id);
    let mut source = Source::open(database.snapshots(), schema).await?;
    Ok(check_records(&mut source, progress).await?)
}
