use super::*;

const URL: &str = "ws://localhost/api/sessions/s-1/ws";

/// Runs git in the folder as somebody whom it does not ask who they are.
async fn run(folder: &Path, arguments: &[&str]) {
    let who = ["-c", "user.name=Test", "-c", "user.email=test@localhost", "-c", "commit.gpgsign=false"];
    let status =
        tokio::process::Command::new("git").args(who).args(arguments).current_dir(folder).output().await.unwrap();
    assert!(status.status.success(), "git {arguments:?}: {status:?}");
}

async fn repository(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), &["init", "--quiet"]).await;
    for (path, text) in files {
        write(folder.path(), path, text);
    }
    if !files.is_empty() {
        run(folder.path(), &["add", "--all"]).await;
        run(folder.path(), &["commit", "--quiet", "--message", "Begin"]).await;
    }
    folder
}

fn write(folder: &Path, path: &str, text: &str) {
    let path = folder.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn found(data: &DiffData) -> Vec<(&str, FileStatus)> {
    data.files.iter().map(|file| (file.path.as_str(), file.status)).collect()
}

fn diff(data: &DiffData, index: usize) -> &str {
    data.files[index].diff.as_deref().unwrap()
}

#[tokio::test]
async fn files_are_compared_with_the_last_commit() {
    let folder = repository(&[("changed.txt", "one\ntwo\n"), ("gone.txt", "x\n"), ("same.txt", "x\n")]).await;
    write(folder.path(), "changed.txt", "one\nzwei\n");
    write(folder.path(), "deep/new \u{fc}.txt", "hello");
    fs::remove_file(folder.path().join("gone.txt")).unwrap();
    let data = differences(folder.path(), URL).await.unwrap();
    use FileStatus::{Added, Deleted, Modified};
    assert_eq!(found(&data), [("changed.txt", Modified), ("deep/new \u{fc}.txt", Added), ("gone.txt", Deleted)]);
    assert!(diff(&data, 0).contains("-two\n+zwei\n"), "{}", diff(&data, 0));
    assert!(diff(&data, 1).ends_with("@@ -0,0 +1,1 @@\n+hello\n\\ No newline at end of file\n"), "{}", diff(&data, 1));
    assert!(diff(&data, 2).contains("-x\n"));
    assert_eq!(data.omitted_files, 0);
}

#[tokio::test]
async fn files_are_compared_with_where_the_session_began() {
    let folder = repository(&[("a.txt", "one\n")]).await;
    run(folder.path(), &["update-ref", "refs/worktree/portway/ss-1/base", "HEAD"]).await;
    write(folder.path(), "a.txt", "two\n");
    run(folder.path(), &["commit", "--quiet", "--all", "--message", "Change"]).await;
    let data = differences(folder.path(), URL).await.unwrap();
    assert_eq!(found(&data), [("a.txt", FileStatus::Modified)]);
    assert!(diff(&data, 0).contains("-one\n+two\n"));
}

#[tokio::test]
async fn a_repository_without_a_commit_has_new_files_only() {
    let folder = repository(&[]).await;
    write(folder.path(), "a.txt", "one\n");
    write(folder.path(), "b.txt", "one\n");
    run(folder.path(), &["add", "a.txt"]).await;
    let data = differences(folder.path(), URL).await.unwrap();
    assert_eq!(found(&data), [("a.txt", FileStatus::Added), ("b.txt", FileStatus::Added)]);
}

#[tokio::test]
async fn a_part_of_a_repository_is_told_with_paths_of_its_own() {
    let folder = repository(&[("part/a.txt", "one\n"), ("elsewhere.txt", "x\n")]).await;
    write(folder.path(), "part/a.txt", "two\n");
    write(folder.path(), "elsewhere.txt", "y\n");
    let data = differences(&folder.path().join("part"), URL).await.unwrap();
    assert_eq!(found(&data), [("a.txt", FileStatus::Modified)]);
    assert!(diff(&data, 0).contains("+two\n"));
}

#[tokio::test]
async fn what_is_too_much_is_left_out_file_by_file() {
    let folder = repository(&[("a.txt", "x\n")]).await;
    let large = "x\n".repeat(300 * 1024);
    write(folder.path(), "a.txt", &large);
    write(folder.path(), "b.txt", &large);
    write(folder.path(), "c.txt", "small\n");
    let data = differences(folder.path(), URL).await.unwrap();
    let cut: Vec<_> = data.files.iter().map(|file| (file.diff.is_some(), file.truncated)).collect();
    assert_eq!(cut, [(true, false), (false, true), (true, false)]);
}

#[tokio::test]
async fn a_file_that_is_no_text_is_only_named() {
    let folder = repository(&[]).await;
    fs::write(folder.path().join("a.bin"), [0, 159, 146, 150]).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", folder.path().join("link")).unwrap();
    let data = differences(folder.path(), URL).await.unwrap();
    assert!(diff(&data, 0).contains("Binary files"));
    assert_eq!((data.files[1].diff.as_ref(), data.files[1].truncated), (None, false), "a link is not followed");
}

#[tokio::test]
async fn without_a_repository_there_is_nothing_to_compare_with() {
    let folder = tempfile::tempdir().unwrap();
    let error = differences(folder.path(), URL).await.unwrap_err();
    assert!(error.contains("git init"), "{error}");
}
