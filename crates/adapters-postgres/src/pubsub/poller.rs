//! Finds out what was lost without anybody knowing, such as by the end of a node between a commit and its hint.

use std::sync::Arc;
use std::time::Duration;

use portway_ports::pubsub::Topic;
use portway_ports::sessions::SessionStore;
use portway_pubsub::LocalPubSub;
use tokio::time::sleep;

use super::company::Company;

/// Between two looks.
const LOOK: Duration = Duration::from_secs(2);

/// A hint may be on its way for so long.
const ON_ITS_WAY: Duration = Duration::from_millis(500);

/// Most sessions that are read at once.
const PORTION: usize = 1_000;

/// Looks for ever.
pub(super) async fn run(local: LocalPubSub, store: Arc<dyn SessionStore>, company: Arc<Company>) {
    loop {
        sleep(LOOK - ON_ITS_WAY).await;
        if company.is_there() {
            look(&local, &*store).await;
        } else {
            sleep(ON_ITS_WAY).await;
        }
    }
}

async fn look(local: &LocalPubSub, store: &dyn SessionStore) {
    let mut found = Vec::new();
    for portion in local.sessions().chunks(PORTION) {
        match store.engine_versions(portion).await {
            Ok(versions) => found.extend(versions),
            Err(error) => tracing::debug!(%error, "the versions of sessions could not be read"),
        }
    }
    sleep(ON_ITS_WAY).await;
    for (session, version) in found {
        local.reached(&Topic::Session(session), version);
    }
}
