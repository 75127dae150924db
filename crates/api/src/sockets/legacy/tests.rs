//! The translation without a socket.

use bytes::Bytes;
use portway_domain::channels::Channel;
use portway_domain::engine::{
    AgentStatus, Change, Command, Engine, Event, Prompt, RunnerHello, RunnerName, RunnerReport,
};
use portway_domain::ids::{IdStream, MessageId, NodeId, QuestionId, SessionId, UserId};
use portway_domain::messages::{FinishReason, TextKind};
use portway_domain::models::ModelSwitch;
use portway_domain::questions::Resolution;
use portway_domain::sessions::QueueMode;
use portway_domain::time::Timestamp;
use portway_domain::tokens::TokenHash;
use portway_protocol::client::AnswerValue;
use portway_protocol::legacy_runner::{Received, ToLegacyRunner, read};
use serde_json::{Value, json};

use super::translation::{Outcome, Translation};

fn now() -> Timestamp {
    Timestamp::from_millis(1_771_927_200_000)
}

/// An engine, a runner's connection to it, and what was said over that.
struct Talk {
    engine: Engine,
    translation: Translation,
}

impl Talk {
    /// A session whose runner just connected for the first time.
    fn begun() -> Self {
        let (session, owner) = (SessionId::parse("s").unwrap(), UserId::parse("u").unwrap());
        let engine = Engine::new(session, owner, QueueMode::Followup, now());
        let translation = Translation::new(&engine);
        let mut talk = Self { engine, translation };
        talk.apply(Event::Opened { title: None });
        let (node, token) = (NodeId::parse("n").unwrap(), TokenHash::of("secret"));
        talk.apply(Event::SandboxPrepared { generation: 1, node, token });
        talk.connect();
        talk
    }

    /// The same, and the agent takes prompts.
    fn ready() -> Self {
        let mut talk = Self::begun();
        talk.say(json!({"type": "agentStatus", "status": "idle"}));
        talk.say(json!({"type": "opencode-config-applied", "success": true}));
        talk
    }

    /// The same, and it was given the prompt `p`.
    fn prompted() -> Self {
        let mut talk = Self::ready();
        talk.prompt("p", None);
        talk
    }

    /// A new connection takes the place of the last one.
    fn connect(&mut self) {
        let runner = &self.engine.runner;
        let hello = RunnerHello {
            generation: runner.generation,
            connection: format!("c{}", self.engine.seq),
            last_command: runner.taken_command,
            last_frame: runner.last_frame,
            turn: self.engine.turn.as_ref().map(|turn| turn.prompt.clone()),
        };
        self.apply(Event::RunnerConnected(hello));
        self.translation = Translation::new(&self.engine);
    }

    fn prompt(&mut self, id: &str, queue_mode: Option<QueueMode>) {
        let id = MessageId::parse(id).unwrap();
        let prompt = Prompt {
            id,
            content: "x".to_owned(),
            attachments: Vec::new(),
            author: None,
            model: None,
            queue_mode,
            channel: None,
        };
        self.apply(Event::Prompted(prompt));
    }

    /// Applies an event, and sends the commands that follow.
    fn apply(&mut self, event: Event) {
        let effects = self.engine.apply(event, now(), &mut IdStream::new(now(), [7; 32])).unwrap();
        for change in effects.changes {
            if let Change::CommandGiven { number, command, .. } = change {
                self.translation.sends(number, &command);
            }
        }
    }

    /// The runner says something; what is reported is applied.
    fn say(&mut self, frame: Value) -> Vec<Outcome> {
        let Ok(Received::Frame(frame)) = read(&frame.to_string()) else {
            panic!("{frame} is no frame");
        };
        let outcomes = self.translation.frame(frame);
        let (generation, command) = (self.engine.runner.generation, self.translation.taken());
        if command > self.engine.runner.taken_command {
            self.apply(Event::CommandsTaken { generation, command });
        }
        for outcome in &outcomes {
            if let Outcome::Report(report) = outcome {
                let frame = self.engine.runner.last_frame + 1;
                self.apply(Event::Reported { generation, frame, report: report.clone() });
            }
        }
        outcomes
    }

    fn create(&mut self, turn: &str) -> Vec<Outcome> {
        self.say(json!({"type": "message.create", "turnId": turn}))
    }

    fn text(&mut self, turn: &str, delta: &str) -> Vec<Outcome> {
        self.say(json!({"type": "message.part.text-delta", "turnId": turn, "delta": delta}))
    }
}

fn message(id: &str) -> MessageId {
    MessageId::parse(id).unwrap()
}

fn is_ready(outcomes: &[Outcome]) -> bool {
    outcomes.iter().any(|outcome| matches!(outcome, Outcome::Report(RunnerReport::Ready { .. })))
}

#[test]
fn prompts_wait_for_the_configuration_and_for_an_idle_agent() {
    let idle = || json!({"type": "agentStatus", "status": "idle"});
    let applied = |success: bool| json!({"type": "opencode-config-applied", "success": success});
    for (first, second) in [(idle(), applied(true)), (idle(), applied(false)), (applied(true), idle())] {
        let mut talk = Talk::begun();
        assert!(talk.translation.wants_config());
        assert!(!is_ready(&talk.say(first.clone())), "{first}");
        assert!(!is_ready(&talk.say(first.clone())), "{first} twice");
        assert!(is_ready(&talk.say(second)), "after {first}");
        assert!(!talk.translation.wants_config());
        assert!(!is_ready(&talk.say(idle())), "only once");
    }
}

#[test]
fn messages_get_ids_of_the_prompt() {
    let mut talk = Talk::prompted();
    let name = RunnerName { id: "p.1".to_owned(), name: "t".to_owned() };
    assert_eq!(
        talk.create("t"),
        [RunnerReport::MessageCreated { message: message("p.1") }, RunnerReport::Named(name)].map(Outcome::Report)
    );
    assert_eq!(talk.create("t"), [], "it was begun already");
    let delta = "x".to_owned();
    let text = RunnerReport::Text { message: message("p.1"), kind: TextKind::Text, delta };
    assert_eq!(talk.text("t", "x"), [Outcome::Report(text)]);
    assert_eq!(talk.text("other", "x"), []);
    talk.create("u");
    assert_eq!(talk.text("t", "late"), [], "it was given up");
    assert_eq!(talk.engine.open.as_ref().unwrap().id, message("p.2"));
}

#[test]
fn a_turn_is_taken_over_once_anything_of_it_was_heard() {
    let proofs = [
        json!({"type": "agentStatus", "status": "thinking"}),
        json!({"type": "channel-session-created", "channelKey": "web:default", "opencodeSessionId": "a"}),
        json!({"type": "message.create", "turnId": "t"}),
        json!({"type": "question", "questionId": "q", "text": "?"}),
        json!({"type": "error", "error": "no"}),
    ];
    for proof in proofs {
        let mut talk = Talk::prompted();
        talk.say(json!({"type": "agentStatus", "status": "idle"}));
        talk.say(json!({"type": "files-changed", "files": []}));
        talk.text("t", "of no message");
        assert_eq!(talk.engine.runner.taken_command, 0);
        talk.say(proof.clone());
        assert_eq!(talk.engine.runner.taken_command, 1, "{proof}");
    }
}

#[test]
fn a_later_connection_knows_the_names() {
    let mut talk = Talk::prompted();
    talk.create("t");
    talk.text("t", "before ");
    talk.say(json!({"type": "question", "questionId": "q:0", "text": "Which?", "options": ["A", "B"]}));
    talk.connect();
    assert!(!talk.translation.wants_config() && !talk.translation.has_doubtful_prompt());
    assert_eq!(talk.text("other", "x"), []);
    assert_ne!(talk.text("t", "after"), []);
    let selected = Resolution::Selected { choice: "B".to_owned() };
    let answer = talk.translation.answer(&QuestionId::parse("p.q1").unwrap(), selected);
    let expected = AnswerValue::Text("B".to_owned());
    assert_eq!(answer, Some(ToLegacyRunner::Answer { question_id: "q:0".to_owned(), answer: expected }));
    let asked = talk.say(json!({"type": "question", "questionId": "q:1", "text": "Why?"}));
    assert!(matches!(&asked[1], Outcome::Report(RunnerReport::Asked { question, .. }) if question.as_str() == "p.q2"));
    assert_eq!(talk.say(json!({"type": "question", "questionId": "q:1", "text": "Why?"})), [], "it was asked");
    let finished = talk
        .say(json!({"type": "message.finalize", "turnId": "t", "reason": "end_turn", "finalText": "before after all"}));
    let delta = " all".to_owned();
    assert_eq!(
        finished[0],
        Outcome::Report(RunnerReport::Text { message: message("p.1"), kind: TextKind::Text, delta })
    );
}

#[test]
fn a_prompt_is_doubtful_until_it_is_heard_of() {
    let mut talk = Talk::prompted();
    talk.connect();
    assert!(talk.translation.has_doubtful_prompt());
    talk.create("t");
    assert!(!talk.translation.has_doubtful_prompt());
}

#[test]
fn a_runner_that_is_idle_first_is_a_new_process() {
    let mut talk = Talk::prompted();
    talk.create("t");
    talk.say(json!({"type": "agentStatus", "status": "idle"}));
    assert!(!talk.translation.seems_new(), "on the same connection it waits for an answer");
    talk.connect();
    talk.say(json!({"type": "models", "models": []}));
    assert!(!talk.translation.seems_new());
    talk.say(json!({"type": "agentStatus", "status": "idle"}));
    assert!(talk.translation.seems_new());
    talk.text("t", "not so new");
    assert!(!talk.translation.seems_new());
}

#[test]
fn only_a_turn_that_was_told_to_end_is_aborted() {
    let mut talk = Talk::prompted();
    talk.create("t");
    assert_eq!(talk.say(json!({"type": "aborted"})), []);
    talk.prompt("q", Some(QueueMode::Steer));
    // It ended by itself before it was told to, and confirms that it was told before it begins the next one.
    talk.say(json!({"type": "complete"}));
    assert_eq!(talk.engine.turn.as_ref().unwrap().prompt, message("q"));
    assert_eq!(talk.say(json!({"type": "aborted"})), []);
    talk.prompt("r", Some(QueueMode::Steer));
    let aborted = RunnerReport::Completed { prompt: message("q"), aborted: true };
    assert_eq!(talk.say(json!({"type": "aborted"})), [Outcome::Report(aborted)]);
    assert_eq!(talk.engine.turn.as_ref().unwrap().prompt, message("r"));
    assert_eq!(talk.engine.runner.taken_command, 4, "prompt and abort, twice");
}

#[test]
fn what_belongs_to_no_turn_has_no_effect() {
    let mut talk = Talk::ready();
    assert_eq!(talk.create("t"), []);
    assert_eq!(talk.text("t", "x"), []);
    for frame in [json!({"type": "complete"}), json!({"type": "aborted"})] {
        assert_eq!(talk.say(frame), []);
    }
    let tool = json!({"type": "message.part.tool-update", "turnId": null, "callId": "c", "toolName": "b", "status": "completed"});
    assert_eq!(talk.say(tool), []);
    assert_eq!(
        talk.say(json!({"type": "message.finalize", "turnId": null, "reason": "end_turn", "finalText": "x"})),
        []
    );
    let answer = AnswerValue::Text("__expired__".to_owned());
    let expired = ToLegacyRunner::Answer { question_id: "q".to_owned(), answer };
    assert_eq!(talk.say(json!({"type": "question", "questionId": "q", "text": "?"})), [Outcome::Send(expired)]);
}

#[test]
fn a_message_that_only_its_end_began_is_finished() {
    let mut talk = Talk::prompted();
    talk.create("t");
    let finished = talk.say(json!({"type": "message.finalize", "turnId": null, "reason": "error", "error": "no"}));
    let error = Some("no".to_owned());
    let expected = RunnerReport::MessageFinished { message: Some(message("p.1")), reason: FinishReason::Error, error };
    assert_eq!(finished, [Outcome::Report(expected)]);
    assert!(talk.engine.open.is_none());
}

#[test]
fn conversations_are_gone_on_with() {
    let mut talk = Talk::prompted();
    let created = |key: &str, name: &str| json!({"type": "channel-session-created", "channelKey": key, "opencodeSessionId": name});
    let chat = |id: &str| Channel::new("telegram", id).unwrap();
    talk.say(created("telegram:1:2", "a"));
    talk.say(created("nowhere", "b"));
    assert_eq!(talk.translation.agent_session(), None);
    talk.say(created("web:default", "c"));
    assert_eq!(talk.engine.runner.agent_session.as_deref(), Some("c"));
    assert!(talk.say(created("web:default", "c")).is_empty(), "that is known");
    let create = |id: &str, name: &str| json!({"type": "message.create", "turnId": id, "channelType": "telegram", "channelId": "3", "opencodeSessionId": name});
    talk.say(create("t", "d"));
    assert_eq!(talk.say(create("t", "d")), []);
    talk.connect();
    for (channel, name) in
        [(None, Some("c")), (Some(chat("1:2")), Some("a")), (Some(chat("3")), Some("d")), (Some(chat("4")), None)]
    {
        talk.translation.comes_from(channel.clone());
        assert_eq!(talk.translation.agent_session(), name, "{channel:?}");
    }
    // The one of the prompt is meant, wherever its colon is.
    let odd = Channel::new("a:b", "c").unwrap();
    talk.translation.comes_from(Some(odd));
    talk.say(created("a:b:c", "e"));
    assert_eq!(talk.translation.agent_session(), Some("e"));
}

#[test]
fn an_agent_that_was_started_anew_is_noted() {
    let mut talk = Talk::begun();
    let told = talk.say(json!({"type": "opencode-config-applied", "success": true, "restarted": true}));
    assert_eq!(told, [Outcome::Report(RunnerReport::Configured)]);
}

#[test]
fn a_picture_is_one() {
    let mut talk = Talk::prompted();
    let told = talk.say(json!({"type": "screenshot", "data": "AAEC", "description": "A page"}));
    let (content, description) = (Bytes::from_static(&[0, 1, 2]), "A page".to_owned());
    assert_eq!(told, [Outcome::Picture { content, description }]);
    assert_eq!(talk.say(json!({"type": "screenshot", "data": "?", "description": null})), []);
}

#[test]
fn a_transcript_names_its_prompt() {
    let told = Talk::prompted().say(json!({"type": "audio-transcript", "messageId": "m", "transcript": "Hello"}));
    let (prompt, transcript) = ("m".to_owned(), "Hello".to_owned());
    assert_eq!(told, [Outcome::Transcribed { prompt, transcript }]);
}

#[test]
fn statuses_are_told() {
    let mut talk = Talk::prompted();
    let (status, detail) = (AgentStatus::ToolCalling, Some("bash".to_owned()));
    let told = talk.say(json!({"type": "agentStatus", "status": "tool_calling", "detail": "bash"}));
    assert_eq!(told, [Outcome::Report(RunnerReport::Status { status, detail })]);
}

#[test]
fn an_answer_for_nobody_is_not_sent() {
    let talk = Talk::prompted();
    assert_eq!(talk.translation.answer(&QuestionId::parse("p.q1").unwrap(), Resolution::Cancelled), None);
    let command = Command::Answer { question: QuestionId::parse("p.q1").unwrap(), resolution: Resolution::Cancelled };
    let mut talk = Talk::ready();
    talk.translation.sends(5, &command);
    assert_eq!(talk.translation.sent(), 5);
}

#[test]
fn models_are_told_once_and_kept() {
    let mut talk = Talk::ready();
    assert_eq!(talk.say(json!({"type": "models", "models": []})), [], "it says nothing");
    assert_eq!(talk.say(json!({"type": "models", "models": [{"provider": "P", "models": []}]})), []);
    let models = json!([{"provider": "P", "models": [{"id": "p/m", "name": "M"}, {"id": "p/n"}]}]);
    let told = talk.say(json!({"type": "models", "models": models}));
    let [Outcome::Report(RunnerReport::Models(offered))] = told.as_slice() else {
        panic!("{told:?}");
    };
    let names: Vec<&str> = offered.providers()[0].models.iter().map(|model| model.name.as_str()).collect();
    assert_eq!(names, ["M", "p/n"]);
    assert_eq!(talk.engine.models, Some(offered.digest()));
}

#[test]
fn a_switch_of_models_belongs_to_the_prompt() {
    let frame = || {
        let reason = "out of credit";
        json!({"type": "model-switched", "messageId": "x", "fromModel": "p/a", "toModel": "p/b", "reason": reason})
    };
    assert_eq!(Talk::ready().say(frame()), [], "there is no turn");
    let mut talk = Talk::prompted();
    let (prompt, from, to) = (message("p"), "p/a".to_owned(), "p/b".to_owned());
    let switch = ModelSwitch { prompt, from, to, reason: "out of credit".to_owned() };
    assert_eq!(talk.say(frame()), [Outcome::Report(RunnerReport::ModelSwitched(switch))]);
    assert_eq!(talk.engine.runner.taken_command, 1, "it works on it");
}

#[test]
fn tunnels_are_reported_whole_and_read_one_by_one() {
    let mut talk = Talk::ready();
    let web = json!({"name": "web", "port": 3000, "protocol": "http", "path": "/t/web"});
    let told = json!([web, {"name": "no path", "port": 1}, "rubbish", {"name": "x", "port": 0, "path": "/"}]);
    talk.say(json!({"type": "tunnels", "tunnels": told}));
    let kept = serde_json::to_value(&talk.engine.runner.exposure.tunnels).unwrap();
    assert_eq!(kept, json!([web]));
    for none in [json!({"type": "tunnels", "tunnels": []}), json!({"type": "tunnels"})] {
        talk.say(none);
        assert!(talk.engine.runner.exposure.tunnels.is_empty());
    }
}
