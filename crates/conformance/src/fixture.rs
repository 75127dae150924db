//! A store for one case, and the shortest ways to fill it.

use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use portway_domain::access::Role;
use portway_domain::engine::{Change, Engine};
use portway_domain::ids::{Id, IdStream, SessionId};
use portway_domain::sessions::{QueueMode, Session};
use portway_domain::time::Timestamp;
use portway_domain::tokens::{AccessToken, TokenHash, TokenKind};
use portway_domain::users::User;
use portway_ports::commit::{ChangeSet, Commit, Write};
use portway_ports::{Store, StoreError, Stored};

use crate::backend::{Backend, Task};
use crate::failure::{Failure, Outcome};
use crate::samples;

/// A store for one case.
pub struct Fixture {
    backend: Arc<dyn Backend>,
    pub(crate) store: Arc<dyn Store>,
    ids: Mutex<IdStream>,
}

impl fmt::Debug for Fixture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fixture").finish_non_exhaustive()
    }
}

/// Somebody with a token.
pub(crate) struct Person {
    pub(crate) user: User,
    pub(crate) token: AccessToken,
}

impl Person {
    pub(crate) fn hash(&self) -> &TokenHash {
        &self.token.hash
    }
}

impl Fixture {
    /// A new, empty store of the backend.
    ///
    /// # Errors
    /// [`Failure`] when the backend has none.
    pub async fn open(backend: Arc<dyn Backend>) -> Result<Self, Failure> {
        let store = backend.open().await?;
        Ok(Self { backend, store, ids: Mutex::new(IdStream::new(at(0), [7; 32])) })
    }

    /// Closes the store and opens it again.
    pub(crate) async fn reopen(self) -> Outcome<Self> {
        let reopened = self.backend.reopen(self.store).await?;
        let store = reopened.ok_or_else(|| Failure::new("a durable case needs a backend that opens again"))?;
        Ok(Self { store, backend: self.backend, ids: self.ids })
    }

    /// A new id.
    pub(crate) fn id<T: Id>(&self) -> T {
        self.ids.lock().unwrap_or_else(PoisonError::into_inner).draw()
    }

    /// Writes a set, whatever comes of it.
    pub(crate) async fn commit(&self, writes: impl IntoIterator<Item = Write>) -> Result<Commit, StoreError> {
        self.store.commit(set(writes)).await
    }

    /// Writes what has to succeed.
    #[track_caller]
    pub(crate) fn done(&self, writes: impl IntoIterator<Item = Write>) -> impl Future<Output = Outcome> + Send {
        self.expect(Commit::Done, writes)
    }

    /// Writes what has to fail at the first write.
    #[track_caller]
    pub(crate) fn refused(&self, write: Write) -> impl Future<Output = Outcome> + Send {
        self.expect(Commit::Conflict { write: 0 }, [write])
    }

    /// Writes what has to end in a certain way.
    #[track_caller]
    pub(crate) fn expect(
        &self,
        expected: Commit,
        writes: impl IntoIterator<Item = Write>,
    ) -> impl Future<Output = Outcome> + Send {
        let mismatch = Failure::new(format!("the commit was not {expected:?}"));
        let store = self.store.clone();
        let changes = set(writes);
        async move {
            match store.commit(changes).await {
                Ok(commit) if commit == expected => Ok(()),
                found => Err(Failure::new(format!("{mismatch} but {found:?}"))),
            }
        }
    }

    /// Adds a user with a token.
    pub(crate) async fn person(&self, name: &str) -> Outcome<Person> {
        let user = User::new(self.id(), format!("{name}@example.org"), Role::Member, at(0));
        let token = samples::token(self.id(), &user.id, name, TokenKind::Login, at(0));
        self.done([Write::AddUser(user.clone()), Write::AddToken(token.clone())]).await?;
        Ok(Person { user, token })
    }

    /// Adds a session that was opened at a time.
    pub(crate) async fn session_at(&self, owner: &Person, opened: Timestamp) -> Outcome<Session> {
        let session = samples::session(self.id(), &owner.user.id, opened);
        self.done([added(&session)]).await?;
        Ok(session)
    }

    /// Adds a session.
    pub(crate) async fn session(&self, owner: &Person) -> Outcome<Session> {
        self.session_at(owner, at(0)).await
    }

    /// Writes changes of a session that have to succeed.
    #[track_caller]
    pub(crate) fn changed(
        &self,
        session: &SessionId,
        changes: impl IntoIterator<Item = Change>,
    ) -> impl Future<Output = Outcome> + Send {
        self.done(changes.into_iter().map(|change| of(session, change)).collect::<Vec<_>>())
    }

    /// Writes a change of a session that has to be refused.
    #[track_caller]
    pub(crate) fn unchanged(&self, session: &SessionId, change: Change) -> impl Future<Output = Outcome> + Send {
        self.refused(of(session, change))
    }

    /// The engine of a session that exists.
    pub(crate) async fn engine(&self, session: &SessionId) -> Outcome<Stored<Engine>> {
        let found = self.store.engine(session).await?;
        found.map(|(_, engine)| engine).ok_or_else(|| Failure::new("the session has no engine"))
    }

    /// Runs attempts at the same time and answers with what each of them gave.
    pub(crate) async fn race<T, F>(&self, attempts: impl IntoIterator<Item = F>) -> Vec<T>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        let results = Arc::new(Mutex::new(Vec::new()));
        let task = |attempt: F| {
            let results = results.clone();
            Box::pin(async move {
                let result = attempt.await;
                results.lock().unwrap_or_else(PoisonError::into_inner).push(result);
            }) as Task
        };
        self.backend.together(attempts.into_iter().map(task).collect()).await;
        std::mem::take(&mut *results.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Commits sets at the same time and answers how many were done; all others have to be conflicts.
    pub(crate) async fn winners(&self, sets: impl IntoIterator<Item = ChangeSet>) -> Outcome<usize> {
        let attempt = |changes| {
            let store = self.store.clone();
            async move { store.commit(changes).await }
        };
        let sets: Vec<_> = sets.into_iter().map(attempt).collect();
        let count = sets.len();
        let results = self.race(sets).await;
        check_eq!(results.len(), count);
        let mut won = 0;
        for result in results {
            won += usize::from(result? == Commit::Done);
        }
        Ok(won)
    }
}

/// A moment, in seconds after the one that everything begins at.
pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(1_771_927_200_000 + seconds * 1_000)
}

/// A change set.
pub(crate) fn set(writes: impl IntoIterator<Item = Write>) -> ChangeSet {
    writes.into_iter().fold(ChangeSet::new(), ChangeSet::with)
}

/// A session with a new engine.
pub(crate) fn added(session: &Session) -> Write {
    let engine = Engine::new(session.id.clone(), session.owner.clone(), QueueMode::Followup, session.created_at);
    Write::AddSession { session: session.clone(), engine }
}

/// A change of a session.
pub(crate) fn of(session: &SessionId, change: Change) -> Write {
    Write::Session { id: session.clone(), change }
}
