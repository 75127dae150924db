//! Files of the workspace, and of nothing else.

use std::fs;
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

/// Largest file that is read or written, in bytes.
const MAX_FILE: u64 = 10 * 1024 * 1024;

/// A folder that paths cannot leave.
///
/// This is order, not defence: the agent's process may use the file system without asking.
#[derive(Debug, Clone)]
pub(crate) struct Workspace {
    root: PathBuf,
}

/// Why a file was not read or written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FileError {
    #[error("{0} is outside of the workspace")]
    Outside(String),
    #[error("{0} does not exist")]
    NotFound(String),
    #[error("{0} is not a file")]
    NotAFile(String),
    #[error("more than {MAX_FILE} bytes")]
    TooLarge,
    #[error("{0}: {1}")]
    Io(String, io::Error),
}

impl Workspace {
    /// Confines paths to `root`, which need not exist yet.
    pub(crate) fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// Reads a text file: from line `line` (1 is the first) at most `limit` lines.
    pub(crate) fn read(&self, path: &Path, line: Option<u64>, limit: Option<u64>) -> Result<String, FileError> {
        let shown = || path.display().to_string();
        let failed = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound => FileError::NotFound(shown()),
            _ => FileError::Io(shown(), error),
        };
        let inside = self.inside(path)?;
        // Opening a pipe would wait for a writer.
        if !fs::metadata(&inside).map_err(failed)?.is_file() {
            return Err(FileError::NotAFile(shown()));
        }
        let mut bytes = Vec::new();
        fs::File::open(&inside).and_then(|file| file.take(MAX_FILE + 1).read_to_end(&mut bytes)).map_err(failed)?;
        if bytes.len() as u64 > MAX_FILE {
            return Err(FileError::TooLarge);
        }
        let text = String::from_utf8_lossy(&bytes);
        if line.is_none() && limit.is_none() {
            return Ok(text.into_owned());
        }
        let count = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        Ok(text
            .split_inclusive('\n')
            .skip(count(line.unwrap_or(1).saturating_sub(1)))
            .take(count(limit.unwrap_or(u64::MAX)))
            .collect())
    }

    /// Writes a text file, and the folders above it.
    pub(crate) fn write(&self, path: &Path, content: &str) -> Result<(), FileError> {
        self.write_bytes(path, content.as_bytes()).map(drop)
    }

    /// Writes a file, and the folders above it. Answers where it is without links.
    pub(crate) fn write_bytes(&self, path: &Path, content: &[u8]) -> Result<PathBuf, FileError> {
        if content.len() as u64 > MAX_FILE {
            return Err(FileError::TooLarge);
        }
        let failed = |error| FileError::Io(path.display().to_string(), error);
        let inside = self.inside(path)?;
        if fs::metadata(&inside).is_ok_and(|found| !found.is_file()) {
            return Err(FileError::NotAFile(path.display().to_string()));
        }
        if let Some(folder) = inside.parent() {
            fs::create_dir_all(folder).map_err(failed)?;
        }
        fs::write(&inside, content).map_err(failed)?;
        Ok(inside)
    }

    /// The path without symbolic links and `..`, if it is inside.
    fn inside(&self, path: &Path) -> Result<PathBuf, FileError> {
        let outside = || FileError::Outside(path.display().to_string());
        let root = self.root.canonicalize().map_err(|error| FileError::Io(self.root.display().to_string(), error))?;
        let absolute = root.join(path);
        let components: Vec<_> = absolute.components().collect();
        // Only the file system knows where a link or a `..` behind one leads: ask it as far down as there is anything.
        for depth in (1..=components.len()).rev() {
            let (upper, lower) = components.split_at(depth);
            let upper: PathBuf = upper.iter().collect();
            if fs::symlink_metadata(&upper).is_err() {
                continue;
            }
            // A link that leads nowhere would be followed by a write.
            let mut resolved = upper.canonicalize().map_err(|_| outside())?;
            for component in lower {
                match component {
                    Component::Normal(name) => resolved.push(name),
                    _ => return Err(outside()),
                }
            }
            return if resolved.starts_with(&root) { Ok(resolved) } else { Err(outside()) };
        }
        Err(outside())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    struct Fixture {
        _folder: tempfile::TempDir,
        root: PathBuf,
        workspace: Workspace,
    }

    /// `work/` with a file and links, `secret.txt` and `work-two/` beside it.
    fn fixture() -> Fixture {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("work");
        fs::create_dir_all(root.join("sub")).unwrap();
        fs::create_dir(folder.path().join("work-two")).unwrap();
        fs::write(root.join("notes.md"), "one\ntwo\nthree").unwrap();
        fs::write(folder.path().join("secret.txt"), "secret").unwrap();
        symlink(folder.path(), root.join("up")).unwrap();
        symlink(folder.path().join("nowhere"), root.join("dangling")).unwrap();
        symlink(root.join("sub"), root.join("inner")).unwrap();
        Fixture { workspace: Workspace::new(&root), root, _folder: folder }
    }

    #[test]
    fn lines_are_counted_from_one() {
        let fixture = fixture();
        let (root, workspace) = (&fixture.root, &fixture.workspace);
        let notes = root.join("notes.md");
        let read = |line, limit| workspace.read(&notes, line, limit).unwrap();
        assert_eq!(read(None, None), "one\ntwo\nthree");
        assert_eq!(read(Some(2), None), "two\nthree");
        assert_eq!(read(Some(0), Some(1)), "one\n");
        assert_eq!(read(Some(2), Some(1)), "two\n");
        assert_eq!(read(Some(9), None), "");
    }

    #[test]
    fn everything_outside_is_refused() {
        let fixture = fixture();
        let (root, workspace) = (&fixture.root, &fixture.workspace);
        for path in [
            "/etc/passwd",
            "../secret.txt",
            "sub/../../secret.txt",
            "up/secret.txt",
            "up/new.txt",
            "inner/../../secret.txt",
            "dangling",
            "dangling/x",
            "../work-two/x",
            "missing/../../secret.txt",
            "",
            "up",
        ] {
            let path = root.join(path);
            assert!(workspace.write(&path, "x").is_err(), "{}", path.display());
            assert!(workspace.read(&path, None, None).is_err(), "{}", path.display());
        }
        assert_eq!(fs::read_to_string(root.join("../secret.txt")).unwrap(), "secret");
        assert!(!root.join("../new.txt").exists());
        assert!(!root.join("../nowhere").exists());
    }

    #[test]
    fn folders_are_made_and_inner_links_followed() {
        let fixture = fixture();
        let (root, workspace) = (&fixture.root, &fixture.workspace);
        workspace.write(&root.join("a/b/c.txt"), "deep").unwrap();
        workspace.write(&root.join("inner/x.txt"), "in").unwrap();
        workspace.write(Path::new("plain.txt"), "relative").unwrap();
        assert_eq!(fs::read_to_string(root.join("a/b/c.txt")).unwrap(), "deep");
        assert_eq!(fs::read_to_string(root.join("sub/x.txt")).unwrap(), "in");
        assert!(root.join("plain.txt").exists());
    }

    #[test]
    fn what_is_missing_or_no_file_or_too_large_is_told_apart() {
        let fixture = fixture();
        let (root, workspace) = (&fixture.root, &fixture.workspace);
        let read = |name: &str| workspace.read(&root.join(name), None, None).unwrap_err();
        assert!(matches!(read("none.txt"), FileError::NotFound(_)));
        assert!(matches!(read("sub"), FileError::NotAFile(_)));
        let large = fs::File::create(root.join("large")).unwrap();
        large.set_len(MAX_FILE + 1).unwrap();
        assert!(matches!(read("large"), FileError::TooLarge));
    }
}
