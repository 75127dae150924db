//! Watchers: what a client shows, put together from hints and from what is read again when hints were missed. Every other
//! one gets on where it left off, and is cut in the middle of what it is told.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use portway_domain::access::{Permission, SessionRole};
use portway_domain::engine::Notice;
use portway_domain::ids::{MessageId, SessionId};
use portway_domain::messages::{Message, MessageRole, Part, Segment, TextKind};
use portway_domain::workspaces::{FileChange, GitReport};
use portway_ports::pubsub::{Delivery, Hint};
use portway_ports::sessions::Transcript;
use portway_services::Services;
use portway_services::resuming::Beginning;
use tokio::sync::oneshot;

use crate::executor::{Group, lock};
use crate::requests::Person;
use crate::simulation::Simulation;
use crate::workspaces::{Git, Workspace};

/// What of a message is shown.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Shown {
    /// Not known of a failure that was told as such.
    position: Option<u64>,
    pub(crate) role: MessageRole,
    pub(crate) content: String,
    pub(crate) parts: Vec<Part>,
}

/// What a client shows of a session.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Screen {
    /// Version of the state that it began with, or the newest one that it was told.
    pub(crate) version: u64,
    /// The session's change counter up to which everything was told.
    pub(crate) seq: u64,
    /// Messages whose places are before this one are not shown.
    before: u64,
    pub(crate) messages: BTreeMap<MessageId, Shown>,
    /// The files that differ, once that was told.
    files: Option<Vec<FileChange>>,
    /// What git says, as far as it was told.
    git: GitReport,
}

/// How often in a thousand changes the connection is cut of a watcher that gets on.
const CUTS: u64 = 20;

/// What a watcher showed of sessions when it left them.
type Left = Arc<Mutex<BTreeMap<SessionId, Screen>>>;

/// The screens that are open.
pub(crate) type Screens = Arc<Mutex<BTreeMap<u64, (SessionId, Screen)>>>;

impl From<Message> for Shown {
    fn from(message: Message) -> Self {
        let position = (message.role != MessageRole::System).then_some(message.position);
        Self { position, role: message.role, content: message.content, parts: message.parts }
    }
}

impl From<Beginning> for Screen {
    fn from(beginning: Beginning) -> Self {
        let mut screen = Self::default();
        screen.begin(beginning);
        screen
    }
}

impl Screen {
    pub(crate) fn of(transcript: Transcript) -> Self {
        let messages = transcript.messages.into_iter().map(|message| (message.id.clone(), message.into()));
        let (version, seq) = (transcript.engine.version, transcript.engine.value.seq);
        Self { version, seq, messages: messages.collect(), ..Self::default() }
    }

    /// What a screen shows of the stored state that begins where this one does.
    pub(crate) fn of_stored(&self, transcript: Transcript) -> Self {
        let before = self.before;
        let stored = transcript.messages.iter().filter(|message| message.position < before);
        let older: Vec<MessageId> = stored.map(|message| message.id.clone()).collect();
        let (files, git) = (self.files.clone(), self.git.clone());
        let mut stored = Self { before, files, git, ..Self::of(transcript) };
        older.iter().for_each(|id| drop(stored.messages.remove(id)));
        stored
    }

    /// Whether what is shown of the workspace is so.
    pub(crate) fn fits(&self, workspace: &Workspace) -> bool {
        let mut git = workspace.git.clone();
        git.add(&self.git);
        git == workspace.git && self.files.as_ref().is_none_or(|files| *files == workspace.files)
    }

    /// Begins anew, or takes over what changed.
    fn begin(&mut self, beginning: Beginning) {
        (self.version, self.seq) = (beginning.version(), beginning.seq());
        match beginning {
            Beginning::Fresh(newest) => {
                *self = Self { before: newest.before.unwrap_or(0), ..Self::of(newest.transcript) };
            }
            Beginning::Changed(changes) => {
                if let Some(files) = changes.files {
                    self.files = Some(files.into_iter().map(|file| file.change).collect());
                }
                if let Some(git) = changes.git {
                    self.git = GitReport::from_state(git);
                }
                changes.removed.iter().for_each(|id| drop(self.messages.remove(id)));
                for message in changes.messages.into_iter().filter(|message| message.position >= self.before) {
                    self.messages.insert(message.id.clone(), message.into());
                }
            }
        }
    }

    fn tell(&mut self, version: u64, seq: u64, notices: &[Notice]) -> Result<(), String> {
        if version <= self.version {
            return Ok(());
        }
        self.version = version;
        self.seq = seq;
        notices.iter().try_for_each(|notice| self.notice(notice))
    }

    /// Is told the beginning of a change, and never the rest.
    fn tell_in_part(&mut self, version: u64, notices: &[Notice]) -> Result<(), String> {
        let notices = if version > self.version { notices } else { &[] };
        notices.iter().try_for_each(|notice| self.notice(notice))
    }

    fn notice(&mut self, notice: &Notice) -> Result<(), String> {
        match notice {
            Notice::Message(message) | Notice::MessageUpdated(message) if message.position < self.before => {}
            Notice::Message(message) | Notice::MessageUpdated(message) => {
                self.messages.insert(message.id.clone(), message.clone().into());
            }
            Notice::FilesChanged(files) => self.files = Some(files.as_slice().to_vec()),
            Notice::GitStateChanged(report) => self.git.add(report),
            Notice::MessagesRemoved(ids) => ids.iter().for_each(|id| drop(self.messages.remove(id))),
            Notice::Chunk(segment) => return self.append(segment),
            Notice::Error { message, error } => {
                let content = format!("Error: {error}");
                let shown = Shown { position: None, role: MessageRole::System, content, parts: Vec::new() };
                self.messages.insert(message.clone(), shown);
            }
            _ => {}
        }
        Ok(())
    }

    fn append(&mut self, segment: &Segment) -> Result<(), String> {
        let unfit = || format!("a watcher cannot add {segment:?} at version {}", self.version);
        let (index, offset) = (segment.part as usize, segment.offset as usize);
        let is_older = self.before > 0;
        let shown = match self.messages.get_mut(&segment.message) {
            Some(shown) => shown,
            None if is_older => return Ok(()),
            None => return Err("a chunk of no message".to_owned()),
        };
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
    let left = (person.number % 2 == 1).then(Left::default);
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
        let (leave, leaving) = oneshot::channel::<()>();
        let client = Client {
            simulation: simulation.clone(),
            services: gateway.services,
            person: person.clone(),
            session,
            screens: screens.clone(),
            left: left.clone(),
        };
        // The end of the node is the end of the socket, and so is that of the client.
        simulation.spawn(gateway.group, async move {
            tokio::select! {
                biased;
                _ = leaving => {}
                () = client.show() => {}
            }
            close(&client.screens, client.left.as_ref(), client.person.number);
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
        close(&screens, left.as_ref(), person.number);
    }
}

/// Takes a screen away; who gets on later keeps it.
fn close(screens: &Screens, left: Option<&Left>, number: u64) {
    let closed = lock(screens).remove(&number);
    if let Some(((session, screen), left)) = closed.zip(left) {
        lock(left).insert(session, screen);
    }
}

struct Client {
    simulation: Arc<Simulation>,
    services: Arc<Services>,
    person: Person,
    session: SessionId,
    screens: Screens,
    left: Option<Left>,
}

impl Client {
    /// Shows the session until the connection ends.
    async fn show(&self) {
        match &self.left {
            Some(left) => self.show_from(left).await,
            None => self.show_anew().await,
        }
    }

    /// Goes on where it left off.
    async fn show_from(&self, left: &Left) {
        let context = self.services.context(&self.person.key, Permission::Session(SessionRole::Viewer));
        let is_gone = self.is_gone();
        let known = lock(left).remove(&self.session);
        let seq = known.as_ref().map(|screen| screen.seq);
        let watch = match self.services.resume_watch(&context, &self.session, seq).await {
            Ok(watch) => watch,
            Err(_) => {
                known.into_iter().for_each(|screen| drop(lock(left).insert(self.session.clone(), screen)));
                return;
            }
        };
        self.was_let_in(is_gone);
        let _presence = self.services.join(&self.session, watch.principal.clone());
        let mut subscription = watch.subscription;
        self.begin(known, watch.beginning);
        while let Some(delivery) = subscription.next().await {
            match delivery {
                Delivery::Hint(hint) if self.simulation.strikes(CUTS) => return self.told_in_part(&hint),
                Delivery::Hint(hint) if is_withdrawn(&hint) => {
                    self.told(&hint);
                    return;
                }
                Delivery::Hint(hint) => self.told(&hint),
                Delivery::Missed => {
                    let is_gone = self.is_gone();
                    let context = self.services.context(&self.person.key, Permission::Session(SessionRole::Viewer));
                    let known = lock(&self.screens).get(&self.person.number).map(|(_, screen)| screen.clone());
                    let seq = known.as_ref().map(|screen| screen.seq);
                    match self.services.beginning(&context, &self.session, seq).await {
                        Ok((_, beginning)) => {
                            self.was_let_in(is_gone);
                            self.begin(known, beginning);
                        }
                        Err(_) => break,
                    }
                }
            }
        }
    }

    fn begin(&self, known: Option<Screen>, beginning: Beginning) {
        let screen = match known {
            Some(mut screen) => {
                screen.begin(beginning);
                screen
            }
            None => beginning.into(),
        };
        self.simulation.note(format_args!("watcher {} goes on to {}", self.person.number, screen.seq));
        self.draw(screen);
    }

    /// The connection is cut in the middle of a change.
    fn told_in_part(&self, hint: &Hint) {
        let mut screens = lock(&self.screens);
        if let Hint::Session { version, notices, .. } = hint
            && let Some((_, screen)) = screens.get_mut(&self.person.number)
            && let Err(error) = screen.tell_in_part(*version, &notices[..notices.len() / 2])
        {
            self.simulation.violated(format_args!("{error}"));
        }
    }

    /// Begins with the whole state.
    async fn show_anew(&self) {
        let context = self.services.context(&self.person.key, Permission::Session(SessionRole::Viewer));
        let is_gone = self.is_gone();
        let Ok(watch) = self.services.watch_session(&context, &self.session).await else {
            return;
        };
        self.was_let_in(is_gone);
        let _presence = self.services.join(&self.session, watch.principal.clone());
        let mut subscription = watch.subscription;
        self.draw(Screen::of(watch.transcript));
        while let Some(delivery) = subscription.next().await {
            match delivery {
                Delivery::Hint(hint) if is_withdrawn(&hint) => {
                    self.told(&hint);
                    return;
                }
                Delivery::Hint(hint) => self.told(&hint),
                Delivery::Missed => {
                    let is_gone = self.is_gone();
                    let context = self.services.context(&self.person.key, Permission::Session(SessionRole::Viewer));
                    match self.services.transcript(&context, &self.session).await {
                        Ok((_, transcript)) => {
                            self.was_let_in(is_gone);
                            self.draw(Screen::of(transcript));
                        }
                        Err(_) => break,
                    }
                }
            }
        }
    }

    fn is_gone(&self) -> bool {
        self.simulation.oracle(|oracle| oracle.is_gone(&self.session))
    }

    /// Something was read of the session, which may have been gone when that began.
    fn was_let_in(&self, was_gone: bool) {
        if was_gone {
            self.simulation.violated(format_args!("session {} was gone, and was read", self.session));
        }
    }

    fn draw(&self, screen: Screen) {
        let (number, version) = (self.person.number, screen.version);
        self.simulation.note(format_args!("watcher {number} reads {} at version {version}", self.session));
        lock(&self.screens).insert(self.person.number, (self.session.clone(), screen));
    }

    fn told(&self, hint: &Hint) {
        let finding = self.simulation.oracle(|oracle| oracle.told_of_gone(&self.session, hint));
        finding.into_iter().for_each(|finding| self.simulation.violated(format_args!("{finding}")));
        let Hint::Session { version, seq, notices } = hint else {
            return;
        };
        let mut screens = lock(&self.screens);
        let Some((_, screen)) = screens.get_mut(&self.person.number) else {
            return;
        };
        self.simulation.note(format_args!("watcher {} is told version {version}", self.person.number));
        let told = screen.tell(*version, *seq, notices);
        let screen = (told.is_ok() && version % 8 == 0).then(|| screen.clone());
        drop(screens);
        if let Err(error) = told {
            self.simulation.violated(format_args!("{error}"));
        }
        if let Some(screen) = screen {
            let compare =
                |ledger: &mut _| self.simulation.oracle(|oracle| oracle.compare(&self.session, &screen, ledger));
            let finding = self.simulation.ledger(compare);
            finding.into_iter().for_each(|finding| self.simulation.violated(format_args!("{finding}")));
        }
    }
}

/// Whether the hint says that there is nothing more to see.
fn is_withdrawn(hint: &Hint) -> bool {
    let Hint::Session { notices, .. } = hint else {
        return false;
    };
    notices.iter().any(|notice| matches!(notice, Notice::AccessWithdrawn { .. }))
}

impl Person {
    /// Starts to watch.
    pub(crate) fn watch(self, screens: Screens) {
        self.simulation.clone().spawn(Group::WORLD, watch(self, screens));
    }
}
