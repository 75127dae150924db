//! A person in one session: says things, answers questions, and goes on wherever the gateway was killed.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::harness::PATIENCE;
use crate::harness::api::{Api, Reply, try_send};
use crate::harness::mirror::{Entry, Mirror, OpenQuestion};
use crate::harness::random::Random;
use crate::harness::session::Session;

/// Prompts that a person gives at least.
const PROMPTS: usize = 5;

/// Prompts that a person gives without waiting for an answer, at most.
const AHEAD: usize = 3;

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
}

pub(crate) struct Person {
    number: usize,
    api: Api,
    random: Random,
}

impl Person {
    pub(crate) fn new(number: usize, api: Api, random: Random) -> Self {
        Self { number, api, random }
    }

    /// Says one thing after the other until it is over, and waits until everything is answered.
    pub(crate) async fn talk_until(mut self, over: watch::Receiver<bool>) -> Kept {
        let session = self.open().await;
        let (finished, mut finished_so_far) = watch::channel(BTreeSet::new());
        let (last, said_so_far) = watch::channel(None);
        let watcher = Watcher { session: session.clone(), finished, said: said_so_far, answered: BTreeSet::new() };
        let watcher = tokio::spawn(watcher.run());
        let mut prompts: Vec<(String, Said)> = Vec::new();
        let mut ahead = 0;
        while prompts.len() < PROMPTS || !*over.borrow() {
            let word = format!("s{}p{}", self.number, prompts.len());
            let said = Said { word, asks: self.random.below(4) == 0 };
            let id = say(&session, &said).await;
            ahead += 1;
            if ahead > AHEAD || self.random.below(2) == 0 {
                ahead = 0;
                let answered = finished_so_far.wait_for(|finished| finished.contains(&id));
                let answered = tokio::time::timeout(PATIENCE, answered).await;
                assert!(matches!(answered, Ok(Ok(_))), "{id} of session {} is never answered", session.id);
            }
            prompts.push((id, said));
        }
        last.send_replace(prompts.last().map(|(id, _)| id.clone()));
        let messages = watcher.await.unwrap();
        Kept { session, prompts, messages }
    }

    async fn open(&self) -> Session {
        let create = self.api.request(Method::POST, "/api/sessions");
        let create = create.header("Idempotency-Key", format!("open-{}", self.number));
        let created = until_acknowledged(&create.json(&json!({"workspace": "kills", "agent": "demo"}))).await;
        let opened = created.reply.expect(201);
        Session::new(self.api.clone(), opened["session"]["id"].as_str().unwrap())
    }
}

async fn say(session: &Session, said: &Said) -> String {
    let send = session.api.request(Method::POST, &session.path("/messages"));
    let send = send.header("Idempotency-Key", &said.word).json(&json!({"content": said.text()}));
    let created = until_acknowledged(&send).await.reply.expect(200);
    created["messageId"].as_str().unwrap().to_owned()
}

/// Reads the session's socket, over and over, and answers what is asked.
struct Watcher {
    session: Session,
    finished: watch::Sender<BTreeSet<String>>,
    /// The last prompt, once it is said.
    said: watch::Receiver<Option<String>>,
    answered: BTreeSet<String>,
}

impl Watcher {
    async fn run(mut self) -> Vec<Entry> {
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
                    return socket.mirror.messages;
                }
                let received = tokio::select! {
                    received = tokio::time::timeout(PATIENCE, socket.receive()) => received,
                    _ = self.said.changed(), if !is_last_known => {
                        is_last_known = true;
                        continue;
                    }
                };
                match received.unwrap_or_else(|_| panic!("session {} is stuck: {:#?}", session.id, socket.mirror)) {
                    Some(_) => end = Instant::now() + PATIENCE,
                    None => break,
                }
            }
        }
    }

    /// Tells which prompts are answered; whether everything is.
    fn look(&self, mirror: &Mirror) -> bool {
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
        if !self.answered.insert(question.id.clone()) {
            return;
        }
        let word = question.text.rsplit(' ').next().unwrap();
        let option = Said::option(word);
        // In each of the ways in which it can be said.
        let answer: Value = match (word.len() % 2, option) {
            (0, option) => option.into(),
            (_, "allow-once") => true.into(),
            _ => "Refuse".into(),
        };
        let path = self.session.path(&format!("/questions/{}", question.id));
        let acknowledged =
            until_acknowledged(&self.session.api.request(Method::POST, &path).json(&json!({"answer": answer}))).await;
        // An answer whose acknowledgement was lost may have been taken.
        if !(acknowledged.in_doubt && acknowledged.reply.status == 409) {
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

/// Sends a request again until a gateway answers it.
async fn until_acknowledged(request: &RequestBuilder) -> Acknowledged {
    let begin = Instant::now();
    let mut in_doubt = false;
    loop {
        match try_send(request.try_clone().unwrap()).await {
            Ok(reply) if reply.status != 503 => return Acknowledged { reply, in_doubt },
            _ => in_doubt = true,
        }
        assert!(begin.elapsed() < PATIENCE, "no gateway answers {request:?}");
        tokio::time::sleep(RETRY).await;
    }
}
