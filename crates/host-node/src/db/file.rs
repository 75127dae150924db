//! The file that a backup is.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::bufread::MultiGzDecoder;
use flate2::write::GzEncoder;

use super::error::DbError;

/// Quick: a gateway may go on meanwhile.
const LEVEL: u32 = 3;

/// A file that is written, under another name until it is complete.
pub(super) struct NewFile {
    path: PathBuf,
    part: PathBuf,
    out: GzEncoder<BufWriter<File>>,
}

impl NewFile {
    /// Begins a file that only its owner can read: it holds everything that was said, and hashes of keys.
    pub(super) fn create(path: &Path, force: bool) -> Result<Self, DbError> {
        if path.exists() && !force {
            return Err(DbError::Refused(format!("{} exists: choose another name, or add --force", path.display())));
        }
        if path.is_dir() {
            return Err(DbError::Refused(format!("{} is a folder: name a file", path.display())));
        }
        let mut part = path.as_os_str().to_owned();
        part.push(".part");
        let part = PathBuf::from(part);
        // What an interrupted backup left may have another mode.
        match fs::remove_file(&part) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(DbError::file(&part)(error)),
            _ => {}
        }
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&part);
        let file = file.map_err(DbError::file(&part))?;
        let out = GzEncoder::new(BufWriter::new(file), Compression::new(LEVEL));
        Ok(Self { path: path.to_owned(), part, out })
    }

    pub(super) fn writer(&mut self) -> &mut (dyn Write + Send) {
        &mut self.out
    }

    /// Makes sure that it is on the disk, and gives it its name. Answers its size.
    pub(super) fn finish(self) -> Result<u64, DbError> {
        let Self { path, part, out } = self;
        let finish = || {
            let file = out.finish()?.into_inner().map_err(io::IntoInnerError::into_error)?;
            file.sync_all()?;
            fs::rename(&part, &path)?;
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
            File::open(folder)?.sync_all()?;
            Ok(file.metadata()?.len())
        };
        finish().map_err(|error: io::Error| DbError::Failed(format!("{} cannot be written: {error}", path.display())))
    }

    /// Removes what was written.
    pub(super) fn discard(self) {
        let _ = fs::remove_file(&self.part);
    }
}

/// A file that is read.
pub(super) fn open(path: &Path) -> Result<BufReader<MultiGzDecoder<BufReader<File>>>, DbError> {
    let file = File::open(path).map_err(DbError::file(path))?;
    Ok(BufReader::new(MultiGzDecoder::new(BufReader::new(file))))
}
