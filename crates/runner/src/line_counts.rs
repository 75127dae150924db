//! How many lines files have that git knows nothing of.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::files::read;
use crate::git::text;

/// Largest file whose lines are counted, in bytes.
const MAX_FILE: u64 = 1024 * 1024;

/// So much is read of all files together; the lines of the rest are not counted.
const MAX_BYTES: u64 = 16 * 1024 * 1024;

/// Of the beginning of a file, what shows whether it is binary; as in git.
const SAMPLE: usize = 8_000;

/// The names of these files as text, and how many lines each has: 0 for those that are binary, too large, or gone.
pub(crate) async fn of(folder: &Path, names: Vec<&[u8]>) -> Vec<(String, u64)> {
    if names.is_empty() {
        return Vec::new();
    }
    let paths: Vec<(String, PathBuf)> =
        names.into_iter().map(|name| (text(name), folder.join(OsStr::from_bytes(name)))).collect();
    let count = move || {
        let mut budget = MAX_BYTES;
        paths.into_iter().map(|(name, path)| (name, count(&path, &mut budget))).collect()
    };
    tokio::task::spawn_blocking(count).await.unwrap_or_default()
}

fn count(path: &Path, budget: &mut u64) -> u64 {
    let Ok(found) = path.symlink_metadata() else { return 0 };
    if found.is_symlink() {
        // To git it is a file with one line, which says where it leads.
        return 1;
    }
    if !found.is_file() || found.len() > MAX_FILE.min(*budget) {
        return 0;
    }
    *budget -= found.len();
    read(path, found.len()).map_or(0, |content| lines(&content))
}

fn lines(content: &[u8]) -> u64 {
    if content.iter().take(SAMPLE).any(|byte| *byte == 0) {
        return 0;
    }
    let ends = content.iter().filter(|byte| **byte == b'\n').count();
    let is_open = content.last().is_some_and(|byte| *byte != b'\n');
    (ends + usize::from(is_open)) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_counted_as_git_does() {
        for (content, expected) in [(&b""[..], 0), (b"\n", 1), (b"a", 1), (b"a\nb", 2), (b"a\nb\n", 2), (b"a\n\0", 0)] {
            assert_eq!(lines(content), expected, "{content:?}");
        }
    }

    #[tokio::test]
    async fn what_is_no_small_file_of_text_has_no_lines() {
        let folder = tempfile::tempdir().unwrap();
        let place = |name: &str| folder.path().join(name);
        std::fs::write(place("text"), "a\nb\n").unwrap();
        std::fs::File::create(place("large")).unwrap().set_len(MAX_FILE + 1).unwrap();
        std::os::unix::fs::symlink("text", place("link")).unwrap();
        nix::unistd::mkfifo(&place("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        let names: Vec<&[u8]> = vec![b"text", b"large", b"link", b"pipe", b"gone"];
        let counted = of(folder.path(), names).await;
        let counts: Vec<u64> = counted.iter().map(|(_, count)| *count).collect();
        assert_eq!(counts, [2, 0, 1, 0, 0]);
        assert_eq!(counted[0].0, "text");
    }

    #[test]
    fn no_more_is_read_than_the_budget() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("text");
        std::fs::write(&path, "a\nb\n").unwrap();
        let mut budget = 7;
        assert_eq!((count(&path, &mut budget), budget), (2, 3));
        assert_eq!((count(&path, &mut budget), budget), (0, 3));
    }
}
