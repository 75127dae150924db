//! A person in one session: says things, answers questions, and goes on whatever was killed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use portway_protocol::message::MessageRole;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::casualties::Casualties;
use crate::harness::PATIENCE;
use crate::harness::api::{Api, Reply, try_send};
use crate::harness::mirror::{Entry, Mirror, OpenQuestion};
use crate::harness::random::Random;
use crate::harness::session::Session;

/// Prompts that a person gives at least.
const PROMPTS: usize = 3;

/// Prompts that a person gives without waiting for an answer, at most.
const AHEAD: usize = 3;

/// How long a person waits for news before looking whether there can be any.
const QUIET: Duration = Duration::from_millis(500);

/// Longest time between an answer and the next prompt, in milliseconds.
const THOUGHT: u64 = 400;

/// Between two attempts to reach a gateway that is not there.
const RETRY: Duration = Duration::from_millis(30);

/// Something to say.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Said {
    /// A word that nobody else says.
    pub(crate) word: String,
    /// Whether the agent asks about it.
    pub(crate) asks: bool,
}

impl Said {
    /// The prompt.
    pub(crate) fn text(&self) -> String {
        let command = if self.asks { "/ask" } else { "/tally" };
        format!("{command} {}", self.word)
    }

    /// The option that the person chooses if the agent asks about the word.
    pub(crate) fn option(word: &str) -> &'static str {
        if word.bytes().map(u32::from).sum::<u32>() % 2 == 0 { "allow-once" } else { "reject-once" }
    }
}

/// What the gateway acknowledged.
pub(crate) struct Kept {
    pub(crate) session: Session,
    /// Ids of the prompts in the order in which they were acknowledged.
    pub(crate) prompts: Vec<(String, Said)>,
    /// What the person's client shows at the end.
    pub(crate) messages: Vec<Entry>,
    pub(crate) shown: Shown,
}

/// What a client showed in the meantime.
#[derive(Default)]
pub(crate) struct Shown {
    /// The most of each answer, by its id.
    pub(crate) answers: BTreeMap<String, String>,
    /// The word that each question was about, by its id.
    pub(crate) questions: BTreeMap<String, String>,
}

pub(crate) struct Person {
    number: usize,
    /// Of the gateway that opens the session.
    home: Api,
    /// Of the gateway that the person talks to.
    api: Api,
    random: Random,
    casualties: Arc<Casualties>,
}

impl Person {
    pub(crate) fn new(number: usize, home: Api, api: Api, random: Random, casualties: Arc<Casualties>) -> Self {
        Self { number, home, api, random, casualties }
    }

    /// Says one thing after the other until it is over, then one more that nothing happens to, and waits until everything
    /// is answered.
    pub(crate) async fn talk_until(mut self, over: watch::Receiver<bool>) -> Kept {
        let session = self.open().await;
        let dies = self.casualties.enrol(&session.id);
        let (finished, mut finished_so_far) = watch::channel(BTreeSet::new());
        let (last, said_so_far) = watch::channel(None);
        let watcher = Watcher {
            session: session.clone(),
            casualties: Arc::clone(&self.casualties),
            finished,
            said: said_so_far,
            dies: dies.clone(),
            shown: Shown::default(),
        };
        let watcher = tokio::spawn(watcher.run());
        let mut prompts: Vec<(String, Said)> = Vec::new();
        let mut ahead = 0;
        loop {
            let is_last = prompts.len() >= PROMPTS && *over.borrow();
            let word = format!("s{}p{}", self.number, prompts.len());
            let said = Said { word, asks: self.random.below(4) == 0 };
            let id = say(&session, &said, &dies).await;
            prompts.push((id.clone(), said));
            if is_last {
                last.send_replace(Some(id));
                break;
            }
            ahead += 1;
            if ahead > AHEAD || self.random.below(2) == 0 {
                ahead = 0;
                until_over(&session, &id, &mut finished_so_far).await;
                tokio::time::sleep(self.random.millis(0, THOUGHT)).await;
            }
        }
        let (messages, shown) = watcher.await.unwrap();
        Kept { session, prompts, messages, shown }
    }

    async fn open(&self) -> Session {
        let create = self.home.request(Method::POST, "/api/sessions");
        let create = create.header("Idempotency-Key", format!("open-{}", self.number));
        let create = create.json(&json!({"workspace": "kills", "agent": "demo"}));
        let created = until_acknowledged(&create, None).await;
        let opened = created.reply.expect(201);
        Session::new(self.api.clone(), opened["session"]["id"].as_str().unwrap())
    }
}

async fn say(session: &Session, said: &Said, dies: &watch::Receiver<()>) -> String {
    let send = session.api.request(Method::POST, &session.path("/messages"));
    let send = send.header("Idempotency-Key", &said.word).json(&json!({"content": said.text()}));
    let created = until_acknowledged(&send, Some(dies.clone())).await.reply.expect(200);
    created["messageId"].as_str().unwrap().to_owned()
}

/// Waits until a prompt is answered, or nothing that was said is at work any more: then it ended with an error.
async fn until_over(session: &Session, prompt: &str, finished: &mut watch::Receiver<BTreeSet<String>>) {
    let end = Instant::now() + PATIENCE;
    while !finished.borrow_and_update().contains(prompt) {
        assert!(Instant::now() < end, "{prompt} of session {} is never answered", session.id);
        if tokio::time::timeout(QUIET, finished.changed()).await.is_err() && is_at_rest(session).await {
            return;
        }
    }
}

async fn is_at_rest(session: &Session) -> bool {
    let look = session.api.request(Method::GET, &session.path(""));
    let Ok(reply) = try_send(look).await else { return false };
    if reply.status == 503 {
        return false;
    }
    let live = reply.expect(200)["doStatus"].take();
    live["runnerBusy"] == false && live["queuedPrompts"] == 0
}

/// Reads the session's socket, over and over, and answers what is asked.
struct Watcher {
    session: Session,
    casualties: Arc<Casualties>,
    finished: watch::Sender<BTreeSet<String>>,
    /// The last prompt, once it is said.
    said: watch::Receiver<Option<String>>,
    /// Changes when this client dies; another one begins with nothing.
    dies: watch::Receiver<()>,
    shown: Shown,
}

impl Watcher {
    async fn run(mut self) -> (Vec<Entry>, Shown) {
        let session = self.session.clone();
        let mut end = Instant::now() + PATIENCE;
        let mut is_last_known = false;
        loop {
            let Some(mut socket) = session.try_socket().await else {
                assert!(Instant::now() < end, "no gateway lets session {} in", session.id);
                tokio::time::sleep(RETRY).await;
                continue;
            };
            loop {
                let asked: Vec<OpenQuestion> = socket.mirror.questions.clone();
                for question in asked {
                    self.answer(&question).await;
                }
                let mirror = &socket.mirror;
                let ended = matches!(mirror.status.as_str(), "error" | "terminated");
                assert!(!ended, "session {} is {}: {:#?}", session.id, mirror.status, mirror.messages);
                if self.look(mirror) {
                    return (socket.mirror.messages, self.shown);
                }
                let received = tokio::select! {
                    received = tokio::time::timeout(PATIENCE, socket.receive()) => received,
                    _ = self.said.changed(), if !is_last_known => {
                        is_last_known = true;
                        continue;
                    }
                    Ok(()) = self.dies.changed() => break,
                };
                match received.unwrap_or_else(|_| panic!("session {} is stuck: {:#?}", session.id, socket.mirror)) {
                    Some(_) => end = Instant::now() + PATIENCE,
                    None => break,
                }
            }
        }
    }

    /// Tells which prompts are answered; whether everything is.
    fn look(&mut self, mirror: &Mirror) -> bool {
        for entry in mirror.messages.iter().filter(|entry| entry.role == MessageRole::Assistant) {
            let shown = self.shown.answers.entry(entry.id.clone()).or_default();
            if entry.content.len() > shown.len() {
                shown.clone_from(&entry.content);
            }
        }
        let is_finished = |entry: &&Entry| entry.finish().is_some();
        let finished: BTreeSet<String> = mirror
            .messages
            .iter()
            .filter(is_finished)
            .map(|entry| entry.id.strip_suffix(".1").unwrap_or(&entry.id).to_owned())
            .collect();
        let all = self.said.borrow().as_ref().is_some_and(|last| finished.contains(last)) && !mirror.busy;
        self.finished.send_if_modified(|known| {
            let changed = *known != finished;
            *known = finished;
            changed
        });
        all
    }

    async fn answer(&mut self, question: &OpenQuestion) {
        let word = question.text.rsplit(' ').next().unwrap();
        if self.shown.questions.insert(question.id.clone(), word.to_owned()).is_some() {
            return;
        }
        let option = Said::option(word);
        // In each of the ways in which it can be said.
        let answer: Value = match (word.len() % 2, option) {
            (0, option) => option.into(),
            (_, "allow-once") => true.into(),
            _ => "Refuse".into(),
        };
        let path = self.session.path(&format!("/questions/{}", question.id));
        let request = self.session.api.request(Method::POST, &path).json(&json!({"answer": answer}));
        let acknowledged = until_acknowledged(&request, Some(self.dies.clone())).await;
        // An answer whose acknowledgement was lost may have been taken, and with the agent its questions are gone.
        let may_be_closed = acknowledged.in_doubt || self.casualties.of(&self.session.id).any();
        if !(may_be_closed && acknowledged.reply.status == 409) {
            acknowledged.reply.expect(200);
        }
    }
}

/// A response at last.
struct Acknowledged {
    reply: Reply,
    /// Whether an attempt before it was lost.
    in_doubt: bool,
}

/// Sends a request again until a gateway answers it. A client that dies meanwhile does not hear the answer.
async fn until_acknowledged(request: &RequestBuilder, mut dies: Option<watch::Receiver<()>>) -> Acknowledged {
    let begin = Instant::now();
    let mut in_doubt = false;
    loop {
        let dead = async {
            match &mut dies {
                Some(dies) => dies.changed().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            reply = try_send(request.try_clone().unwrap()) => match reply {
                Ok(reply) if reply.status != 503 => return Acknowledged { reply, in_doubt },
                _ => in_doubt = true,
            },
            Ok(()) = dead => in_doubt = true,
        }
        assert!(begin.elapsed() < PATIENCE, "no gateway answers {request:?}");
        tokio::time::sleep(RETRY).await;
    }
}
