//! What clients ask of a session's runner.

use std::path::Path;
use std::process::Command;

use nix::sys::signal::Signal;
use portway_protocol::client::{AnswerValue, ClientFrame};
use portway_protocol::message::{MessageRole, Part};
use portway_protocol::requests::DiffData;
use portway_protocol::server::ServerFrame;
use portway_protocol::workspaces::FileStatus;
use serde_json::json;

use crate::harness::gateway::{Gateway, gateways_are_two};
use crate::harness::postgres::Server;
use crate::harness::session::Session;
use crate::harness::socket::ClientSocket;
use crate::harness::{eventually, processes};
use crate::neighbours;
use crate::trials::Trials;

pub(crate) fn add(trials: &mut Trials) {
    // Between gateways hints may be lost, and what is asked with them.
    if gateways_are_two() {
        return;
    }
    trials.add("commands::a_diff_is_told_to_everybody", a_diff_is_told_to_everybody);
    trials.add("commands::without_a_runner_the_answer_comes_at_once", without_a_runner);
    trials.add("commands::a_runner_that_dies_is_not_waited_for", a_runner_that_dies);
    trials.add("commands::requests_are_bounded", requests_are_bounded);
    trials.add("commands::a_new_conversation_begins", a_new_conversation_begins);
    trials.add("commands::commands_of_the_agent_are_prompts", commands_of_the_agent_are_prompts);
    trials.add("commands::changes_are_reviewed", changes_are_reviewed);
    trials.add("commands::an_agent_that_cannot_go_back_forgets_nothing", an_agent_that_cannot_go_back);
}

fn command(name: &str) -> ClientFrame {
    ClientFrame::Command { command: name.to_owned(), args: None, channel_type: None, channel_id: None }
}

/// A session whose runner can be asked.
async fn working(gateway: &Gateway) -> (Session, ClientSocket) {
    let session = gateway.api().demo_session().await;
    let mut socket = session.socket().await;
    let prompt = socket.prompt("/say ready", None).await;
    socket.answer_to(&prompt).await;
    socket.turn_end().await;
    (session, socket)
}

/// Makes the folder a repository with one file, and changes that.
fn change(folder: &Path) {
    let git = |arguments: &[&str]| {
        let who = ["-c", "user.name=Test", "-c", "user.email=test@localhost", "-c", "commit.gpgsign=false"];
        let output = Command::new("git").args(who).args(arguments).current_dir(folder).output().unwrap();
        assert!(output.status.success(), "git {arguments:?}: {output:?}");
    };
    std::fs::write(folder.join("a.txt"), "one\n").unwrap();
    git(&["init", "--quiet"]);
    git(&["add", "--all"]);
    git(&["commit", "--quiet", "--message", "Begin"]);
    std::fs::write(folder.join("a.txt"), "two\n").unwrap();
}

/// The next diff: what differs, or the code of what went wrong.
async fn diff(socket: &mut ClientSocket) -> Result<DiffData, String> {
    let told = |frame: &ServerFrame| match frame {
        ServerFrame::Diff { data, code, .. } => Some(code.clone().map_or_else(|| Ok(data.clone()), Err)),
        _ => None,
    };
    socket.wait_for("a diff", told).await
}

/// What came of the next command: its result, or the code and words of what went wrong.
async fn outcome(socket: &mut ClientSocket, wanted: &str) -> Result<serde_json::Value, (String, String)> {
    let told = |frame: &ServerFrame| match frame {
        ServerFrame::CommandResult { command, result, error, code, .. } if command == wanted => {
            Some(result.clone().ok_or_else(|| (code.clone().unwrap_or_default(), error.clone().unwrap_or_default())))
        }
        _ => None,
    };
    socket.wait_for(&format!("the result of {wanted}"), told).await
}

async fn a_diff_is_told_to_everybody() {
    let gateway = Gateway::start("").await;
    let (session, mut socket) = working(&gateway).await;
    let mut other = session.socket().await;
    other.send(&ClientFrame::Diff {}).await;
    assert_eq!(diff(&mut socket).await, Err("NOT_AVAILABLE".to_owned()), "it is in no repository");
    diff(&mut other).await.unwrap_err();
    change(&gateway.workspace(&session.id));
    socket.send(&ClientFrame::Diff {}).await;
    for socket in [&mut socket, &mut other] {
        let data = diff(socket).await.unwrap();
        assert_eq!((data.files[0].path.as_str(), data.files[0].status), ("a.txt", FileStatus::Modified));
        assert!(data.files[0].diff.as_ref().unwrap().contains("-one\n+two\n"));
    }
    // A turn is not disturbed, nor does it keep anybody waiting.
    let prompt = socket.prompt("/ask may I?", None).await;
    let question = socket.question().await;
    socket.send(&ClientFrame::Diff {}).await;
    diff(&mut socket).await.unwrap();
    socket.answer(&question.id, AnswerValue::Flag(true)).await;
    socket.answer_to(&prompt).await;
    session.terminate().await;
}

async fn without_a_runner() {
    let gateway = Gateway::start("").await;
    let (session, mut socket) = working(&gateway).await;
    session.api.post(&session.path("/hibernate"), &json!({})).await.expect(200);
    session.reaches("hibernated").await;
    socket.send(&ClientFrame::Diff {}).await;
    assert_eq!(diff(&mut socket).await, Err("UNAVAILABLE".to_owned()));
    socket.send(&command("new-session")).await;
    assert_eq!(outcome(&mut socket, "new-session").await.unwrap_err().0, "UNAVAILABLE");
    assert_eq!(session.status().await, "hibernated", "nobody is woken by a question");
    session.terminate().await;
    socket.send(&ClientFrame::Review {}).await;
    let told = |frame: &ServerFrame| match frame {
        ServerFrame::ReviewResult { data: None, code, .. } => code.clone(),
        _ => None,
    };
    assert_eq!(socket.wait_for("a review", told).await, "NOT_AVAILABLE");
    socket.send(&command("a b")).await;
    assert_eq!(socket.refusal().await, "VALIDATION_ERROR");
    socket.send(&ClientFrame::Revert { message_id: "m".to_owned() }).await;
    assert_eq!(socket.refusal().await, "NOT_AVAILABLE", "the session has ended");
}

async fn an_agent_that_cannot_go_back() {
    let gateway = Gateway::start("").await;
    let (session, mut socket) = working(&gateway).await;
    let said = session.transcript().await;
    let revert = |message_id: &str| ClientFrame::Revert { message_id: message_id.to_owned() };
    socket.send(&revert(&said[0].id)).await;
    assert_eq!(socket.refusal().await, "NOT_AVAILABLE");
    for other in [&said[1].id, "other"] {
        socket.send(&revert(other)).await;
        assert_eq!(socket.refusal().await, "NOT_FOUND", "{other} is nobody's prompt");
    }
    assert_eq!(session.transcript().await, said);
    session.terminate().await;
}

async fn a_runner_that_dies() {
    let gateway = Gateway::start("").await;
    let (session, mut socket) = working(&gateway).await;
    let runner = gateway.runner(&session.id).await;
    processes::signal(runner, Signal::SIGSTOP);
    socket.send(&ClientFrame::Diff {}).await;
    // The answer to this comes after the request was passed on.
    socket.send(&ClientFrame::Ping {}).await;
    socket.wait_for("pong", |frame| matches!(frame, ServerFrame::Pong {}).then_some(())).await;
    processes::kill9(runner);
    assert_eq!(diff(&mut socket).await, Err("UNAVAILABLE".to_owned()));
    session.terminate().await;
}

async fn requests_are_bounded() {
    const OPEN: usize = 4;
    let gateway = Gateway::start("").await;
    let (session, mut socket) = working(&gateway).await;
    change(&gateway.workspace(&session.id));
    let runner = gateway.runner(&session.id).await;
    processes::signal(runner, Signal::SIGSTOP);
    for _ in 0..3 * OPEN {
        socket.send(&ClientFrame::Diff {}).await;
    }
    for _ in OPEN..3 * OPEN {
        assert_eq!(socket.refusal().await, "RATE_LIMIT_EXCEEDED");
    }
    processes::signal(runner, Signal::SIGCONT);
    for _ in 0..OPEN {
        diff(&mut socket).await.unwrap();
    }
    // There is room again.
    socket.send(&ClientFrame::Diff {}).await;
    diff(&mut socket).await.unwrap();
    session.terminate().await;
}

async fn a_new_conversation_begins() {
    let gateway = Gateway::start("").await;
    let (session, mut socket) = working(&gateway).await;
    let prompt = socket.prompt("/ask may I?", None).await;
    let question = socket.question().await;
    socket.send(&command("new-session")).await;
    assert_eq!(outcome(&mut socket, "new-session").await.unwrap_err().0, "CONFLICT");
    socket.answer(&question.id, AnswerValue::Flag(true)).await;
    socket.answer_to(&prompt).await;
    socket.turn_end().await;

    socket.send(&command("new-session")).await;
    let told = |frame: &ServerFrame| match frame {
        ServerFrame::Message { data } if data.parts.as_deref() == Some(&[Part::SessionBreak {}]) => Some(data.clone()),
        _ => None,
    };
    let shown = socket.wait_for("a break of the session", told).await;
    assert_eq!(shown.role, MessageRole::System);
    let prompt = socket.prompt("/say again", None).await;
    assert_eq!(socket.answer_to(&prompt).await.content, "again");
    socket.turn_end().await;
    let transcript = session.transcript().await;
    assert_eq!(transcript.iter().filter(|entry| entry.id == shown.id).count(), 1);
    assert_eq!(socket.mirror.messages, transcript);

    // A later runner goes on with it.
    session.api.post(&session.path("/hibernate"), &json!({})).await.expect(200);
    session.reaches("hibernated").await;
    let prompt = socket.prompt("/say back", None).await;
    assert_eq!(socket.answer_to(&prompt).await.content, "back");
    session.terminate().await;
}

async fn commands_of_the_agent_are_prompts() {
    let gateway = Gateway::start("").await;
    let (session, mut socket) = working(&gateway).await;
    let say = json!({"type": "command", "command": "say", "args": "hello there"});
    socket.send_text(&say.to_string()).await;
    outcome(&mut socket, "say").await.unwrap();
    let said = |entries: &[crate::harness::mirror::Entry]| {
        let prompt = entries.iter().find(|entry| entry.content == "/say hello there")?;
        Some(prompt.id.clone())
    };
    let prompt = socket.wait_until("the prompt", |mirror| said(&mirror.messages)).await;
    assert_eq!(socket.answer_to(&prompt).await.content, "hello there");
    socket.send(&command("compact")).await;
    let (code, error) = outcome(&mut socket, "compact").await.unwrap_err();
    assert_eq!(code, "NOT_AVAILABLE");
    assert!(error.contains("It has: say, slow"), "{error}");
    session.terminate().await;
}

async fn changes_are_reviewed() {
    let gateway = Gateway::start("").await;
    let (session, mut socket) = working(&gateway).await;
    let folder = gateway.workspace(&session.id);
    change(&folder);
    let before = session.transcript().await;
    let told = |frame: &ServerFrame| match frame {
        ServerFrame::ReviewResult { data, diff_files, code, .. } => {
            Some((data.clone(), diff_files.clone().unwrap_or_default(), code.clone()))
        }
        _ => None,
    };
    socket.send(&ClientFrame::Review {}).await;
    let (review, files, code) = socket.wait_for("a review", told).await;
    let review = review.unwrap_or_else(|| panic!("no review but {code:?}"));
    assert_eq!(review.overall_summary, "The demo agent has no opinion.");
    assert_eq!((review.files[0].lines_added, review.files[0].lines_deleted), (1, 1));
    assert_eq!(files[0].path, "a.txt");
    // Nothing of it is seen in the session's own conversation, which goes on.
    let prompt = socket.prompt("/say on", None).await;
    assert_eq!(socket.answer_to(&prompt).await.content, "on");
    socket.turn_end().await;
    let transcript = session.transcript().await;
    assert_eq!(transcript.len(), before.len() + 2);
    assert_eq!(socket.mirror.messages, transcript);

    std::fs::write(folder.join("a.txt"), "one\n").unwrap();
    socket.send(&ClientFrame::Review {}).await;
    let (review, files, code) = socket.wait_for("a review", told).await;
    assert_eq!((review, files, code.as_deref()), (None, Vec::new(), Some("CONFLICT")));
    session.terminate().await;
}

/// A client of one gateway asks a runner of the other.
pub(crate) async fn through_another_gateway(server: Server) {
    let [one, two] = neighbours::two(server).await;
    let here = one.api().with_neighbours().demo_session().await;
    here.reaches("running").await;
    let there = Session::new(two.api().with_neighbours(), &here.id);
    let mut far = there.socket().await;
    let prompt = far.prompt("/say ready", None).await;
    far.answer_to(&prompt).await;
    let folder = one.workspace(&here.id);
    change(&folder);
    let large = "\u{1F980} \"large\"\n".repeat(30_000);
    std::fs::write(folder.join("large.txt"), &large).unwrap();
    // A hint may be lost, and with it the request; then the answer says so.
    let data = eventually("the changes are told", async || {
        far.send(&ClientFrame::Diff {}).await;
        diff(&mut far).await.ok()
    })
    .await;
    let file = data.files.iter().find(|file| file.path == "large.txt").unwrap();
    assert!(file.diff.as_ref().unwrap().len() > large.len());
}
