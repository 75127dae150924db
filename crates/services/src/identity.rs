//! Users and their tokens.

use portway_domain::access::{Principal, Role};
use portway_domain::ids::TokenId;
use portway_domain::sessions::QueueMode;
use portway_domain::time::Timestamp;
use portway_domain::tokens::{AccessToken, TokenKind, TokenSecret};
use portway_domain::users::User;
use portway_ports::commit::{ChangeSet, Commit, Write};
use portway_ports::users::TokenListItem;

use crate::error::Error;
use crate::steps::{MAX_ATTEMPTS, contended};
use crate::{Context, Services};

/// Most tokens that a list shows.
const TOKEN_LIST: u32 = 100;

/// Fields of one's own row to change; absent ones stay as they are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProfileChange {
    /// What to call the user.
    pub name: Option<String>,
    /// Name to commit under.
    pub git_name: Option<String>,
    /// Address to commit under.
    pub git_email: Option<String>,
    /// Whether the user has been through the first steps.
    pub onboarding_completed: Option<bool>,
    /// After how many seconds without activity a session may rest.
    pub idle_timeout_seconds: Option<u32>,
    /// Models in order of preference.
    pub model_preferences: Option<Vec<String>>,
    /// What happens to prompts while the agent is busy.
    pub queue_mode: Option<QueueMode>,
}

/// A new token and its secret, which is shown this once.
#[derive(Clone)]
pub struct NewToken {
    /// The token.
    pub token: AccessToken,
    /// Its secret.
    pub secret: TokenSecret,
}

impl Services {
    /// Makes the first administrator, in a store without users. Answers the secret of the administrator's key, or `None`
    /// when there are users already.
    ///
    /// # Errors
    /// The store's failure.
    pub async fn bootstrap(&self, chosen: Option<TokenSecret>) -> Result<Option<TokenSecret>, Error> {
        if self.ports.store.has_users().await? {
            return Ok(None);
        }
        let moment = self.moment();
        let mut ids = moment.ids;
        let mut user = User::new(ids.draw(), "admin@localhost".to_owned(), Role::Admin, moment.now);
        user.name = Some("Administrator".to_owned());
        let secret = chosen.unwrap_or_else(|| TokenSecret::api_key(moment.now, self.ports.entropy.draw()));
        let token = AccessToken {
            id: ids.draw(),
            user: user.id.clone(),
            kind: TokenKind::Api,
            name: "Bootstrap key".to_owned(),
            prefix: secret.prefix(),
            hash: secret.hash(),
            created_at: moment.now,
            expires_at: None,
        };
        let set = ChangeSet::new().with(Write::AddUser(user)).with(Write::AddToken(token));
        match self.commit(set).await? {
            Commit::Done => Ok(Some(secret)),
            Commit::Conflict { .. } => Ok(None),
        }
    }

    /// The caller's own row.
    ///
    /// # Errors
    /// [`Error::Unauthorized`] without a valid token.
    pub async fn me(&self, context: &Context) -> Result<User, Error> {
        let seen = self.ports.store.caller(context.token()?).await?;
        context.admit(seen.caller)?;
        seen.value.ok_or(Error::Unauthorized)
    }

    /// Changes the caller's own row. Answers the row after it.
    ///
    /// # Errors
    /// [`Error::Unauthorized`] without a valid token.
    pub async fn change_me(&self, context: &Context, change: ProfileChange) -> Result<User, Error> {
        for _ in 0..MAX_ATTEMPTS {
            let user = self.me(context).await?;
            let version = user.version;
            let changed = User { version: version + 1, ..with_change(user, &change, context.now) };
            let set = ChangeSet::new().with(Write::SetUser { user: changed.clone(), version });
            if self.commit(set).await? == Commit::Done {
                return Ok(changed);
            }
        }
        Err(contended())
    }

    /// The caller's keys that are not revoked, newest first.
    ///
    /// # Errors
    /// [`Error::Unauthorized`] without a valid token.
    pub async fn tokens(&self, context: &Context) -> Result<Vec<TokenListItem>, Error> {
        let seen = self.ports.store.tokens(context.token()?, TOKEN_LIST).await?;
        context.admit(seen.caller)?;
        Ok(seen.value)
    }

    /// Makes a key for programs.
    ///
    /// # Errors
    /// [`Error::Unauthorized`] without a valid token.
    pub async fn make_token(
        &self,
        context: &Context,
        name: String,
        expires_at: Option<Timestamp>,
    ) -> Result<NewToken, Error> {
        let principal = self.principal(context).await?;
        let mut ids = context.ids.clone();
        let secret = TokenSecret::api_key(context.now, self.ports.entropy.draw());
        let token = AccessToken {
            id: ids.draw(),
            user: principal.user,
            kind: TokenKind::Api,
            name,
            prefix: secret.prefix(),
            hash: secret.hash(),
            created_at: context.now,
            expires_at,
        };
        match self.commit(ChangeSet::new().with(Write::AddToken(token.clone()))).await? {
            Commit::Done => Ok(NewToken { token, secret }),
            Commit::Conflict { .. } => Err(contended()),
        }
    }

    /// Revokes one of the caller's tokens. It is refused from then on, and sockets that were opened with it end: those of
    /// this process at once.
    ///
    /// # Errors
    /// [`Error::NotFound`] when the caller has no such token that is not revoked.
    pub async fn revoke_token(&self, context: &Context, id: &TokenId) -> Result<(), Error> {
        let principal = self.principal(context).await?;
        let write = Write::RevokeToken { id: id.clone(), user: principal.user, at: context.now };
        match self.commit(ChangeSet::new().with(write)).await? {
            Commit::Done => {
                self.end_sockets_of(id);
                Ok(())
            }
            Commit::Conflict { .. } => Err(Error::NotFound { resource: "API key", id: id.to_string() }),
        }
    }

    /// Revokes the very token that was presented, if it came from a login. Keys for programs stay.
    ///
    /// # Errors
    /// [`Error::Unauthorized`] without a valid token.
    pub async fn sign_out(&self, context: &Context) -> Result<(), Error> {
        let principal = self.principal(context).await?;
        let keys = self.ports.store.tokens(context.token()?, TOKEN_LIST).await?.value;
        if keys.iter().any(|item| item.token.id == principal.token) {
            return Ok(());
        }
        let token = principal.token.clone();
        let write = Write::RevokeToken { id: principal.token, user: principal.user, at: context.now };
        self.commit(ChangeSet::new().with(write)).await?;
        self.end_sockets_of(&token);
        Ok(())
    }

    /// Who the caller is.
    ///
    /// # Errors
    /// [`Error::Unauthorized`] without a valid token.
    pub async fn principal(&self, context: &Context) -> Result<Principal, Error> {
        context.admit(self.ports.store.principal(context.token()?).await?)
    }
}

fn with_change(mut user: User, change: &ProfileChange, now: Timestamp) -> User {
    if let Some(name) = &change.name {
        user.name = Some(name.clone());
    }
    if let Some(name) = &change.git_name {
        user.git_name = Some(name.clone());
    }
    if let Some(email) = &change.git_email {
        user.git_email = Some(email.clone());
    }
    user.onboarding_completed = change.onboarding_completed.unwrap_or(user.onboarding_completed);
    user.idle_timeout_seconds = change.idle_timeout_seconds.unwrap_or(user.idle_timeout_seconds);
    user.model_preferences = change.model_preferences.clone().unwrap_or(user.model_preferences);
    user.queue_mode = change.queue_mode.unwrap_or(user.queue_mode);
    user.updated_at = now;
    user
}
