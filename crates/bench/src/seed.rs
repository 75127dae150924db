//! The databases that the servers read: made by the gateway's own schema and statements.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use portway_adapters_sqlite::{SqliteDatabase, SqliteOptions};
use portway_domain::access::Role;
use portway_domain::engine::{Change, Engine, Link};
use portway_domain::ids::{Id, IdStream, MessageId, SessionId, UserId};
use portway_domain::messages::{Message, MessageRole};
use portway_domain::sessions::{QueueMode, Session, SessionStatus};
use portway_domain::time::Timestamp;
use portway_domain::tokens::{AccessToken, TokenKind, TokenSecret};
use portway_domain::users::User;
use portway_ports::commit::{ChangeSet, Commit, Committer, Write};
use portway_ports::sessions::SessionStore;
use portway_sql::SqlStore;
use portway_sql::migrations::SQLITE;

use crate::failure::Failure;

/// Sessions of the user who asks.
pub(crate) const OWN_SESSIONS: usize = 1_000;

/// Sessions of other people, in the database that has them.
pub(crate) const OTHER_SESSIONS: usize = 20_000;

/// Whose the sessions of other people are.
const OTHER_USERS: usize = 100;

/// Messages of the session that is looked at.
const MESSAGES: u64 = 20;

/// Sessions in one change set.
const BATCH: usize = 250;

/// Seconds from one session to the next.
const SPACING: u64 = 60;

/// Longer than any benchmark takes.
const DAY: Duration = Duration::from_secs(86_400);

/// Who asks, and for what.
pub(crate) struct Seeded {
    /// The secret of the user's key.
    pub(crate) token: String,
    /// The user's sessions, oldest first.
    pub(crate) sessions: Vec<SessionId>,
}

/// A database that is being filled. Ids and times are those of the moment; everything else is the same every time.
pub(crate) struct Seed {
    database: Arc<SqliteDatabase>,
    store: SqlStore,
    ids: IdStream,
    now: Timestamp,
}

impl Seed {
    /// Opens the database of a data folder, and makes it if there is none.
    pub(crate) async fn open(path: &Path, stream: u8) -> Result<Self, Failure> {
        let failed = |error: &dyn std::fmt::Display| Failure::Seed(error.to_string());
        let database = SqliteDatabase::open(&SqliteOptions::new(path)).map_err(|error| failed(&error))?;
        database.migrate(SQLITE).await.map_err(|error| failed(&error))?;
        let database = Arc::new(database);
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or_default());
        let store = SqlStore::new(database.clone());
        Ok(Self { database, store, ids: IdStream::new(now, [stream; 32]), now })
    }

    /// Adds the user who asks, with a key and sessions. One session in the middle has a transcript.
    pub(crate) async fn own(&mut self) -> Result<Seeded, Failure> {
        let (id, token) = self.asker().await?;
        let sessions = self.sessions(&id, OWN_SESSIONS).await?;
        if let Some(looked_at) = sessions.get(OWN_SESSIONS / 2) {
            self.transcript(looked_at).await?;
        }
        Ok(Seeded { token, sessions })
    }

    /// Adds the user who asks, with a key. Answers who that is and the secret of the key.
    pub(crate) async fn asker(&mut self) -> Result<(UserId, String), Failure> {
        let user = self.user("ada@example.com", "Ada Example");
        let id = user.id.clone();
        // The same one in every database.
        let secret = TokenSecret::api_key(Timestamp::from_millis(0), [7; 32]);
        let token = AccessToken {
            id: self.ids.draw(),
            user: id.clone(),
            kind: TokenKind::Api,
            name: "Benchmark".to_owned(),
            prefix: secret.prefix(),
            hash: secret.hash(),
            created_at: self.now,
            expires_at: None,
        };
        self.commit(ChangeSet::new().with(Write::AddUser(user)).with(Write::AddToken(token))).await?;
        Ok((id, secret.reveal().to_owned()))
    }

    /// Adds other people and their sessions.
    pub(crate) async fn others(&mut self) -> Result<(), Failure> {
        for number in 0..OTHER_USERS {
            let id = self.person(number).await?;
            self.sessions(&id, OTHER_SESSIONS / OTHER_USERS).await?;
        }
        Ok(())
    }

    /// Adds somebody else.
    pub(crate) async fn person(&mut self, number: usize) -> Result<UserId, Failure> {
        let user = self.user(&format!("user-{number}@example.com"), &format!("User {number}"));
        let id = user.id.clone();
        self.commit(ChangeSet::new().with(Write::AddUser(user))).await?;
        Ok(id)
    }

    /// A new id.
    pub(crate) fn id<T: Id>(&mut self) -> T {
        self.ids.draw()
    }

    /// The moment at which everything happens.
    pub(crate) fn now(&self) -> Timestamp {
        self.now
    }

    /// Writes everything into the one file.
    pub(crate) fn close(self) {
        self.database.close();
    }

    fn user(&mut self, email: &str, name: &str) -> User {
        let mut user = User::new(self.ids.draw(), email.to_owned(), Role::Member, self.now);
        user.name = Some(name.to_owned());
        user
    }

    /// Adds sessions of a user.
    pub(crate) async fn sessions(&mut self, owner: &UserId, count: usize) -> Result<Vec<SessionId>, Failure> {
        let mut added = Vec::with_capacity(count);
        let mut set = ChangeSet::new();
        for number in 0..count {
            let age = Duration::from_secs((count - number) as u64 * SPACING);
            let session = self.session(owner, number, self.now.minus(age));
            let mut engine =
                Engine::new(session.id.clone(), owner.clone(), QueueMode::Followup, session.last_active_at);
            engine.status = SessionStatus::Running;
            engine.seq = MESSAGES;
            added.push(session.id.clone());
            set.push(Write::AddSession { session, engine });
            if set.writes().len() == BATCH || number + 1 == count {
                self.commit(std::mem::take(&mut set)).await?;
            }
        }
        Ok(added)
    }

    /// Lets sessions wait for their sandboxes, for a long time: prompts are queued, and no process is started for them.
    pub(crate) async fn wait_for_sandboxes(&mut self, sessions: &[SessionId]) -> Result<(), Failure> {
        for batch in sessions.chunks(BATCH) {
            let mut set = ChangeSet::new();
            for id in batch {
                let found = self.store.engine(id).await.map_err(|error| Failure::Seed(error.to_string()))?;
                let (_, mut engine) = found.ok_or_else(|| Failure::Seed(format!("session {id} is not there")))?;
                engine.value.runner.generation = 1;
                engine.value.runner.link = Link::Starting { deadline: self.now.plus(DAY) };
                set.push(Write::SetEngine { engine: engine.value, version: engine.version });
            }
            self.commit(set).await?;
        }
        Ok(())
    }

    fn session(&mut self, owner: &UserId, number: usize, at: Timestamp) -> Session {
        Session {
            id: self.ids.draw(),
            owner: owner.clone(),
            workspace: format!("workspace-{}", number % 12),
            status: SessionStatus::Running,
            title: Some(format!("Session {number}: make the parser accept comments")),
            agent: "demo".to_owned(),
            directory: None,
            metadata: None,
            error_message: None,
            created_at: at,
            last_active_at: at.plus(Duration::from_secs(SPACING / 2)),
            parent: None,
        }
    }

    async fn transcript(&mut self, session: &SessionId) -> Result<(), Failure> {
        let mut set = ChangeSet::new();
        for seq in 1..=MESSAGES {
            let id: MessageId = self.ids.draw();
            let message = Message {
                id,
                seq,
                position: seq,
                role: MessageRole::User,
                content: "What does the parser do with a comment at the end of the file? ".repeat(4),
                parts: Vec::new(),
                author: None,
                channel: None,
                created_at: self.now,
            };
            set.push(Write::Session { id: session.clone(), change: Change::MessageAdded(message) });
        }
        self.commit(set).await
    }

    /// Writes what has to succeed.
    pub(crate) async fn commit(&self, set: ChangeSet) -> Result<(), Failure> {
        match self.store.commit(set).await {
            Ok(Commit::Done) => Ok(()),
            Ok(Commit::Conflict { write }) => Err(Failure::Seed(format!("write {write} conflicts"))),
            Err(error) => Err(Failure::Seed(error.to_string())),
        }
    }
}
