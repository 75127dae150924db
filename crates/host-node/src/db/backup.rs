//! `portway db backup`.

use std::path::Path;

use portway_adapters_system::SystemClock;
use portway_ports::system::Clock;
use portway_sql::archive::{Contents, Made, Source, write};

use super::database::Database;
use super::error::DbError;
use super::file::NewFile;
use super::place::{Place, readable_schema};
use super::progress::Shown;
use super::{DatabaseArgs, say, verify};

pub(super) async fn run(file: &Path, args: &DatabaseArgs, verify: bool, force: bool) -> Result<(), DbError> {
    let database = Place::configured(args)?.look().await?;
    let schema = readable_schema(&database).await?;
    let mut new = NewFile::create(file, force)?;
    let written = back_up(&database, schema, &mut new).await;
    database.close().await;
    let contents = match written {
        Ok(contents) => contents,
        Err(error) => {
            new.discard();
            return Err(error);
        }
    };
    let size = new.finish()?;
    let (rows, digest) = (contents.rows(), contents.digest());
    say(&format!("{rows} rows were written to {}, {} KiB; digest {digest}", file.display(), size >> 10));
    if verify { verify::run(file).await } else { Ok(()) }
}

async fn back_up(database: &Database, schema: u32, new: &mut NewFile) -> Result<Contents, DbError> {
    let mut source = Source::open(database.snapshots(), schema).await?;
    let made = Made { at: SystemClock::new().now(), product: env!("CARGO_PKG_VERSION").to_owned() };
    Ok(write(&mut source, made, new.writer(), &mut Shown::new()).await?)
}
