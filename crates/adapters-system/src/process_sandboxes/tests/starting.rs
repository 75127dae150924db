//! What a runner finds when it starts, and what is refused.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;

use portway_ports::sandboxes::{AgentCommand, SandboxError, Sandboxes, StartedSandbox};

use super::*;

const WAITING: &str = "echo $$ > pid; exec sleep 60";

#[tokio::test]
async fn the_environment_is_exactly_what_is_promised() {
    let place = Place::new("");
    let options = ProcessSandboxOptions { runner: "/usr/bin/env".into(), runner_args: vec![], ..place.options() };
    let sandboxes = ProcessSandboxes::open(options).unwrap();
    sandboxes.start(SandboxOrder { agent_session: Some("talk 1".to_owned()), ..order(7) }).await.unwrap();
    assert_eq!(sandboxes.ended(&sandbox(7)).await, "exit code 0");

    let log = place.scratch.path().join("logs/runner-s.log");
    let printed = fs::read_to_string(&log).unwrap();
    let found: BTreeMap<&str, &str> = printed.lines().map(|line| line.split_once('=').unwrap()).collect();
    let own: Vec<(&str, String)> = ["PATH", "HOME", "LANG", "TMPDIR"]
        .into_iter()
        .filter_map(|name| Some((name, std::env::var(name).ok()?)))
        .collect();
    let workspace = place.file("");
    let token = "01".repeat(32);
    let mut expected = BTreeMap::from([
        ("PORTWAY_RUNNER_URL", "ws://127.0.0.1:1/api/sessions/s/ws"),
        ("PORTWAY_RUNNER_TOKEN", token.as_str()),
        ("PORTWAY_RUNNER_GENERATION", "7"),
        ("PORTWAY_RUNNER_AGENT", r#"{"command":["agent","--acp"],"env":{"KEY":"value"}}"#),
        ("PORTWAY_RUNNER_START", "stdin"),
        ("PORTWAY_RUNNER_AGENT_SESSION", "talk 1"),
        ("PORTWAY_RUNNER_WORKSPACE", workspace.to_str().unwrap().trim_end_matches('/')),
    ]);
    expected.extend(own.iter().map(|(name, value)| (*name, value.as_str())));
    assert_eq!(found, expected);
    assert_eq!(fs::metadata(log).unwrap().permissions().mode() & 0o777, 0o600);
}

#[tokio::test]
async fn the_runner_begins_once_its_run_file_is_there() {
    let place = Place::new("read go; ls run > seen; exec sleep 60");
    let sandboxes = place.open();
    let directory = Some(place.scratch.path().display().to_string());
    sandboxes.start(SandboxOrder { directory, ..order(1) }).await.unwrap();
    let seen = place.scratch.path().join("seen");
    let seen = place.until(|| fs::read_to_string(&seen).ok().filter(|text| text.ends_with('\n'))).await;
    assert_eq!(seen, "s.1.json\n");
    sandboxes.stop(&sandbox(1)).await.unwrap();
}

#[tokio::test]
async fn the_runner_leads_a_group_of_its_own_and_its_files_are_private() {
    let place = Place::new(WAITING);
    let sandboxes = place.open();
    sandboxes.start(order(1)).await.unwrap();
    let pid = place.pid("pid").await;
    assert_eq!(ProcessTable::read().row(pid).unwrap().group, pid);
    assert!(sandboxes.is_alive(&sandbox(1)).await.unwrap());
    assert!(!sandboxes.is_alive(&sandbox(2)).await.unwrap());

    let mode = |name: &str| fs::metadata(place.scratch.path().join(name)).unwrap().permissions().mode() & 0o777;
    for (name, expected) in
        [("run", 0o700), ("run/s.1.json", 0o600), ("logs", 0o700), ("workspaces", 0o700), ("workspaces/s", 0o700)]
    {
        assert_eq!(mode(name), expected, "{name}");
    }
    assert_eq!(place.run_files(), ["s.1.json"]);
    sandboxes.stop(&sandbox(1)).await.unwrap();
    assert_eq!(place.run_files(), [""; 0]);
}

#[tokio::test]
async fn a_given_folder_is_worked_in() {
    let place = Place::new(WAITING);
    let sandboxes = place.open();
    let elsewhere = tempfile::tempdir().unwrap();
    let directory = Some(elsewhere.path().to_str().unwrap().to_owned());
    sandboxes.start(SandboxOrder { directory, ..order(1) }).await.unwrap();
    until(|| elsewhere.path().join("pid").exists().then_some(())).await;
    sandboxes.stop(&sandbox(1)).await.unwrap();
    assert!(!place.file("").exists());
}

#[tokio::test]
async fn what_can_never_work_is_refused() {
    let place = Place::new(WAITING);
    let sandboxes = place.open();
    let refused = |result: Result<StartedSandbox, SandboxError>| match result {
        Err(SandboxError::Refused(text)) => text,
        other => panic!("{other:?}"),
    };

    let missing = SandboxOrder { directory: Some("/does/not/exist".to_owned()), ..order(1) };
    let text = refused(sandboxes.start(missing).await);
    assert_eq!(text, r#"the folder "/does/not/exist" does not exist on the gateway's machine"#);

    let nothing = AgentCommand { command: vec![], ..order(1).agent };
    assert!(refused(sandboxes.start(SandboxOrder { agent: nothing, ..order(1) }).await).contains("no command"));

    let long = AgentCommand { command: vec!["x".repeat(8 << 20)], ..order(1).agent };
    assert!(refused(sandboxes.start(SandboxOrder { agent: long, ..order(1) }).await).contains("too long"));

    let absent = ProcessSandboxOptions { runner: "/does/not/exist".into(), ..place.options() };
    let text = refused(ProcessSandboxes::open(absent).unwrap().start(order(1)).await);
    assert!(text.contains("/does/not/exist"), "{text}");
    assert_eq!(place.run_files(), [""; 0]);
}

#[tokio::test]
async fn a_session_id_with_colons_or_dots_is_fine() {
    let place = Place::new(WAITING);
    let sandboxes = place.open();
    for name in ["orchestrator:u1:0198", ".."] {
        let session = SessionId::parse(name).unwrap();
        sandboxes.start(SandboxOrder { session: session.clone(), ..order(1) }).await.unwrap();
        let sandbox = SandboxRef::new(session, 1);
        assert!(sandboxes.is_alive(&sandbox).await.unwrap());
        sandboxes.stop(&sandbox).await.unwrap();
        assert!(!sandboxes.is_alive(&sandbox).await.unwrap());
    }
    let entries = fs::read_dir(place.scratch.path().join("workspaces")).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["=.", "orchestrator+u1+0198"]);
}

#[tokio::test]
async fn a_newer_generation_takes_the_place_of_an_older_one_and_not_the_reverse() {
    let place = Place::new("echo $$ > pid-$PORTWAY_RUNNER_GENERATION; exec sleep 60");
    let sandboxes = place.open();
    sandboxes.start(order(3)).await.unwrap();
    let third = place.pid("pid-3").await;
    sandboxes.start(order(5)).await.unwrap();
    assert!(!runs(third));
    assert_eq!(place.run_files(), ["s.5.json"]);

    let fifth = place.pid("pid-5").await;
    match sandboxes.start(order(4)).await {
        Err(SandboxError::Refused(text)) => assert!(text.contains("generation 5"), "{text}"),
        other => panic!("{other:?}"),
    }
    sandboxes.stop(&sandbox(4)).await.unwrap();
    assert!(runs(fifth));

    fs::remove_file(place.file("pid-5")).unwrap();
    sandboxes.start(order(5)).await.unwrap();
    assert!(!runs(fifth), "the same generation is started anew");
    assert_ne!(place.pid("pid-5").await, fifth);
    sandboxes.stop(&sandbox(5)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn starts_and_stops_of_one_session_at_once_never_overlap() {
    // The shell's own `true` with `set -C` makes the file only if there is none.
    let place = Place::new(
        "trap 'rm -f busy; exit 0' TERM; echo $$ >> pids; set -C
         { true > busy; } 2>> errors || echo overlap >> overlaps
         sleep 60 & wait",
    );
    let sandboxes = place.open();
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..24 {
        let sandboxes = sandboxes.clone();
        tasks.spawn(async move {
            match number % 3 {
                0 => sandboxes.stop(&sandbox(1)).await.unwrap(),
                _ => drop(sandboxes.start(order(1)).await.unwrap()),
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    sandboxes.start(order(1)).await.unwrap();
    place.until(|| place.file("busy").exists().then_some(())).await;
    sandboxes.stop(&sandbox(1)).await.unwrap();
    assert!(!place.file("overlaps").exists());
    let pids = fs::read_to_string(place.file("pids")).unwrap();
    assert!(pids.lines().all(|pid| !runs(pid.parse().unwrap())));
    assert_eq!(place.run_files(), [""; 0]);
}

#[tokio::test]
async fn a_start_that_nobody_waits_for_is_finished() {
    let place = Place::new(WAITING);
    let sandboxes = place.open();
    tokio::select! {
        biased;
        _ = sandboxes.start(order(1)) => panic!("it takes longer"),
        () = std::future::ready(()) => {}
    }
    place.pid("pid").await;
    place.until(|| (place.run_files() == ["s.1.json"]).then_some(())).await;
    sandboxes.stop(&sandbox(1)).await.unwrap();
}
