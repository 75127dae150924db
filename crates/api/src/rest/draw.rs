//! What is drawn once for each request: the time, the source of its ids, and its own id.

use http::HeaderMap;
use portway_domain::ids::IdStream;
use portway_domain::time::Timestamp;
use portway_services::context::CallerSlot;

use super::headers::X_REQUEST_ID;
use crate::options::ApiOptions;

/// Longest request id that is taken over from the caller, in bytes.
const MAX_REQUEST_ID_BYTES: usize = 128;

pub(super) struct Draw {
    pub(super) now: Timestamp,
    pub(super) ids: IdStream,
    pub(super) request_id: String,
    pub(super) caller: CallerSlot,
}

impl Draw {
    pub(super) fn new(options: &ApiOptions, headers: &HeaderMap) -> Self {
        let now = options.clock.now();
        let mut ids = options.entropy.ids(now);
        let request_id = given_id(headers).unwrap_or_else(|| ids.draw_text());
        Self { now, ids, request_id, caller: CallerSlot::default() }
    }
}

fn given_id(headers: &HeaderMap) -> Option<String> {
    let id = headers.get(X_REQUEST_ID)?.to_str().ok()?;
    let harmless = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    let fits = (1..=MAX_REQUEST_ID_BYTES).contains(&id.len());
    (fits && id.bytes().all(harmless)).then(|| id.to_owned())
}
