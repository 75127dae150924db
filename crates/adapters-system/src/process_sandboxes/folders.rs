//! Where things are kept below the data folder.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use portway_domain::ids::SessionId;
use portway_ports::sandboxes::SandboxError;

use super::runner_log::RunnerLog;

/// The folders of logs and workspaces.
#[derive(Debug, Clone)]
pub(super) struct Folders {
    logs: PathBuf,
    workspaces: PathBuf,
}

impl Folders {
    /// Below `data`; they are made when they are needed.
    pub(super) fn new(data: &Path) -> Self {
        Self { logs: data.join("logs"), workspaces: data.join("workspaces") }
    }

    /// The log of a session's runners.
    pub(super) fn log(&self, session: &SessionId) -> RunnerLog {
        RunnerLog::new(self.logs.join(format!("runner-{}.log", file_name(session))))
    }

    /// Makes the folder of the logs.
    pub(super) fn make_logs(&self) -> io::Result<()> {
        make_private(&self.logs)
    }

    /// The folder to work in: `directory` if given, which must exist, or else the session's own, which is made.
    pub(super) fn workspace(&self, session: &SessionId, directory: Option<&str>) -> Result<PathBuf, SandboxError> {
        match directory {
            Some(directory) => given(directory),
            None => self.own(session),
        }
    }

    /// Removes the session's own workspace; answers whether there was one.
    pub(super) fn remove_workspace(&self, session: &SessionId) -> io::Result<bool> {
        match fs::remove_dir_all(self.workspaces.join(file_name(session))) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn own(&self, session: &SessionId) -> Result<PathBuf, SandboxError> {
        let path = self.workspaces.join(file_name(session));
        make_private(&self.workspaces).and_then(|()| make_private(&path)).map_err(|error| {
            SandboxError::Unavailable(format!("the workspace {} cannot be made: {error}", path.display()))
        })?;
        Ok(path)
    }
}

fn given(directory: &str) -> Result<PathBuf, SandboxError> {
    let refuse = |why: &str| Err(SandboxError::Refused(format!("the folder {directory:?} {why}")));
    let path = Path::new(directory);
    if !path.is_absolute() {
        return refuse("is not an absolute path");
    }
    // The folder's `.` can only be seen by those who may enter it.
    match fs::metadata(path).and_then(|found| if found.is_dir() { fs::metadata(path.join(".")) } else { Ok(found) }) {
        Ok(found) if found.is_dir() => Ok(path.to_owned()),
        Ok(_) => refuse("is not a folder"),
        Err(error) if error.kind() == io::ErrorKind::NotFound => refuse("does not exist on the gateway's machine"),
        Err(error) => refuse(&format!("cannot be used: {error}")),
    }
}

/// The session's id as the name of a file: one character for each, different names for different ids, no `:`, which
/// separates folders in search paths, and no leading `.`, which could mean another folder.
pub(super) fn file_name(session: &SessionId) -> String {
    let mut name = session.as_str().replace(':', "+");
    if name.starts_with('.') {
        name.replace_range(..1, "=");
    }
    name
}

/// Makes a folder, and those above it, that only its owner may enter; one that exists is closed to others.
pub(super) fn make_private(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    fs::set_permissions(path, Permissions::from_mode(0o700))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> SessionId {
        SessionId::parse(text).unwrap()
    }

    #[test]
    fn names_are_safe_and_distinct() {
        assert_eq!(file_name(&id("orchestrator:u1:0198")), "orchestrator+u1+0198");
        assert_eq!(file_name(&id("..")), "=.");
        assert_eq!(file_name(&id(".")), "=");
        assert_eq!(file_name(&id("a.b")), "a.b");
    }

    #[test]
    fn a_workspace_of_its_own_is_private_and_stays_below() {
        let scratch = tempfile::tempdir().unwrap();
        let folders = Folders::new(scratch.path());
        for session in ["orchestrator:u1", "..", "."] {
            let path = folders.workspace(&id(session), None).unwrap();
            assert_eq!(path.canonicalize().unwrap().parent(), Some(&*scratch.path().join("workspaces")));
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
            assert_eq!(folders.workspace(&id(session), None).unwrap(), path);
        }
    }

    #[test]
    fn a_given_folder_must_be_one() {
        let scratch = tempfile::tempdir().unwrap();
        let folders = Folders::new(scratch.path());
        let text = |path: &Path| path.to_str().unwrap().to_owned();
        let file = scratch.path().join("file");
        fs::write(&file, "").unwrap();
        let good = text(scratch.path());
        assert_eq!(folders.workspace(&id("s"), Some(&good)).unwrap(), scratch.path());
        for (bad, part) in [
            (text(&scratch.path().join("none")), "does not exist"),
            (text(&file), "is not a folder"),
            ("here".to_owned(), "is not an absolute path"),
            (String::new(), "is not an absolute path"),
            ("/a\0b".to_owned(), "cannot be used"),
        ] {
            match folders.workspace(&id("s"), Some(&bad)) {
                Err(SandboxError::Refused(text)) => assert!(text.contains(part), "{text}"),
                other => panic!("{other:?}"),
            }
        }
    }
}
