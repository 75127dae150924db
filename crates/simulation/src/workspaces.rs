//! What runners tell of workspaces, and what of it has to be kept: the reports of each generation, in their order, as far
//! as the session has taken them.

use std::collections::BTreeMap;

use portway_domain::engine::{Engine, RunnerReport};
use portway_domain::ids::SessionId;
use portway_domain::workspaces::{FileChange, GitReport, GitState, KeptFile};

/// What is known of a workspace, without times.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Workspace {
    pub(crate) files: Vec<FileChange>,
    pub(crate) git: GitReport,
}

impl Workspace {
    pub(crate) fn stored(files: Vec<KeptFile>, git: Option<GitState>) -> Self {
        let git = git.map(GitReport::from_state).unwrap_or_default();
        Self { files: files.into_iter().map(|file| file.change).collect(), git }
    }

    fn take(&mut self, report: &RunnerReport) {
        match report {
            RunnerReport::FilesChanged(files) => self.files = files.as_slice().to_vec(),
            RunnerReport::GitState(report) => self.git.add(report),
            _ => {}
        }
    }
}

/// What git says, put together.
pub(crate) trait Git {
    fn from_state(state: GitState) -> Self;

    /// What is absent is unchanged.
    fn add(&mut self, report: &GitReport);
}

impl Git for GitReport {
    fn from_state(state: GitState) -> Self {
        // Nobody said a number yet: the row has none.
        let commit_count = Some(state.commit_count).filter(|count| *count > 0);
        Self { branch: state.branch, base_branch: state.base_branch, commit_count }
    }

    fn add(&mut self, report: &GitReport) {
        self.branch = report.branch.clone().or_else(|| self.branch.take());
        self.base_branch = report.base_branch.clone().or_else(|| self.base_branch.take());
        self.commit_count = report.commit_count.or(self.commit_count);
    }
}

/// Every report of every runner, by its number.
#[derive(Debug, Default)]
pub(crate) struct Told(BTreeMap<(SessionId, u32), BTreeMap<u64, RunnerReport>>);

impl Told {
    pub(crate) fn tell(&mut self, session: SessionId, generation: u32, number: u64, report: RunnerReport) {
        self.0.entry((session, generation)).or_default().insert(number, report);
    }

    /// The number of the newest report of that generation; 0 if there is none.
    pub(crate) fn last(&self, session: &SessionId, generation: u32) -> u64 {
        let told = self.0.get(&(session.clone(), generation));
        told.and_then(|told| told.last_key_value()).map_or(0, |(number, _)| *number)
    }

    /// Takes over what a step took from the runner.
    pub(crate) fn follow(&self, before: &Engine, after: &Engine, workspace: &mut Workspace) {
        let (old, new) = (&before.runner, &after.runner);
        let known = if old.generation == new.generation { old.last_frame } else { 0 };
        if let Some(told) = self.0.get(&(after.session.clone(), new.generation)) {
            let taken = told.range(known + 1..).take_while(|(number, _)| **number <= new.last_frame);
            taken.for_each(|(_, report)| workspace.take(report));
        }
    }
}
