//! Watching a session, or everything of one's own.

use std::sync::Arc;

use portway_domain::access::Principal;
use portway_domain::ids::SessionId;
use portway_ports::pubsub::{Subscription, Topic};
use portway_ports::sessions::Transcript;

use crate::error::Error;
use crate::sign_ins::EventSocketGuard;
use crate::steps::session_not_found;
use crate::{Context, Services};

/// How many entries of the audit log a watcher is shown at first.
const AUDIT_ENTRIES: u32 = 100;

/// A watch of a session: everything that happens after `transcript` comes through `subscription`.
pub struct SessionWatch {
    /// Who watches.
    pub principal: Arc<Principal>,
    /// The state to begin with.
    pub transcript: Transcript,
    /// What comes after it. Some of it may already be in `transcript`: the version of its engine tells.
    pub subscription: Box<dyn Subscription>,
}

/// A watch of everything that happens to one's sessions.
pub struct UserWatch {
    /// What happens. After [`Delivery::Missed`](portway_ports::pubsub::Delivery::Missed) the caller may not be signed in
    /// any more.
    pub subscription: Box<dyn Subscription>,
    /// Keep it for as long as the watch goes on.
    pub guard: EventSocketGuard,
}

impl Services {
    /// Begins to watch a session. The subscription is made before the state is read, so nothing is missed in between.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no session that the caller may read.
    pub async fn watch_session(&self, context: &Context, id: &SessionId) -> Result<SessionWatch, Error> {
        context.token()?;
        let subscription = self.ports.pubsub.subscribe(&Topic::Session(id.clone())).await;
        let (principal, transcript) = self.transcript(context, id).await?;
        Ok(SessionWatch { principal: Arc::new(principal), transcript, subscription })
    }

    /// The state of a session with its whole transcript.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no session that the caller may read.
    pub async fn transcript(&self, context: &Context, id: &SessionId) -> Result<(Principal, Transcript), Error> {
        let seen = self.ports.store.transcript(context.token()?, id, AUDIT_ENTRIES).await?;
        let access = seen.value.as_ref().map(|transcript| &transcript.access);
        let principal = context.admit_to(seen.caller, access, id)?;
        let transcript = seen.value.ok_or_else(|| session_not_found(id.as_str()))?;
        Ok((principal, transcript))
    }

    /// Watches the session's hints for its runner.
    pub async fn watch_commands(&self, id: &SessionId) -> Box<dyn Subscription> {
        self.ports.pubsub.subscribe(&Topic::Session(id.clone())).await
    }

    /// Watches everything that happens to the caller's sessions.
    ///
    /// # Errors
    /// [`Error::Unauthorized`] without a valid token.
    pub async fn watch_user(self: &Arc<Self>, context: &Context) -> Result<UserWatch, Error> {
        let principal = self.principal(context).await?;
        let subscription = self.ports.pubsub.subscribe(&Topic::User(principal.user.clone())).await;
        Ok(UserWatch { subscription, guard: self.open_event_socket(Arc::new(principal)) })
    }
}
