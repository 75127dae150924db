//! What the agent of a session asks of other sessions of the same owner.
//!
//! Whoever calls these has found out that the agent speaks, as by [`Services::admit_runner`]. A session of another owner is
//! as if there was none. What must not be done twice names the request: when it is sent again within a day, it has its
//! first result again.

use portway_domain::access::Permission;
use portway_domain::children::{MAX_MESSAGES, ParentStop};
use portway_domain::engine::{Engine, Event, Prompt};
use portway_domain::ids::{IdStream, MessageId, SessionId};
use portway_domain::messages::Message;
use portway_domain::sessions::{MAX_MODEL_CHARS, MAX_TITLE_CHARS, MAX_WORKSPACE_CHARS, QueueMode, Session};
use portway_domain::states::Facts;
use portway_domain::tunnels::Exposure;
use portway_ports::Stored;
use portway_ports::children::{ChildFilter, ChildPage};
use portway_ports::pages::PageRequest;
use portway_ports::sessions::MessageRange;

use crate::children::{Birth, name_of};
use crate::context::{CallerSlot, IdempotencyKey};
use crate::error::Error;
use crate::prompts::check_content;
use crate::sessions::NewSession;
use crate::steps::{MAX_ATTEMPTS, Moment, contended, session_not_found};
use crate::{Context, Services};

/// Longest id of a request, in bytes.
const MAX_KEY_BYTES: usize = 128;

/// How many messages tell how a session fares.
const RECENT: u32 = 10;

/// A request that must not be carried out twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentRequest {
    /// The session of the agent.
    pub session: SessionId,
    /// The agent's id of the request; at most 128 bytes.
    pub id: String,
}

/// A child that an agent wants.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChildTask {
    /// What it is told first.
    pub task: String,
    /// A name for what is worked on, 1 to 100 characters; that of its parent if absent.
    pub workspace: Option<String>,
    /// Its title, at most 200 characters.
    pub title: Option<String>,
    /// Name of a configured agent; that of its parent if absent.
    pub agent: Option<String>,
    /// Which model to use for the task.
    pub model: Option<String>,
}

/// How a session fares.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionReport {
    /// The session.
    pub session: Session,
    /// What its engine does.
    pub facts: Facts,
    /// How its sandbox is reached from outside.
    pub exposure: Exposure,
    /// The newest messages, oldest first.
    pub recent: Vec<Message>,
}

/// Which messages of another session an agent wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excerpt {
    /// The other session.
    pub session: SessionId,
    /// Those after this message from there on; the newest ones if absent.
    pub after: Option<MessageId>,
    /// At most so many, brought to between 1 and 100.
    pub limit: u32,
}

impl Services {
    /// Opens a child of the agent's session. It has the same owner, and agent, workspace and folder unless the task says
    /// otherwise.
    ///
    /// # Errors
    /// [`Error::ChildQuota`] when too many live; [`Error::Invalid`] when the session is a child itself, or for a task that
    /// cannot be; [`Error::SessionEnded`] when the session has ended.
    pub async fn spawn_child(&self, request: &AgentRequest, task: ChildTask) -> Result<SessionId, Error> {
        check_task(&task)?;
        let (context, id) = (self.on_behalf(request, "spawn-child")?, &request.session);
        let moment = Moment::from(&context);
        let mut lock = self.locks.lock(id).await;
        for _ in 0..MAX_ATTEMPTS {
            // In this order: whoever opens another child after the state was read changes its version.
            let (parent, engine) = self.stored(id).await?;
            let family = self.family(id, context.key(), &moment).await?;
            if let Some(child) = context.replay::<SessionId>(family.remembered.as_ref())? {
                return Ok(child);
            }
            let birth = Birth { parent: &parent, family: &family, opener: None, new: new_session(task.clone()) };
            let mut fresh = self.born(birth, &moment)?;
            fresh.writes.extend(context.remember(&family.owner.id, &fresh.session.id)?);
            if let Some(child) = self.attach(&mut lock, engine, fresh, &family.owner.id, context.now).await? {
                return Ok(child.id);
            }
        }
        Err(contended())
    }

    /// The children of the agent's session, newest first.
    ///
    /// # Errors
    /// The store's failure.
    pub async fn child_sessions(
        &self,
        session: &SessionId,
        filter: ChildFilter,
        page: PageRequest,
    ) -> Result<ChildPage, Error> {
        Ok(self.ports.store.children_of(session, filter, page).await?)
    }

    /// Ends a child of the agent's session.
    ///
    /// # Errors
    /// [`Error::NotFound`] when it is no child of this very session.
    pub async fn terminate_child(&self, session: &SessionId, child: &SessionId) -> Result<(), Error> {
        let admit = |engine: &Engine| {
            let is_own = engine.parent.as_ref() == Some(session);
            if is_own { Ok(()) } else { Err(session_not_found(child.as_str())) }
        };
        let stop = Event::StoppedByParent { reason: ParentStop::Wanted };
        self.apply_if(child, admit, vec![stop], Vec::new(), self.moment()).await.map(|_| ())
    }

    /// Says something to the agent of another session. With `interrupt` its turn is ended for it.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no such session of the same owner; otherwise as [`Services::prompt`].
    pub async fn send_to_session(
        &self,
        request: &AgentRequest,
        target: &SessionId,
        content: &str,
        interrupt: bool,
    ) -> Result<MessageId, Error> {
        check_content(content)?;
        let context = self.on_behalf(request, "session-message")?;
        let mut ids = context.ids.clone();
        let message: MessageId = ids.draw();
        let event = Event::Prompted(Prompt {
            id: message.clone(),
            content: content.to_owned(),
            attachments: Vec::new(),
            author: None,
            model: None,
            queue_mode: Some(if interrupt { QueueMode::Steer } else { QueueMode::Followup }),
            channel: None,
        });
        self.related(&request.session, target).await?;
        self.step_once(request, &context, target, event, ids, &message).await
    }

    /// Messages of another session, oldest first.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no such session of the same owner; [`Error::Invalid`] when it has no message to
    /// go on after.
    pub async fn read_session(&self, session: &SessionId, wanted: &Excerpt) -> Result<Vec<Message>, Error> {
        self.related(session, &wanted.session).await?;
        self.excerpt(wanted).await
    }

    /// Copies messages of another session into the transcript of the agent's own. Answers how many.
    ///
    /// # Errors
    /// As [`Services::read_session`].
    pub async fn forward_messages(&self, request: &AgentRequest, wanted: &Excerpt) -> Result<usize, Error> {
        let context = self.on_behalf(request, "forward-messages")?;
        let source = self.related(&request.session, &wanted.session).await?.0;
        let mut messages = self.excerpt(wanted).await?;
        messages.retain(|message| !message.content.trim().is_empty());
        let count = messages.len();
        let event = Event::Forwarded { source: name_of(&source), messages };
        self.step_once(request, &context, &request.session, event, context.ids.clone(), &count).await
    }

    /// How another session fares.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no such session of the same owner.
    pub async fn session_status(&self, session: &SessionId, target: &SessionId) -> Result<SessionReport, Error> {
        let (found, engine) = self.related(session, target).await?;
        let recent = self.ports.store.newest_messages(target, RECENT).await?;
        let facts = Facts::of(&engine.value);
        Ok(SessionReport { session: found, facts, exposure: engine.value.runner.exposure, recent })
    }

    async fn stored(&self, id: &SessionId) -> Result<(Session, Stored<Engine>), Error> {
        self.ports.store.engine(id).await?.ok_or_else(|| session_not_found(id.as_str()))
    }

    /// Another session of the same owner.
    async fn related(&self, session: &SessionId, target: &SessionId) -> Result<(Session, Stored<Engine>), Error> {
        if session == target {
            let message = "name another session than the agent's own".to_owned();
            return Err(Error::Invalid { field: "targetSessionId".to_owned(), message });
        }
        let (own, _) = self.stored(session).await?;
        let other = self.stored(target).await?;
        if other.0.owner == own.owner { Ok(other) } else { Err(session_not_found(target.as_str())) }
    }

    async fn excerpt(&self, wanted: &Excerpt) -> Result<Vec<Message>, Error> {
        let (store, limit) = (&self.ports.store, wanted.limit.clamp(1, MAX_MESSAGES));
        let Some(after) = &wanted.after else {
            return Ok(store.newest_messages(&wanted.session, limit).await?);
        };
        let position = store.message_position(&wanted.session, after).await?.ok_or_else(|| Error::Invalid {
            field: "after".to_owned(),
            message: "expected the id of a message of that session".to_owned(),
        })?;
        Ok(store.messages_of(&wanted.session, MessageRange { after: position, limit }).await?)
    }

    /// Applies an event to a session unless the request did so before, and remembers what it led to.
    async fn step_once<T>(
        &self,
        request: &AgentRequest,
        context: &Context,
        target: &SessionId,
        event: Event,
        ids: IdStream,
        result: &T,
    ) -> Result<T, Error>
    where
        T: Clone + serde::Serialize + serde::de::DeserializeOwned + Send + Sync,
    {
        let moment = Moment { now: context.now, ids };
        let mut lock = self.locks.lock(target).await;
        for _ in 0..MAX_ATTEMPTS {
            let (_, engine) = self.stored(target).await?;
            let family = self.family(&request.session, context.key(), &moment).await?;
            if let Some(earlier) = context.replay::<T>(family.remembered.as_ref())? {
                return Ok(earlier);
            }
            let more: Vec<_> = context.remember(&family.owner.id, result)?.into_iter().collect();
            let events = std::slice::from_ref(&event);
            if let Some(stepped) = self.attempt(&mut lock, engine, events, &more, &moment).await? {
                return stepped.refused.map_or_else(|| Ok(result.clone()), |refusal| Err(refusal.into()));
            }
        }
        Err(contended())
    }

    /// The context of a request that carries a key of its own.
    fn on_behalf(&self, request: &AgentRequest, operation: &str) -> Result<Context, Error> {
        if request.id.is_empty() || request.id.len() > MAX_KEY_BYTES || request.id.contains('\0') {
            let message = "expected an id of 1 to 128 bytes".to_owned();
            return Err(Error::Invalid { field: "requestId".to_owned(), message });
        }
        let mut moment = self.moment();
        let key = format!("{operation}:{}:{}", request.session, request.id);
        Ok(Context {
            credential: None,
            permission: Permission::Public,
            request_id: moment.ids.draw_text(),
            now: moment.now,
            ids: moment.ids,
            idempotency: Some(IdempotencyKey { key, digest: operation.to_owned() }),
            local: false,
            base_url: String::new(),
            caller: CallerSlot::default(),
        })
    }
}

fn new_session(task: ChildTask) -> NewSession {
    NewSession {
        workspace: task.workspace.unwrap_or_default(),
        title: task.title,
        agent: task.agent,
        initial_prompt: Some(task.task),
        initial_model: task.model,
        ..NewSession::default()
    }
}

fn check_task(task: &ChildTask) -> Result<(), Error> {
    check_content(&task.task)?;
    let lengths = [
        ("workspace", &task.workspace, MAX_WORKSPACE_CHARS),
        ("title", &task.title, MAX_TITLE_CHARS),
        ("model", &task.model, MAX_MODEL_CHARS),
    ];
    for (field, text, most) in lengths {
        let is_right = |text: &String| text.chars().count() <= most && !text.contains('\0');
        if !text.as_ref().is_none_or(is_right) {
            let message = format!("expected at most {most} characters, none of them NUL");
            return Err(Error::Invalid { field: field.to_owned(), message });
        }
    }
    Ok(())
}
