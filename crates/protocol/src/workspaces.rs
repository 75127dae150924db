//! What is told of a session's workspace.

use serde::{Deserialize, Serialize};

/// How a file differs from where the session began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FileStatus {
    /// It was not there.
    Added,
    /// It is no longer there.
    Deleted,
    /// It had another name.
    Renamed,
    /// It had another content. Whatever this reader does not know counts as that.
    #[default]
    #[serde(other)]
    Modified,
}

/// A file that differs from where the session began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileChange {
    /// Where it is in the workspace.
    pub path: String,
    /// How it differs.
    pub status: FileStatus,
    /// Lines that were added; 0 for binary files.
    #[serde(default)]
    pub additions: u64,
    /// Lines that were deleted; 0 for binary files.
    #[serde(default)]
    pub deletions: u64,
}

/// What git says of the workspace. Keys that are absent are unchanged.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GitState {
    /// The branch; `HEAD` where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// The branch that the session began on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_branch: Option<String>,
    /// Commits since the session began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit_count: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_runner_leaves_out_or_makes_up_is_read() {
        let read: FileChange = serde_json::from_str(r#"{"path":"a","status":"copied"}"#).unwrap();
        let expected = FileChange { path: "a".to_owned(), status: FileStatus::Modified, additions: 0, deletions: 0 };
        assert_eq!(read, expected);
        for (status, name) in [
            (FileStatus::Added, "added"),
            (FileStatus::Modified, "modified"),
            (FileStatus::Deleted, "deleted"),
            (FileStatus::Renamed, "renamed"),
        ] {
            assert_eq!(serde_json::to_value(status).unwrap(), name);
            assert_eq!(serde_json::from_value::<FileStatus>(name.into()).unwrap(), status);
        }
        let read: GitState = serde_json::from_str(r#"{"branch":null,"commitCount":2}"#).unwrap();
        assert_eq!(read, GitState { commit_count: Some(2), ..GitState::default() });
    }
}
