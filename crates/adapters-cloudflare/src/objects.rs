//! The Durable Objects of a Worker.

use std::fmt;
use std::pin::pin;
use std::time::Duration;

use futures_util::future::{Either, select};
use portway_domain::ids::SessionId;
use worker::{Error, ObjectNamespace, Request, Response, Result};

use crate::timer::Timer;

/// What the object of all users is called.
const USERS: &str = "users";

/// Names an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ObjectName {
    /// The one of a session: it has the sockets of that session, and steps it.
    Session(SessionId),
    /// The one of all users: it has the sockets for everything of one's own.
    Users,
}

/// All objects.
#[derive(Clone)]
pub struct Objects {
    sessions: ObjectNamespace,
    users: ObjectNamespace,
}

impl fmt::Debug for Objects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Objects").finish_non_exhaustive()
    }
}

impl Objects {
    /// The objects of two classes.
    #[must_use]
    pub fn new(sessions: ObjectNamespace, users: ObjectNamespace) -> Self {
        Self { sessions, users }
    }

    /// Sends a request to an object. It may be at work for so long before it answers.
    ///
    /// # Errors
    /// When it does not answer, or broke down.
    pub async fn ask(&self, object: &ObjectName, request: Request, patience: Duration) -> Result<Response> {
        let stub = match object {
            ObjectName::Session(id) => self.sessions.get_by_name(id.as_str())?,
            ObjectName::Users => self.users.get_by_name(USERS)?,
        };
        within(patience, stub.fetch_with_request(request)).await
    }
}

/// What an object answers in that time.
///
/// # Errors
/// When it does not answer, or broke down.
pub(crate) async fn within<T>(patience: Duration, answer: impl Future<Output = Result<T>>) -> Result<T> {
    match select(pin!(answer), Timer::new(patience)).await {
        Either::Left((answer, _)) => answer,
        Either::Right(_) => Err(Error::RustError("the object does not answer".to_owned())),
    }
}
