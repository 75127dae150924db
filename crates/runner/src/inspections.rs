//! When the workspace is looked at, and what of that is news.

use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use portway_protocol::runner::RunnerEvent;
use portway_protocol::workspaces::{FileChange, GitState};

use tokio::time::timeout;

use crate::git::GitError;
use crate::repository::{Repository, Snapshot};

/// How long the first turn may have to wait.
const FIRST_PATIENCE: Duration = Duration::from_secs(5);

/// Looks at the workspace, one look at a time and beside everything else.
pub(crate) struct Inspections {
    repository: Repository,
    work: Option<BoxFuture<'static, Result<Seen, GitError>>>,
    /// Whether there is to be another look after this one.
    again: bool,
    /// Set until it is known where the session began.
    is_beginning: bool,
    /// Whether this machine has no git.
    is_impossible: bool,
    files: Option<Vec<FileChange>>,
    git: Option<GitState>,
}

/// What a look showed.
struct Seen {
    /// Whether the session begins with it.
    is_new: bool,
    snapshot: Option<Snapshot>,
}

impl Inspections {
    /// The first look only notes where the session begins.
    pub(crate) fn begin(repository: Repository) -> Self {
        let is_beginning = repository.exists();
        let work = is_beginning.then(|| first_look(repository.clone()));
        Self { repository, work, again: false, is_beginning, is_impossible: false, files: None, git: None }
    }

    /// Whether nothing may happen in the workspace yet.
    pub(crate) fn is_beginning(&self) -> bool {
        self.is_beginning
    }

    /// The workspace is worth a look.
    pub(crate) fn want(&mut self) {
        if self.work.is_some() {
            self.again = true;
        } else if !self.is_impossible && self.repository.exists() {
            self.work = Some(look(self.repository.clone()));
        }
    }

    /// What the next look shows that was not told; never ready while there is none. Nothing is lost when it is dropped.
    pub(crate) async fn next(&mut self) -> Vec<RunnerEvent> {
        let seen = match self.work.as_mut() {
            Some(work) => work.await,
            None => return std::future::pending().await,
        };
        self.work = None;
        self.is_beginning = false;
        let news = match seen {
            Ok(seen) => self.news(seen),
            Err(error) => {
                self.is_impossible |= matches!(error, GitError::Start(_));
                tracing::warn!(%error, "what changed in the workspace is not known");
                Vec::new()
            }
        };
        if std::mem::take(&mut self.again) {
            self.want();
        }
        news
    }

    fn news(&mut self, seen: Seen) -> Vec<RunnerEvent> {
        if seen.is_new {
            // No earlier runner can have told anything else.
            self.files = Some(Vec::new());
        }
        let Some(Snapshot { files, git }) = seen.snapshot else {
            return Vec::new();
        };
        let mut news = Vec::new();
        if self.git.as_ref() != Some(&git) {
            self.git = Some(git.clone());
            news.push(RunnerEvent::GitState(git));
        }
        if self.files.as_ref() != Some(&files) {
            self.files = Some(files.clone());
            news.push(RunnerEvent::FilesChanged { files });
        }
        news
    }
}

/// Notes where the session begins. The agent waits for that, but not for long.
fn first_look(repository: Repository) -> BoxFuture<'static, Result<Seen, GitError>> {
    let look = async move {
        let begun = timeout(FIRST_PATIENCE, repository.begin()).await;
        let is_new = begun.unwrap_or_else(|_| Err(GitError::TimedOut { command: "at the beginning".to_owned() }))?;
        Ok(Seen { is_new, snapshot: None })
    };
    look.boxed()
}

fn look(repository: Repository) -> BoxFuture<'static, Result<Seen, GitError>> {
    let look = async move {
        let is_new = repository.begin().await?;
        Ok(Seen { is_new, snapshot: Some(repository.snapshot().await?) })
    };
    look.boxed()
}
