//! The caller: their own row and their keys.

use std::time::Duration;

use garde::Validate;
use http::{Method, StatusCode};
use portway_domain::access::Permission;
use portway_domain::ids::TokenId;
use portway_domain::sessions::QueueMode;
use portway_domain::tokens::AccessToken;
use portway_domain::users::User;
use portway_services::error::Error;
use portway_services::identity::ProfileChange;
use portway_services::{Context, Services};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Answer, SUCCESS, State, Success};
use crate::input::NoInput;
use crate::operation::Operation;
use crate::rate::RateClass;
use crate::surfaces::Surfaces;

pub(super) fn rows() -> Vec<Operation<Services>> {
    vec![
        Operation::new("auth.me", Method::GET, "/api/auth/me", Permission::SignedIn)
            .summary("Who the caller is")
            .describe("The user whom the presented token belongs to, and their settings.")
            .handler(me),
        Operation::new("auth.update_me", Method::PATCH, "/api/auth/me", Permission::SignedIn)
            .summary("Change one's own profile")
            .describe("Fields that are left out stay as they are.")
            .handler(update_me),
        Operation::new("auth.logout", Method::POST, "/api/auth/logout", Permission::SignedIn)
            .summary("Sign out")
            .describe("Ends the login that the presented token belongs to. A key for programs stays valid.")
            // A model does not end the login of the person whose tools it uses.
            .surfaces(Surfaces::ALL.without(Surfaces::MCP))
            .handler(logout),
        Operation::new("api_keys.list", Method::GET, "/api/api-keys", Permission::SignedIn)
            .summary("List one's own keys")
            .describe("Newest first, without their secrets.")
            .handler(list_keys),
        Operation::new("api_keys.create", Method::POST, "/api/api-keys", Permission::SignedIn)
            .summary("Make a key")
            .describe("The secret is in the answer and is never shown again.")
            .rate(RateClass::Login)
            .status(StatusCode::CREATED)
            .answers_once()
            // Nor does it get a key to do what it has no tool for.
            .surfaces(Surfaces::ALL.without(Surfaces::MCP))
            .handler(create_key),
        Operation::new("api_keys.revoke", Method::DELETE, "/api/api-keys/{id}", Permission::SignedIn)
            .summary("Revoke a key")
            .describe("One of the caller's own. From now on nobody gets in with it.")
            .handler(revoke_key),
    ]
}

/// A user.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct UserView {
    id: String,
    email: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    avatar_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    git_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    git_email: Option<String>,
    onboarding_completed: bool,
    idle_timeout_seconds: u32,
    model_preferences: Vec<String>,
    /// `followup`, `collect` or `steer`.
    ui_queue_mode: &'static str,
    /// `admin` or `member`.
    role: &'static str,
    created_at: String,
    updated_at: String,
}

impl From<User> for UserView {
    fn from(user: User) -> Self {
        Self {
            id: user.id.into(),
            email: user.email,
            name: user.name,
            avatar_url: user.avatar_url,
            git_name: user.git_name,
            git_email: user.git_email,
            onboarding_completed: user.onboarding_completed,
            idle_timeout_seconds: user.idle_timeout_seconds,
            model_preferences: user.model_preferences,
            ui_queue_mode: user.queue_mode.as_str(),
            role: user.role.as_str(),
            created_at: user.created_at.to_string(),
            updated_at: user.updated_at.to_string(),
        }
    }
}

/// Who the caller is.
#[derive(Debug, Serialize, JsonSchema)]
struct Me {
    user: UserView,
    /// Which accounts elsewhere are linked.
    providers: Providers,
}

/// Linked accounts.
#[derive(Debug, Serialize, JsonSchema)]
struct Providers {
    github: bool,
    google: bool,
}

/// The caller's row.
#[derive(Debug, Serialize, JsonSchema)]
struct OnlyUser {
    user: UserView,
}

async fn me(services: State, context: Context, _: NoInput) -> Answer<Me> {
    let user = services.me(&context).await?;
    Ok(Me { user: user.into(), providers: Providers { github: false, google: false } })
}

/// Fields of one's own profile to change.
#[derive(Debug, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase")]
struct UpdateMe {
    #[garde(length(chars, max = 255))]
    name: Option<String>,
    #[garde(length(chars, max = 255))]
    git_name: Option<String>,
    #[garde(length(chars, max = 255))]
    git_email: Option<String>,
    #[garde(skip)]
    onboarding_completed: Option<bool>,
    #[garde(range(min = 300, max = 3600))]
    idle_timeout_seconds: Option<u32>,
    #[garde(length(max = 20), inner(inner(length(chars, max = 255))))]
    model_preferences: Option<Vec<String>>,
    #[garde(skip)]
    ui_queue_mode: Option<QueueModeName>,
}

/// What happens to a prompt while the agent is busy.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum QueueModeName {
    /// It waits.
    Followup,
    /// It aborts the turn and goes next.
    Steer,
    /// It is gathered with others for a moment.
    Collect,
}

impl From<QueueModeName> for QueueMode {
    fn from(name: QueueModeName) -> Self {
        match name {
            QueueModeName::Followup => Self::Followup,
            QueueModeName::Steer => Self::Steer,
            QueueModeName::Collect => Self::Collect,
        }
    }
}

async fn update_me(services: State, context: Context, input: UpdateMe) -> Answer<OnlyUser> {
    let change = ProfileChange {
        name: input.name,
        git_name: input.git_name,
        git_email: input.git_email,
        onboarding_completed: input.onboarding_completed,
        idle_timeout_seconds: input.idle_timeout_seconds,
        model_preferences: input.model_preferences,
        queue_mode: input.ui_queue_mode.map(Into::into),
    };
    Ok(OnlyUser { user: services.change_me(&context, change).await?.into() })
}

async fn logout(services: State, context: Context, _: NoInput) -> Answer<Success> {
    services.sign_out(&context).await?;
    Ok(SUCCESS)
}

/// One's own keys.
#[derive(Debug, Serialize, JsonSchema)]
struct KeyList {
    /// Newest first.
    keys: Vec<KeyView>,
}

/// A key, without its secret.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct KeyView {
    id: String,
    name: String,
    /// The ends of the secret, to tell keys apart.
    prefix: String,
    created_at: String,
    last_used_at: Option<String>,
    expires_at: Option<String>,
}

impl KeyView {
    fn of(token: AccessToken, last_used_at: Option<String>) -> Self {
        Self {
            id: token.id.into(),
            name: token.name,
            prefix: token.prefix,
            created_at: token.created_at.to_string(),
            last_used_at,
            expires_at: token.expires_at.map(|time| time.to_string()),
        }
    }
}

async fn list_keys(services: State, context: Context, _: NoInput) -> Answer<KeyList> {
    let items = services.tokens(&context).await?;
    let view = |item: portway_ports::users::TokenListItem| {
        KeyView::of(item.token, item.last_used_at.map(|time| time.to_string()))
    };
    Ok(KeyList { keys: items.into_iter().map(view).collect() })
}

/// A key to make.
#[derive(Debug, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase")]
struct CreateKey {
    /// What to call it.
    #[garde(length(chars, min = 1, max = 100))]
    name: String,
    /// After how many days it stops being valid; never, if left out.
    #[garde(range(min = 1, max = 3650))]
    expires_in_days: Option<u32>,
}

/// A new key and its secret.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct NewKey {
    id: String,
    name: String,
    prefix: String,
    created_at: String,
    expires_at: Option<String>,
    /// The secret. It is never shown again.
    token: String,
}

async fn create_key(services: State, context: Context, input: CreateKey) -> Answer<NewKey> {
    let day = Duration::from_secs(24 * 3_600);
    let expires_at = input.expires_in_days.map(|days| context.now.plus(day * days));
    let made = services.make_token(&context, input.name, expires_at).await?;
    let token = made.secret.reveal().to_owned();
    let key = KeyView::of(made.token, None);
    Ok(NewKey {
        id: key.id,
        name: key.name,
        prefix: key.prefix,
        created_at: key.created_at,
        expires_at: key.expires_at,
        token,
    })
}

/// A key.
#[derive(Debug, Deserialize, JsonSchema, Validate)]
struct KeyPath {
    /// The key.
    #[garde(skip)]
    id: String,
}

async fn revoke_key(services: State, context: Context, input: KeyPath) -> Answer<Success> {
    let id = TokenId::parse(input.id.as_str()).map_err(|_| Error::NotFound { resource: "API key", id: input.id })?;
    services.revoke_token(&context, &id).await?;
    Ok(SUCCESS)
}
