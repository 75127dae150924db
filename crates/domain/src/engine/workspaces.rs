//! What a runner reports of the workspace. The state keeps none of it: rows do.

use super::{Change, Notice, Step};
use crate::workspaces::{ChangedFiles, GitReport};

impl Step<'_> {
    pub(super) fn files_changed(&mut self, files: ChangedFiles) {
        let (seq, at) = (self.next_seq(), self.now);
        self.effects.changes.push(Change::FilesChanged { files: files.clone(), seq, at });
        self.notice(Notice::FilesChanged(files));
    }

    pub(super) fn git_state_changed(&mut self, report: GitReport) {
        let report = report.bounded();
        if report.is_empty() {
            return;
        }
        let (seq, at) = (self.next_seq(), self.now);
        self.effects.changes.push(Change::GitStateChanged { report: report.clone(), seq, at });
        self.notice(Notice::GitStateChanged(report));
    }
}
