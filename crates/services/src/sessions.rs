//! Opening, listing, naming, resting and ending sessions.

use std::time::Duration;

use portway_domain::access::{Permission, Principal, Role, SessionRole};
use portway_domain::engine::{Actor, AuditEntry, Effects, Engine, Event, Prompt, Timeouts};
use portway_domain::ids::{IdStream, MessageId, SessionId};
use portway_domain::messages::Message;
use portway_domain::sessions::{Session, SessionStatus};
use portway_domain::sharing::ParticipantRole;
use portway_domain::states::Facts;
use portway_domain::tunnels::Exposure;
use portway_domain::users::User;
use portway_ports::commit::{ChangeSet, Commit, Write};
use portway_ports::pages::{Page, PageRequest};
use portway_ports::sessions::{
    AuditPage, MessageRange, Opening, SessionAccess, SessionFilter, SessionListItem, SessionOverview, SessionState,
};
use portway_ports::{Seen, StoreError, Stored};

use crate::error::Error;
use crate::steps::{MAX_ATTEMPTS, Moment, contended, push_changes, session_not_found};
use crate::{Context, Services};

/// What a new session is to be.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NewSession {
    /// A name for what is worked on; 1 to 100 characters.
    pub workspace: String,
    /// Its title.
    pub title: Option<String>,
    /// Name of a configured agent; the default one if absent.
    pub agent: Option<String>,
    /// A folder to work in, of the machine that sandboxes run on; only for administrators, and on this machine only for
    /// those whose request comes from it.
    pub directory: Option<String>,
    /// What the agent is told first.
    pub initial_prompt: Option<String>,
    /// Which model to use for what names none.
    pub initial_model: Option<String>,
    /// What the client wants attached, as JSON text.
    pub metadata: Option<String>,
    /// The session that opens it; the caller's own doing if absent. What is absent besides is as it is in that one.
    pub parent: Option<SessionId>,
}

/// A session and what goes on in it.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionDetail {
    /// The session.
    pub session: Session,
    /// What its engine does.
    pub facts: Facts,
    /// How its sandbox is reached from outside.
    pub exposure: Exposure,
    /// How many messages its transcript has.
    pub message_count: u64,
}

impl From<SessionOverview> for SessionDetail {
    fn from(overview: SessionOverview) -> Self {
        let SessionOverview { access, facts, exposure, message_count } = overview;
        Self { session: access.session, facts, exposure, message_count }
    }
}

/// Where it led to put a session to rest, or to wake it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rest {
    /// The session's status now.
    pub status: SessionStatus,
    /// What happened, in words for people.
    pub message: &'static str,
}

/// A session as it begins.
pub(crate) struct Fresh {
    pub(crate) session: Session,
    pub(crate) engine: Engine,
    /// What is to be told of it once it is durable.
    pub(crate) effects: Effects,
    /// Its rows.
    pub(crate) writes: Vec<Write>,
    /// Where further ids come from.
    pub(crate) ids: IdStream,
}

impl Context {
    /// Lets the caller into a session, or says that there is none.
    ///
    /// # Errors
    /// [`Error::Unauthorized`] without a valid token; [`Error::NotFound`] when the session does not exist or the caller's
    /// role in it is too low: strangers cannot tell the two apart.
    pub(crate) fn admit_to(
        &self,
        caller: Option<Principal>,
        access: Option<&SessionAccess>,
        id: &SessionId,
    ) -> Result<Principal, Error> {
        let principal = self.admit(caller)?;
        let role = access.and_then(|access| access.role);
        let needed = match self.permission {
            Permission::Session(role) => role,
            Permission::Public | Permission::SignedIn | Permission::Admin => SessionRole::Owner,
        };
        if role.is_some_and(|role| role >= needed) { Ok(principal) } else { Err(session_not_found(id.as_str())) }
    }

    /// The hash of the presented token.
    ///
    /// # Errors
    /// [`Error::Unauthorized`] when none was presented.
    pub(crate) fn token(&self) -> Result<&portway_domain::tokens::TokenHash, Error> {
        self.credential.as_ref().ok_or(Error::Unauthorized)
    }
}

/// How a principal appears in the audit log.
pub(crate) fn actor(principal: &Principal) -> Actor {
    let name = principal.name.clone().unwrap_or_else(|| principal.email.clone());
    Actor { user: principal.user.clone(), name }
}

impl Services {
    /// Opens a session: it exists and its sandbox is ordered when this returns.
    ///
    /// # Errors
    /// [`Error::SessionQuota`] when the caller has too many; [`Error::Invalid`] for an unknown agent;
    /// [`Error::Forbidden`] for a folder that the caller may not name. With a parent also what
    /// [`Services::spawn_child`] says.
    pub async fn open_session(&self, context: &Context, new: NewSession) -> Result<Session, Error> {
        if let Some(parent) = new.parent.clone() {
            return self.open_child(context, &parent, new).await;
        }
        let agent = self.agent_of(&new)?;
        for _ in 0..MAX_ATTEMPTS {
            let seen = self.ports.store.opening(context.token()?, context.key(), context.now).await?;
            let (principal, opening) = admitted(context, seen)?;
            if let Some(session) = context.replay::<Session>(opening.remembered.as_ref())? {
                return Ok(session);
            }
            self.check_directory(context, &principal, &new)?;
            check_quota(&opening)?;
            let (session, engine, set) = self.opened(context, &opening, agent.clone(), new.clone())?;
            match self.commit(set).await {
                Ok(Commit::Done) => {
                    self.publish(&engine.0, 1, engine.1);
                    return Ok(session);
                }
                // The rows of an attempt whose outcome is unknown have the same ids: the next attempt finds them.
                Ok(Commit::Conflict { .. }) | Err(StoreError::Unknown(_)) => {
                    if let Some((session, _)) = self.ports.store.engine(&session.id).await? {
                        return Ok(session);
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(contended())
    }

    pub(crate) fn agent_of(&self, new: &NewSession) -> Result<String, Error> {
        let name = new.agent.as_ref().unwrap_or(&self.options.default_agent);
        if self.options.agents.contains_key(name) {
            return Ok(name.clone());
        }
        let known: Vec<&str> = self.agent_names().collect();
        Err(Error::Invalid {
            field: "agent".to_owned(),
            message: format!("no agent of that name is configured; there are: {}", known.join(", ")),
        })
    }

    fn opened(
        &self,
        context: &Context,
        opening: &Opening,
        agent: String,
        new: NewSession,
    ) -> Result<(Session, (Engine, Effects), ChangeSet), Error> {
        let user = &opening.user;
        let fresh = self.fresh(&context.into(), user, None, NewSession { agent: Some(agent), ..new })?;
        let mut set = ChangeSet::new().with(Write::BumpUser { id: user.id.clone(), version: user.version });
        for write in fresh.writes {
            set.push(write);
        }
        if let Some(remember) = context.remember(&user.id, &fresh.session)? {
            set.push(remember);
        }
        Ok((fresh.session, (fresh.engine, fresh.effects), set))
    }

    /// A session as it begins, with its rows. `user` owns it; `opener` takes part in it if that is somebody else.
    pub(crate) fn fresh(
        &self,
        moment: &Moment,
        user: &User,
        opener: Option<&Principal>,
        new: NewSession,
    ) -> Result<Fresh, Error> {
        let (now, mut ids) = (moment.now, moment.ids.clone());
        let session = Session {
            id: ids.draw(),
            owner: user.id.clone(),
            workspace: new.workspace,
            status: SessionStatus::Initializing,
            title: new.title,
            agent: new.agent.unwrap_or_else(|| self.options.default_agent.clone()),
            directory: new.directory,
            metadata: new.metadata,
            error_message: None,
            created_at: now,
            last_active_at: now,
            parent: new.parent,
        };
        let mut engine = Engine::new(session.id.clone(), user.id.clone(), user.queue_mode, now);
        let idle = Duration::from_secs(user.idle_timeout_seconds.into());
        engine.timeouts = Timeouts { idle: Some(idle), ..self.options.timeouts };
        engine.parent.clone_from(&session.parent);
        engine.initial_model = new.initial_model;
        let mut events = vec![Event::Opened { title: session.title.clone() }];
        events.extend(opener.filter(|opener| opener.user != user.id).map(|opener| {
            let who = actor(opener);
            Event::ParticipantSet { who: who.clone(), role: ParticipantRole::Collaborator, by: who }
        }));
        if let Some(content) = new.initial_prompt {
            let prompt = Prompt {
                id: ids.draw(),
                content,
                attachments: Vec::new(),
                author: None,
                model: None,
                queue_mode: None,
                channel: None,
            };
            events.push(Event::Prompted(prompt));
        }
        let mut effects = Effects::default();
        for event in events {
            effects.append(engine.apply(event, now, &mut ids)?);
        }
        let mut set = ChangeSet::new().with(Write::AddSession { session: session.clone(), engine: engine.clone() });
        push_changes(&mut set, &session.id, &effects.changes, now, &mut ids);
        if let Some(due_at) = engine.next_deadline() {
            set.push(Write::SetDeadline { session: session.id.clone(), due_at: Some(due_at) });
        }
        Ok(Fresh { session, engine, effects, writes: set.into_writes(), ids })
    }

    /// The caller's sessions, newest first, and who the caller is.
    ///
    /// # Errors
    /// [`Error::Unauthorized`] without a valid token.
    pub async fn list_sessions(
        &self,
        context: &Context,
        filter: SessionFilter,
        page: PageRequest,
    ) -> Result<(Principal, Page<SessionListItem>), Error> {
        let seen = self.ports.store.sessions(context.token()?, filter, page).await?;
        Ok((context.admit(seen.caller)?, seen.value))
    }

    /// One session and what goes on in it.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is none that the caller may know of.
    pub async fn session(&self, context: &Context, id: &SessionId) -> Result<SessionDetail, Error> {
        let seen = self.ports.store.session_overview(context.token()?, id).await?;
        context.admit_to(seen.caller, seen.value.as_ref().map(|overview| &overview.access), id)?;
        seen.value.map(SessionDetail::from).ok_or_else(|| session_not_found(id.as_str()))
    }

    /// Gives a session another title.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is none that the caller may rename.
    pub async fn rename_session(&self, context: &Context, id: &SessionId, title: String) -> Result<(), Error> {
        self.act(context, id, |_| Event::Renamed { title: title.clone() }).await.map(|_| ())
    }

    /// Ends a session. One that has ended already stays as it is.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is none that the caller may end.
    pub async fn terminate_session(&self, context: &Context, id: &SessionId) -> Result<(), Error> {
        self.act(context, id, |principal| Event::Terminated { by: actor(principal) }).await.map(|_| ())
    }

    /// Puts the sandbox of a session away that has nothing to do. The next prompt brings it back.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is none that the caller may put away.
    pub async fn hibernate_session(&self, context: &Context, id: &SessionId) -> Result<Rest, Error> {
        let before = self.act(context, id, |principal| Event::HibernationWanted { by: actor(principal) }).await?;
        Ok(match before.status {
            _ if before.can_hibernate() && before.has_sandbox() => {
                Rest { status: SessionStatus::Hibernating, message: "The session hibernates" }
            }
            _ if before.can_hibernate() => {
                Rest { status: SessionStatus::Hibernated, message: "The session hibernates" }
            }
            status @ (SessionStatus::Hibernating | SessionStatus::Hibernated) => {
                Rest { status, message: "The session hibernates already" }
            }
            status if status.is_ended() => Rest { status, message: "The session has ended" },
            status => Rest { status, message: "The session has something to do: try again when it is idle" },
        })
    }

    /// Brings back a session that hibernates.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is none that the caller may wake.
    pub async fn wake_session(&self, context: &Context, id: &SessionId) -> Result<Rest, Error> {
        let before = self.act(context, id, |principal| Event::WakeWanted { by: actor(principal) }).await?;
        Ok(match before.status {
            SessionStatus::Hibernated => Rest { status: SessionStatus::Restoring, message: "The session wakes up" },
            status @ SessionStatus::Hibernating => {
                Rest { status, message: "The session is just being put away, and wakes up after that" }
            }
            status if status.is_ended() => Rest { status, message: "The session has ended" },
            status => Rest { status, message: "The session does not hibernate" },
        })
    }

    /// Messages of a session in order.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no session that the caller may read.
    pub async fn messages(
        &self,
        context: &Context,
        id: &SessionId,
        range: MessageRange,
    ) -> Result<Vec<Message>, Error> {
        let seen = self.ports.store.messages(context.token()?, id, range).await?;
        let access = seen.value.as_ref().map(|(access, _)| access);
        context.admit_to(seen.caller, access, id)?;
        Ok(seen.value.map(|(_, messages)| messages).unwrap_or_default())
    }

    /// Entries of the audit log of a session in order.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no session that the caller may read.
    pub async fn audit_log(
        &self,
        context: &Context,
        id: &SessionId,
        page: AuditPage,
    ) -> Result<Vec<AuditEntry>, Error> {
        let seen = self.ports.store.audit_log(context.token()?, id, page).await?;
        context.admit_to(seen.caller, seen.value.as_ref().map(|(access, _)| access), id)?;
        Ok(seen.value.map(|(_, entries)| entries).unwrap_or_default())
    }

    /// The place of a message in the transcript, for a caller who may read it.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no session that the caller may read.
    pub async fn message_position(
        &self,
        context: &Context,
        id: &SessionId,
        message: &MessageId,
    ) -> Result<Option<u64>, Error> {
        let seen = self.ports.store.session(context.token()?, id).await?;
        context.admit_to(seen.caller, seen.value.as_ref(), id)?;
        Ok(self.ports.store.message_position(id, message).await?)
    }

    /// What is needed to act in a session, for a caller who may.
    pub(crate) async fn acting(&self, context: &Context, id: &SessionId) -> Result<(Principal, SessionState), Error> {
        let seen = self.ports.store.session_state(context.token()?, id, context.key(), context.now).await?;
        let access = seen.value.as_ref().map(|state| &state.access);
        let principal = context.admit_to(seen.caller, access, id)?;
        let state = seen.value.ok_or_else(|| session_not_found(id.as_str()))?;
        Ok((principal, state))
    }

    /// Lets a caller do something in a session, if their role allows it. Answers the state before it.
    pub(crate) async fn act(
        &self,
        context: &Context,
        id: &SessionId,
        event: impl Fn(&Principal) -> Event + Send,
    ) -> Result<Engine, Error> {
        let mut lock = self.locks.lock(id).await;
        for _ in 0..MAX_ATTEMPTS {
            let (principal, state) = self.acting(context, id).await?;
            let events = [event(&principal)];
            let before: Stored<Engine> = state.engine;
            if let Some(stepped) = self.attempt(&mut lock, before.clone(), &events, &[], &context.into()).await? {
                return stepped.refused.map_or(Ok(before.value), |refusal| Err(refusal.into()));
            }
        }
        Err(contended())
    }

    /// Whether the caller may name that folder: administrators may. Where sandboxes are processes of this machine, their
    /// request has to come from it as well; a backend knows itself which of its folders it lets agents work in.
    pub(crate) fn check_directory(
        &self,
        context: &Context,
        principal: &Principal,
        new: &NewSession,
    ) -> Result<(), Error> {
        let Some(directory) = &new.directory else {
            return Ok(());
        };
        if principal.role != Role::Admin {
            return Err(Error::Forbidden("Only an administrator may name a folder"));
        }
        if !context.local && self.ports.sandboxes.stay_with_node() {
            return Err(Error::Forbidden("Only a caller on the gateway's own machine may name a folder of it"));
        }
        if !directory.starts_with('/') || directory.contains('\0') {
            return Err(Error::Invalid {
                field: "directory".to_owned(),
                message: "expected an absolute path".to_owned(),
            });
        }
        Ok(())
    }
}

fn admitted(context: &Context, seen: Seen<Option<Opening>>) -> Result<(Principal, Opening), Error> {
    let principal = context.admit(seen.caller)?;
    let opening = seen.value.ok_or_else(|| Error::Internal("a caller without a user row".to_owned()))?;
    Ok((principal, opening))
}

fn check_quota(opening: &Opening) -> Result<(), Error> {
    let (active, limit) = (opening.active, opening.user.session_limit());
    if active >= limit { Err(Error::SessionQuota { active, limit }) } else { Ok(()) }
}
