//! Where attachments are kept, if not in the data folder.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use portway_adapters_s3::{FolderError, FolderObjects, MemoryObjects, S3Error, S3Objects, S3Options, S3Secret};
use portway_adapters_system::SystemClock;
use portway_ports::objects::{ObjectKey, ObjectStore};

use super::Mistakes;
use crate::agents::Environment;

/// The variables that programs for S3 have in common.
const ID_VARIABLE: &str = "AWS_ACCESS_KEY_ID";
const SECRET_VARIABLE: &str = "AWS_SECRET_ACCESS_KEY";

/// Longest secret, in bytes.
const MAX_SECRET_BYTES: u64 = 1_024;

const READABLE: &str = "what is kept could be read on the way: use https, or say --insecure";

/// Flags about where attachments are kept.
#[derive(Debug, Clone, Default, Args)]
pub struct ObjectFlags {
    /// Where attachments are kept: a folder, s3://bucket/prefix, or memory [default: objects in the data folder]
    #[arg(long, env = "PORTWAY_OBJECTS", value_name = "PLACE")]
    pub objects: Option<String>,
    /// The service that the bucket is at, if it is not Amazon's
    #[arg(long, env = "PORTWAY_OBJECTS_ENDPOINT", value_name = "URL")]
    pub objects_endpoint: Option<String>,
    /// The bucket's region [default: us-east-1]
    #[arg(long, env = "PORTWAY_OBJECTS_REGION", value_name = "NAME")]
    pub objects_region: Option<String>,
    /// File with the secret access key; AWS_SECRET_ACCESS_KEY can hold the key itself
    #[arg(long, env = "PORTWAY_OBJECTS_SECRET_FILE", value_name = "FILE")]
    pub objects_secret_file: Option<PathBuf>,
}

/// What `portway.toml` says about it.
#[derive(Debug, Clone, Copy)]
pub(super) struct ObjectKeys<'f> {
    pub(super) place: Option<&'f str>,
    pub(super) endpoint: Option<&'f str>,
    pub(super) region: Option<&'f str>,
    pub(super) access_key_id: Option<&'f str>,
    pub(super) secret_file: Option<&'f Path>,
}

/// Where attachments are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ObjectsConfig {
    /// In memory, until the gateway ends.
    Memory,
    /// In a folder.
    Folder(PathBuf),
    /// In a bucket.
    Bucket(Bucket),
}

/// A bucket and how it is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bucket {
    name: String,
    prefix: Option<ObjectKey>,
    endpoint: Option<String>,
    region: Option<String>,
    access_key_id: Option<String>,
    secret: Secret,
}

/// Where the secret access key is. It is read by those who need it: other commands may not be able to.
#[derive(Clone, PartialEq, Eq)]
enum Secret {
    Missing,
    Variable(S3Secret),
    File(PathBuf),
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("Missing"),
            Self::Variable(_) => f.write_str("Variable(..)"),
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
        }
    }
}

/// Why attachments cannot be kept there. Each text says what to do.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ObjectsError {
    #[error(transparent)]
    Folder(#[from] FolderError),
    #[error(transparent)]
    Bucket(#[from] S3Error),
    #[error("the bucket for objects is opened with a key: set {ID_VARIABLE}, or objects_access_key_id in portway.toml")]
    NoId,
    #[error(
        "the bucket for objects is opened with a key: set {SECRET_VARIABLE}, or name a file with it in \
         objects_secret_file or --objects-secret-file"
    )]
    NoSecret,
    #[error("{path}: cannot be read: {source}", path = .path.display())]
    SecretFile { path: PathBuf, source: io::Error },
}

impl ObjectsConfig {
    /// Opens it.
    ///
    /// # Errors
    /// [`ObjectsError`] says what to do.
    pub(crate) fn open(&self) -> Result<Arc<dyn ObjectStore>, ObjectsError> {
        Ok(match self {
            Self::Memory => Arc::new(MemoryObjects::new(Arc::new(SystemClock::new()))),
            Self::Folder(path) => Arc::new(FolderObjects::open(path)?),
            Self::Bucket(bucket) => Arc::new(S3Objects::new(bucket.options()?)?),
        })
    }
}

impl fmt::Display for ObjectsConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => f.write_str("memory"),
            Self::Folder(path) => path.display().fmt(f),
            Self::Bucket(Bucket { name, prefix: Some(prefix), .. }) => write!(f, "s3://{name}/{prefix}"),
            Self::Bucket(Bucket { name, .. }) => write!(f, "s3://{name}"),
        }
    }
}

impl Bucket {
    fn options(&self) -> Result<S3Options, ObjectsError> {
        Ok(S3Options {
            bucket: self.name.clone(),
            prefix: self.prefix.clone(),
            endpoint: self.endpoint.clone(),
            region: self.region.clone(),
            access_key_id: self.access_key_id.clone().ok_or(ObjectsError::NoId)?,
            secret_access_key: self.secret.read()?,
        })
    }
}

impl Secret {
    fn read(&self) -> Result<S3Secret, ObjectsError> {
        match self {
            Self::Missing => Err(ObjectsError::NoSecret),
            Self::Variable(secret) => Ok(secret.clone()),
            Self::File(path) => {
                let failed = |source| ObjectsError::SecretFile { path: path.clone(), source };
                let mut text = String::new();
                let file = File::open(path).map_err(failed)?;
                file.take(MAX_SECRET_BYTES).read_to_string(&mut text).map_err(failed)?;
                match text.trim() {
                    "" => Err(ObjectsError::NoSecret),
                    secret => Ok(S3Secret::new(secret)),
                }
            }
        }
    }
}

/// Puts flags, environment and file together; `None` for the default, or where something is wrong.
pub(super) fn combine(
    flags: &ObjectFlags,
    keys: ObjectKeys<'_>,
    insecure: bool,
    environment: Environment<'_>,
    wrong: &mut Mistakes<'_>,
) -> Option<ObjectsConfig> {
    let given = said(flags.objects.as_deref());
    let place = given.or(keys.place)?;
    let Some(rest) = place.strip_prefix("s3://") else {
        return Some(if place == "memory" { ObjectsConfig::Memory } else { ObjectsConfig::Folder(place.into()) });
    };
    let Some((name, prefix)) = bucket(rest) else {
        let what =
            "expected a folder, memory, or s3://bucket/prefix with a bucket of small letters, digits, '-' and '.'";
        match given {
            Some(_) => wrong.beside("--objects or PORTWAY_OBJECTS", what),
            None => wrong.at(&["objects"], what),
        }
        return None;
    };
    let endpoint = endpoint(flags, keys, insecure, wrong);
    let variable = |name: &str| environment(name).and_then(|value| value.into_string().ok()).filter(|v| !v.is_empty());
    let secret = match (variable(SECRET_VARIABLE), flags.objects_secret_file.as_deref().or(keys.secret_file)) {
        (Some(secret), _) => Secret::Variable(S3Secret::new(secret)),
        (None, Some(path)) => Secret::File(path.to_owned()),
        (None, None) => Secret::Missing,
    };
    Some(ObjectsConfig::Bucket(Bucket {
        name,
        prefix,
        endpoint,
        region: said(flags.objects_region.as_deref()).or(keys.region).map(str::to_owned),
        access_key_id: variable(ID_VARIABLE).or_else(|| keys.access_key_id.map(str::to_owned)),
        secret,
    }))
}

fn said(text: Option<&str>) -> Option<&str> {
    text.filter(|text| !text.is_empty())
}

fn bucket(text: &str) -> Option<(String, Option<ObjectKey>)> {
    let (name, prefix) = text.split_once('/').unwrap_or((text, ""));
    let harmless = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.');
    if !(3..=63).contains(&name.len()) || !name.bytes().all(harmless) {
        return None;
    }
    let prefix = said(Some(prefix.trim_end_matches('/'))).map(ObjectKey::parse).transpose().ok()?;
    Some((name.to_owned(), prefix))
}

fn endpoint(flags: &ObjectFlags, keys: ObjectKeys<'_>, insecure: bool, wrong: &mut Mistakes<'_>) -> Option<String> {
    let given = said(flags.objects_endpoint.as_deref());
    let endpoint = given.or(keys.endpoint)?;
    let what = match reqwest::Url::parse(endpoint) {
        Ok(url) if url.scheme() == "http" && !insecure && !is_local(&url) => READABLE,
        Ok(url) if matches!(url.scheme(), "http" | "https") => return Some(endpoint.to_owned()),
        _ => "expected a URL such as https://s3.example.com",
    };
    match given {
        Some(_) => wrong.beside("--objects-endpoint or PORTWAY_OBJECTS_ENDPOINT", what),
        None => wrong.at(&["objects_endpoint"], what),
    }
    None
}

fn is_local(url: &reqwest::Url) -> bool {
    url.host_str().is_some_and(|host| matches!(host, "localhost" | "[::1]") || host.starts_with("127."))
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;
    use crate::config::{Config, ConfigError, ServeArgs};

    fn combine(objects: ObjectFlags, file: &str) -> Result<Option<ObjectsConfig>, Vec<String>> {
        let args = ServeArgs { objects, ..ServeArgs::default() };
        let environment = |name: &str| (name == SECRET_VARIABLE).then(|| OsString::from("wJalrXUtnFEMI"));
        let config = Config::combine(args, PathBuf::from("data"), Path::new("portway.toml"), file, &environment);
        config.map(|config| config.objects).map_err(|ConfigError(wrong)| wrong)
    }

    fn at(place: &str) -> ObjectFlags {
        ObjectFlags { objects: Some(place.to_owned()), ..ObjectFlags::default() }
    }

    #[test]
    fn a_place_is_a_folder_memory_or_a_bucket() {
        assert_eq!(combine(ObjectFlags::default(), ""), Ok(None));
        assert_eq!(combine(at("memory"), "objects = \"/x\""), Ok(Some(ObjectsConfig::Memory)));
        assert_eq!(combine(at(""), "objects = \"/x\""), Ok(Some(ObjectsConfig::Folder("/x".into()))));
        let file = "objects = \"s3://my-bucket/a/b/\"\nobjects_endpoint = \"https://s3.example\"\n\
                    objects_region = \"eu-1\"\nobjects_access_key_id = \"AKIA\"";
        let bucket = combine(ObjectFlags::default(), file).unwrap().unwrap();
        assert_eq!(bucket.to_string(), "s3://my-bucket/a/b");
        let ObjectsConfig::Bucket(bucket) = bucket else { panic!("{bucket:?}") };
        let options = bucket.options().unwrap();
        assert_eq!(options.prefix.unwrap().as_str(), "a/b");
        assert_eq!(
            (options.endpoint.as_deref(), options.region.as_deref()),
            (Some("https://s3.example"), Some("eu-1"))
        );
        assert_eq!(
            (options.access_key_id.as_str(), options.secret_access_key),
            ("AKIA", S3Secret::new("wJalrXUtnFEMI"))
        );
        assert!(!format!("{bucket:?}").contains("wJalr"));
    }

    #[test]
    fn mistakes_name_the_key_and_the_remedy() {
        for (flags, file, expected) in [
            (at("s3://"), "", "--objects or PORTWAY_OBJECTS"),
            (at("s3://My_Bucket"), "", "s3://bucket/prefix"),
            (ObjectFlags::default(), "objects = \"s3://bucket/../x\"", "objects"),
            (at("s3://bucket"), "objects_endpoint = \"http://10.0.0.1\"", "use https"),
            (at("s3://bucket"), "objects_endpoint = \"nowhere\"", "objects_endpoint"),
        ] {
            let wrong = combine(flags, file).unwrap_err();
            assert!(wrong.len() == 1 && wrong[0].contains(expected), "{wrong:?}");
        }
        let local = "objects_endpoint = \"http://127.0.0.1:9000\"";
        let Ok(Some(bucket)) = combine(at("s3://bucket"), local) else { panic!() };
        let missing = bucket.open().err().unwrap().to_string();
        assert!(missing.contains(ID_VARIABLE) && missing.contains("objects_access_key_id"), "{missing}");
    }

    #[test]
    fn a_secret_may_be_in_a_file() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("secret");
        assert!(matches!(Secret::File(path.clone()).read(), Err(ObjectsError::SecretFile { .. })));
        std::fs::write(&path, " abc\n").unwrap();
        assert_eq!(Secret::File(path.clone()).read().unwrap(), S3Secret::new("abc"));
        std::fs::write(&path, "\n").unwrap();
        assert!(matches!(Secret::File(path).read(), Err(ObjectsError::NoSecret)));
    }
}
