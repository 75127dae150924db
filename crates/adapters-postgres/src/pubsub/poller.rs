//! Finds out what was lost without anybody knowing, such as by the end of a node between a commit and its hint.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use portway_ports::StoreError;
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
    let mut had_company = false;
    loop {
        sleep(LOOK - ON_ITS_WAY).await;
        if !company.is_there() {
            had_company = false;
            sleep(ON_ITS_WAY).await;
            continue;
        }
        match versions(&local, &*store).await {
            Ok(found) => {
                sleep(ON_ITS_WAY).await;
                found.into_iter().for_each(|(topic, version)| tell(&local, &topic, version, had_company));
                had_company = true;
            }
            Err(error) => tracing::debug!(%error, "the versions of sessions could not be read"),
        }
    }
}

/// The versions of all that is watched; none of a session that is deleted.
async fn versions(local: &LocalPubSub, store: &dyn SessionStore) -> Result<Vec<(Topic, Option<u64>)>, StoreError> {
    let mut found = Vec::new();
    for portion in local.sessions().chunks(PORTION) {
        let mut versions: HashMap<_, _> = store.engine_versions(portion).await?.into_iter().collect();
        found.extend(portion.iter().map(|session| (Topic::Session(session.clone()), versions.remove(session))));
    }
    Ok(found)
}

/// A session has that version. Who watches one that is deleted reads again, and ends with that. Whoever began to watch
/// while nobody else was there has no place that is known, and a newcomer may have changed what they read: so at first they
/// read again.
fn tell(local: &LocalPubSub, topic: &Topic, version: Option<u64>, had_company: bool) {
    match version {
        Some(version) if had_company => local.reached(topic, version),
        version => local.lost(topic, version),
    }
}
