//! How the files of the workspace differ from where the session began.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use portway_protocol::requests::{DiffData, FileDiff};
use portway_protocol::workspaces::FileStatus;
use tokio::task::spawn_blocking;

use crate::files;
use crate::git::{self, GitError, git, line};
use crate::repository::Repository;

/// Most files that are told of.
const MAX_FILES: usize = 1_000;

/// Most text of all files together, in bytes.
const MAX_BYTES: usize = 1024 * 1024;

/// Largest new file that is shown, in bytes.
const MAX_NEW_FILE: u64 = 512 * 1024;

/// How long texts are read; whoever asked does not wait for ever.
const PATIENCE: Duration = Duration::from_secs(12);

/// What is compared line by line, whatever the repository is set up to do instead.
const PLAIN: [&str; 5] = ["--no-color", "--no-ext-diff", "--no-textconv", "--no-renames", "--relative"];

/// The files that differ in the session whose socket has this address, in the order of their paths, with texts as far as
/// there is room for them.
///
/// # Errors
/// What is wrong with the repository, in words for people.
pub(crate) async fn differences(workspace: &Path, url: &str) -> Result<DiffData, String> {
    let begun = Instant::now();
    let base = base(workspace, &Repository::new(workspace, url).base()).await?;
    let mut changed = tracked(workspace, &base).await.map_err(|error| error.to_string())?;
    changed.extend(untracked(workspace).await.map_err(|error| error.to_string())?);
    changed.sort_by(|one, other| one.path.cmp(&other.path));
    let omitted_files = u64::try_from(changed.len().saturating_sub(MAX_FILES)).unwrap_or(u64::MAX);
    let mut files = Vec::new();
    let mut room = MAX_BYTES;
    for file in changed.into_iter().take(MAX_FILES) {
        let is_enough = room == 0 || begun.elapsed() >= PATIENCE;
        let text = if is_enough { Text::TooLong } else { text(workspace, &base, &file).await };
        files.push(shown(file, text, &mut room));
    }
    Ok(DiffData { files, omitted_files })
}

/// A file that differs.
#[derive(Debug)]
struct Changed {
    path: String,
    status: FileStatus,
    is_tracked: bool,
}

/// The text of a difference.
enum Text {
    Whole(String),
    TooLong,
    /// It has none, or it cannot be read.
    None,
}

fn shown(file: Changed, text: Text, room: &mut usize) -> FileDiff {
    let (diff, truncated) = match text {
        Text::Whole(text) if text.len() <= *room => (Some(text), false),
        Text::Whole(_) | Text::TooLong => (None, true),
        Text::None => (None, false),
    };
    *room -= diff.as_ref().map_or(0, String::len);
    FileDiff { path: file.path, status: file.status, diff, truncated }
}

/// What the workspace is compared with: where the session began, or the last commit, or nothing where there is none.
async fn base(workspace: &Path, beginning: &str) -> Result<String, String> {
    match git(workspace, &["rev-parse", "--is-inside-work-tree"]).await {
        Ok(_) => {}
        Err(GitError::Refused { .. }) => {
            return Err("The workspace is in no git repository: run `git init` in it to see changes".to_owned());
        }
        Err(error) => return Err(error.to_string()),
    }
    for name in [beginning, "HEAD"] {
        let tree = format!("{name}^{{tree}}");
        match git(workspace, &["rev-parse", "--verify", "--quiet", &tree]).await {
            Ok(id) => return Ok(line(&id)),
            Err(GitError::Refused { .. }) => {}
            Err(error) => return Err(error.to_string()),
        }
    }
    let empty = git(workspace, &["hash-object", "-t", "tree", "/dev/null"]).await;
    empty.map(|id| line(&id)).map_err(|error| error.to_string())
}

/// Texts that end with a zero byte each.
fn records(output: &[u8]) -> impl Iterator<Item = String> {
    output.split(|byte| *byte == 0).filter(|record| !record.is_empty()).map(git::text)
}

async fn tracked(workspace: &Path, base: &str) -> Result<Vec<Changed>, GitError> {
    let mut arguments = vec!["diff"];
    arguments.extend(PLAIN);
    arguments.extend(["--name-status", "-z", base, "--"]);
    let output = git(workspace, &arguments).await?;
    let mut changed: Vec<Changed> = Vec::new();
    let mut records = records(&output);
    while let (Some(letter), Some(path)) = (records.next(), records.next()) {
        let status = match letter.as_str() {
            "A" => FileStatus::Added,
            "D" => FileStatus::Deleted,
            _ => FileStatus::Modified,
        };
        // One that is being merged is told twice.
        if changed.last().is_none_or(|before| before.path != path) {
            changed.push(Changed { path, status, is_tracked: true });
        }
    }
    Ok(changed)
}

async fn untracked(workspace: &Path) -> Result<Vec<Changed>, GitError> {
    let output = git(workspace, &["ls-files", "--others", "--exclude-standard", "-z"]).await?;
    // What ends with a slash is a repository of its own.
    let files = records(&output).filter(|path| !path.ends_with('/'));
    Ok(files.map(|path| Changed { path, status: FileStatus::Added, is_tracked: false }).collect())
}

async fn text(workspace: &Path, base: &str, file: &Changed) -> Text {
    if !file.is_tracked {
        return new_file(workspace, &file.path).await;
    }
    let place = format!(":(literal){}", file.path);
    let mut arguments = vec!["diff"];
    arguments.extend(PLAIN);
    arguments.extend([base, "--", &place]);
    match git(workspace, &arguments).await {
        Ok(output) => Text::Whole(git::text(&output)),
        Err(GitError::TooLarge { .. }) => Text::TooLong,
        Err(error) => {
            tracing::debug!(%error, "a file cannot be compared");
            Text::None
        }
    }
}

/// A file that git does not know, as it would show it.
async fn new_file(workspace: &Path, path: &str) -> Text {
    let (place, path) = (workspace.join(path), path.to_owned());
    let reading = spawn_blocking(move || match fs::symlink_metadata(&place) {
        Ok(found) if found.is_file() && found.len() > MAX_NEW_FILE => Text::TooLong,
        Ok(found) if found.is_file() => {
            let bytes = files::read(&place, found.len());
            bytes.map_or(Text::None, |bytes| Text::Whole(added(&path, &bytes)))
        }
        _ => Text::None,
    });
    reading.await.unwrap_or(Text::None)
}

fn added(path: &str, bytes: &[u8]) -> String {
    let head = format!("diff --git a/{path} b/{path}\nnew file mode 100644\n");
    if bytes.is_empty() {
        return head;
    }
    let Some(text) = std::str::from_utf8(bytes).ok().filter(|text| !text.contains('\0')) else {
        return format!("{head}Binary files /dev/null and b/{path} differ\n");
    };
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let mut diff = format!("{head}--- /dev/null\n+++ b/{path}\n@@ -0,0 +1,{} @@\n", lines.len());
    for line in lines {
        diff.push('+');
        diff.push_str(line);
    }
    if !text.ends_with('\n') {
        diff.push_str("\n\\ No newline at end of file\n");
    }
    diff
}

#[cfg(test)]
#[path = "diff_tests.rs"]
mod tests;
