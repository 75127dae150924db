//! The workspace as a git repository: where the session began, and what differs from that.

use std::path::{Path, PathBuf};

use portway_protocol::workspaces::{FileChange, GitState};

use crate::differences::{Differences, MAX_FILES};
use crate::git::{GitError, git, git_beginning, git_with_input, line};
use crate::line_counts;

/// How the branch is called where there is none.
const DETACHED: &str = "HEAD";

/// A workspace that may be a repository.
///
/// Where the session began is kept in two references of this very working tree, so that a later runner of the session
/// knows it and `git gc` keeps it: the commit, or the empty tree where there was none, and the name of the branch.
#[derive(Debug, Clone)]
pub(crate) struct Repository {
    folder: PathBuf,
    references: String,
}

/// What differs from where the session began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Snapshot {
    pub(crate) files: Vec<FileChange>,
    pub(crate) git: GitState,
}

impl Repository {
    /// Of the session whose socket has this address.
    pub(crate) fn new(folder: &Path, url: &str) -> Self {
        let session = url.rsplit_once("/sessions/").map_or("", |(_, rest)| rest);
        let session = session.split('/').next().unwrap_or_default();
        let allowed = |character: char| if character.is_ascii_alphanumeric() { character } else { '-' };
        let session: String = session.chars().map(allowed).collect();
        Self { folder: folder.to_owned(), references: format!("refs/worktree/portway/s{session}") }
    }

    /// Whether it is one. What is below a repository is none, since its files are not all of that repository.
    pub(crate) fn exists(&self) -> bool {
        self.folder.join(".git").exists()
    }

    /// Remembers that the session begins here, unless that is known. Answers whether it was not.
    pub(crate) async fn begin(&self) -> Result<bool, GitError> {
        if self.resolve(&self.base()).await?.is_some() {
            return Ok(false);
        }
        let commit = match self.resolve("HEAD^{commit}").await? {
            Some(commit) => commit,
            None => self.store("tree", b"").await?,
        };
        let branch = self.store("blob", self.branch().await?.as_bytes()).await?;
        let (base, references) = (self.base(), &self.references);
        let create = format!("create {base} {commit}\ncreate {references}/branch {branch}\n");
        self.ask_with(&["update-ref", "--stdin"], create.as_bytes()).await?;
        Ok(true)
    }

    /// What differs now.
    pub(crate) async fn snapshot(&self) -> Result<Snapshot, GitError> {
        let base = self.base();
        let compare = ["diff", "--raw", "--numstat", "-z", "-M", "--no-ext-diff", "--no-textconv", "--no-color"];
        let compare: Vec<&str> = compare.into_iter().chain(["--ignore-submodules=dirty", &base, "--"]).collect();
        let mut differences = Differences::of_diff(&self.ask(&compare).await?);
        let listed = git_beginning(&self.folder, &["ls-files", "--others", "--exclude-standard", "-z"]).await?;
        let untracked = differences.take_untracked(&listed);
        differences.add_untracked(line_counts::of(&self.folder, untracked).await);
        if differences.left_out() > 0 {
            tracing::warn!(left_out = differences.left_out(), "more than {MAX_FILES} files changed");
        }
        let base_branch = self.ask(&["cat-file", "blob", &format!("{}/branch", self.references)]).await?;
        let git = GitState {
            branch: Some(self.branch().await?),
            base_branch: Some(String::from_utf8_lossy(&base_branch).into_owned()),
            commit_count: Some(self.count_commits().await?),
        };
        Ok(Snapshot { files: differences.into_files(), git })
    }

    async fn count_commits(&self) -> Result<u64, GitError> {
        if self.resolve("HEAD^{commit}").await?.is_none() {
            return Ok(0);
        }
        let base = self.resolve(&format!("{}^{{commit}}", self.base())).await?;
        let range = base.map_or("HEAD".to_owned(), |base| format!("{base}..HEAD"));
        let count = self.ask(&["rev-list", "--count", &range, "--"]).await?;
        Ok(line(&count).parse().unwrap_or(0))
    }

    async fn branch(&self) -> Result<String, GitError> {
        let branch = allow_refusal(self.ask(&["symbolic-ref", "-q", "--short", "HEAD"]).await)?;
        Ok(branch.as_deref().map(line).filter(|branch| !branch.is_empty()).unwrap_or_else(|| DETACHED.to_owned()))
    }

    /// The object that is meant; `None` when there is none.
    async fn resolve(&self, name: &str) -> Result<Option<String>, GitError> {
        Ok(allow_refusal(self.ask(&["rev-parse", "-q", "--verify", name]).await)?.as_deref().map(line))
    }

    async fn store(&self, kind: &str, content: &[u8]) -> Result<String, GitError> {
        self.ask_with(&["hash-object", "-w", "-t", kind, "--stdin"], content).await.map(|id| line(&id))
    }

    async fn ask(&self, arguments: &[&str]) -> Result<Vec<u8>, GitError> {
        git(&self.folder, arguments).await
    }

    async fn ask_with(&self, arguments: &[&str], input: &[u8]) -> Result<Vec<u8>, GitError> {
        git_with_input(&self.folder, arguments, input).await
    }

    /// The reference that says where the session began, if that was noted.
    pub(crate) fn base(&self) -> String {
        format!("{}/base", self.references)
    }
}

/// That git refuses is an answer.
fn allow_refusal(answer: Result<Vec<u8>, GitError>) -> Result<Option<Vec<u8>>, GitError> {
    match answer {
        Ok(output) => Ok(Some(output)),
        Err(GitError::Refused { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
#[path = "repository_tests.rs"]
mod tests;
