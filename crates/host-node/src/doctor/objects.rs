//! Whether attachments can be kept and read again.

use std::path::Path;

use portway_ports::objects::{Object, ObjectError, ObjectKey, ObjectStore};

use super::report::Report;
use crate::config::ObjectsConfig;
use crate::data_folder;

const CHECK: &str = "attachments";

const CONTENT: &str = "written by portway doctor, which removes it again";

/// Writes a small object where attachments are kept, reads it and removes it.
pub(super) async fn check(report: &mut Report, data: &Path, configured: Option<&ObjectsConfig>) {
    let default = ObjectsConfig::Folder(data_folder::objects_in(data));
    let place = configured.unwrap_or(&default);
    if *place == ObjectsConfig::Memory {
        report.note(CHECK, "they are kept in memory", "they are lost when the gateway ends: name a place in objects");
        return;
    }
    let tried = match place.open() {
        Ok(objects) => try_out(&*objects).await.map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    match tried {
        Ok(true) => report.fine(CHECK, format!("{place} keeps what is written")),
        Ok(false) => report.problem(CHECK, format!("{place} does not give back what was written"), "look after it"),
        Err(error) => {
            report.problem(CHECK, format!("{place}: {error}"), "prompts with attachments are refused meanwhile");
        }
    }
}

async fn try_out(objects: &dyn ObjectStore) -> Result<bool, ObjectError> {
    let key = format!("doctor/{}", std::process::id());
    let key = ObjectKey::parse(key).map_err(|error| ObjectError::Refused(error.to_string()))?;
    let object = Object::new("text/plain", CONTENT)?;
    objects.put(&key, object.clone()).await?;
    let read = objects.get(&key).await;
    objects.delete(&key).await?;
    Ok(read? == Some(object))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::report::Level;

    async fn level(data: &Path, configured: Option<ObjectsConfig>) -> Level {
        let mut report = Report::default();
        check(&mut report, data, configured.as_ref()).await;
        report.findings[0].level
    }

    #[tokio::test]
    async fn a_place_that_keeps_nothing_is_told() {
        let scratch = tempfile::tempdir().unwrap();
        assert_eq!(level(scratch.path(), None).await, Level::Fine);
        assert!(!data_folder::objects_in(scratch.path()).join("doctor").exists(), "nothing is left behind");
        assert_eq!(level(scratch.path(), Some(ObjectsConfig::Memory)).await, Level::Note);
        let file = scratch.path().join("file");
        std::fs::write(&file, "").unwrap();
        assert_eq!(level(scratch.path(), Some(ObjectsConfig::Folder(file))).await, Level::Problem);
    }
}
