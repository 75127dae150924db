//! Where objects are kept: in a service that speaks the protocol of S3, in a folder of this machine, or in memory.

mod folder;
mod memory;
mod s3;

pub use self::folder::{FolderError, FolderObjects};
pub use self::memory::MemoryObjects;
pub use self::s3::{S3Error, S3Objects, S3Options, S3Secret};
