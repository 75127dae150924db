//! Agents that start badly or oddly, and agents that are shell scripts.

use std::time::Duration;

use crate::gateway::{Setup, Stage, read, within};
use portway_protocol::runner::RunnerEvent;
use portway_runner::Exit;

/// Answers `initialize` and `session/new`, after a vendor's greeting; then goes on with `rest`.
fn script(rest: &str) -> String {
    format!(
        r#"
read -r line
echo '{{"jsonrpc":"2.0","id":1,"result":{{"protocolVersion":1,"_meta":{{"v":1}}}}}}'
read -r line
echo '{{"jsonrpc":"2.0","method":"_vendor/hello","params":{{}}}}'
echo '{{"jsonrpc":"2.0","method":"session/update","params":{{"sessionId":"s","update":{{"sessionUpdate":"available_commands_update","availableCommands":[]}}}}}}'
echo '{{"jsonrpc":"2.0","id":2,"result":{{"sessionId":"s","modes":null}}}}'
{rest}
"#
    )
}

async fn failed(stage: &Stage) -> String {
    match stage.gateway().await.event().await {
        RunnerEvent::Failed { error } => error,
        other => panic!("not failed: {other:?}"),
    }
}

#[tokio::test]
async fn an_unknown_command_is_named() {
    let stage = Setup::command(&["no-such-agent-program"]).start().await;
    let error = failed(&stage).await;
    assert!(
        error.contains("command not found: no-such-agent-program") && error.contains("[agents.NAME].command"),
        "{error}"
    );
}

#[tokio::test]
async fn an_agent_that_never_speaks_is_given_up() {
    let mut setup = Setup::shell("echo 'waiting for a key' >&2; exec sleep 1000");
    setup.timing.start = Duration::from_millis(300);
    let stage = setup.start().await;
    let error = failed(&stage).await;
    assert!(error.contains("initialize"), "{error}");
}

#[tokio::test]
async fn an_agent_that_exits_at_once_is_quoted() {
    let stage = Setup::shell("echo 'API key missing' >&2; exit 7").start().await;
    let error = failed(&stage).await;
    assert!(error.contains("exit code 7") && error.contains("API key missing"), "{error}");
}

#[tokio::test]
async fn an_agent_that_writes_nothing_but_garbage_is_ended() {
    let stage = Setup::shell("yes garbage | head -n 2000; exec sleep 1000").start().await;
    let error = failed(&stage).await;
    assert!(error.contains("lines without JSON"), "{error}");
}

#[tokio::test]
async fn an_endless_line_is_not_collected() {
    let stage = Setup::shell("exec cat /dev/zero").start().await;
    let error = failed(&stage).await;
    assert!(error.contains("a line of more than"), "{error}");
}

#[tokio::test]
async fn a_prompt_after_a_failed_start_tries_again() {
    let stage = Setup::command(&["./agent"]).start().await;
    let mut gateway = stage.gateway().await;
    let failed = |event: &RunnerEvent| matches!(event, RunnerEvent::Failed { .. });
    gateway.until(failed).await;
    gateway.prompt("m1", "x").await;
    gateway.until(failed).await;
    gateway.until(|event| matches!(event, RunnerEvent::Complete { message_id } if message_id == "m1")).await;
    let link = stage.workspace.join("agent");
    let program = script(r#"read -r line; echo '{"id":3,"result":{}}'; read -r line"#);
    std::fs::write(&link, format!("#!/bin/sh\n{program}")).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&link, mode).unwrap();
    gateway.prompt("m2", "x").await;
    gateway.until(|event| matches!(event, RunnerEvent::Ready { .. })).await;
    assert_eq!(gateway.turn().await.end(1), ["complete"]);
    gateway.stop(stage).await;
}

#[tokio::test]
async fn the_agent_sees_its_own_environment_only() {
    let mut setup = Setup::shell(&script("env > env.txt; echo done > done.txt; read -r line"));
    setup.env.insert("AGENT_KEY".into(), "k".into());
    let stage = setup.start().await;
    let mut gateway = stage.gateway().await;
    gateway.ready().await;
    gateway.stop(stage_until(stage, "done.txt").await).await;
}

/// Waits until the agent has written the file, and looks at its environment.
async fn stage_until(stage: Stage, name: &str) -> Stage {
    within(async {
        while read(&stage.workspace, name).is_none() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let env = read(&stage.workspace, "env.txt").unwrap();
    let names: Vec<&str> = env
        .lines()
        .filter_map(|line| line.split_once('=').map(|(name, _)| name))
        // What the shell adds by itself.
        .filter(|name| !["PWD", "OLDPWD", "SHLVL", "_"].contains(name))
        .collect();
    assert!(names.contains(&"AGENT_KEY") && names.contains(&"PATH"), "{env}");
    assert_eq!(names.len(), 2, "{env}");
    stage
}

#[tokio::test]
async fn files_outside_of_the_workspace_and_unknown_methods_are_refused() {
    let asks = r#"
read -r prompt
echo '{"jsonrpc":"2.0","id":0,"method":"fs/read_text_file","params":{"sessionId":"s","path":"/etc/passwd"}}'
read -r first
echo '{"jsonrpc":"2.0","id":"w-1","method":"fs/write_text_file","params":{"sessionId":"s","path":"../out.txt","content":"x"}}'
read -r second
echo '{"jsonrpc":"2.0","id":2,"method":"terminal/create","params":{"sessionId":"s","command":"ls"}}'
read -r third
echo '{"jsonrpc":"2.0","id":3,"method":"fs/write_text_file","params":{"sessionId":"s","path":"in.txt","content":"inside"}}'
read -r fourth
printf '%s\n' "$first" "$second" "$third" "$fourth" > answers.txt
echo '{"jsonrpc":"2.0","id":3,"result":{"stopReason":"cancelled","usage":null}}'
read -r line
"#;
    let stage = Setup::shell(&script(asks)).start().await;
    let mut gateway = stage.gateway().await;
    gateway.ready().await;
    gateway.prompt("m1", "go").await;
    assert_eq!(gateway.turn().await.end(1), ["complete"]);
    let answers = read(&stage.workspace, "answers.txt").unwrap();
    let answers: Vec<serde_json::Value> = answers.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(answers[0]["id"], 0);
    assert!(answers[0]["error"]["message"].as_str().unwrap().contains("outside"));
    assert_eq!(answers[1]["id"], "w-1");
    assert!(answers[1]["error"].is_object());
    assert_eq!(answers[2]["error"]["code"], -32601);
    assert!(answers[3]["result"].is_object());
    assert_eq!(read(&stage.workspace, "in.txt").as_deref(), Some("inside"));
    assert_eq!(read(&stage.workspace, "../out.txt"), None);
    gateway.stop(stage).await;
}

#[tokio::test]
async fn the_whole_process_group_ends_with_the_runner() {
    let rest = r#"sh -c 'trap "" TERM; echo $$ > child.txt; while :; do sleep 1000; done' & read -r line; wait"#;
    let mut setup = Setup::shell(&script(rest));
    setup.timing.grace = Duration::from_millis(50);
    let mut stage = setup.start().await;
    let mut gateway = stage.gateway().await;
    gateway.ready().await;
    let child = within(async {
        loop {
            if let Some(pid) = read(&stage.workspace, "child.txt").and_then(|text| text.trim().parse().ok()) {
                return nix::unistd::Pid::from_raw(pid);
            }
            tokio::task::yield_now().await;
        }
    })
    .await;
    stage.shut_down();
    assert_eq!(stage.exit().await, Exit::Stopped);
    within(async {
        // A killed process stays a zombie until its new parent looks.
        while nix::sys::signal::kill(child, None).is_ok() && !zombie(child) {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

fn zombie(pid: nix::unistd::Pid) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('Z')))
}

#[tokio::test]
async fn an_agent_that_dies_again_and_again_is_given_up() {
    // Dies when a prompt comes.
    let mut setup = Setup::shell(&script("read -r line"));
    setup.timing.restart = Duration::from_millis(1);
    let stage = setup.start().await;
    let mut gateway = stage.gateway().await;
    for id in ["m1", "m2", "m3", "m4"] {
        gateway.ready().await;
        gateway.prompt(id, "x").await;
        assert_eq!(gateway.turn().await.end(2), ["error", "complete"]);
    }
    let failed = gateway.event().await;
    assert!(matches!(&failed, RunnerEvent::Failed { error } if error.contains("keeps dying")), "{failed:?}");
    // A prompt starts it once more.
    gateway.prompt("m5", "x").await;
    gateway.ready().await;
    gateway.stop(stage).await;
}

#[tokio::test]
async fn only_what_belongs_to_the_turn_is_shown() {
    let text = |session: &str, text: &str| {
        format!(
            r#"printf '%b\n' '{{"method":"session/update","params":{{{session}"update":{{"sessionUpdate":"agent_message_chunk","content":{{"type":"text","text":"{text}"}}}}}}}}'"#
        )
    };
    let own = r#""sessionId":"s","#;
    let ask = r#"echo '{"id":"early","method":"session/request_permission","params":{"sessionId":"s","toolCall":{"toolCallId":"t"},"options":[{"optionId":"a","name":"A","kind":"allow_once"}]}}'"#;
    let lines = [
        &text(own, "too early "),
        ask,
        "read -r answer; echo \"$answer\" > answer.txt",
        "read -r prompt",
        "echo; echo ' '; echo 'not json'; echo '{\"jsonrpc\":\"2.0\",\"method\":\"$/unknown\"}'",
        &text(r#""sessionId":"other","#, "of another conversation "),
        &text("", "without a session "),
        &text(own, r"with a broken \0377 character"),
        r#"echo '{"id":3,"result":{"stopReason":"end_turn"}}'"#,
        &text(own, " too late"),
        "read -r prompt",
        &text(own, "again"),
        r#"echo '{"id":4,"result":{"stopReason":"max_tokens"}}'"#,
        "read -r line",
    ];
    let stage = Setup::shell(&script(&lines.join("\n"))).start().await;
    let mut gateway = stage.gateway().await;
    gateway.ready().await;
    // With its answer the agent knows, and the test too, that all before it was read.
    let answer = within(async {
        loop {
            match read(&stage.workspace, "answer.txt") {
                Some(text) if text.ends_with('\n') => return text,
                _ => tokio::task::yield_now().await,
            }
        }
    })
    .await;
    let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(answer["id"], "early");
    assert_eq!(answer["result"]["outcome"]["outcome"], "cancelled");
    gateway.prompt("m1", "x").await;
    let turn = gateway.turn().await;
    assert_eq!(turn.text(), "without a session with a broken \u{fffd} character");
    gateway.prompt("m2", "x").await;
    assert_eq!(gateway.turn().await.end(2), ["message.finalize:end_turn", "complete"]);
    gateway.stop(stage).await;
}
