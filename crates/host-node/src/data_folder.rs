//! The folder for everything that is kept.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use portway_domain::ids::NodeId;

/// The data folder of this process. No other gateway can use it while this is held.
#[derive(Debug)]
pub struct DataFolder {
    path: PathBuf,
    _lock: File,
}

/// Why a data folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataFolderError {
    /// Another gateway uses it.
    #[error("the data folder {0} is in use by another gateway: stop that one, or choose another folder with --data")]
    InUse(PathBuf),
    /// The operating system refuses.
    #[error("the data folder {path} cannot be used: {source}")]
    Io {
        /// The folder.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
}

impl DataFolder {
    /// Makes the folder, for its owner only, and takes it.
    ///
    /// # Errors
    /// [`DataFolderError`] when it cannot be made or is in use.
    pub fn open(path: &Path) -> Result<Self, DataFolderError> {
        let failed = |source| DataFolderError::Io { path: path.to_owned(), source };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed)?;
        let path = fs::canonicalize(path).map_err(failed)?;
        let lock = options().create(true).truncate(false).write(true).open(lock_in(&path)).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path, _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(DataFolderError::InUse(path)),
            Err(TryLockError::Error(source)) => Err(failed(source)),
        }
    }

    /// Where it is: an absolute path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The database file.
    #[must_use]
    pub fn database(&self) -> PathBuf {
        database_in(&self.path)
    }

    /// The folder for attachments.
    #[must_use]
    pub fn objects(&self) -> PathBuf {
        objects_in(&self.path)
    }

    /// The file with the first administrator's key.
    #[must_use]
    pub fn bootstrap_key(&self) -> PathBuf {
        self.path.join("bootstrap-key")
    }

    /// Name of the gateway whose folder this is: drawn once, and kept, so that the next gateway in the folder is known to
    /// others as the one before. What is no name is replaced.
    ///
    /// # Errors
    /// [`DataFolderError::Io`] when it cannot be read or written.
    pub fn node(&self, fresh: NodeId) -> Result<NodeId, DataFolderError> {
        let path = self.path.join("node");
        let failed = |source| DataFolderError::Io { path: path.clone(), source };
        let kept = match fs::read_to_string(&path) {
            Ok(text) => NodeId::parse(text.trim()).ok(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(failed(error)),
        };
        if let Some(kept) = kept {
            return Ok(kept);
        }
        let write = || -> io::Result<()> {
            let mut file = options().create(true).truncate(true).write(true).open(&path)?;
            writeln!(file, "{fresh}")?;
            file.sync_all()
        };
        write().map_err(failed)?;
        Ok(fresh)
    }

    /// Writes the first administrator's key, readable by the owner only.
    ///
    /// # Errors
    /// [`DataFolderError::Io`] when it cannot be written.
    pub fn write_bootstrap_key(&self, key: &str) -> Result<(), DataFolderError> {
        write_secret(self.bootstrap_key(), key)
    }

    /// The file with the token that a sandbox backend lets gateways in with.
    #[must_use]
    pub fn sandbox_token(&self) -> PathBuf {
        self.path.join("sandbox-token")
    }

    /// Writes that token, readable by the owner only.
    ///
    /// # Errors
    /// [`DataFolderError::Io`] when it cannot be written.
    pub fn write_sandbox_token(&self, token: &str) -> Result<(), DataFolderError> {
        write_secret(self.sandbox_token(), token)
    }

    /// The file with the key that the keys of sandboxes follow from.
    #[must_use]
    pub fn sandbox_root_key(&self) -> PathBuf {
        self.path.join("sandbox-root-key")
    }

    /// Writes that key, readable by the owner only.
    ///
    /// # Errors
    /// [`DataFolderError::Io`] when it cannot be written.
    pub fn write_sandbox_root_key(&self, key: &str) -> Result<(), DataFolderError> {
        write_secret(self.sandbox_root_key(), key)
    }
}

/// Writes a file that only its owner may read.
fn write_secret(path: PathBuf, secret: &str) -> Result<(), DataFolderError> {
    let write = || -> io::Result<()> {
        // An older file may have a wider mode, which opening would keep.
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = options().create_new(true).write(true).open(&path)?;
        writeln!(file, "{secret}")?;
        file.sync_all()
    };
    write().map_err(|source| DataFolderError::Io { path: path.clone(), source })
}

/// The database file of a data folder.
pub(crate) fn database_in(folder: &Path) -> PathBuf {
    folder.join("portway.db")
}

/// The folder for attachments of a data folder.
pub(crate) fn objects_in(folder: &Path) -> PathBuf {
    folder.join("objects")
}

/// The file that a gateway locks while it uses the folder.
pub(crate) fn lock_in(folder: &Path) -> PathBuf {
    folder.join("lock")
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.mode(0o600);
    options
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_folder_belongs_to_one_gateway() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("a/b");
        let first = DataFolder::open(&path).unwrap();
        assert!(matches!(DataFolder::open(&path), Err(DataFolderError::InUse(_))));
        drop(first);
        assert!(DataFolder::open(&path).is_ok());
    }

    #[test]
    fn the_name_of_the_node_is_kept() {
        let scratch = tempfile::tempdir().unwrap();
        let folder = DataFolder::open(scratch.path()).unwrap();
        let name = |text: &str| NodeId::parse(text).unwrap();
        assert_eq!(folder.node(name("first")).unwrap(), name("first"));
        assert_eq!(folder.node(name("second")).unwrap(), name("first"));
        fs::write(scratch.path().join("node"), "").unwrap();
        assert_eq!(folder.node(name("third")).unwrap(), name("third"));
        assert_eq!(folder.node(name("fourth")).unwrap(), name("third"));
    }

    #[test]
    fn the_key_is_for_its_owner_only() {
        let scratch = tempfile::tempdir().unwrap();
        let folder = DataFolder::open(scratch.path()).unwrap();
        fs::write(folder.bootstrap_key(), "old").unwrap();
        folder.write_bootstrap_key("sk_live_x").unwrap();
        let mode = fs::metadata(folder.bootstrap_key()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(fs::read_to_string(folder.bootstrap_key()).unwrap(), "sk_live_x\n");
    }
}
