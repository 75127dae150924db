//! Whom and what random commands are about.

use portway_domain::access::Role;
use portway_domain::engine::OpenMessage;
use portway_domain::ids::{
    Id, IdStream, JobId, McpSessionId, MemoryId, MessageId, QuestionId, SessionId, ShareLinkId, TokenId, UserId,
};
use portway_domain::sessions::Session;
use portway_domain::sharing::{ParticipantRole, ShareLink};
use portway_domain::time::Timestamp;
use portway_domain::tokens::{AccessToken, TokenKind};
use portway_domain::users::User;

use super::random::Random;
use crate::fixture::at;
use crate::samples;
use crate::sharing::link;

const TEXTS: [&str; 8] = [
    "",
    "Fix the build",
    "fix the Build",
    "\u{1F980} crab",
    "naïve café, déjà vu",
    "東京の天気は晴れです",
    "\"quotes\" 'and' \\backslashes\\ % _ \n\ttabs",
    "zebra apple mango apple",
];

/// What is written and read: few of each kind, so that commands meet.
pub(super) struct Cast {
    pub(super) random: Random,
    pub(super) ids: IdStream,
    pub(super) users: Vec<UserId>,
    pub(super) tokens: Vec<TokenId>,
    pub(super) sessions: Vec<Talk>,
    pub(super) jobs: Vec<JobId>,
    pub(super) memories: Vec<MemoryId>,
    pub(super) links: Vec<ShareLinkId>,
    pub(super) clients: Vec<McpSessionId>,
}

/// A session, and what a writer of its transcript has to know.
#[derive(Clone)]
pub(super) struct Talk {
    pub(super) id: SessionId,
    pub(super) owner: UserId,
    /// Messages that it may have.
    pub(super) messages: Vec<MessageId>,
    pub(super) questions: Vec<QuestionId>,
    /// Its change counter.
    pub(super) seq: u64,
    /// The message that its agent is writing.
    pub(super) open: Option<OpenMessage>,
    /// Version of its engine, if nobody else changed it.
    pub(super) version: u64,
}

fn draw<T: Id>(ids: &mut IdStream, count: usize) -> Vec<T> {
    (0..count).map(|_| ids.draw()).collect()
}

impl Cast {
    pub(super) fn new(mut random: Random) -> Self {
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&random.next().to_be_bytes());
        let mut ids = IdStream::new(at(0), seed);
        let users: Vec<UserId> = draw(&mut ids, 3);
        let talk = |_| Talk {
            id: ids.draw(),
            owner: random.of(&users[..2]),
            messages: draw(&mut ids, 30),
            questions: draw(&mut ids, 3),
            seq: 0,
            open: None,
            version: 1,
        };
        let sessions = (0..4).map(talk).collect();
        let (tokens, jobs, memories) = (draw(&mut ids, 6), draw(&mut ids, 6), draw(&mut ids, 6));
        let (links, clients) = (draw(&mut ids, 4), draw(&mut ids, 4));
        Self { random, ids, users, tokens, sessions, jobs, memories, links, clients }
    }

    pub(super) fn text(&mut self) -> String {
        let text = self.random.of(&TEXTS);
        let times = if self.random.one_in(20) { 200 } else { 1 };
        text.repeat(times)
    }

    pub(super) fn user(&mut self) -> UserId {
        self.random.of(&self.users)
    }

    /// Now and then a session that nobody knows.
    pub(super) fn session(&mut self) -> SessionId {
        if self.random.one_in(12) { self.ids.draw() } else { self.random.of(&self.sessions).id }
    }

    /// A moment within a hundred seconds, often one that others have as well.
    pub(super) fn moment(&mut self) -> Timestamp {
        let seconds = i64::from(self.random.below(100));
        let micros = if self.random.one_in(3) { i64::from(self.random.below(1_000_000)) } else { 0 };
        Timestamp::from_micros(at(seconds).as_micros() + micros)
    }

    pub(super) fn new_user(&mut self) -> User {
        // Few addresses, so that people take them from each other.
        let address = format!("{}@example.org", self.random.of(&["ada", "bob", "Ada", "eve"]));
        let id = self.user();
        match self.random.one_in(2) {
            true => User { name: Some(self.text()), ..samples::full_user(id, &address) },
            false => User::new(id, address, Role::Member, self.moment()),
        }
    }

    pub(super) fn new_token(&mut self) -> AccessToken {
        let (id, user, created) = (self.random.of(&self.tokens), self.user(), self.moment());
        let kind = self.random.of(&[TokenKind::Api, TokenKind::Login]);
        let expires_at = self.random.one_in(3).then(|| self.moment());
        AccessToken { expires_at, ..samples::token(id, &user, &self.text(), kind, created) }
    }

    pub(super) fn new_link(&mut self) -> ShareLink {
        // Few secrets, so that links take them from each other.
        let number = self.number();
        let (id, session, by) = (self.random.of(&self.links), self.session(), self.user());
        ShareLink {
            role: self.participant_role(),
            created_at: self.moment(),
            expires_at: self.random.one_in(2).then(|| self.moment()),
            max_uses: self.random.one_in(2).then(|| self.random.below(3)),
            ..link(id, &session, &by, number)
        }
    }

    pub(super) fn number(&mut self) -> u8 {
        u8::try_from(self.random.below(5)).unwrap_or_default()
    }

    pub(super) fn participant_role(&mut self) -> ParticipantRole {
        self.random.of(&[ParticipantRole::Viewer, ParticipantRole::Collaborator])
    }

    pub(super) fn new_session(&mut self, talk: &Talk) -> Session {
        let created = self.moment();
        let session = match self.random.one_in(2) {
            true => samples::full_session(talk.id.clone(), &talk.owner),
            false => samples::session(talk.id.clone(), &talk.owner, created),
        };
        let parent = self.random.one_in(2).then(|| self.session());
        Session { parent, title: self.random.one_in(2).then(|| self.text()), last_active_at: self.moment(), ..session }
    }
}
