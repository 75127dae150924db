//! Sharing sessions: who takes part, and links that let people in.

use garde::Validate;
use http::{Method, StatusCode};
use portway_domain::access::{Permission, SessionRole};
use portway_domain::ids::{SessionId, ShareLinkId, UserId};
use portway_domain::sharing::{ParticipantRole, ShareLink};
use portway_domain::time::Timestamp;
use portway_domain::users::Profile;
use portway_ports::sharing::{ListedParticipant, ParticipantItem};
use portway_services::error::Error;
use portway_services::sharing::{Invitee, Joined, NewShareLink, Parties};
use portway_services::{Context, Services};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::sessions::SessionPath;
use super::{Answer, SUCCESS, State, Success, session_id};
use crate::operation::Operation;
use crate::rate::RateClass;

const PARTICIPANTS: &str = "/api/sessions/{id}/participants";

pub(super) fn rows() -> Vec<Operation<Services>> {
    let viewer = Permission::Session(SessionRole::Viewer);
    let owner = Permission::Session(SessionRole::Owner);
    vec![
        Operation::new("participants.list", Method::GET, PARTICIPANTS, viewer)
            .summary("List who takes part in a session")
            .describe("The owner first, then the others, oldest first.")
            .handler(list),
        Operation::new("participants.add", Method::POST, PARTICIPANTS, owner)
            .summary("Let somebody take part in a session")
            .describe("A viewer reads; a collaborator also prompts, answers and aborts. Once more changes the role.")
            .handler(add),
        Operation::new("participants.remove", Method::DELETE, "/api/sessions/{id}/participants/{userId}", viewer)
            .summary("Remove somebody from a session")
            .describe("Their open sockets are closed. The owner removes anybody; everybody else only themselves.")
            .handler(remove),
        Operation::new("share_links.list", Method::GET, "/api/sessions/{id}/share-links", owner)
            .summary("List the links that let people into a session")
            .describe("Newest first, without those that were revoked.")
            .handler(list_links),
        Operation::new("share_links.create", Method::POST, "/api/sessions/{id}/share-link", owner)
            .summary("Make a link that lets people into a session")
            .describe(
                "Everybody who is signed in and has its token can join, until it expires, is used up or is revoked.",
            )
            .rate(RateClass::Login)
            .status(StatusCode::CREATED)
            .handler(create_link),
        Operation::new("share_links.revoke", Method::DELETE, "/api/sessions/{id}/share-link/{linkId}", owner)
            .summary("Revoke a link that lets people into a session")
            .describe("Whom it let in stays.")
            .handler(revoke_link),
        Operation::new("sessions.join", Method::POST, "/api/sessions/join/{token}", Permission::SignedIn)
            .summary("Join a session by a link")
            .describe("Who takes part already stays in, with the higher role, and uses nothing up.")
            .rate(RateClass::Login)
            .handler(join),
    ]
}

/// What somebody may do in a session of another.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum RoleName {
    /// Reads everything, changes nothing.
    Viewer,
    /// Prompts, answers and aborts.
    Collaborator,
}

impl From<RoleName> for ParticipantRole {
    fn from(name: RoleName) -> Self {
        match name {
            RoleName::Viewer => Self::Viewer,
            RoleName::Collaborator => Self::Collaborator,
        }
    }
}

/// Somebody who takes part in a session of a list.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ListedParticipantView {
    user_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    email: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    avatar_url: Option<String>,
    /// `viewer` or `collaborator`.
    role: &'static str,
}

impl From<ListedParticipant> for ListedParticipantView {
    fn from(ListedParticipant { profile, role }: ListedParticipant) -> Self {
        let Profile { id, email, name, avatar_url } = profile;
        Self { user_id: id.into(), name, email, avatar_url, role: role.as_str() }
    }
}

/// Everybody who takes part in a session.
#[derive(Debug, Serialize, JsonSchema)]
struct ParticipantList {
    /// The owner first, then the others, oldest first.
    participants: Vec<ParticipantView>,
}

/// Somebody who takes part in a session.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct ParticipantView {
    id: String,
    session_id: String,
    user_id: String,
    /// `owner`, `collaborator` or `viewer`.
    role: &'static str,
    /// Who let them in: the owner, or they themselves by a link. Not there for the owner.
    #[serde(skip_serializing_if = "Option::is_none")]
    added_by: Option<String>,
    /// Since when; for the owner the time of this answer.
    created_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_name: Option<String>,
    user_email: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_avatar_url: Option<String>,
}

impl ParticipantView {
    fn owner(session: &SessionId, owner: Profile, now: Timestamp) -> Self {
        Self {
            id: format!("owner:{}", owner.id),
            session_id: session.to_string(),
            user_id: owner.id.into(),
            role: SessionRole::Owner.as_str(),
            added_by: None,
            created_at: now.to_string(),
            user_name: owner.name,
            user_email: owner.email,
            user_avatar_url: owner.avatar_url,
        }
    }

    fn other(session: &SessionId, ParticipantItem { participant, profile }: ParticipantItem) -> Self {
        Self {
            id: format!("{session}:{}", participant.user),
            session_id: session.to_string(),
            user_id: participant.user.into(),
            role: participant.role.as_str(),
            added_by: Some(participant.added_by.into()),
            created_at: participant.created_at.to_string(),
            user_name: profile.name,
            user_email: profile.email,
            user_avatar_url: profile.avatar_url,
        }
    }
}

async fn list(services: State, context: Context, input: SessionPath) -> Answer<ParticipantList> {
    let id = session_id(&input.id)?;
    let Parties { owner, others } = services.participants(&context, &id).await?;
    let owner = ParticipantView::owner(&id, owner, context.now);
    let others = others.into_iter().map(|other| ParticipantView::other(&id, other));
    Ok(ParticipantList { participants: [owner].into_iter().chain(others).collect() })
}

/// Somebody to let in: named by `userId` or by `email`.
#[derive(Debug, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase")]
struct AddParticipant {
    /// The session.
    #[garde(skip)]
    id: String,
    #[garde(length(min = 1, max = 128))]
    user_id: Option<String>,
    #[garde(length(chars, min = 1, max = 255))]
    email: Option<String>,
    /// As what.
    #[garde(skip)]
    role: RoleName,
}

async fn add(services: State, context: Context, input: AddParticipant) -> Answer<Success> {
    let invitee = match (input.user_id, input.email) {
        (Some(id), None) => Invitee::Id(user_id(id)?),
        (None, Some(email)) => Invitee::Email(email),
        (Some(_), Some(_)) | (None, None) => {
            let message = "expected either this or email".to_owned();
            return Err(Error::Invalid { field: "userId".to_owned(), message });
        }
    };
    services.add_participant(&context, &session_id(&input.id)?, invitee, input.role.into()).await?;
    Ok(SUCCESS)
}

/// Somebody who takes part in a session.
#[derive(Debug, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase")]
struct ParticipantPath {
    /// The session.
    #[garde(skip)]
    id: String,
    /// Who.
    #[garde(skip)]
    user_id: String,
}

async fn remove(services: State, context: Context, input: ParticipantPath) -> Answer<Success> {
    services.remove_participant(&context, &session_id(&input.id)?, &user_id(input.user_id)?).await?;
    Ok(SUCCESS)
}

/// A user that a request names. What cannot be an id names nobody.
fn user_id(text: String) -> Result<UserId, Error> {
    UserId::parse(text.as_str()).map_err(|_| Error::NotFound { resource: "User", id: text })
}

/// The links of a session.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct ShareLinkList {
    share_links: Vec<ShareLinkView>,
}

/// A new link.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct OnlyShareLink {
    share_link: ShareLinkView,
}

/// A link that lets people into a session.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct ShareLinkView {
    id: String,
    session_id: String,
    /// What joins; whoever has it is let in.
    token: String,
    /// `viewer` or `collaborator`.
    role: &'static str,
    created_by: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_uses: Option<u32>,
    use_count: u32,
    /// Whether it was not revoked.
    active: bool,
    created_at: String,
}

impl From<ShareLink> for ShareLinkView {
    fn from(link: ShareLink) -> Self {
        Self {
            id: link.id.into(),
            session_id: link.session.into(),
            token: link.token.reveal().to_owned(),
            role: link.role.as_str(),
            created_by: link.created_by.into(),
            expires_at: link.expires_at.map(|end| end.to_string()),
            max_uses: link.max_uses,
            use_count: link.uses,
            active: link.is_active,
            created_at: link.created_at.to_string(),
        }
    }
}

async fn list_links(services: State, context: Context, input: SessionPath) -> Answer<ShareLinkList> {
    let links = services.share_links(&context, &session_id(&input.id)?).await?;
    Ok(ShareLinkList { share_links: links.into_iter().map(Into::into).collect() })
}

/// A link to make.
#[derive(Debug, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase")]
struct CreateShareLink {
    /// The session.
    #[garde(skip)]
    id: String,
    /// As what it lets people in.
    #[garde(skip)]
    role: RoleName,
    /// When it stops, in RFC 3339; never if left out.
    #[garde(length(max = 64))]
    #[schemars(extend("format" = "date-time"))]
    expires_at: Option<String>,
    /// How many people it lets in; any number if left out.
    #[garde(range(min = 1, max = 1_000_000))]
    max_uses: Option<u32>,
}

async fn create_link(services: State, context: Context, input: CreateShareLink) -> Answer<OnlyShareLink> {
    let expires_at = input.expires_at.as_deref().map(Timestamp::parse).transpose();
    let expires_at =
        expires_at.map_err(|invalid| Error::Invalid { field: "expiresAt".to_owned(), message: invalid.to_string() })?;
    let new = NewShareLink { role: input.role.into(), expires_at, max_uses: input.max_uses };
    let link = services.make_share_link(&context, &session_id(&input.id)?, new).await?;
    Ok(OnlyShareLink { share_link: link.into() })
}

/// A link of a session.
#[derive(Debug, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase")]
struct ShareLinkPath {
    /// The session.
    #[garde(skip)]
    id: String,
    /// The link.
    #[garde(skip)]
    link_id: String,
}

async fn revoke_link(services: State, context: Context, input: ShareLinkPath) -> Answer<Success> {
    let link = ShareLinkId::parse(input.link_id.as_str())
        .map_err(|_| Error::NotFound { resource: "Share link", id: input.link_id })?;
    services.revoke_share_link(&context, &session_id(&input.id)?, &link).await?;
    Ok(SUCCESS)
}

/// What somebody was given to join with.
#[derive(Debug, Deserialize, JsonSchema, Validate)]
struct JoinPath {
    /// The token of a link.
    #[garde(skip)]
    token: String,
}

/// Where it led.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct JoinedView {
    session_id: String,
    /// The caller's role now: `viewer`, `collaborator` or `owner`.
    role: &'static str,
}

async fn join(services: State, context: Context, input: JoinPath) -> Answer<JoinedView> {
    let Joined { session, role } = services.join_session(&context, &input.token).await?;
    Ok(JoinedView { session_id: session.into(), role: role.as_str() })
}
