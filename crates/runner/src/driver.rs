//! Drives the agent: starts it, passes prompts and answers to it, and turns what it says into events.

mod prompting;
mod wanted;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use portway_protocol::runner::{Answer, RunnerCommand, RunnerEvent};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::sleep_until;

use crate::acp::{self, PermissionRequest, PromptCapabilities, StopReason, Update};
use crate::config::Config;
use crate::fs_requests;
use crate::handshake::{Handshake, Next, Wishes};
use crate::inspections::Inspections;
use crate::jsonrpc::{AUTH_REQUIRED, Incoming, RpcError};
use crate::models::ModelChoice;
use crate::pacing::Restarts;
use crate::peer::{Heard, Peer};
use crate::phase::{Phase, Prompt, Running, Starting, Up, reply, reply_to};
use crate::repository::Repository;
use crate::requests::{Wanted, failed};
use crate::turn::TurnEnd;
use crate::workspace::Workspace;

/// Prompts that may wait. The gateway sends one at a time, so more than one is rare.
const MAX_PROMPTS: usize = 16;

/// The task that owns the agent.
pub(crate) struct Driver {
    config: Arc<Config>,
    workspace: Workspace,
    commands: mpsc::Receiver<RunnerCommand>,
    wanted: mpsc::Receiver<Wanted>,
    events: mpsc::Sender<RunnerEvent>,
    /// Events that wait for room in `events`; the agent is read only while there are none.
    out: Vec<RunnerEvent>,
    prompts: VecDeque<Prompt>,
    /// The agent's own name of the conversation; before the first start that of an earlier runner.
    conversation: Option<String>,
    /// What to do if the agent wants a login after all.
    login_help: String,
    /// What the agent takes in a prompt besides text.
    takes: PromptCapabilities,
    models: ModelChoice,
    restarts: Restarts,
    inspections: Inspections,
    /// The commands that the agent has, by name.
    announced: Vec<String>,
    /// The agent's own names of conversations in which nothing is allowed, the newest last.
    asides: Vec<String>,
    phase: Phase,
}

impl Driver {
    pub(crate) fn new(
        config: Arc<Config>,
        commands: mpsc::Receiver<RunnerCommand>,
        wanted: mpsc::Receiver<Wanted>,
        events: mpsc::Sender<RunnerEvent>,
    ) -> Self {
        Self {
            workspace: Workspace::new(&config.workspace),
            restarts: Restarts::new(config.timing.restart),
            inspections: Inspections::begin(Repository::new(&config.workspace, &config.url)),
            conversation: config.agent_session.clone(),
            login_help: String::new(),
            takes: PromptCapabilities::default(),
            models: ModelChoice::default(),
            config,
            commands,
            wanted,
            announced: Vec::new(),
            asides: Vec::new(),
            events,
            out: Vec::new(),
            prompts: VecDeque::new(),
            phase: Phase::Down(Some(Instant::now())),
        }
    }

    /// Works until nobody sends commands any more, then ends the agent.
    pub(crate) async fn run(mut self) {
        let events = self.events.clone();
        loop {
            let wake = self.wake_at();
            tokio::select! {
                biased;
                command = self.commands.recv() => match command {
                    Some(command) => self.obey(command),
                    None => break,
                },
                permit = events.reserve(), if !self.out.is_empty() => match permit {
                    Ok(permit) => permit.send(self.out.remove(0)),
                    Err(_) => break,
                },
                news = self.inspections.next() => {
                    self.out.extend(news);
                    self.next_turn();
                }
                Some(wanted) = self.wanted.recv() => self.want(wanted),
                heard = self.phase.next(), if self.out.is_empty() => self.heard(heard).await,
                () = sleep_until(wake.unwrap_or_else(Instant::now).into()), if wake.is_some() => {
                    self.wake();
                }
            }
        }
        match self.phase {
            Phase::Down(_) => {}
            Phase::Starting(Starting { peer, .. }) | Phase::Up(Up { peer, .. }) | Phase::Ending { peer, .. } => {
                peer.end().await
            }
        }
    }

    fn wake_at(&self) -> Option<Instant> {
        match &self.phase {
            Phase::Down(start) => *start,
            Phase::Starting(starting) => Some(starting.deadline),
            Phase::Up(Up { review: Some(review), .. }) => Some(review.deadline),
            Phase::Up(up) => up.turn.as_ref()?.wake_at(),
            Phase::Ending { .. } => None,
        }
    }

    fn wake(&mut self) {
        let now = Instant::now();
        match std::mem::replace(&mut self.phase, Phase::Down(None)) {
            Phase::Down(Some(start)) if start <= now => self.start(),
            Phase::Starting(Starting { mut peer, handshake, deadline, .. })
                if deadline <= now && handshake.is_loading() =>
            {
                self.forget_conversation();
                peer.give_up("it did not load its conversation".to_owned());
                self.phase = Phase::Ending { peer, start: true };
            }
            Phase::Starting(Starting { mut peer, renewal: Some(_), deadline, .. }) if deadline <= now => {
                peer.give_up("it did not begin a new conversation".to_owned());
                self.phase = Phase::Ending { peer, start: true };
            }
            Phase::Starting(starting) if starting.deadline <= now => {
                let error = format!(
                    "The agent did not answer {} within {} s.{} Check [agents.NAME].command: it must be a program that speaks ACP on stdin and stdout.",
                    starting.handshake.waiting_for(),
                    self.config.timing.start.as_secs(),
                    starting.peer.last_words()
                );
                self.fail(Some(starting.peer), error);
            }
            Phase::Up(Up { mut peer, turn: Some(running), .. }) if running.enforce.is_some_and(|at| at <= now) => {
                tracing::warn!("the agent does not end its turn, ending the agent");
                running.turn.end(TurnEnd::Forced, &mut self.out);
                self.inspections.want();
                peer.give_up("it did not end an aborted turn".to_owned());
                self.phase = Phase::Ending { peer, start: true };
            }
            Phase::Up(mut up) => {
                if let Some(review) = up.review.take_if(|review| review.deadline <= now) {
                    review.give_up(&mut up.peer, "The agent did not review the changes in time");
                }
                self.phase = Phase::Up(up);
                self.hold_no_longer(now);
            }
            other => self.phase = other,
        }
    }

    /// Starts the process and its handshake.
    fn start(&mut self) {
        let mut peer = match Peer::spawn(&self.config) {
            Ok(peer) => peer,
            Err(error) => return self.fail(None, format!("The agent cannot be started: {error}")),
        };
        self.announced.clear();
        self.asides.clear();
        let (handshake, method, params) = Handshake::begin(
            self.config.workspace.to_string_lossy().into_owned(),
            Wishes { auth_method: self.config.agent.auth_method.clone(), mode: self.config.agent.mode.clone() },
            self.conversation.clone(),
        );
        let request = peer.request(method, &params);
        let deadline = Instant::now() + self.config.timing.start;
        self.phase = Phase::Starting(Starting { peer, handshake, request, deadline, renewal: None });
    }

    /// The agent does not survive loading its conversation; a new one is better than none.
    fn forget_conversation(&mut self) {
        tracing::warn!("the agent cannot load its conversation, a new one begins");
        self.conversation = None;
    }

    /// The agent cannot be started. A later prompt tries again, since the reason may be gone by then.
    fn fail(&mut self, peer: Option<Peer>, error: String) {
        tracing::error!("the agent cannot be started");
        self.phase = match peer {
            None => Phase::Down(None),
            Some(mut peer) => {
                peer.give_up(error.clone());
                Phase::Ending { peer, start: false }
            }
        };
        self.out.push(RunnerEvent::Failed { error: error.clone() });
        for prompt in self.prompts.drain(..) {
            self.out.push(RunnerEvent::Error { error: error.clone() });
            self.out.push(RunnerEvent::Complete { message_id: prompt.message_id });
        }
    }

    fn obey(&mut self, command: RunnerCommand) {
        match command {
            RunnerCommand::Prompt { message_id, content, model, model_preferences, attachments } => {
                self.take_prompt(Prompt { message_id, content, model, model_preferences, attachments });
            }
            RunnerCommand::Answer { question_id, answer } => self.answer(&question_id, &answer),
            RunnerCommand::Abort { message_id } => self.abort(&message_id),
            RunnerCommand::Unknown => tracing::warn!("dropping an unknown command"),
        }
    }

    fn take_prompt(&mut self, prompt: Prompt) {
        if self.prompts.len() >= MAX_PROMPTS {
            tracing::error!("too many prompts wait");
            self.out.push(RunnerEvent::Complete { message_id: prompt.message_id });
            return;
        }
        self.prompts.push_back(prompt);
        match &mut self.phase {
            Phase::Down(None) => self.start(),
            Phase::Ending { start, .. } => *start = true,
            _ => self.next_turn(),
        }
    }

    fn answer(&mut self, question_id: &str, answer: &Answer) {
        if let Phase::Up(Up { peer, turn: Some(running), .. }) = &mut self.phase {
            reply(peer, running.turn.answer(question_id, answer, &mut self.out));
        }
    }

    fn abort(&mut self, message_id: &str) {
        if let Phase::Up(Up { peer, turn: Some(running), .. }) = &mut self.phase
            && running.turn.message_id() == message_id
        {
            if running.enforce.is_none()
                && let Some(conversation) = &self.conversation
            {
                if running.held.is_none() {
                    peer.notify("session/cancel", &json!({"sessionId": conversation}));
                }
                reply(peer, running.turn.abort(&mut self.out));
                running.enforce = Some(Instant::now() + self.config.timing.abort);
            }
            return;
        }
        let waiting = self.prompts.len();
        self.prompts.retain(|prompt| prompt.message_id != message_id);
        if self.prompts.len() < waiting {
            self.out.push(RunnerEvent::Aborted { message_id: message_id.to_owned() });
        }
    }

    async fn heard(&mut self, heard: Heard) {
        match heard {
            // What an agent says while it is being ended changes nothing any more.
            Heard::Message(_) if matches!(self.phase, Phase::Ending { .. }) => {}
            Heard::Message(Incoming::Request { id, method, params }) => {
                self.request(id, &method, params).await;
            }
            Heard::Message(Incoming::Notification { method, params }) => {
                self.notification(&method, params);
            }
            Heard::Message(Incoming::Response { id, outcome }) => self.response(id, outcome),
            Heard::Ended(reason) => self.ended(&reason),
        }
    }

    async fn request(&mut self, id: Value, method: &str, params: Value) {
        if let Some(refusal) = self.refusal(method, &params) {
            if let Some(peer) = self.phase.peer() {
                peer.answer(&id, refusal);
            }
            return;
        }
        if method == "session/request_permission" {
            return self.ask(id, params);
        }
        let outcome = fs_requests::serve(&self.workspace, method, params)
            .await
            .unwrap_or_else(|| Err(RpcError::method_not_found(method)));
        if let Some(peer) = self.phase.peer() {
            peer.answer(&id, outcome);
        }
    }

    fn ask(&mut self, id: Value, params: Value) {
        match &mut self.phase {
            Phase::Up(Up { peer, turn: Some(running), .. }) => {
                let asked = PermissionRequest::decode(params);
                reply(peer, running.turn.ask(id, asked, &mut self.out));
            }
            other => reply_to(other, (id, acp::permission_cancelled())),
        }
    }

    fn notification(&mut self, method: &str, params: Value) {
        let Some(mut params) = self.overhear(method, params) else {
            return;
        };
        let Phase::Up(Up { peer, turn, .. }) = &mut self.phase else {
            return;
        };
        if method == "session/update" {
            let (session, update) = acp::decode_update(params);
            if session.is_some() && session != self.conversation {
                return;
            }
            return match (update, turn) {
                (Update::Options(options), _) => self.models.options_changed(&options, &mut self.out),
                (update, Some(running)) => running.turn.update(update, &mut self.out),
                (_, None) => {}
            };
        }
        if let ("$/cancel_request", Some(running)) = (method, turn) {
            let request = params["requestId"].take();
            reply(peer, running.turn.withdraw(&request, &mut self.out));
        }
    }

    fn response(&mut self, id: u64, outcome: Result<Value, RpcError>) {
        match &mut self.phase {
            Phase::Starting(starting) if starting.request == id => {
                let next = starting.handshake.answered(outcome);
                self.go_on(next);
            }
            Phase::Up(Up { review: Some(review), .. }) if review.waits_for(id) => self.review_goes_on(outcome),
            Phase::Up(Up { turn: Some(Running { request, held: Some(_), enforce: None, .. }), .. })
                if *request == id =>
            {
                self.choose(Some(outcome));
            }
            Phase::Up(Up { peer, turn, .. }) => {
                if let Some(mut running) = turn.take_if(|running| running.request == id) {
                    let end = match outcome {
                        outcome if running.held.is_some() => {
                            self.models.settled(running.held.take(), outcome);
                            TurnEnd::Stopped(StopReason::Cancelled)
                        }
                        Ok(result) => TurnEnd::Stopped(StopReason::decode(&result)),
                        Err(error) if error.code == AUTH_REQUIRED => {
                            TurnEnd::Failed(format!("The agent wants a login: {}. {}", error.message, self.login_help))
                        }
                        Err(error) => TurnEnd::Failed(format!("The agent failed: {error}")),
                    };
                    reply(peer, running.turn.end(end, &mut self.out));
                    self.inspections.want();
                    self.next_turn();
                }
            }
            _ => {}
        }
    }

    /// The start goes on.
    fn go_on(&mut self, next: Next) {
        let Phase::Starting(mut starting) = std::mem::replace(&mut self.phase, Phase::Down(None)) else {
            return;
        };
        match next {
            Next::Request(method, params) => {
                starting.request = starting.peer.request(method, &params);
                starting.deadline = Instant::now() + self.config.timing.start;
                self.phase = Phase::Starting(starting);
            }
            Next::Ready(conversation) => {
                tracing::info!("the agent is ready");
                let (offered, agent) = starting.handshake.models();
                self.models.begin(offered, agent, &mut self.out);
                self.out.push(RunnerEvent::Ready { agent_session_id: Some(conversation.clone()) });
                self.conversation = Some(conversation);
                self.login_help = starting.handshake.login_help();
                self.takes = starting.handshake.prompt_capabilities();
                self.renewed(starting.renewal.take());
                self.up(starting);
            }
            Next::Failed(error) if starting.renewal.is_some() => {
                // The conversation of before is still there.
                if let Some(waiting) = starting.renewal.take() {
                    let _ = waiting.send(failed("INTERNAL_ERROR", error));
                }
                self.up(starting);
            }
            Next::Failed(error) => {
                let error = format!("{error}{}", starting.peer.last_words());
                self.fail(Some(starting.peer), error);
            }
        }
    }

    /// The agent takes prompts.
    fn up(&mut self, Starting { peer, handshake, .. }: Starting) {
        self.phase = Phase::Up(Up { peer, handshake, turn: None, review: None });
        self.inspections.want();
        self.next_turn();
    }

    /// The process is gone.
    fn ended(&mut self, reason: &str) {
        tracing::warn!(reason, "the agent ended");
        match std::mem::replace(&mut self.phase, Phase::Down(None)) {
            Phase::Down(_) => {}
            Phase::Starting(starting) if starting.handshake.is_loading() => {
                self.forget_conversation();
                self.start();
            }
            Phase::Starting(Starting { peer, renewal: Some(_), .. }) => {
                let error = format!("The agent exited ({reason}).{}", peer.last_words());
                self.come_back(&error);
            }
            Phase::Starting(starting) => {
                let words = starting.peer.last_words();
                self.fail(
                    None,
                    format!(
                        "The agent exited before it was ready ({reason}).{words} Check [agents.NAME].command and env."
                    ),
                );
            }
            Phase::Ending { start: true, .. } => self.start(),
            Phase::Ending { start: false, .. } => {}
            Phase::Up(up) => {
                let error = format!("The agent exited ({reason}).{}", up.peer.last_words());
                if let Some(running) = up.turn {
                    running.turn.end(TurnEnd::Failed(error.clone()), &mut self.out);
                    self.inspections.want();
                }
                self.come_back(&error);
            }
        }
    }

    /// The process was up and is gone: it is started again, unless that happens all the time.
    fn come_back(&mut self, error: &str) {
        let now = Instant::now();
        match self.restarts.allow(now) {
            Some(wait) => self.phase = Phase::Down(Some(now + wait)),
            None => self.fail(None, format!("The agent keeps dying. {error}")),
        }
    }
}
