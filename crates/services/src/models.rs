//! The models that agents offer, and the one that is to be used.

use portway_domain::ids::SessionId;
use portway_domain::models::AvailableModels;

use crate::error::Error;
use crate::{Context, Services};

impl Services {
    /// The models that an agent of the caller's told last, in any session of their own. None before one has.
    ///
    /// # Errors
    /// [`Error::Unauthorized`] without a valid token.
    pub async fn available_models(&self, context: &Context) -> Result<AvailableModels, Error> {
        let seen = self.ports.store.available_models(context.token()?).await?;
        context.admit(seen.caller)?;
        Ok(seen.value)
    }

    /// The models that the owner of a session prefers, best first. They are for prompts that name none.
    ///
    /// # Errors
    /// The store's failure.
    pub async fn model_preferences(&self, id: &SessionId) -> Result<Vec<String>, Error> {
        let owner = match self.ports.store.engine(id).await? {
            Some((session, _)) => self.ports.store.user(&session.owner).await?,
            None => None,
        };
        Ok(owner.map(|owner| owner.model_preferences).unwrap_or_default())
    }
}
