//! `portway db copy`.

use portway_sql::archive::unfinished::{Task, Unfinished};
use portway_sql::archive::{Copied, Source, Target, TargetState, copy};

use super::database::Database;
use super::error::DbError;
use super::place::{Place, readable_schema};
use super::progress::Shown;
use super::restore::prepare;
use super::say;

pub(super) async fn run(from: &str, to: &str, restart: bool) -> Result<(), DbError> {
    let (from, to) = (Place::named(from)?, Place::named(to)?);
    let source = from.look().await?;
    let schema = readable_schema(&source).await?;
    let taken = to.take().await?;
    let name = from.name(&source).await?;
    if name == to.name(&taken.database).await? {
        return Err(DbError::refused("both URLs name the same database: name another one to fill"));
    }
    let mut progress = Shown::new();
    let copied = fill(&source, &name, schema, &taken.database, restart, &mut progress).await;
    drop(progress);
    source.close().await;
    taken.database.close().await;
    let Copied { contents, rows } = copied?;
    let total = contents.rows();
    say(&format!("{total} rows are the same in both databases, {rows} were written now; digest {}", contents.digest()));
    Ok(())
}

async fn fill(
    source: &Database,
    name: &str,
    schema: u32,
    database: &Database,
    restart: bool,
    progress: &mut Shown,
) -> Result<Copied, DbError> {
    let interrupted = interrupted(database, name, schema, restart).await?;
    let mut target = match &interrupted {
        Some(_) => Target::resume(database.snapshots(), schema),
        None => {
            prepare(database, schema).await?;
            Target::begin(database.snapshots(), schema, Task::Copy, name).await?
        }
    };
    let mut source = Source::open(source.snapshots(), schema).await?;
    let copied = copy(&mut source, &mut target, interrupted.as_ref(), progress).await?;
    drop(source);
    database.migrate(database.migrations()).await?;
    target.finish(progress).await?;
    Ok(copied)
}

/// The copy of the same source that was interrupted, unless it shall be forgotten.
async fn interrupted(
    database: &Database,
    name: &str,
    schema: u32,
    restart: bool,
) -> Result<Option<Unfinished>, DbError> {
    let TargetState::Unfinished(unfinished) = TargetState::of(&*database.driver()).await? else {
        return Ok(None);
    };
    if unfinished.task == Task::Copy && restart {
        Target::resume(database.snapshots(), unfinished.schema).clear().await?;
        return Ok(None);
    }
    if unfinished.task != Task::Copy || unfinished.source != name || unfinished.schema != schema {
        let now = format!("the copy of {name} with schema {schema} cannot go on there");
        return Err(DbError::Refused(format!("{unfinished}; {now}")));
    }
    Ok(Some(unfinished))
}
