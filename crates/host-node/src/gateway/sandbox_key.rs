//! The root key of sandboxes that nobody chose.

use portway_domain::sandbox_tokens::SandboxRootKey;

use super::database_url::DatabaseUrl;
use super::error::StartError;
use crate::data_folder::DataFolder;
use crate::secret_file::kept_secret;

/// The key in the data folder, which is made if there is none. On Postgres there is none: other gateways may use the
/// same database, and would have other keys.
pub(super) fn kept(folder: Option<&DataFolder>, database: &DatabaseUrl) -> Result<Option<SandboxRootKey>, StartError> {
    let Some(folder) = folder.filter(|_| !matches!(database, DatabaseUrl::Postgres(_))) else {
        return Ok(None);
    };
    let key = kept_secret(folder.sandbox_root_key(), |key| folder.write_sandbox_root_key(key));
    let key = key.map_err(|error| StartError::SandboxRootKey(error.to_string()))?;
    Ok(Some(SandboxRootKey::new(key)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use portway_domain::ids::SessionId;

    #[test]
    fn the_key_is_kept_where_nobody_else_needs_it() {
        let scratch = tempfile::tempdir().unwrap();
        let folder = DataFolder::open(scratch.path()).unwrap();
        let postgres = "postgres://u:p@h/d".parse().unwrap();
        assert!(kept(Some(&folder), &postgres).unwrap().is_none());
        assert!(kept(None, &DatabaseUrl::Memory).unwrap().is_none());
        let session = SessionId::parse("s").unwrap();
        let key = || kept(Some(&folder), &DatabaseUrl::Memory).unwrap().unwrap().of_session(&session);
        assert!(key() == key());
        std::fs::write(folder.sandbox_root_key(), "short").unwrap();
        let error = kept(Some(&folder), &DatabaseUrl::Memory).unwrap_err().to_string();
        assert!(error.contains("sandbox-root-key: ") && error.contains("remove the file"), "{error}");
    }
}
