use portway_domain::engine::{Notice, RunnerReport};
use portway_domain::ids::SessionId;
use portway_domain::workspaces::{ChangedFiles, FileChange, FileStatus, GitReport};
use portway_ports::pubsub::{Hint, Topic};

use super::world::World;
use crate::legacy_runners::KnownTurn;
use crate::runners::RunnerError;

fn files(paths: &[&str]) -> ChangedFiles {
    let file =
        |path: &&str| FileChange { path: (*path).to_owned(), status: FileStatus::Added, additions: 1, deletions: 0 };
    paths.iter().map(file).collect::<Vec<_>>().into()
}

fn changed(paths: &[&str]) -> RunnerReport {
    RunnerReport::FilesChanged(files(paths))
}

fn git(branch: &str) -> RunnerReport {
    RunnerReport::GitState(GitReport { branch: Some(branch.to_owned()), ..GitReport::default() })
}

async fn paths(world: &World, session: &SessionId) -> Vec<String> {
    let files = world.services.changed_files(&world.as_owner(), session).await.unwrap();
    files.into_iter().map(|file| file.change.path).collect()
}

async fn branch(world: &World, session: &SessionId) -> Option<String> {
    world.services.git_state(&world.as_owner(), session).await.unwrap().and_then(|state| state.branch)
}

#[tokio::test]
async fn what_comes_again_is_not_taken_again() {
    let world = World::new().await;
    let session = world.open_ready().await;
    assert_eq!((paths(&world, &session).await, branch(&world, &session).await), (Vec::new(), None));
    let first = vec![(2, changed(&["a", "b"])), (3, git("main"))];
    assert_eq!(world.services.runner_reported(&session, 1, first.clone()).await, Ok(3));
    assert_eq!(world.services.runner_reported(&session, 1, vec![(4, changed(&["b"]))]).await, Ok(4));
    assert_eq!(world.services.runner_reported(&session, 1, first).await, Ok(4));
    assert_eq!(paths(&world, &session).await, ["b"]);
    assert_eq!(branch(&world, &session).await.as_deref(), Some("main"));
    let gap = world.services.runner_reported(&session, 1, vec![(6, changed(&["c"]))]).await;
    assert!(matches!(gap, Err(RunnerError::Reconnect(_))), "{gap:?}");
    let stale = world.services.runner_reported(&session, 0, vec![(5, changed(&["c"]))]).await;
    assert!(matches!(stale, Err(RunnerError::Stale(_))), "{stale:?}");
    assert_eq!(paths(&world, &session).await, ["b"]);
}

#[tokio::test]
async fn it_is_told_after_it_is_durable() {
    let world = World::new().await;
    let session = world.open_ready().await;
    world.services.runner_reported(&session, 1, vec![(2, changed(&["a"])), (3, git("main"))]).await.unwrap();
    let seq = world.engine(&session).await.seq;
    let topic = Topic::Session(session);
    let (_, told) = world.hints.all().into_iter().rfind(|(of, _)| *of == topic).unwrap();
    let Hint::Session { seq: told_seq, notices, .. } = told else { panic!("a hint of the session") };
    assert_eq!(told_seq, seq);
    let said = GitReport { branch: Some("main".to_owned()), ..GitReport::default() };
    assert_eq!(notices, [Notice::FilesChanged(files(&["a"])), Notice::GitStateChanged(said)]);
}

#[tokio::test]
async fn only_the_present_connection_of_an_older_runner_counts() {
    let world = World::new().await;
    let session = world.open().await.id;
    world.start_jobs();
    let token = world.sandboxes.started(&session, 1).await;
    for connection in ["c1", "c2"] {
        world.services.legacy_runner_connected(&session, &token, connection, KnownTurn::Kept).await.unwrap();
        world.services.legacy_runner_reported(&session, connection, 0, &[changed(&[connection])]).await.unwrap();
    }
    let replaced = world.services.legacy_runner_reported(&session, "c1", 0, &[changed(&["old"]), git("old")]).await;
    assert_eq!(replaced, Err(RunnerError::Replaced));
    assert_eq!(paths(&world, &session).await, ["c2"]);
    assert_eq!(branch(&world, &session).await, None);
}

#[tokio::test]
async fn what_is_known_outlives_the_session() {
    let world = World::new().await;
    let session = world.open_ready().await;
    world.services.runner_reported(&session, 1, vec![(2, changed(&["a"])), (3, git("main"))]).await.unwrap();
    world.services.terminate_session(&world.as_owner(), &session).await.unwrap();
    let late = world.services.runner_reported(&session, 1, vec![(4, changed(&["late"]))]).await;
    assert!(matches!(late, Err(RunnerError::Stale(_))), "{late:?}");
    assert_eq!(paths(&world, &session).await, ["a"]);
    assert_eq!(branch(&world, &session).await.as_deref(), Some("main"));
}
