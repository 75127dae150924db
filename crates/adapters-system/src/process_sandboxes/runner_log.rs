//! What runners write to their standard output and error.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::PathBuf;

/// A log longer than this begins anew at the next start of a runner.
const KEPT_BYTES: u64 = 1_024 * 1_024;

/// A log that grows beyond this while the runner lives begins anew at once.
const MAX_BYTES: u64 = 16 * 1_024 * 1_024;

/// How much of the end is read for the last line.
const TAIL_BYTES: u64 = 4_096;

/// Longest last line that is told, in characters.
const LINE_CHARS: usize = 500;

/// The log of a session's runners. Its calls block, for single files.
#[derive(Debug, Clone)]
pub(super) struct RunnerLog {
    path: PathBuf,
}

impl RunnerLog {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// Opens the log to append to it; also tells how long it is now.
    pub(super) fn open(&self) -> io::Result<(File, u64)> {
        let file = OpenOptions::new().append(true).create(true).mode(0o600).open(&self.path)?;
        file.set_permissions(Permissions::from_mode(0o600))?;
        let mut length = file.metadata()?.len();
        if length > KEPT_BYTES {
            file.set_len(0)?;
            length = 0;
        }
        Ok((file, length))
    }

    /// Keeps the log within its bound. The runner goes on writing at the new end, because it appends.
    pub(super) fn trim(&self) {
        if std::fs::metadata(&self.path).is_ok_and(|meta| meta.len() > MAX_BYTES)
            && let Err(error) = OpenOptions::new().write(true).open(&self.path).and_then(|file| file.set_len(0))
        {
            tracing::warn!(path = %self.path.display(), %error, "the log of a runner cannot be shortened");
        }
    }

    /// The last line that was written after the first `from` bytes and is not blank, shortened, without control
    /// characters.
    pub(super) fn last_line(&self, from: u64) -> Option<String> {
        let mut file = File::open(&self.path).ok()?;
        let length = file.metadata().ok()?.len();
        let from = if from > length { 0 } else { from };
        file.seek(SeekFrom::Start(from.max(length.saturating_sub(TAIL_BYTES)))).ok()?;
        let mut bytes = Vec::new();
        file.take(TAIL_BYTES).read_to_end(&mut bytes).ok()?;
        let text = String::from_utf8_lossy(&bytes);
        let line = text.lines().rfind(|line| !line.trim().is_empty())?;
        Some(line.trim().chars().filter(|char| !char.is_control()).take(LINE_CHARS).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn log() -> (tempfile::TempDir, RunnerLog) {
        let scratch = tempfile::tempdir().unwrap();
        let log = RunnerLog::new(scratch.path().join("runner-s.log"));
        (scratch, log)
    }

    #[test]
    fn starts_append_until_the_log_is_long() {
        let (_scratch, log) = log();
        log.open().unwrap().0.write_all(b"one\n").unwrap();
        let (mut file, length) = log.open().unwrap();
        assert_eq!(length, 4);
        file.write_all(&vec![b'x'; usize::try_from(KEPT_BYTES).unwrap()]).unwrap();
        let (_, length) = log.open().unwrap();
        assert_eq!((length, std::fs::metadata(&log.path).unwrap().len()), (0, 0));
    }

    #[test]
    fn a_log_that_grows_too_long_begins_anew_under_its_writer() {
        let (_scratch, log) = log();
        let (mut file, _) = log.open().unwrap();
        file.write_all(b"early\n").unwrap();
        log.trim();
        assert_eq!(log.last_line(0).as_deref(), Some("early"));
        OpenOptions::new().write(true).open(&log.path).unwrap().set_len(MAX_BYTES + 1).unwrap();
        log.trim();
        file.write_all(b"late\n").unwrap();
        assert_eq!(std::fs::read(&log.path).unwrap(), b"late\n");
    }

    #[test]
    fn the_last_line_is_harmless() {
        let (_scratch, log) = log();
        assert_eq!(log.last_line(0), None);
        let (mut file, _) = log.open().unwrap();
        assert_eq!(log.last_line(0), None);
        file.write_all(b"old\nnew \x1b[31m\xff\n \n\n").unwrap();
        assert_eq!(log.last_line(0).as_deref(), Some("new [31m\u{fffd}"));
        assert_eq!(log.last_line(4).as_deref(), Some("new [31m\u{fffd}"));
        let length = file.metadata().unwrap().len();
        assert_eq!(log.last_line(length), None);
        file.write_all(&[b'y'; 10_000]).unwrap();
        assert_eq!(log.last_line(0).map(|line| line.len()), Some(LINE_CHARS));
    }
}
