//! What a database holds, in one form for all databases: backups, restoring, and copies from one to another.
//!
//! The form is lines of JSON; `docs/backup.md` describes it. A row is the same bytes whichever database it comes from, so
//! two databases hold the same if the digests of their tables are equal.
//!
//! * Reading goes page by page in the order of the primary key, in one [`Snapshot`](crate::snapshot::Snapshot). A page
//!   has at most 500 rows and 1 MiB, or one row that is larger.
//! * Writing goes page by page as well, each together with the place that was reached. A database in which that has not
//!   come to its end is [unfinished](unfinished::Unfinished), and no gateway takes it.
//! * What follows from other columns, such as the words of the search index, is not kept but made anew.

mod check;
mod contents;
mod copy;
mod error;
mod lines;
mod load;
mod pages;
mod progress;
mod read;
mod restore;
mod rows;
pub mod unfinished;
mod write;

pub(crate) use self::check::Records;
pub use self::check::check_records;
pub use self::contents::{Contents, TableSum};
pub use self::copy::{Copied, copy};
pub use self::error::ArchiveError;
pub use self::lines::{Header, Made};
pub use self::load::{Target, TargetState, up_to};
pub use self::pages::{Source, counts};
pub use self::progress::{Progress, Silent};
pub use self::read::{Reader, inspect, open};
pub use self::restore::restore;
pub use self::write::write;
