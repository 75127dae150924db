//! Permission questions: who answers them how, and what comes of it.

use portway_protocol::client::AnswerValue;
use portway_protocol::message::{FinishReason, ToolStatus};
use serde_json::json;

use crate::harness::agents::Agent;
use crate::harness::gateway::Gateway;
use crate::harness::mirror::{Entry, OpenQuestion};
use crate::harness::session::Session;
use crate::harness::socket::ClientSocket;
use crate::trials::Trials;

pub(crate) fn add(trials: &mut Trials) {
    trials.add_for_agents("permissions::refused_with_false", refused_with_false);
    trials.add("permissions::refused_by_label", refused_by_label);
    trials.add("permissions::refused_by_id", refused_by_id);
    trials.add("permissions::allowed_by_id", allowed_by_id);
    trials.add("permissions::allowed_by_label", allowed_by_label);
    trials.add("permissions::allowed_with_true", allowed_with_true);
    trials.add("permissions::allowed_over_http", allowed_over_http);
    trials.add("permissions::always_allowed_is_remembered", always_allowed_is_remembered);
    trials.add("permissions::a_wrong_answer_leaves_the_question_open", a_wrong_answer_leaves_the_question_open);
    trials.add("permissions::the_second_answer_comes_too_late", the_second_answer_comes_too_late);
    trials.add(
        "permissions::a_question_waits_for_a_restart_of_the_gateway",
        a_question_waits_for_a_restart_of_the_gateway,
    );
}

/// A turn that has come to its question.
struct Asked {
    gateway: Gateway,
    session: Session,
    socket: ClientSocket,
    prompt: String,
    question: OpenQuestion,
}

const PROMPT: &str = "Write me down";

impl Asked {
    async fn by(agent: &Agent) -> Self {
        let gateway = Gateway::for_agent(agent).await;
        let session = gateway.api().session_with(agent.name()).await;
        let mut socket = session.socket().await;
        let prompt = socket.prompt(PROMPT, None).await;
        let question = socket.question().await;
        Self { gateway, session, socket, prompt, question }
    }

    async fn answer(&mut self, answer: AnswerValue) {
        self.socket.answer(&self.question.id, answer).await;
    }

    /// What was written to the workspace.
    fn written(&self) -> Option<String> {
        std::fs::read_to_string(self.gateway.workspace(&self.session.id).join("demo.md")).ok()
    }

    async fn end(&mut self) -> Entry {
        let answer = self.socket.answer_to(&self.prompt).await;
        self.socket.turn_end().await;
        assert_eq!(self.socket.mirror.questions, []);
        assert_eq!(self.session.transcript().await, self.socket.mirror.messages);
        assert_eq!(answer.finish(), Some(FinishReason::EndTurn));
        answer
    }

    async fn ends_allowed(mut self) {
        let answer = self.end().await;
        assert!(answer.content.ends_with(Agent::Demo.choices().allowed), "{}", answer.content);
        assert_eq!(answer.tool(Agent::Demo.choices().call), Some(ToolStatus::Completed));
        assert_eq!(self.written().as_deref(), Some(PROMPT));
    }

    async fn ends_refused(mut self, agent: &Agent) {
        let answer = self.end().await;
        assert!(answer.content.ends_with(agent.choices().refused), "{}", answer.content);
        assert_ne!(answer.tool(agent.choices().call), Some(ToolStatus::Completed));
        assert_eq!(self.written(), None);
    }
}

fn text(text: &str) -> AnswerValue {
    AnswerValue::Text(text.to_owned())
}

async fn refused_with_false(agent: Agent) {
    let mut asked = Asked::by(&agent).await;
    let labels = &asked.question.labels;
    assert_eq!(labels.first().map(String::as_str), Some(agent.choices().allow_label));
    assert_eq!(labels.last().map(String::as_str), Some(agent.choices().reject_label));
    asked.answer(AnswerValue::Flag(false)).await;
    asked.socket.question_answered(&asked.question.id, agent.choices().reject_label).await;
    asked.ends_refused(&agent).await;
}

async fn refused_by_label() {
    let mut asked = Asked::by(&Agent::Demo).await;
    asked.answer(text(Agent::Demo.choices().reject_label)).await;
    asked.ends_refused(&Agent::Demo).await;
}

async fn refused_by_id() {
    let mut asked = Asked::by(&Agent::Demo).await;
    asked.answer(text(Agent::Demo.choices().reject)).await;
    asked.ends_refused(&Agent::Demo).await;
}

async fn allowed_by_id() {
    let mut asked = Asked::by(&Agent::Demo).await;
    assert_eq!(asked.question.text, "Write demo.md");
    assert_eq!(asked.question.labels, ["Allow once", "Always allow", "Refuse"]);
    assert_eq!(asked.written(), None);
    asked.answer(text("allow-once")).await;
    asked.ends_allowed().await;
}

async fn allowed_by_label() {
    let mut asked = Asked::by(&Agent::Demo).await;
    asked.answer(text("Allow once")).await;
    asked.ends_allowed().await;
}

async fn allowed_with_true() {
    let mut asked = Asked::by(&Agent::Demo).await;
    asked.answer(AnswerValue::Flag(true)).await;
    asked.ends_allowed().await;
}

async fn allowed_over_http() {
    let asked = Asked::by(&Agent::Demo).await;
    asked.session.answer(&asked.question.id, json!(true)).await.expect(200);
    asked.ends_allowed().await;
}

async fn always_allowed_is_remembered() {
    let mut asked = Asked::by(&Agent::Demo).await;
    asked.answer(text("Always allow")).await;
    asked.end().await;
    let second = asked.socket.prompt("And this", None).await;
    assert_eq!(asked.socket.answer_to(&second).await.finish(), Some(FinishReason::EndTurn));
    assert_eq!(asked.written().as_deref(), Some("And this"));
}

async fn a_wrong_answer_leaves_the_question_open() {
    let mut asked = Asked::by(&Agent::Demo).await;
    asked.answer(text("perhaps")).await;
    assert_eq!(asked.socket.refusal().await, "VALIDATION_ERROR");
    asked.session.answer(&asked.question.id, json!("perhaps")).await.refused(400, "VALIDATION_ERROR");
    asked.session.answer(&asked.question.id, json!(7)).await.refused(400, "VALIDATION_ERROR");
    asked.session.answer("no-such-question", json!(true)).await.refused(409, "CONFLICT");
    assert_eq!(asked.session.socket().await.question().await, asked.question);
    asked.answer(AnswerValue::Flag(true)).await;
    asked.ends_allowed().await;
}

async fn the_second_answer_comes_too_late() {
    let mut asked = Asked::by(&Agent::Demo).await;
    asked.answer(AnswerValue::Flag(true)).await;
    asked.answer(AnswerValue::Flag(false)).await;
    assert_eq!(asked.socket.refusal().await, "CONFLICT");
    asked.session.answer(&asked.question.id, json!(false)).await.refused(409, "CONFLICT");
    asked.ends_allowed().await;
}

async fn a_question_waits_for_a_restart_of_the_gateway() {
    let mut asked = Asked::by(&Agent::Demo).await;
    asked.gateway.kill9().await;
    asked.gateway.launch().await;
    asked.socket = asked.session.socket().await;
    assert_eq!(asked.socket.question().await, asked.question);
    asked.answer(AnswerValue::Flag(true)).await;
    asked.ends_allowed().await;
}
