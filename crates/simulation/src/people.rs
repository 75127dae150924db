//! People: they open sessions, talk to agents, answer, and change their minds. Their requests get lost like others.

use portway_domain::access::{Permission, SessionRole};
use portway_domain::engine::{Engine, QueuedPrompt};
use portway_domain::ids::{MessageId, SessionId};
use portway_domain::questions::{AnswerValue, Question};
use portway_domain::sessions::QueueMode;
use portway_services::context::IdempotencyKey;
use portway_services::error::Error;
use portway_services::prompts::NewPrompt;
use portway_services::sessions::NewSession;

use crate::executor::Group;
use crate::in_flight::InFlight;
use crate::ledger::Acknowledged;
use crate::objects::attach;
use crate::requests::{Outcome, Person, call};

/// How often a request is sent under its key until its outcome is known.
pub(crate) const REPEATS: usize = 6;

impl Person {
    /// Talks until that time.
    pub(crate) async fn talk(self, until: u64) {
        let mut spoken = 0;
        self.simulation.ledger(|ledger| ledger.talking += 1);
        while self.simulation.now() < until {
            self.simulation.pause(20, self.simulation.plan.rest).await;
            spoken += 1;
            self.act(spoken).await;
        }
        self.simulation.ledger(|ledger| ledger.talking -= 1);
    }

    /// Answers whatever is asked, for ever.
    pub(crate) async fn answer_all(self) {
        loop {
            self.simulation.pause(500, 1_500).await;
            for session in self.simulation.oracle(|oracle| oracle.asking()) {
                self.answer(&session).await;
            }
        }
    }

    async fn act(&self, spoken: u64) {
        let mut sessions = self.simulation.ledger(|ledger| ledger.sessions.clone());
        // Children end with their parents.
        sessions.retain(|session| self.simulation.oracle(|oracle| !oracle.has_ended(session)));
        let wants_more = sessions.len() < self.simulation.plan.sessions || self.simulation.draw(|r| r.chance(10));
        let session = self.simulation.draw(|random| random.pick(&sessions).cloned());
        let Some(session) = session.filter(|_| !wants_more) else {
            return self.open(spoken).await;
        };
        match self.simulation.draw(|random| random.below(1_000)) {
            0..420 => self.prompt(&session, spoken).await,
            420..450 => self.revert(&session).await,
            450..660 => self.answer(&session).await,
            660..700 => self.open_child(&session, spoken).await,
            700..760 => self.withdraw(&session).await,
            760..810 => self.promote(&session).await,
            810..850 => self.abort(&session).await,
            850..870 => self.clear(&session).await,
            870..900 => self.rename(&session, spoken).await,
            900..950 => self.rest(&session).await,
            950..975 => self.wake(&session).await,
            975..987 => self.delete(&session).await,
            _ => self.terminate(&session).await,
        }
    }

    pub(crate) fn key(&self, what: &str, spoken: u64) -> IdempotencyKey {
        let key = format!("{what}-{}-{spoken}", self.number);
        IdempotencyKey { digest: key.clone(), key }
    }

    async fn open(&self, spoken: u64) {
        let key = self.key("open", spoken);
        let text = format!("first of {} {spoken}", self.number);
        let says_something = self.simulation.draw(|random| random.chance(300));
        for _ in 0..REPEATS {
            let new = NewSession {
                workspace: "simulated".to_owned(),
                initial_prompt: says_something.then(|| text.clone()),
                ..NewSession::default()
            };
            let opening = InFlight::opening(&self.simulation);
            let open = call(move |services, context| async move {
                let _opening = opening;
                services.open_session(&context, new).await
            });
            match self.request(Permission::SignedIn, Some(key.clone()), open).await {
                Outcome::Done(session) => {
                    self.simulation.note(format_args!("person {} opened {}", self.number, session.id));
                    return self.simulation.ledger(|ledger| {
                        if !ledger.sessions.contains(&session.id) {
                            ledger.sessions.push(session.id);
                        }
                    });
                }
                Outcome::Refused(Error::Unavailable { .. }) | Outcome::Lost => {
                    self.simulation.pause(100, 2_000).await;
                }
                Outcome::Refused(_) => return,
            }
        }
    }

    async fn prompt(&self, session: &SessionId, spoken: u64) {
        let content = format!("prompt {} {spoken}", self.number);
        self.simulation.ledger(|ledger| ledger.said.insert(content.clone(), session.clone()));
        let mode = match self.simulation.draw(|random| random.below(10)) {
            0 => Some(QueueMode::Steer),
            1..4 => Some(QueueMode::Collect),
            4..6 => None,
            _ => Some(QueueMode::Followup),
        };
        let key = self.simulation.draw(|random| random.chance(500)).then(|| self.key("prompt", spoken));
        let attachments = attach(&self.simulation, &content);
        for _ in 0..REPEATS {
            let dropping = (mode == Some(QueueMode::Steer)).then(|| InFlight::dropping(&self.simulation, session));
            let new = NewPrompt { content: content.clone(), queue_mode: mode, ..NewPrompt::default() };
            let (id, attachments) = (session.clone(), attachments.clone());
            let prompt = call(move |services, context| async move {
                let _dropping = dropping;
                services.prompt_with_attachments(&context, &id, new, attachments).await
            });
            let outcome = self.request(Permission::Session(SessionRole::Collaborator), key.clone(), prompt).await;
            self.simulation.note(format_args!("person {}: {content:?} {mode:?} is {outcome:?}", self.number));
            match outcome {
                Outcome::Done(id) => return self.acknowledged(id, session, content),
                Outcome::Refused(Error::Unavailable { .. }) | Outcome::Lost if key.is_some() => {
                    self.simulation.pause(50, 3_000).await;
                }
                Outcome::Refused(_) | Outcome::Lost => return,
            }
        }
    }

    fn acknowledged(&self, id: MessageId, session: &SessionId, content: String) {
        let acknowledged = Acknowledged { session: session.clone(), content };
        self.simulation.ledger(|ledger| ledger.acknowledged.insert(id, acknowledged));
    }

    /// The state of a session as a person sees it.
    async fn look(&self, session: &SessionId) -> Option<Engine> {
        let id = session.clone();
        let look = call(move |services, context| async move {
            services.transcript(&context, &id).await.map(|(_, transcript)| transcript.engine.value)
        });
        match self.collaborate(look).await {
            Outcome::Done(engine) => Some(engine),
            Outcome::Refused(_) | Outcome::Lost => None,
        }
    }

    async fn answer(&self, session: &SessionId) {
        let Some(engine) = self.look(session).await else {
            return;
        };
        let Some(question) = self.simulation.draw(|random| random.pick(&engine.questions).cloned()) else {
            return;
        };
        let answer = self.choose(&question);
        let Ok(resolution) = question.resolve(&answer) else {
            return;
        };
        let (id, asked) = (session.clone(), question.id.clone());
        let outcome = self
            .collaborate(call(
                move |services, context| async move { services.answer(&context, &id, &asked, answer).await },
            ))
            .await;
        self.simulation.note(format_args!("person {} answers {}: {outcome:?}", self.number, question.id));
        if let Outcome::Done(()) = outcome
            && let Err(error) = self.simulation.ledger(|ledger| ledger.accept(&question.id, resolution))
        {
            self.simulation.violated(format_args!("{error}"));
        }
    }

    fn choose(&self, question: &Question) -> AnswerValue {
        let choice = self.simulation.draw(|random| random.pick(&question.choices).cloned());
        AnswerValue::Text(choice.map_or_else(|| format!("text of {}", self.number), |choice| choice.id))
    }

    async fn waiting(&self, session: &SessionId, is_meant: fn(&QueuedPrompt) -> bool) -> Option<MessageId> {
        let engine = self.look(session).await?;
        let meant = engine.queue.iter().filter(|queued| is_meant(queued));
        let waiting: Vec<MessageId> = meant.map(|queued| queued.id.clone()).collect();
        self.simulation.draw(|random| random.pick(&waiting).cloned())
    }

    async fn withdraw(&self, session: &SessionId) {
        // What children tell is counted in the end, so it stays.
        let Some(prompt) = self.waiting(session, |queued| queued.author.is_some()).await else {
            return;
        };
        let (id, named) = (session.clone(), prompt.clone());
        let withdrawing = InFlight::withdrawing(&self.simulation, &prompt);
        let outcome = self
            .collaborate(call(move |services, context| async move {
                let _withdrawing = withdrawing;
                services.withdraw(&context, &id, &named).await
            }))
            .await;
        self.simulation.note(format_args!("person {} withdraws {prompt}: {outcome:?}", self.number));
    }

    async fn promote(&self, session: &SessionId) {
        let Some(prompt) = self.waiting(session, |_| true).await else {
            return;
        };
        self.simulation.ledger(|ledger| ledger.promoted.insert(prompt.clone()));
        let (id, named) = (session.clone(), prompt.clone());
        let promote = call(move |services, context| async move { services.promote(&context, &id, &named).await });
        let outcome = self.collaborate(promote).await;
        self.simulation.note(format_args!("person {} promotes {prompt}: {outcome:?}", self.number));
    }

    async fn abort(&self, session: &SessionId) {
        let (id, dropping) = (session.clone(), InFlight::dropping(&self.simulation, session));
        let outcome = self
            .collaborate(call(move |services, context| async move {
                let _dropping = dropping;
                services.abort(&context, &id, None).await
            }))
            .await;
        self.simulation.note(format_args!("person {} aborts {session}: {outcome:?}", self.number));
    }

    async fn clear(&self, session: &SessionId) {
        let (id, dropping) = (session.clone(), InFlight::dropping(&self.simulation, session));
        let outcome = self
            .collaborate(call(move |services, context| async move {
                let _dropping = dropping;
                services.clear_queue(&context, &id).await
            }))
            .await;
        self.simulation.note(format_args!("person {} clears {session}: {outcome:?}", self.number));
    }

    async fn rename(&self, session: &SessionId, spoken: u64) {
        let (id, title) = (session.clone(), format!("title {spoken}"));
        let rename = call(move |services, context| async move { services.rename_session(&context, &id, title).await });
        self.collaborate(rename).await;
    }

    async fn rest(&self, session: &SessionId) {
        let id = session.clone();
        let rest = call(move |services, context| async move { services.hibernate_session(&context, &id).await });
        let outcome = self.collaborate(rest).await;
        self.simulation.note(format_args!("person {} puts {session} to rest: {outcome:?}", self.number));
    }

    async fn wake(&self, session: &SessionId) {
        let id = session.clone();
        let wake = call(move |services, context| async move { services.wake_session(&context, &id).await });
        let outcome = self.collaborate(wake).await;
        self.simulation.note(format_args!("person {} wakes {session}: {outcome:?}", self.number));
    }

    async fn terminate(&self, session: &SessionId) {
        let id = session.clone();
        let terminate = call(move |services, context| async move { services.terminate_session(&context, &id).await });
        let outcome = self.collaborate(terminate).await;
        self.simulation.note(format_args!("person {} ends {session}: {outcome:?}", self.number));
        // Another one takes its place.
        self.simulation.ledger(|ledger| ledger.sessions.retain(|known| known != session));
    }

    /// Starts to talk.
    pub(crate) fn begin(self, until: u64) {
        self.simulation.clone().spawn(Group::WORLD, self.talk(until));
    }

    /// Starts to answer.
    pub(crate) fn begin_to_answer(self) {
        self.simulation.clone().spawn(Group::WORLD, self.answer_all());
    }
}
