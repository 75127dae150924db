//! The one error of all services.

use portway_ports::error::StoreError;

/// Why an operation was not carried out. Each says what the caller can do about it; the `api` crate maps each to a
/// status and a code, once for all surfaces.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No valid token was presented.
    #[error("Missing or invalid authentication")]
    Unauthorized,
    /// The caller is known, and may not.
    #[error("{0}")]
    Forbidden(&'static str),
    /// There is no such thing, or the caller may not know of it.
    #[error("{resource} with id '{id}' not found")]
    NotFound {
        /// What was looked for, capitalised.
        resource: &'static str,
        /// The id as it was given.
        id: String,
    },
    /// A field has a value that cannot be used.
    #[error("{field}: {message}")]
    Invalid {
        /// Path of the field, such as `config.timeout`.
        field: String,
        /// What is expected.
        message: String,
    },
    /// The session has ended and takes nothing more.
    #[error("The session is {status}: start a new one")]
    SessionEnded {
        /// Its status.
        status: &'static str,
    },
    /// The state of things does not allow it now.
    #[error("{0}")]
    Conflict(String),
    /// The idempotency key was used for another request.
    #[error("this idempotency key was used for a different request: use a new key")]
    IdempotencyKeyReused,
    /// Too many sessions are open.
    #[error("Too many active sessions: {active} of {limit}. Terminate one first")]
    SessionQuota {
        /// How many are open.
        active: u32,
        /// How many may be.
        limit: u32,
    },
    /// Too many children of a session live.
    #[error("Too many live child sessions: {live} of {limit}. Terminate one first")]
    ChildQuota {
        /// How many live.
        live: u32,
        /// How many may.
        limit: u32,
    },
    /// A bounded queue is full.
    #[error("{0}")]
    TooMany(&'static str),
    /// The session has no sandbox at the moment.
    #[error("The session is {status}: it has no sandbox now")]
    SandboxAway {
        /// The session's status.
        status: &'static str,
    },
    /// This installation, or whoever is asked, does not offer it.
    #[error("{0}")]
    NotAvailable(String),
    /// It may work later.
    #[error("{message}")]
    Unavailable {
        /// What is not there.
        message: String,
        /// When to try again, in seconds.
        retry_after: u32,
    },
    /// A fault of ours; the text is for the log, not for the caller.
    #[error("internal error: {0}")]
    Internal(String),
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(reason) | StoreError::Unknown(reason) => {
                // The reason may name files and hosts: it is for the operator, not for the caller.
                tracing::error!(reason, "the database cannot be used");
                Self::Unavailable { message: "The database cannot be used at the moment".to_owned(), retry_after: 1 }
            }
            StoreError::Fault(reason) => Self::Internal(reason),
        }
    }
}
