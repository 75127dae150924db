//! What the next gateway finds.

use std::fs;
use std::process::{Command, Stdio};

use portway_ports::sandboxes::Sandboxes;

use super::*;
use crate::process_sandboxes::Orphan;
use crate::process_sandboxes::process::Process;
use crate::process_sandboxes::run_file::{RunFile, RunFolder};

/// Starts sandboxes in a runtime of its own that ends before this returns, as a gateway does.
fn started_by_an_earlier_gateway(place: &Place, generation: u32) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { place.open().start(order(generation)).await.unwrap() });
}

#[test]
fn the_next_gateway_sees_waits_for_and_stops_what_the_last_one_started() {
    let place = Place::new("setsid sleep 60 & echo $! > stray; echo $$ > pid; wait");
    started_by_an_earlier_gateway(&place, 4);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (runner, stray) = (place.pid("pid").await, place.pid("stray").await);
        assert!(runs(runner), "the runner outlives the gateway");

        let next = place.open();
        assert!(next.is_alive(&sandbox(4)).await.unwrap());
        let expected = Orphan { session: session(), generation: 4, alive: true };
        assert_eq!(next.orphans().await.unwrap(), [expected]);
        next.forget(&session(), 4).await;
        assert_eq!(place.run_files(), ["s.4.json"], "what lives is not forgotten");

        let waiting = next.clone();
        let ended = tokio::spawn(async move { waiting.ended(&sandbox(4)).await });
        next.stop(&sandbox(4)).await.unwrap();
        assert!(!runs(runner) && !runs(stray));
        assert!(ended.await.unwrap().contains("earlier gateway"));
        assert!(!next.is_alive(&sandbox(4)).await.unwrap());
        assert_eq!(next.orphans().await.unwrap(), []);
    });
}

#[test]
fn the_next_gateway_replaces_an_older_generation() {
    let place = Place::new("echo $$ > pid-$PORTWAY_RUNNER_GENERATION; exec sleep 60");
    started_by_an_earlier_gateway(&place, 1);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let first = place.pid("pid-1").await;
        let next = place.open();
        next.start(order(2)).await.unwrap();
        assert!(!runs(first));
        assert!(runs(place.pid("pid-2").await));
        assert_eq!(place.run_files(), ["s.2.json"]);
        next.stop(&sandbox(2)).await.unwrap();
    });
}

#[test]
fn an_end_that_no_gateway_asked_for_is_noticed() {
    let place = Place::new("echo $$ > pid; n=0; until test -e stop -o $n = 600; do sleep 0.05; n=$((n+1)); done");
    started_by_an_earlier_gateway(&place, 1);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        place.pid("pid").await;
        let next = place.open();
        let waiting = next.clone();
        let ended = tokio::spawn(async move { waiting.ended(&sandbox(1)).await });
        fs::write(place.file("stop"), "").unwrap();
        let text = tokio::time::timeout(LONG, ended).await.unwrap().unwrap();
        assert!(text.contains("earlier gateway"), "{text}");
        assert_eq!(place.run_files(), [""; 0]);
    });
}

#[tokio::test]
async fn what_ended_while_no_gateway_ran_was_here() {
    let place = Place::new("exec sleep 60");
    let mut runner = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
    let process = Process::of_child(runner.id()).unwrap();
    let runs = RunFolder::open(place.scratch.path().join("run")).unwrap();
    runs.write(&RunFile::new(&session(), 1, process)).unwrap();
    drop(runner.stdin.take());
    runner.wait().unwrap();

    let sandboxes = place.open();
    assert!(!sandboxes.is_alive(&sandbox(1)).await.unwrap());
    assert!(sandboxes.was_here(&sandbox(1)).await);
    assert!(!sandboxes.was_here(&sandbox(2)).await, "it may live elsewhere");
    sandboxes.stop(&sandbox(1)).await.unwrap();
    assert!(!sandboxes.was_here(&sandbox(1)).await);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_stranger_with_the_number_of_a_runner_is_left_alone() {
    let place = Place::new("exec sleep 60");
    let mut stranger = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
    let process = Process::of_child(stranger.id()).unwrap();
    let remembered = Process::remembered(process.pid(), process.started() + 1).unwrap();
    let runs = RunFolder::open(place.scratch.path().join("run")).unwrap();
    runs.write(&RunFile::new(&session(), 1, remembered)).unwrap();
    runs.write(&RunFile::new(&session(), 2, remembered)).unwrap();

    let sandboxes = place.open();
    assert!(!sandboxes.is_alive(&sandbox(1)).await.unwrap());
    assert!(sandboxes.orphans().await.unwrap().iter().all(|orphan| !orphan.alive));
    assert_eq!(sandboxes.ended(&sandbox(1)).await, "it does not exist");
    sandboxes.stop(&sandbox(1)).await.unwrap();
    assert_eq!(place.run_files(), ["s.2.json"]);
    sandboxes.start(order(2)).await.unwrap();
    sandboxes.stop(&sandbox(2)).await.unwrap();
    assert!(process.is_alive(), "it was not signalled");
    drop(stranger.stdin.take());
    assert!(stranger.wait().unwrap().success());
}

#[tokio::test]
async fn the_dead_are_listed_until_they_are_forgotten() {
    let place = Place::new("");
    let mut child = Command::new("true").spawn().unwrap();
    let process = Process::of_child(child.id()).unwrap();
    child.wait().unwrap();
    let runs = RunFolder::open(place.scratch.path().join("run")).unwrap();
    runs.write(&RunFile::new(&session(), 9, process)).unwrap();

    let sandboxes = place.open();
    let dead = [Orphan { session: session(), generation: 9, alive: false }];
    assert_eq!(sandboxes.orphans().await.unwrap(), dead);
    assert_eq!(sandboxes.orphans().await.unwrap(), dead);
    sandboxes.forget(&session(), 9).await;
    assert_eq!(sandboxes.orphans().await.unwrap(), []);
}

#[tokio::test]
async fn a_data_folder_that_cannot_be_used_is_named() {
    let place = Place::new("");
    fs::write(place.scratch.path().join("logs"), "a file").unwrap();
    let error = ProcessSandboxes::open(place.options()).unwrap_err().to_string();
    assert!(error.contains(place.scratch.path().to_str().unwrap()), "{error}");
}
