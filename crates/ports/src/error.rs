//! The one error of the storage ports. Absence is `None` and a lost race is an outcome: only failure is an error.

/// Why a store could not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// It certainly did not happen, and may work later.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// It may have happened: the connection was lost while the answer was on its way. Look before trying again.
    #[error("the outcome is unknown: {0}")]
    Unknown(String),
    /// It did not happen and will not: a fault in the program or in the stored data.
    #[error("the store cannot do this: {0}")]
    Fault(String),
}
