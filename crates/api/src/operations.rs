//! Every operation of the product, one module per concern.

mod agents;
mod audit;
pub(crate) mod children;
mod deletion;
mod health;
mod hibernation;
mod identity;
pub(crate) mod memories;
mod messages;
mod models;
mod sandbox_tokens;
mod search;
mod sessions;
mod sharing;
pub(crate) mod tunnels;
mod workspaces;

use std::sync::Arc;

use portway_domain::channels::{Channel, InvalidChannel};
use portway_domain::ids::{MessageId, SessionId};
use portway_services::Services;
use portway_services::error::Error;
use schemars::JsonSchema;
use serde::Serialize;

pub(crate) use self::sessions::SessionPath;

use crate::operation::OperationTable;
use crate::row::TableError;

/// The operation table.
///
/// # Errors
/// [`TableError`] when two rows contradict each other, which the tests of this crate rule out.
pub fn operations() -> Result<OperationTable<Services>, TableError> {
    OperationTable::new(
        health::rows()
            .into_iter()
            .chain(identity::rows())
            .chain(agents::rows())
            .chain(sessions::rows())
            .chain(models::rows())
            .chain(deletion::rows())
            .chain(hibernation::rows())
            .chain(sharing::rows())
            .chain(children::rows())
            .chain(audit::rows())
            .chain(workspaces::rows())
            .chain(tunnels::rows())
            .chain(sandbox_tokens::rows())
            .chain(messages::rows())
            .chain(search::rows())
            .chain(memories::rows()),
    )
}

type State = Arc<Services>;
type Answer<T> = Result<T, Error>;

/// Something was done, and there is nothing to tell about it.
#[derive(Debug, Serialize, JsonSchema)]
struct Success {
    /// Always `true`.
    success: bool,
}

const SUCCESS: Success = Success { success: true };

/// The channel that a prompt came from.
pub(crate) fn channel(kind: Option<String>, id: Option<String>) -> Result<Option<Channel>, Error> {
    let invalid = |field: &str, message: String| Error::Invalid { field: field.to_owned(), message };
    match (kind, id) {
        (None, None) => Ok(None),
        (Some(_), None) => Err(invalid("channelId", "expected together with channelType".to_owned())),
        (None, Some(_)) => Err(invalid("channelType", "expected together with channelId".to_owned())),
        (Some(kind), Some(id)) => Channel::new(kind, id).map(Some).map_err(|error| {
            let field = if error == InvalidChannel::Kind { "channelType" } else { "channelId" };
            invalid(field, error.to_string())
        }),
    }
}

/// The session that a path names. What cannot be an id names no session.
fn session_id(text: &str) -> Result<SessionId, Error> {
    SessionId::parse(text).map_err(|_| Error::NotFound { resource: "Session", id: text.to_owned() })
}

/// The prompt that a path or a frame names. What cannot be an id names no prompt.
pub(crate) fn prompt_id(text: String) -> Result<MessageId, Error> {
    MessageId::parse(text.as_str()).map_err(|_| Error::NotFound { resource: "Prompt", id: text })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_are_consistent_and_described() {
        let (operations, endpoints) = (operations().unwrap(), crate::endpoints().unwrap());
        assert_eq!(crate::problems(&operations, &endpoints), Vec::<String>::new());
    }

    #[test]
    fn only_probes_are_public() {
        use portway_domain::access::Permission;
        let operations = operations().unwrap();
        let public: Vec<&str> = operations
            .iter()
            .filter(|operation| operation.row().permission == Permission::Public)
            .map(|operation| operation.row().name)
            .collect();
        assert_eq!(public, ["health", "ready"]);
    }
}
