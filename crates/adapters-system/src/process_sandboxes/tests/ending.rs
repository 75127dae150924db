//! How sandboxes end, and that nothing of them is left.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use portway_ports::sandboxes::{SandboxError, Sandboxes};

use super::*;

#[tokio::test]
async fn stopping_ends_children_in_the_group_and_outside_of_it() {
    let place = Place::new(
        "sleep 60 & echo $! > child
         (sleep 60 & echo $! > grandchild; wait) &
         setsid sleep 60 & echo $! > stray
         wait",
    );
    let sandboxes = place.open();
    sandboxes.start(order(1)).await.unwrap();
    let mut pids = Vec::new();
    for name in ["child", "grandchild", "stray"] {
        pids.push(place.pid(name).await);
    }
    let stray = pids[2];
    place.until(|| (ProcessTable::read().row(stray)?.group == stray).then_some(())).await;
    assert!(pids.iter().all(|pid| runs(*pid)));
    sandboxes.stop(&sandbox(1)).await.unwrap();
    assert!(pids.iter().all(|pid| !runs(*pid)));
    assert!(!sandboxes.is_alive(&sandbox(1)).await.unwrap());
    assert_eq!(sandboxes.ended(&sandbox(1)).await, "killed by signal 15");
    sandboxes.stop(&sandbox(1)).await.unwrap();
}

#[tokio::test]
async fn a_runner_may_end_in_order() {
    let place = Place::new("trap 'echo bye > bye; exit 0' TERM; echo $$ > pid; sleep 60 & wait");
    let sandboxes = place.open();
    sandboxes.start(order(1)).await.unwrap();
    place.pid("pid").await;
    sandboxes.stop(&sandbox(1)).await.unwrap();
    assert!(place.file("bye").exists());
    assert_eq!(sandboxes.ended(&sandbox(1)).await, "exit code 0");
}

#[tokio::test]
async fn a_runner_that_does_not_end_is_killed() {
    let place = Place::new("trap '' TERM; echo $$ > pid; n=0; until test $n = 60; do sleep 1; n=$((n+1)); done");
    let options = ProcessSandboxOptions { grace: Duration::from_millis(100), ..place.options() };
    let sandboxes = ProcessSandboxes::open(options).unwrap();
    sandboxes.start(order(1)).await.unwrap();
    let pid = place.pid("pid").await;
    sandboxes.stop(&sandbox(1)).await.unwrap();
    assert!(!runs(pid));
    assert_eq!(sandboxes.ended(&sandbox(1)).await, "killed by signal 9");
}

#[tokio::test]
async fn what_a_killed_runner_leaves_is_ended() {
    let place = Place::new("setsid sleep 60 & echo $! > stray; sleep 60 & echo $! > child; echo $$ > pid; wait");
    let sandboxes = place.open();
    sandboxes.start(order(1)).await.unwrap();
    let (runner, stray, child) = (place.pid("pid").await, place.pid("stray").await, place.pid("child").await);
    let found = sandboxes.inner.registry.find(&session(), 1).unwrap();
    // The task that looks from time to time sees them without being asked.
    place.until(|| (found.has_seen(stray) && found.has_seen(child)).then_some(())).await;
    let killed = sandbox(1);
    let ended = sandboxes.ended(&killed);
    kill(Pid::from_raw(runner), Signal::SIGKILL).unwrap();
    assert_eq!(ended.await, "killed by signal 9");
    assert!(!runs(stray) && !runs(child));
    assert_eq!(place.run_files(), [""; 0]);
}

#[tokio::test]
async fn a_quick_failure_tells_the_last_line_of_its_log() {
    let place = Place::new("echo starting; echo 'no agent here' >&2; exit $PORTWAY_RUNNER_GENERATION");
    let sandboxes = place.open();
    for (generation, text) in [(3, "exit code 3: no agent here"), (0, "exit code 0")] {
        sandboxes.stop(&sandbox(3)).await.unwrap();
        sandboxes.start(order(generation)).await.unwrap();
        assert_eq!(sandboxes.ended(&sandbox(generation)).await, text);
    }
    assert_eq!(sandboxes.ended(&sandbox(3)).await, "exit code 3: no agent here", "asked late");
}

#[tokio::test]
async fn a_line_of_an_earlier_runner_is_not_blamed() {
    let place = Place::new("test -e told && exit 4; touch told; echo 'of the first'; exit 3");
    let sandboxes = place.open();
    for (generation, text) in [(1, "exit code 3: of the first"), (2, "exit code 4")] {
        sandboxes.start(order(generation)).await.unwrap();
        assert_eq!(sandboxes.ended(&sandbox(generation)).await, text);
    }
}

#[tokio::test]
async fn what_does_not_exist_has_ended_and_is_stopped() {
    let place = Place::new("");
    let sandboxes = place.open();
    assert_eq!(sandboxes.ended(&sandbox(1)).await, "it does not exist");
    assert!(!sandboxes.is_alive(&sandbox(1)).await.unwrap());
    sandboxes.stop(&sandbox(1)).await.unwrap();
}

#[tokio::test]
async fn waiting_for_the_end_may_be_given_up() {
    let place = Place::new("echo $$ > pid; exec sleep 60");
    let sandboxes = place.open();
    sandboxes.start(order(1)).await.unwrap();
    let runner = place.pid("pid").await;
    for _ in 0..3 {
        let waited = tokio::time::timeout(Duration::from_millis(1), sandboxes.ended(&sandbox(1))).await;
        assert!(waited.is_err());
    }
    assert!(runs(runner));
    sandboxes.stop(&sandbox(1)).await.unwrap();
}

#[tokio::test]
async fn a_workspace_is_removed_once_nothing_runs_in_it() {
    let place = Place::new("echo $$ > pid; exec sleep 60");
    let sandboxes = place.open();
    assert_eq!(sandboxes.delete_workspace(&session()).await, Ok(false));
    sandboxes.start(order(1)).await.unwrap();
    place.pid("pid").await;
    match sandboxes.delete_workspace(&session()).await {
        Err(SandboxError::Refused(text)) => assert!(text.contains("generation 1"), "{text}"),
        other => panic!("{other:?}"),
    }
    assert!(place.file("pid").exists());
    sandboxes.stop(&sandbox(1)).await.unwrap();
    assert_eq!(sandboxes.delete_workspace(&session()).await, Ok(true));
    assert!(!place.file("").exists());
}
