//! Requests that were refused before the api saw them.

use std::net::SocketAddr;

use crate::error::ApiError;

/// Put by the host as an extension on a request that stands for one which it could not read, such as one whose head was
/// no HTTP. The rest of such a request does not matter: it is answered with this error, counted and logged like any
/// other.
#[derive(Debug, Clone)]
pub struct Refused {
    /// What the caller is told.
    pub error: ApiError,
    /// Who sent the request, for the log.
    pub peer: SocketAddr,
}
