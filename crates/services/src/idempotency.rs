//! Doing something at most once under a key that the caller chose.

use std::time::Duration;

use portway_domain::ids::UserId;
use portway_ports::commit::{Remembered, Write};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Context;
use crate::error::Error;

/// How long results are kept.
pub(crate) const KEPT: Duration = Duration::from_secs(24 * 3_600);

impl Context {
    /// The key under which this request was sent, if any.
    pub(crate) fn key(&self) -> Option<&str> {
        self.idempotency.as_ref().map(|key| key.key.as_str())
    }

    /// The result that the same request had before.
    ///
    /// # Errors
    /// [`Error::IdempotencyKeyReused`] when the key belongs to another request.
    pub(crate) fn replay<T: DeserializeOwned>(&self, remembered: Option<&Remembered>) -> Result<Option<T>, Error> {
        let (Some(key), Some(remembered)) = (&self.idempotency, remembered) else {
            return Ok(None);
        };
        if key.digest != remembered.digest {
            return Err(Error::IdempotencyKeyReused);
        }
        serde_json::from_str(&remembered.result)
            .map(Some)
            .map_err(|error| Error::Internal(format!("remembered result of {}: {error}", key.key)))
    }

    /// The row that keeps the result of this request, if it carries a key; committed with what the request did.
    pub(crate) fn remember<T: Serialize>(&self, user: &UserId, result: &T) -> Result<Option<Write>, Error> {
        let Some(key) = &self.idempotency else {
            return Ok(None);
        };
        let result = serde_json::to_string(result).map_err(|error| Error::Internal(error.to_string()))?;
        Ok(Some(Write::Remember(Remembered {
            user: user.clone(),
            key: key.key.clone(),
            digest: key.digest.clone(),
            result,
            created_at: self.now,
            expires_at: self.now.plus(KEPT),
        })))
    }
}
