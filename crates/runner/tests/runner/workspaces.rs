//! What a runner tells of its workspace.

use std::path::Path;
use std::process::Command;

use portway_protocol::runner::{RunnerEvent, ToRunner};
use portway_protocol::workspaces::{FileChange, FileStatus, GitState};

use crate::gateway::{Gateway, Setup, Stage};

fn git(folder: &Path, arguments: &[&str]) {
    let done = Command::new("git")
        .args(["-c", "user.name=T", "-c", "user.email=t@localhost", "-c", "commit.gpgSign=false"])
        .args(arguments)
        .current_dir(folder)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .status()
        .unwrap();
    assert!(done.success(), "{arguments:?}");
}

fn repository(folder: &Path) {
    git(folder, &["init", "-q", "-b", "main"]);
    std::fs::write(folder.join("a"), "1\n").unwrap();
    git(folder, &["add", "-A"]);
    git(folder, &["commit", "-q", "-m", "x"]);
}

fn added(path: &str) -> FileChange {
    FileChange { path: path.to_owned(), status: FileStatus::Added, additions: 1, deletions: 0 }
}

/// What was told last of the files.
fn files(gateway: &Gateway) -> Option<&[FileChange]> {
    gateway.events.iter().rev().find_map(|event| match event {
        RunnerEvent::FilesChanged { files } => Some(files.as_slice()),
        _ => None,
    })
}

/// What was told last of git.
fn state(gateway: &Gateway) -> Option<&GitState> {
    gateway.events.iter().rev().find_map(|event| match event {
        RunnerEvent::GitState(state) => Some(state),
        _ => None,
    })
}

/// Reads until that was told.
async fn until(gateway: &mut Gateway, told: impl Fn(&Gateway) -> bool) {
    while !told(gateway) {
        gateway.event().await;
    }
}

async fn until_files(gateway: &mut Gateway, expected: &[FileChange]) {
    until(gateway, |gateway| files(gateway) == Some(expected)).await;
}

async fn until_commits(gateway: &mut Gateway, count: u64) {
    until(gateway, |gateway| state(gateway).is_some_and(|state| state.commit_count == Some(count))).await;
}

/// How often something was told of the workspace; never the same twice in a row.
fn count(gateway: &Gateway) -> usize {
    let of_files: Vec<_> =
        gateway.events.iter().filter(|event| matches!(event, RunnerEvent::FilesChanged { .. })).collect();
    let of_git: Vec<_> = gateway.events.iter().filter(|event| matches!(event, RunnerEvent::GitState(_))).collect();
    for told in [&of_files, &of_git] {
        assert!(told.windows(2).all(|pair| pair[0] != pair[1]), "{told:?}");
    }
    of_files.len() + of_git.len()
}

async fn in_a_repository(setup: Setup) -> (Stage, Gateway) {
    let stage = setup.start_in(repository).await;
    let gateway = stage.gateway().await;
    (stage, gateway)
}

#[tokio::test]
async fn it_is_told_when_it_is_ready_and_after_turns_that_changed_something() {
    let (stage, mut gateway) = in_a_repository(Setup::demo()).await;
    until(&mut gateway, |gateway| state(gateway).is_some()).await;
    let main = || Some("main".to_owned());
    assert_eq!(state(&gateway), Some(&GitState { branch: main(), base_branch: main(), commit_count: Some(0) }));
    gateway.prompt("m1", "/tally one").await;
    until_files(&mut gateway, &[added("tally.log")]).await;
    assert_eq!(count(&gateway), 2);
    let end = |event: &RunnerEvent| matches!(event, RunnerEvent::Complete { .. });
    let told = |event: &RunnerEvent| matches!(event, RunnerEvent::FilesChanged { .. });
    assert!(gateway.events.iter().position(end) < gateway.events.iter().position(told), "the turn does not wait");
    gateway.prompt("m2", "/say nothing new").await;
    gateway.turn().await;
    gateway.prompt("m3", "/tally two").await;
    until_files(&mut gateway, &[FileChange { additions: 2, ..added("tally.log") }]).await;
    assert_eq!(count(&gateway), 3);
    gateway.stop(stage).await;
}

#[tokio::test]
async fn it_is_told_after_a_turn_that_failed_as_well() {
    let (stage, mut gateway) = in_a_repository(Setup::demo()).await;
    until_commits(&mut gateway, 0).await;
    for (number, how) in [(1, "/crash"), (2, "/fail")] {
        git(&stage.workspace, &["commit", "-q", "--allow-empty", "-m", "y"]);
        gateway.prompt(&format!("m{number}"), how).await;
        until_commits(&mut gateway, number).await;
    }
    gateway.stop(stage).await;
}

#[tokio::test]
async fn a_later_runner_knows_where_the_session_began() {
    let (mut stage, mut gateway) = in_a_repository(Setup::demo()).await;
    gateway.prompt("m1", "/tally one").await;
    until_files(&mut gateway, &[added("tally.log")]).await;
    gateway.connection.send(&ToRunner::Stop {}).await;
    stage.ended().await;
    git(&stage.workspace, &["add", "-A"]);
    git(&stage.workspace, &["commit", "-q", "-m", "y"]);
    let stage = Setup::demo().start_on(stage);
    let mut gateway = stage.gateway().await;
    until_commits(&mut gateway, 1).await;
    until_files(&mut gateway, &[added("tally.log")]).await;
    gateway.stop(stage).await;
}

#[tokio::test]
async fn a_folder_that_is_no_repository_is_told_nothing_of_until_it_is_one() {
    let stage = Setup::demo().start().await;
    let mut gateway = stage.gateway().await;
    gateway.ready().await;
    gateway.prompt("m1", "/tally one").await;
    gateway.turn().await;
    assert_eq!(count(&gateway), 0);
    git(&stage.workspace, &["init", "-q", "-b", "main"]);
    gateway.prompt("m2", "/tally two").await;
    until_files(&mut gateway, &[FileChange { additions: 2, ..added("tally.log") }]).await;
    until_commits(&mut gateway, 0).await;
    assert_eq!(count(&gateway), 2);
    gateway.stop(stage).await;
}
