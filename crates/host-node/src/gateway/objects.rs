//! Where attachments are kept when nobody says so.

use std::sync::Arc;

use portway_adapters_s3::{FolderError, FolderObjects, MemoryObjects};
use portway_adapters_system::SystemClock;
use portway_ports::objects::ObjectStore;

use super::database_url::DatabaseUrl;
use crate::data_folder::DataFolder;

/// In the data folder, or else beside the database, or else nowhere for long.
pub(super) fn default(folder: Option<&DataFolder>, url: &DatabaseUrl) -> Result<Arc<dyn ObjectStore>, FolderError> {
    let path = match (folder, url) {
        (Some(folder), DatabaseUrl::Postgres(_)) => {
            // A gateway that is alone does well with it, and whether others will come nobody knows.
            tracing::warn!(
                folder = %folder.objects().display(),
                "attachments are kept in the data folder, which other gateways on this database do not have: name a \
                 bucket or a shared folder with objects in portway.toml, or with --objects"
            );
            folder.objects()
        }
        (Some(folder), _) => folder.objects(),
        (None, DatabaseUrl::File(database)) => {
            let mut path = database.as_os_str().to_owned();
            path.push(".objects");
            path.into()
        }
        (None, DatabaseUrl::Memory | DatabaseUrl::Postgres(_)) => {
            if matches!(url, DatabaseUrl::Postgres(_)) {
                tracing::warn!("attachments are kept in memory: call objects(...) or data_folder(...) to keep them");
            }
            return Ok(Arc::new(MemoryObjects::new(Arc::new(SystemClock::new()))));
        }
    };
    Ok(Arc::new(FolderObjects::open(path)?))
}
