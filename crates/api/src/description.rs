//! The published description, as one gateway publishes it.

use bytes::Bytes;
use serde_json::{Value, json};

use crate::described::HAS_SCHEMAS;
use crate::endpoint::EndpointTable;
use crate::openapi;
use crate::operation::OperationTable;
use crate::options::ApiOptions;

/// The description that the options have or, with the feature `schemas`, that of the tables.
pub(crate) fn published<S: Send + Sync + 'static>(
    operations: &OperationTable<S>,
    endpoints: &EndpointTable<S>,
    options: &ApiOptions,
) -> Option<Bytes> {
    let document = match options.description {
        Some(text) => {
            let mut document = serde_json::from_str(text).ok()?;
            sign(&mut document, options);
            document
        }
        None if HAS_SCHEMAS => openapi::document(operations, endpoints, options),
        None => return None,
    };
    serde_json::to_vec(&document).ok().map(Bytes::from)
}

/// Says in the document whose it is.
pub(crate) fn sign(document: &mut Value, options: &ApiOptions) {
    document["info"]["title"] = json!(options.title);
    document["info"]["version"] = json!(options.version);
    if let Some(url) = &options.public_url {
        document["servers"] = json!([{ "url": url }]);
    }
}
