//! Deleting sessions for good.

use garde::Validate;
use http::Method;
use portway_domain::access::Permission;
use portway_domain::ids::SessionId;
use portway_services::error::Error;
use portway_services::{Context, Services};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::fmt::Hyphenated;

use super::{Answer, State};
use crate::error::ApiError;
use crate::operation::Operation;

pub(super) fn rows() -> Vec<Operation<Services>> {
    vec![
        Operation::new("sessions.bulk_delete", Method::POST, "/api/sessions/bulk-delete", Permission::SignedIn)
            .summary("Delete sessions for good")
            .describe(
                "Each ends at once, with the sessions that it opened; until all that is kept of it is gone, which does \
                 not take long, it reads as one that has ended. Sessions that are not one's own are passed over.",
            )
            .destructive()
            .handler(bulk_delete),
    ]
}

/// Sessions to delete.
#[derive(Debug, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase")]
struct BulkDelete {
    /// Their ids, between 1 and 100 of them.
    #[garde(length(min = 1, max = 100))]
    #[schemars(extend("items" = { "type": "string", "format": "uuid" }))]
    session_ids: Vec<String>,
}

/// What became of them.
#[derive(Debug, Serialize, JsonSchema)]
struct BulkDeleted {
    /// How many are deleted.
    deleted: u32,
    /// Those that could not be.
    errors: Vec<NotDeleted>,
}

/// A session that could not be deleted.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct NotDeleted {
    /// The session.
    session_id: String,
    /// Why not.
    error: String,
}

async fn bulk_delete(services: State, context: Context, input: BulkDelete) -> Answer<BulkDeleted> {
    let ids: Vec<SessionId> = input
        .session_ids
        .into_iter()
        .enumerate()
        .map(|(index, text)| session(index, text))
        .collect::<Result<_, _>>()?;
    let deletions = services.delete_sessions(&context, &ids).await?;
    let error = |(id, error): (SessionId, Error)| NotDeleted {
        session_id: id.into(),
        error: ApiError::from(error).message.into_owned(),
    };
    Ok(BulkDeleted { deleted: deletions.deleted, errors: deletions.failed.into_iter().map(error).collect() })
}

fn session(index: usize, text: String) -> Result<SessionId, Error> {
    let invalid = || Error::Invalid {
        field: format!("sessionIds[{index}]"),
        message: "expected the id of a session, such as 0197b2c4-5d1e-7000-8f3a-2b6c9d0e1f42".to_owned(),
    };
    text.parse::<Hyphenated>().map_err(|_| invalid())?;
    SessionId::parse(text).map_err(|_| invalid())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ids_are_taken() {
        for text in ["0197b2c4-5d1e-7000-8f3a-2b6c9d0e1f42", "0197B2C4-5D1E-7000-8F3A-2B6C9D0E1F42"] {
            assert!(session(0, text.to_owned()).is_ok(), "{text}");
        }
        for text in [
            "",
            "nobody",
            "0197b2c4-5d1e-7000-8f3a-2b6c9d0e1f4",
            "0197b2c4x5d1e-7000-8f3a-2b6c9d0e1f42",
            "0197b2c45d1e-7000-8f3a-2b6c9d0e1f42-",
            "0197b2c45d1e70008f3a2b6c9d0e1f42",
            "{0197b2c4-5d1e-7000-8f3a-2b6c9d0e1f42}",
            "urn:uuid:0197b2c4-5d1e-7000-8f3a-2b6c9d0e1f42",
        ] {
            let Err(Error::Invalid { field, .. }) = session(3, text.to_owned()) else { panic!("{text}") };
            assert_eq!(field, "sessionIds[3]");
        }
    }
}
