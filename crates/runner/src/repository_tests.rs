use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::process::Command;

use portway_protocol::workspaces::FileStatus;

use super::*;

/// A repository in a folder of its own, whatever the settings of the machine.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn empty() -> Self {
        let place = Self { folder: tempfile::tempdir().unwrap() };
        place.git(&["init", "-q", "-b", "main"]);
        place
    }

    /// With one commit of `a` and `b`, of three lines each.
    fn committed() -> Self {
        let place = Self::empty();
        place.write("a", "1\n2\n3\n");
        place.write("b", "4\n5\n6\n");
        place.commit();
        place
    }

    fn git(&self, arguments: &[&str]) -> String {
        let output = Command::new("git")
            .args(["-c", "user.name=T", "-c", "user.email=t@localhost", "-c", "commit.gpgSign=false"])
            .args(arguments)
            .current_dir(self.folder.path())
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .output()
            .unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    fn write(&self, name: &str, content: &str) {
        fs::write(self.folder.path().join(name), content).unwrap();
    }

    fn commit(&self) {
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "-m", "x"]);
    }

    fn repository(&self) -> Repository {
        Repository::new(self.folder.path(), "ws://127.0.0.1:1/api/sessions/s-1/ws")
    }

    async fn files(&self) -> Vec<String> {
        let show =
            |file: FileChange| format!("{:?} {} +{} -{}", file.status, file.path, file.additions, file.deletions);
        self.repository().snapshot().await.unwrap().files.into_iter().map(show).collect()
    }

    async fn state(&self) -> (String, String, u64) {
        let git = self.repository().snapshot().await.unwrap().git;
        (git.branch.unwrap(), git.base_branch.unwrap(), git.commit_count.unwrap())
    }
}

fn state(branch: &str, base: &str, commits: u64) -> (String, String, u64) {
    (branch.to_owned(), base.to_owned(), commits)
}

#[tokio::test]
async fn committed_staged_changed_and_untracked_files_differ() {
    let place = Place::committed();
    assert!(place.repository().begin().await.unwrap());
    assert_eq!(place.files().await, Vec::<String>::new());
    place.write("a", "1\n3\n");
    place.commit();
    place.write("staged", "x\ny\n");
    place.git(&["add", "staged"]);
    place.git(&["mv", "b", "c"]);
    place.write("c", "4\n5\n6\n7\n");
    place.write("untracked", "u");
    place.write("binary", "u\0");
    place.write("ignored", "i");
    place.write(".gitignore", "ignored\n");
    let expected = [
        "Added .gitignore +1 -0",
        "Modified a +0 -1",
        "Added binary +0 -0",
        "Renamed c +1 -0",
        "Added staged +2 -0",
        "Added untracked +1 -0",
    ];
    assert_eq!(place.files().await, expected);
    place.commit();
    assert_eq!(place.files().await, expected);
    assert_eq!(place.state().await, state("main", "main", 2));
    place.git(&["reset", "-q", "--hard", "HEAD~2"]);
    assert_eq!(place.files().await, ["Added ignored +1 -0"], "nobody ignores it any more");
}

#[tokio::test]
async fn names_are_told_as_they_are() {
    let place = Place::committed();
    place.repository().begin().await.unwrap();
    for name in ["with space", "new\nline", "\"quoted\"", "-dash", "\u{e4}\u{1F980}", "tab\t"] {
        place.write(name, "x\n");
    }
    fs::write(place.folder.path().join(std::ffi::OsStr::from_bytes(b"latin\xe4")), "x\n").unwrap();
    let names = ["\"quoted\"", "-dash", "latin\u{fffd}", "new\nline", "tab\t", "with space", "\u{e4}\u{1F980}"];
    let expected: Vec<String> = names.iter().map(|name| format!("Added {name} +1 -0")).collect();
    assert_eq!(place.files().await, expected);
    place.commit();
    assert_eq!(place.files().await, expected);
}

#[tokio::test]
async fn where_it_began_is_kept_for_later_runners_of_the_session_only() {
    let place = Place::committed();
    assert!(place.repository().begin().await.unwrap());
    place.write("a", "");
    place.commit();
    assert!(!place.repository().begin().await.unwrap());
    assert_eq!(place.files().await, ["Modified a +0 -3"]);
    let other = Repository::new(place.folder.path(), "wss://host/api/sessions/orchestrator:x..lock/ws");
    assert!(other.begin().await.unwrap());
    assert_eq!(other.snapshot().await.unwrap().files, Vec::new());
    assert_eq!(place.git(&["branch", "--list"]), "* main", "nothing shows that anybody works with");
}

#[tokio::test]
async fn a_repository_without_a_commit_begins_empty() {
    let place = Place::empty();
    place.write("a", "1\n");
    assert!(place.repository().begin().await.unwrap());
    assert_eq!(place.files().await, ["Added a +1 -0"]);
    assert_eq!(place.state().await, state("main", "main", 0));
    place.commit();
    assert_eq!(place.files().await, ["Added a +1 -0"]);
    assert_eq!(place.state().await, state("main", "main", 1));
    place.git(&["gc", "-q", "--prune=now"]);
    assert_eq!(place.files().await, ["Added a +1 -0"]);
}

#[tokio::test]
async fn branches_and_a_detached_head_are_told() {
    let place = Place::committed();
    place.repository().begin().await.unwrap();
    place.git(&["checkout", "-q", "-b", "feature/x"]);
    place.write("a", "");
    place.commit();
    assert_eq!(place.state().await, state("feature/x", "main", 1));
    place.git(&["checkout", "-q", "--detach"]);
    assert_eq!(place.state().await, state("HEAD", "main", 1));
    let other = Place::committed();
    other.git(&["checkout", "-q", "--detach"]);
    other.repository().begin().await.unwrap();
    other.git(&["checkout", "-q", "main"]);
    assert_eq!(other.state().await, state("main", "HEAD", 0));
}

#[tokio::test]
async fn a_history_that_was_rewritten_is_compared_with_the_beginning() {
    let place = Place::committed();
    place.repository().begin().await.unwrap();
    place.write("a", "1\n");
    place.git(&["add", "-A"]);
    place.git(&["commit", "-q", "--amend", "-m", "y"]);
    place.git(&["reflog", "expire", "--expire=now", "--all"]);
    place.git(&["gc", "-q", "--prune=now"]);
    assert_eq!(place.files().await, ["Modified a +0 -2"]);
    assert_eq!(place.state().await, state("main", "main", 1));
}

#[tokio::test]
async fn a_file_that_git_is_to_forget_is_there_still() {
    let place = Place::committed();
    place.repository().begin().await.unwrap();
    place.git(&["rm", "-q", "--cached", "a"]);
    assert_eq!(place.files().await, ["Modified a +3 -3"]);
    fs::remove_file(place.folder.path().join("a")).unwrap();
    assert_eq!(place.files().await, ["Deleted a +0 -3"]);
}

#[tokio::test]
async fn a_linked_worktree_has_its_own_beginning() {
    let place = Place::committed();
    place.repository().begin().await.unwrap();
    place.write("a", "");
    place.commit();
    let linked = tempfile::tempdir().unwrap();
    let path = linked.path().join("w");
    place.git(&["worktree", "add", "-q", "-b", "w", path.to_str().unwrap()]);
    let repository = Repository::new(&path, "ws://127.0.0.1:1/api/sessions/s-1/ws");
    assert!(repository.exists());
    assert!(repository.begin().await.unwrap());
    assert_eq!(repository.snapshot().await.unwrap().files, Vec::new());
}

#[tokio::test]
async fn no_program_is_started_that_the_repository_names() {
    let place = Place::committed();
    place.repository().begin().await.unwrap();
    let script = "#!/bin/sh\ntouch \"$(dirname \"$0\")/../started\"\n";
    let hook = place.folder.path().join(".git/program");
    fs::write(&hook, script).unwrap();
    fs::set_permissions(&hook, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let hook = hook.to_str().unwrap();
    for setting in ["diff.external", "diff.x.command", "diff.x.textconv", "core.fsmonitor", "core.pager"] {
        place.git(&["config", setting, hook]);
    }
    let hooks = place.folder.path().join(".git/hooks");
    fs::create_dir_all(&hooks).unwrap();
    fs::copy(hook, hooks.join("reference-transaction")).unwrap();
    fs::write(place.folder.path().join(".git/info/attributes"), "* diff=x\n").unwrap();
    place.write("a", "");
    let other = Repository::new(place.folder.path(), "ws://127.0.0.1:1/api/sessions/s-2/ws");
    assert!(other.begin().await.unwrap());
    let files = place.repository().snapshot().await.unwrap().files;
    assert_eq!(files.len(), 1);
    assert_eq!((files[0].status, files[0].deletions), (FileStatus::Modified, 3));
    assert!(!place.folder.path().join("started").exists());
    assert!(!place.folder.path().join(".git/started").exists());
}

#[test]
fn only_the_workspace_itself_is_a_repository() {
    let place = Place::committed();
    assert!(place.repository().exists());
    fs::create_dir(place.folder.path().join("below")).unwrap();
    let below = Repository::new(&place.folder.path().join("below"), "ws://127.0.0.1:1/api/sessions/s/ws");
    assert!(!below.exists());
    let odd = Repository::new(place.folder.path(), "ws://127.0.0.1:1/");
    assert_eq!(odd.base(), "refs/worktree/portway/s/base");
}
