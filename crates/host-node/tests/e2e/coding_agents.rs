//! Real coding agents as their presets find them: the program on the `PATH` of whoever starts them, the key in its
//! environment, and nothing in `portway.toml`. Each has a model server of our own.

mod claude;
mod codex;
mod gemini;
mod goose;
mod opencode;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use portway_protocol::client::{AnswerValue, ClientFrame};
use portway_protocol::message::{FinishReason, Part, ToolStatus};
use serde_json::json;

use crate::fake_model::{Answer, FakeModel, Script, ToolCall};
use crate::harness::gateway::Gateway;
use crate::harness::host::is_worker;
use crate::harness::mirror::Entry;
use crate::harness::session::Session;
use crate::harness::socket::ClientSocket;
use crate::models::listed;
use crate::trials::{Component, Trials};

pub(crate) fn add(trials: &mut Trials) {
    opencode::add(trials);
    claude::add(trials);
    gemini::add(trials);
    codex::add(trials);
    goose::add(trials);
}

/// A coding agent that there is a preset for, and what is peculiar about it.
struct CodingAgent {
    /// Name of the preset.
    preset: &'static str,
    /// Where `cargo xtask test` puts its program, below `target/test-agents`.
    program: &'static str,
    /// The variable that names another place.
    variable: &'static str,
    /// Says that it is not installed, and what to do about it.
    missing: &'static str,
    /// Writes its configuration into its home; names the variables that the gateway is started with.
    configure: fn(&Path, &FakeModel) -> Vec<(&'static str, String)>,
    /// What its model calls to run a command that the user is asked about.
    shell: fn(&str) -> ToolCall,
    /// Whether it tells what a command printed.
    tells_output: bool,
    after_refusal: AfterRefusal,
}

/// What an agent does when the user refuses a command.
enum AfterRefusal {
    /// It ends the turn in that way.
    Ends(FinishReason),
    /// It asks its model what to do instead.
    GoesOn,
}

/// One that is installed, with its program.
#[derive(Clone)]
struct Installed {
    agent: &'static CodingAgent,
    program: PathBuf,
}

impl CodingAgent {
    /// A test that needs it.
    fn add(&'static self, trials: &mut Trials, name: &str, test: impl AsyncFnOnce(Installed) + Send + 'static) {
        let component = Component { missing: self.missing, find: || self.find() };
        trials.add_for(component, &format!("{}::{name}", self.preset), test);
    }

    /// The tests that each agent has to pass, for one that is started quickly.
    fn add_shared(&'static self, trials: &mut Trials) {
        self.add_step(trials, "answers", async |stage| stage.answers().await);
        self.add_step(trials, "runs_what_is_allowed", async |stage| stage.runs_what_is_allowed().await);
        self.add_step(trials, "leaves_what_is_refused", async |stage| stage.leaves_what_is_refused().await);
        self.add_step(trials, "is_aborted_while_it_asks", async |stage| stage.is_aborted_while_it_asks().await);
        self.add_step(trials, "is_aborted_while_its_model_stalls", async |stage| {
            stage.is_aborted_while_its_model_stalls().await;
        });
        self.add_step(trials, "goes_on_after_a_restart", async |stage| stage.goes_on_after_a_restart(|_| ()).await);
    }

    /// A test of one thing in a session that the shared script is for.
    fn add_step(&'static self, trials: &mut Trials, name: &str, step: impl AsyncFnOnce(&mut Stage) + Send + 'static) {
        self.add(trials, name, async |agent| step(&mut agent.start().await).await);
    }

    fn find(&'static self) -> Option<Installed> {
        let program = match std::env::var_os(self.variable) {
            Some(path) => PathBuf::from(path),
            None => Path::new(env!("CARGO_TARGET_TMPDIR")).parent()?.join("test-agents").join(self.program),
        };
        program.is_file().then_some(Installed { agent: self, program })
    }

    /// The model's wish to run a command.
    fn command(&self, text: &'static str, command: &str) -> Answer {
        Answer::Call { text, call: (self.shell)(command) }
    }
}

const GREETING: &[&str] = &["Hello ", "from ", "a ", "model ", "of ", "our ", "own."];

impl Installed {
    /// A session with it whose model knows the shared tests.
    async fn start(self) -> Stage {
        let agent = self.agent;
        let script = [
            ("Who are you?", vec![Answer::Text(GREETING)]),
            (
                "Write a note",
                vec![
                    agent.command("Let me write. ", "echo as it was told > note.txt; cat note.txt"),
                    Answer::Text(&["Written."]),
                ],
            ),
            ("Write another", vec![agent.command("", "echo unwanted > other.txt"), Answer::Text(&["Not written."])]),
            ("Write a third", vec![agent.command("", "echo unwanted > third.txt"), Answer::Text(&["Not written."])]),
            ("Never mind", vec![Answer::Text(&["Fine."])]),
            ("Hard question", vec![Answer::Stall("I am thinking about it for ever")]),
            ("My word is zebra", vec![Answer::Text(&["I keep it in mind."])]),
            ("What was my word?", vec![Answer::Text(&["Zebra."])]),
            ("Easy question", vec![Answer::Text(&["Easy."])]),
            ("Who are you now?", vec![Answer::Bare(&["Another one."])]),
        ];
        self.start_with(Script::from(script)).await
    }

    /// A session with it.
    async fn start_with(self, script: Script) -> Stage {
        let model = FakeModel::start(script).await;
        let mut gateway = Gateway::prepared("");
        let home = home(&gateway);
        std::fs::create_dir(&home).unwrap();
        for (name, value) in (self.agent.configure)(&home, &model) {
            gateway = gateway.with_variable(name, value);
        }
        let folder = self.program.parent().unwrap().to_owned();
        let rest = std::env::var_os("PATH").unwrap_or_default();
        let path = std::env::join_paths(std::iter::once(folder).chain(std::env::split_paths(&rest))).unwrap();
        gateway = gateway.with_variable("PATH", path).with_variable("HOME", home);
        if is_worker() {
            // It has no programs, so it is told which of them its backend has.
            let agents = json!({self.agent.preset: {"command": [self.program]}});
            gateway = gateway.with_variable("PORTWAY_AGENTS", agents.to_string());
        }
        gateway.launch().await;
        let session = gateway.api().session_with(self.agent.preset).await;
        let socket = session.socket().await;
        Stage { agent: self.agent, model, gateway, session, socket }
    }
}

/// The home of everything that a gateway starts.
fn home(gateway: &Gateway) -> PathBuf {
    gateway.scratch().join("home")
}

/// A session with an agent, and its model.
struct Stage {
    agent: &'static CodingAgent,
    model: FakeModel,
    gateway: Gateway,
    session: Session,
    socket: ClientSocket,
}

impl Stage {
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

    /// Another model answers from the prompt on that names it.
    async fn uses_the_model_that_is_named(&mut self) {
        self.ask("Who are you?").await;
        let before = self.model.asked("Who are you?")[0].model.clone();
        let models = listed(&mut self.socket).await;
        let models = models.into_iter().flat_map(|provider| provider.models);
        let other = models.map(|model| model.id).find(|id| Some(id) != before.as_ref()).expect("there is a choice");
        let prompt = self.socket.prompt_for("Who are you now?", Some(&other)).await;
        assert!(self.end_of(&prompt).await.content.ends_with("Another one."));
        assert_eq!(self.model.asked("Who are you now?")[0].model, Some(other));
    }

    /// What each agent has to pass, one after the other, for one that takes long to start.
    async fn holds_a_conversation(&mut self) {
        self.answers().await;
        self.runs_what_is_allowed().await;
        self.leaves_what_is_refused().await;
        self.is_aborted_while_it_asks().await;
        self.is_aborted_while_its_model_stalls().await;
    }

    async fn answers(&mut self) {
        let answer = self.ask("Who are you?").await;
        assert!(answer.content.ends_with(&GREETING.concat()), "{}", answer.content);
        assert_eq!(answer.finish(), Some(FinishReason::EndTurn));
        assert_eq!(self.model.asked("Who are you?").len(), 1);
    }

    async fn runs_what_is_allowed(&mut self) {
        let prompt = self.socket.prompt("Write a note", None).await;
        let question = self.socket.question().await;
        assert!(question.text.contains("echo as it was told"), "{}", question.text);
        assert_eq!(self.file("note.txt"), None, "not before it is allowed");
        self.socket.answer(&question.id, AnswerValue::Flag(true)).await;
        let answer = self.end_of(&prompt).await;
        let text = &answer.content;
        assert!(text.contains("Let me write.") && text.ends_with("Written."), "{text}");
        assert_eq!(answer.finish(), Some(FinishReason::EndTurn));
        let (status, result, error) = tool(&answer);
        assert_eq!((status, error), (ToolStatus::Completed, None));
        assert_eq!(result.is_some_and(|result| result.contains("as it was told")), self.agent.tells_output);
        assert_eq!(self.file("note.txt").as_deref(), Some("as it was told\n"));
        let told = self.model.asked("Write a note");
        let output = told.last().unwrap().tool_output.as_deref();
        assert!(output.is_some_and(|output| output.contains("as it was told")), "{told:#?}");
    }

    async fn leaves_what_is_refused(&mut self) {
        let prompt = self.socket.prompt("Write another", None).await;
        let question = self.socket.question().await;
        self.socket.answer(&question.id, AnswerValue::Flag(false)).await;
        let answer = self.end_of(&prompt).await;
        let (finish, requests) = match self.agent.after_refusal {
            AfterRefusal::Ends(finish) => (finish, 1),
            AfterRefusal::GoesOn => (FinishReason::EndTurn, 2),
        };
        assert_eq!(answer.finish(), Some(finish), "{answer:#?}");
        assert_eq!(self.model.asked("Write another").len(), requests);
        assert_eq!(tool(&answer).0, ToolStatus::Error);
        assert_eq!(self.file("other.txt"), None);
        let next = self.ask("Never mind").await;
        assert!(next.content.ends_with("Fine."), "the conversation goes on: {next:#?}");
        assert_eq!(self.session.generation().await, 1);
    }

    async fn is_aborted_while_it_asks(&mut self) {
        let prompt = self.socket.prompt("Write a third", None).await;
        let question = self.socket.question().await;
        self.socket.send(&ClientFrame::ABORT).await;
        let answer = self.end_of(&prompt).await;
        assert_eq!(answer.finish(), Some(FinishReason::Canceled));
        self.session.answer(&question.id, true.into()).await.refused(409, "CONFLICT");
        let next = self.ask("Never mind").await;
        assert!(next.content.ends_with("Fine."), "the same agent goes on: {next:#?}");
        assert_eq!((self.file("third.txt"), self.session.generation().await), (None, 1));
    }

    async fn is_aborted_while_its_model_stalls(&mut self) {
        let prompt = self.socket.prompt("Hard question", None).await;
        self.model.asked_times("Hard question", 1).await;
        let said = |entry: &Entry| entry.content.contains("thinking about it");
        self.socket
            .wait_until("its first words", |mirror| mirror.answer_to(&prompt).is_some_and(said).then_some(()))
            .await;
        let agent = self.gateway.agent(&self.session.id).await;
        let began = Instant::now();
        self.session.abort().await.expect(200);
        let answer = self.end_of(&prompt).await;
        assert_eq!(answer.finish(), Some(FinishReason::Canceled));
        assert!(said(&answer), "what it said is kept: {}", answer.content);
        assert!(began.elapsed() < Duration::from_secs(9), "it ends by itself, it is not ended");
        assert!(self.ask("Easy question").await.content.ends_with("Easy."));
        assert_eq!(self.gateway.agent(&self.session.id).await, agent, "the same agent goes on");
    }

    /// The agent is another process then, and knows what was said to the one before. While there is neither, something
    /// may be done to its home.
    async fn goes_on_after_a_restart(&mut self, meanwhile: impl FnOnce(&Path)) {
        self.ask("My word is zebra").await;
        self.gateway.stop_with_sandbox(&self.session).await;
        meanwhile(&home(&self.gateway));
        self.gateway.launch().await;
        self.socket = self.session.socket().await;
        let before = self.socket.mirror.messages.len();
        let answer = self.ask("What was my word?").await;
        let text = &answer.content;
        assert!(text.ends_with("Zebra.") && !text.contains("in mind"), "what the agent replays is no news: {text}");
        assert_eq!(self.socket.mirror.messages.len(), before + 2, "nor is it a message");
        assert_eq!(self.session.generation().await, 2);
        let asked = self.model.asked("What was my word?");
        assert!(asked[0].mentions("My word is zebra") && asked[0].mentions("I keep it in mind."), "{asked:#?}");
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
