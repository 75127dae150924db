//! Watchers: what a client shows, put together from hints and from what is read again when hints were missed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use portway_domain::access::{Permission, SessionRole};
use portway_domain::engine::Notice;
use portway_domain::ids::{MessageId, SessionId};
use portway_domain::messages::{Message, MessageRole, Part, Segment, TextKind};
use portway_ports::pubsub::{Delivery, Hint};
use portway_ports::sessions::Transcript;
use portway_services::Services;
use tokio::sync::oneshot;

use crate::executor::{Group, lock};
use crate::requests::Person;
use crate::simulation::Simulation;

/// What of a message is shown.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Shown {
    pub(crate) role: MessageRole,
    pub(crate) content: String,
    pub(crate) parts: Vec<Part>,
}

/// What a client shows of a session.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Screen {
    /// Version of the state that it began with, or the newest one that it was told.
    pub(crate) version: u64,
    pub(crate) messages: BTreeMap<MessageId, Shown>,
}

/// The screens that are open.
pub(crate) type Screens = Arc<Mutex<BTreeMap<u64, (SessionId, Screen)>>>;

impl From<Message> for Shown {
    fn from(message: Message) -> Self {
        Self { role: message.role, content: message.content, parts: message.parts }
    }
}

impl Screen {
    pub(crate) fn of(transcript: Transcript) -> Self {
        let messages = transcript.messages.into_iter().map(|message| (message.id.clone(), message.into()));
        Self { version: transcript.engine.version, messages: messages.collect() }
    }

    fn tell(&mut self, version: u64, notices: &[Notice]) -> Result<(), String> {
        if version <= self.version {
            return Ok(());
        }
        self.version = version;
        notices.iter().try_for_each(|notice| self.notice(notice))
    }

    fn notice(&mut self, notice: &Notice) -> Result<(), String> {
        match notice {
            Notice::Message(message) | Notice::MessageUpdated(message) => {
                self.messages.insert(message.id.clone(), message.clone().into());
            }
            Notice::MessageRemoved(id) => drop(self.messages.remove(id)),
            Notice::Chunk(segment) => return self.append(segment),
            Notice::Error { message, error } => {
                let content = format!("Error: {error}");
                let shown = Shown { role: MessageRole::System, content, parts: Vec::new() };
                self.messages.insert(message.clone(), shown);
            }
            _ => {}
        }
        Ok(())
    }

    fn append(&mut self, segment: &Segment) -> Result<(), String> {
        let unfit = || format!("a watcher cannot add {segment:?} at version {}", self.version);
        let (index, offset) = (segment.part as usize, segment.offset as usize);
        let shown = self.messages.get_mut(&segment.message).ok_or_else(|| "a chunk of no message".to_owned())?;
        if index == shown.parts.len() && offset == 0 {
            shown.parts.push(segment.kind.part(String::new()));
        }
        let text = match (shown.parts.get_mut(index), segment.kind) {
            (Some(Part::Text { text }), TextKind::Text) | (Some(Part::Reasoning { text }), TextKind::Reasoning) => text,
            _ => return Err(unfit()),
        };
        if text.len() != offset {
            return Err(unfit());
        }
        text.push_str(&segment.text);
        if segment.kind == TextKind::Text {
            shown.content.push_str(&segment.text);
        }
        Ok(())
    }
}

/// Watches sessions, one after the other, through ever new connections.
pub(crate) async fn watch(person: Person, screens: Screens) {
    let simulation = person.simulation.clone();
    loop {
        simulation.pause(50, 1_500).await;
        let sessions = simulation.ledger(|ledger| ledger.sessions.clone());
        let session = simulation.draw(|random| random.pick(&sessions).cloned());
        let node = simulation.draw(|random| random.pick(&person.nodes).cloned());
        let gateway = node.and_then(|node| node.machine.gateway());
        let (Some(session), Some(gateway)) = (session, gateway) else {
            continue;
        };
        let patience = simulation.pause(2_000, 40_000);
        let (ended, end) = oneshot::channel::<()>();
        let (leave, left) = oneshot::channel::<()>();
        let client = Client {
            simulation: simulation.clone(),
            services: gateway.services,
            person: person.clone(),
            session,
            screens: screens.clone(),
        };
        // The end of the node is the end of the socket, and so is that of the client.
        simulation.spawn(gateway.group, async move {
            tokio::select! {
                biased;
                _ = left => {}
                () = client.show() => {}
            }
            lock(&client.screens).remove(&client.person.number);
            drop(ended);
        });
        // Whoever watches when the storm is over goes on, so that there is something to compare.
        let patience = async {
            patience.await;
            if simulation.is_calm() {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            biased;
            _ = end => {}
            () = patience => {}
        }
        drop(leave);
        lock(&screens).remove(&person.number);
    }
}

struct Client {
    simulation: Arc<Simulation>,
    services: Arc<Services>,
    person: Person,
    session: SessionId,
    screens: Screens,
}

impl Client {
    /// Shows the session until the connection ends.
    async fn show(&self) {
        let context = self.services.context(&self.person.key, Permission::Session(SessionRole::Viewer));
        let Ok(watch) = self.services.watch_session(&context, &self.session).await else {
            return;
        };
        let _presence = self.services.join(&self.session, watch.principal.clone());
        let mut subscription = watch.subscription;
        self.draw(Screen::of(watch.transcript));
        while let Some(delivery) = subscription.next().await {
            match delivery {
                Delivery::Hint(hint) => self.told(&hint),
                Delivery::Missed => {
                    let context = self.services.context(&self.person.key, Permission::Session(SessionRole::Viewer));
                    match self.services.transcript(&context, &self.session).await {
                        Ok((_, transcript)) => self.draw(Screen::of(transcript)),
                        Err(_) => break,
                    }
                }
            }
        }
    }

    fn draw(&self, screen: Screen) {
        let (number, version) = (self.person.number, screen.version);
        self.simulation.note(format_args!("watcher {number} reads {} at version {version}", self.session));
        lock(&self.screens).insert(self.person.number, (self.session.clone(), screen));
    }

    fn told(&self, hint: &Hint) {
        let Hint::Session { version, notices } = hint else {
            return;
        };
        let mut screens = lock(&self.screens);
        let Some((_, screen)) = screens.get_mut(&self.person.number) else {
            return;
        };
        self.simulation.note(format_args!("watcher {} is told version {version}", self.person.number));
        let told = screen.tell(*version, notices);
        let screen = (told.is_ok() && version % 8 == 0).then(|| screen.clone());
        drop(screens);
        if let Err(error) = told {
            self.simulation.violated(format_args!("{error}"));
        }
        if let Some(screen) = screen {
            let finding = self.simulation.oracle(|oracle| oracle.compare(&self.session, &screen));
            finding.into_iter().for_each(|finding| self.simulation.violated(format_args!("{finding}")));
        }
    }
}

impl Person {
    /// Starts to watch.
    pub(crate) fn watch(self, screens: Screens) {
        self.simulation.clone().spawn(Group::WORLD, watch(self, screens));
    }
}
