//! Sharing sessions: who takes part, and links that let people in.

use portway_domain::access::{Principal, SessionRole};
use portway_domain::engine::{Actor, Event};
use portway_domain::ids::{SessionId, ShareLinkId, UserId};
use portway_domain::sharing::{MAX_SHARE_LINKS, ParticipantRole, ShareLink, ShareToken};
use portway_domain::time::Timestamp;
use portway_domain::users::{Profile, User};
use portway_ports::commit::Write;
use portway_ports::sharing::ParticipantItem;

use crate::error::Error;
use crate::sessions::actor;
use crate::steps::{MAX_ATTEMPTS, Moment, contended, session_not_found};
use crate::{Context, Services};

/// Everybody who takes part in a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parties {
    /// The owner.
    pub owner: Profile,
    /// The others, oldest first.
    pub others: Vec<ParticipantItem>,
}

/// Somebody to let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Invitee {
    /// By id.
    Id(UserId),
    /// By address.
    Email(String),
}

/// A share link to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewShareLink {
    /// As what it lets people in.
    pub role: ParticipantRole,
    /// When it stops; never, if absent.
    pub expires_at: Option<Timestamp>,
    /// How many people it lets in; any number, if absent.
    pub max_uses: Option<u32>,
}

/// Where a share link led.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Joined {
    /// The session.
    pub session: SessionId,
    /// The caller's role in it now.
    pub role: SessionRole,
}

impl Services {
    /// Everybody who takes part in a session.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no session that the caller may read.
    pub async fn participants(&self, context: &Context, id: &SessionId) -> Result<Parties, Error> {
        let seen = self.ports.store.participants(context.token()?, id).await?;
        context.admit_to(seen.caller, seen.value.as_ref().map(|found| &found.access), id)?;
        let found = seen.value.ok_or_else(|| session_not_found(id.as_str()))?;
        let owner = found.owner.ok_or_else(|| Error::Internal(format!("session {id} has no owner")))?;
        Ok(Parties { owner, others: found.others })
    }

    /// Lets somebody take part in a session, or gives them another role.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no session that the caller may share, or no such user; [`Error::Invalid`] for
    /// its owner; [`Error::TooMany`] when too many take part.
    pub async fn add_participant(
        &self,
        context: &Context,
        id: &SessionId,
        invitee: Invitee,
        role: ParticipantRole,
    ) -> Result<(), Error> {
        // Before anybody is looked for: strangers to the session learn nothing of other users.
        self.acting(context, id).await?;
        let who = self.invited(invitee).await?;
        let event = |by: &Principal| Event::ParticipantSet { who: who.clone(), role, by: actor(by) };
        self.act(context, id, event).await.map(|_| ())
    }

    async fn invited(&self, invitee: Invitee) -> Result<Actor, Error> {
        let (found, given) = match invitee {
            Invitee::Id(id) => (self.ports.store.user(&id).await?, id.into()),
            Invitee::Email(email) => (self.ports.store.user_by_email(&email).await?, email),
        };
        let User { id, name, email, .. } = found.ok_or(Error::NotFound { resource: "User", id: given })?;
        Ok(Actor { user: id, name: name.unwrap_or(email) })
    }

    /// Removes somebody from a session, whose open sockets are closed. The owner removes anybody; everybody else only
    /// themselves. Somebody who does not take part is gone already.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no session that the caller may read; [`Error::Forbidden`] when they may not
    /// remove that person.
    pub async fn remove_participant(&self, context: &Context, id: &SessionId, user: &UserId) -> Result<(), Error> {
        let (principal, state) = self.acting(context, id).await?;
        if principal.user != *user && !state.access.is_owner() {
            return Err(Error::Forbidden("Only the owner of a session removes others from it"));
        }
        let event = |by: &Principal| Event::ParticipantRemoved { user: user.clone(), by: actor(by) };
        self.act(context, id, event).await.map(|_| ())
    }

    /// The share links of a session that were not revoked, newest first.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no session that the caller may share.
    pub async fn share_links(&self, context: &Context, id: &SessionId) -> Result<Vec<ShareLink>, Error> {
        let seen = self.ports.store.share_links(context.token()?, id).await?;
        context.admit_to(seen.caller, seen.value.as_ref().map(|(access, _)| access), id)?;
        Ok(seen.value.map(|(_, links)| links).unwrap_or_default())
    }

    /// Makes a link that lets people into a session.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no session that the caller may share; [`Error::Invalid`] when it would never
    /// let anybody in; [`Error::TooMany`] when there are too many.
    pub async fn make_share_link(
        &self,
        context: &Context,
        id: &SessionId,
        new: NewShareLink,
    ) -> Result<ShareLink, Error> {
        if new.expires_at.is_some_and(|end| end <= context.now) {
            return Err(Error::Invalid {
                field: "expiresAt".to_owned(),
                message: "expected a time to come".to_owned(),
            });
        }
        let mut ids = context.ids.clone();
        let (link, token) = (ids.draw::<ShareLinkId>(), ShareToken::new(self.ports.entropy.draw()));
        let make = |principal: &Principal, links: &[ShareLink]| {
            if links.len() >= MAX_SHARE_LINKS {
                return Err(Error::TooMany("This session has too many share links: revoke one first"));
            }
            let link = ShareLink {
                id: link.clone(),
                session: id.clone(),
                token: token.clone(),
                role: new.role,
                created_by: principal.user.clone(),
                created_at: context.now,
                expires_at: new.expires_at,
                max_uses: new.max_uses,
                uses: 0,
                is_active: true,
            };
            let event = Event::ShareLinkMade { role: new.role, by: actor(principal) };
            Ok((event, Write::AddShareLink(link.clone()), link))
        };
        self.change_links(context, id, &Moment { now: context.now, ids: ids.clone() }, make).await
    }

    /// Revokes a share link. Whom it let in stays.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no session that the caller may share, or it has no such link that is not
    /// revoked.
    pub async fn revoke_share_link(&self, context: &Context, id: &SessionId, link: &ShareLinkId) -> Result<(), Error> {
        let revoke = |principal: &Principal, links: &[ShareLink]| {
            if !links.iter().any(|found| found.id == *link) {
                return Err(Error::NotFound { resource: "Share link", id: link.to_string() });
            }
            let write = Write::RevokeShareLink { id: link.clone(), session: id.clone() };
            Ok((Event::ShareLinkRevoked { by: actor(principal) }, write, ()))
        };
        self.change_links(context, id, &context.into(), revoke).await
    }

    /// Changes the links of a session by what `decide` makes of them. Answers what it answered.
    async fn change_links<T>(
        &self,
        context: &Context,
        id: &SessionId,
        moment: &Moment,
        decide: impl Fn(&Principal, &[ShareLink]) -> Result<(Event, Write, T), Error> + Send,
    ) -> Result<T, Error> {
        let mut lock = self.locks.lock(id).await;
        for _ in 0..MAX_ATTEMPTS {
            // In this order: whatever changes the links after the state was read changes its version as well.
            let (principal, state) = self.acting(context, id).await?;
            let links = self.share_links(context, id).await?;
            let (event, write, answer) = decide(&principal, &links)?;
            if let Some(stepped) = self.attempt(&mut lock, state.engine, &[event], &[write], moment).await? {
                return stepped.refused.map_or(Ok(answer), |refusal| Err(refusal.into()));
            }
        }
        Err(contended())
    }

    /// Lets the caller into the session of a link. Who is in already stays in, with the higher role, and uses nothing up.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the link lets nobody in; [`Error::TooMany`] when too many take part.
    pub async fn join_session(&self, context: &Context, token: &str) -> Result<Joined, Error> {
        let token = ShareToken::parse(token).ok_or_else(invalid_link)?;
        for _ in 0..MAX_ATTEMPTS {
            let seen = self.ports.store.share_link(context.token()?, &token).await?;
            let principal = context.admit(seen.caller)?;
            let link = seen.value.filter(|link| link.admits_at(context.now)).ok_or_else(invalid_link)?;
            let mut lock = self.locks.lock(&link.session).await;
            let (session, engine) = self.ports.store.engine(&link.session).await?.ok_or_else(invalid_link)?;
            let before = engine.value.participants.get(&principal.user).copied().map(SessionRole::from);
            let before = if session.owner == principal.user { Some(SessionRole::Owner) } else { before };
            if let Some(role) = before.filter(|role| *role >= SessionRole::from(link.role)) {
                return Ok(Joined { session: link.session, role });
            }
            let who = actor(&principal);
            let events = [Event::ParticipantSet { who: who.clone(), role: link.role, by: who }];
            let more = [Write::UseShareLink { id: link.id, at: context.now }];
            if let Some(stepped) = self.attempt(&mut lock, engine, &events, &more, &context.into()).await? {
                let joined = Joined { session: link.session, role: link.role.into() };
                return stepped.refused.map_or(Ok(joined), |refusal| Err(refusal.into()));
            }
        }
        Err(contended())
    }
}

fn invalid_link() -> Error {
    let message = "this link lets nobody in: it was revoked, has expired or is used up".to_owned();
    Error::Invalid { field: "token".to_owned(), message }
}
