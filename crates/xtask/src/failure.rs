//! The one error type of the developer commands.

use std::io;
use std::path::{Path, PathBuf};

/// Why a command failed, worded for the developer who has to act on it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// A program could not be started, most often because it is not installed.
    #[error("cannot start `{program}`: {source}; is it installed and in PATH?")]
    Start { program: String, source: io::Error },
    /// A program ran and reported failure.
    #[error("`{command}` failed ({status})")]
    Exit { command: String, status: String },
    /// A file could not be read or written.
    #[error("{}: {source}", .path.display())]
    File { path: PathBuf, source: io::Error },
    /// A file does not have the expected form.
    #[error("{}: {message}", .path.display())]
    Format { path: PathBuf, message: String },
    /// `cargo metadata` failed.
    #[error("cargo metadata: {0}")]
    Metadata(#[from] cargo_metadata::Error),
    /// The sources break rules.
    #[error("{check}: {} finding(s)\n{}", .findings.len(), bullets(.findings))]
    Findings { check: &'static str, findings: Vec<String> },
    /// The machine lacks something that no command can install.
    #[error("{0}")]
    Environment(String),
}

impl Failure {
    /// Wraps an I/O error with the path that it is about.
    pub(crate) fn file(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { path, source }
    }

    /// Ok without findings, otherwise a failure that lists all of them.
    pub(crate) fn unless_empty(check: &'static str, findings: Vec<String>) -> Result<(), Self> {
        if findings.is_empty() { Ok(()) } else { Err(Self::Findings { check, findings }) }
    }
}

fn bullets(findings: &[String]) -> String {
    findings.iter().map(|finding| format!("  - {finding}")).collect::<Vec<_>>().join("\n")
}
