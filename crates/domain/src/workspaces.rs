//! What is known of a session's workspace: the files that differ from where the session began, and what git says.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// Most files of one session that are kept; those behind them by path are left out.
pub const MAX_CHANGED_FILES: usize = 500;

/// Longest path that is kept, in characters.
pub const MAX_PATH_CHARS: usize = 1_024;

/// Longest name of a branch that is kept, in characters.
pub const MAX_BRANCH_CHARS: usize = 1_024;

/// How a file differs from where the session began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FileStatus {
    /// It was not there.
    Added,
    /// It had another content.
    Modified,
    /// It is no longer there.
    Deleted,
    /// It had another name.
    Renamed,
}

impl FileStatus {
    /// Every status.
    pub const ALL: [Self; 4] = [Self::Added, Self::Modified, Self::Deleted, Self::Renamed];

    /// Its name on the wire and in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Modified => "modified",
            Self::Deleted => "deleted",
            Self::Renamed => "renamed",
        }
    }

    /// The status of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == name)
    }
}

/// A file that differs from where the session began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileChange {
    /// Where it is in the workspace.
    pub path: String,
    /// How it differs.
    pub status: FileStatus,
    /// Lines that were added; 0 for binary files.
    pub additions: u32,
    /// Lines that were deleted; 0 for binary files.
    pub deletions: u32,
}

/// All files that differ: by path, each once, at most [`MAX_CHANGED_FILES`]. What cannot be a path is left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<FileChange>", into = "Vec<FileChange>")]
pub struct ChangedFiles(Vec<FileChange>);

impl ChangedFiles {
    /// The files.
    #[must_use]
    pub fn as_slice(&self) -> &[FileChange] {
        &self.0
    }
}

impl From<Vec<FileChange>> for ChangedFiles {
    fn from(files: Vec<FileChange>) -> Self {
        let kept = files.into_iter().filter(|file| is_kept(&file.path, MAX_PATH_CHARS));
        let by_path: BTreeMap<String, FileChange> = kept.map(|file| (file.path.clone(), file)).collect();
        Self(by_path.into_values().take(MAX_CHANGED_FILES).collect())
    }
}

impl From<ChangedFiles> for Vec<FileChange> {
    fn from(files: ChangedFiles) -> Self {
        files.0
    }
}

/// What git says of a workspace. What is absent is unchanged.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GitReport {
    /// The branch; `HEAD` where there is none.
    pub branch: Option<String>,
    /// The branch that the session began on.
    pub base_branch: Option<String>,
    /// Commits since the session began.
    pub commit_count: Option<u32>,
}

impl GitReport {
    /// Leaves out what cannot be the name of a branch.
    #[must_use]
    pub fn bounded(self) -> Self {
        let name = |name: Option<String>| name.filter(|name| is_kept(name, MAX_BRANCH_CHARS));
        Self { branch: name(self.branch), base_branch: name(self.base_branch), commit_count: self.commit_count }
    }

    /// Whether it says anything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Whether a name is kept: no database keeps a NUL.
fn is_kept(name: &str, max_chars: usize) -> bool {
    !name.is_empty() && !name.contains('\0') && name.chars().nth(max_chars).is_none()
}

/// A changed file as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptFile {
    /// How it differs.
    pub change: FileChange,
    /// When it was first reported.
    pub created_at: Timestamp,
    /// When it was last reported.
    pub updated_at: Timestamp,
}

/// What git said of a workspace so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GitState {
    /// The branch; `HEAD` where there is none.
    pub branch: Option<String>,
    /// The branch that the session began on.
    pub base_branch: Option<String>,
    /// Commits since the session began.
    pub commit_count: u32,
    /// When it was first reported.
    pub created_at: Timestamp,
    /// When it was last reported.
    pub updated_at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, status: FileStatus) -> FileChange {
        FileChange { path: path.to_owned(), status, additions: 1, deletions: 0 }
    }

    #[test]
    fn statuses_have_names() {
        for status in FileStatus::ALL {
            assert_eq!(FileStatus::from_name(status.as_str()), Some(status));
            assert_eq!(serde_json::to_value(status).unwrap(), status.as_str());
        }
        assert_eq!(FileStatus::from_name("moved"), None);
    }

    #[test]
    fn files_are_sorted_each_once_and_bounded() {
        let files = ["b", "a", "", "x\0y", "b"].map(|path| file(path, FileStatus::Added));
        let mut files = Vec::from(files);
        files.push(file("b", FileStatus::Deleted));
        files.push(file(&"\u{e4}".repeat(MAX_PATH_CHARS), FileStatus::Added));
        files.push(file(&"z".repeat(MAX_PATH_CHARS + 1), FileStatus::Added));
        let kept = ChangedFiles::from(files);
        let paths: Vec<(usize, FileStatus)> =
            kept.as_slice().iter().map(|file| (file.path.chars().count(), file.status)).collect();
        assert_eq!(paths, [(1, FileStatus::Added), (1, FileStatus::Deleted), (MAX_PATH_CHARS, FileStatus::Added)]);

        let many: Vec<FileChange> = (0..600).map(|n| file(&format!("{n:03}"), FileStatus::Modified)).collect();
        let kept = ChangedFiles::from(many);
        assert_eq!(kept.as_slice().len(), MAX_CHANGED_FILES);
        assert_eq!(kept.as_slice().last().map(|file| file.path.as_str()), Some("499"));
        let read: ChangedFiles = serde_json::from_value(serde_json::to_value(&kept).unwrap()).unwrap();
        assert_eq!(read, kept);
    }

    #[test]
    fn names_that_no_branch_has_are_left_out() {
        let report = |branch: &str| GitReport { branch: Some(branch.to_owned()), ..GitReport::default() };
        assert_eq!(report("main").bounded(), report("main"));
        for bad in [String::new(), "a\0b".to_owned(), "x".repeat(MAX_BRANCH_CHARS + 1)] {
            assert!(report(&bad).bounded().is_empty(), "{bad:?}");
        }
    }
}
