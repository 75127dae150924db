//! What is known of workspaces, in the words of the domain and of the session protocol.

use portway_domain::workspaces::{ChangedFiles, FileChange, FileStatus, GitReport, GitState};
use portway_protocol::server::ServerFrame;
use portway_protocol::workspaces as wire;

/// The files that a runner reports.
pub(super) fn changed_files(files: Vec<wire::FileChange>) -> ChangedFiles {
    let change = |file: wire::FileChange| FileChange {
        path: file.path,
        status: file_status(file.status),
        additions: clamped(file.additions),
        deletions: clamped(file.deletions),
    };
    files.into_iter().map(change).collect::<Vec<_>>().into()
}

/// How a runner says that a file differs.
pub(super) fn file_status(status: wire::FileStatus) -> FileStatus {
    match status {
        wire::FileStatus::Added => FileStatus::Added,
        wire::FileStatus::Modified => FileStatus::Modified,
        wire::FileStatus::Deleted => FileStatus::Deleted,
        wire::FileStatus::Renamed => FileStatus::Renamed,
    }
}

/// How a client is told that a file differs.
pub(super) fn status_word(status: FileStatus) -> wire::FileStatus {
    match status {
        FileStatus::Added => wire::FileStatus::Added,
        FileStatus::Modified => wire::FileStatus::Modified,
        FileStatus::Deleted => wire::FileStatus::Deleted,
        FileStatus::Renamed => wire::FileStatus::Renamed,
    }
}

/// What a runner says of git.
pub(super) fn git_report(state: wire::GitState) -> GitReport {
    let wire::GitState { branch, base_branch, commit_count } = state;
    GitReport { branch, base_branch, commit_count: commit_count.map(clamped) }
}

fn clamped(count: u64) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// The files that changed.
pub(super) fn files_changed<'a>(files: impl IntoIterator<Item = &'a FileChange>) -> ServerFrame {
    let file = |file: &FileChange| wire::FileChange {
        path: file.path.clone(),
        status: status_word(file.status),
        additions: file.additions.into(),
        deletions: file.deletions.into(),
    };
    ServerFrame::FilesChanged { files: files.into_iter().map(file).collect() }
}

/// What git said.
pub(super) fn git_reported(report: &GitReport) -> ServerFrame {
    let GitReport { branch, base_branch, commit_count } = report.clone();
    ServerFrame::GitState { data: wire::GitState { branch, base_branch, commit_count: commit_count.map(u64::from) } }
}

/// All that git said so far.
pub(super) fn git_state(state: GitState) -> ServerFrame {
    let GitState { branch, base_branch, commit_count, .. } = state;
    git_reported(&GitReport { branch, base_branch, commit_count: Some(commit_count) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_reported_is_told_as_it_was_said() {
        let text = r#"{"type":"files-changed","files":[
            {"path":"a","status":"renamed","additions":99999999999,"deletions":2},
            {"path":"b","status":"deleted"}]}"#;
        let ServerFrame::FilesChanged { files } = serde_json::from_str(text).unwrap() else { panic!("{text}") };
        let told = files_changed(changed_files(files.clone()).as_slice());
        let mut expected = files;
        expected[0].additions = u32::MAX.into();
        assert_eq!(told, ServerFrame::FilesChanged { files: expected });

        let text = r#"{"type":"git-state","data":{"branch":"main","commitCount":3}}"#;
        let frame: ServerFrame = serde_json::from_str(text).unwrap();
        let ServerFrame::GitState { data } = frame.clone() else { panic!("{text}") };
        assert_eq!(git_reported(&git_report(data)), frame);
    }
}
