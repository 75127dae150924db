//! Objects in a bucket of S3, or of a service that speaks the same protocol.

use std::error::Error as _;
use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::TryStreamExt;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path;
use object_store::{
    Attribute, Attributes, ClientOptions, Error, GetOptions, GetResult, ObjectMeta, ObjectStore as _,
    ObjectStoreExt as _, PutOptions, RetryConfig,
};
use portway_domain::time::Timestamp;
use portway_ports::objects::{
    ListedObject, MAX_OBJECT_BYTES, MAX_OBJECT_PAGE, Object, ObjectError, ObjectInfo, ObjectKey, ObjectStore,
};

/// How long one attempt may take.
const ATTEMPT: Duration = Duration::from_secs(20);

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(5);

/// How long everything about one call may take, unless said otherwise.
const CALL: Duration = Duration::from_secs(45);

/// What objects are that others put without saying so.
const UNKNOWN_TYPE: &str = "application/octet-stream";

/// What services of S3 call it when there is no such bucket.
const NO_BUCKET: &str = "NoSuchBucket";

/// Which bucket, and how it is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct S3Options {
    /// The bucket.
    pub bucket: String,
    /// What every key begins with; nothing if absent.
    pub prefix: Option<ObjectKey>,
    /// The service; that of Amazon if absent.
    pub endpoint: Option<String>,
    /// The region; `us-east-1` if absent.
    pub region: Option<String>,
    /// The id of the key that requests are signed with.
    pub access_key_id: String,
    /// The key itself.
    pub secret_access_key: S3Secret,
}

/// A key that is not shown.
#[derive(Clone, PartialEq, Eq)]
pub struct S3Secret(String);

impl S3Secret {
    /// Takes a key.
    #[must_use]
    pub fn new(secret: impl Into<String>) -> Self {
        Self(secret.into())
    }
}

impl fmt::Debug for S3Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("S3Secret(..)")
    }
}

/// The options do not name a bucket that can be asked.
#[derive(Debug, thiserror::Error)]
#[error("the bucket for objects cannot be used: {0}")]
pub struct S3Error(String);

/// Objects in a bucket.
#[derive(Debug, Clone)]
pub struct S3Objects {
    client: AmazonS3,
    bucket: String,
    prefix: Option<ObjectKey>,
    patience: Duration,
}

impl S3Objects {
    /// Objects in the bucket. Nothing is asked of it yet.
    ///
    /// # Errors
    /// [`S3Error`] when the endpoint is no URL.
    pub fn new(options: S3Options) -> Result<Self, S3Error> {
        // Who else needs TLS in this process has chosen the same provider, or sooner.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let is_plain = options.endpoint.as_deref().is_some_and(|endpoint| endpoint.starts_with("http://"));
        let limits = ClientOptions::new().with_timeout(ATTEMPT).with_connect_timeout(CONNECT).with_allow_http(is_plain);
        let retry = RetryConfig { max_retries: 2, retry_timeout: CALL, ..RetryConfig::default() };
        let mut builder = AmazonS3Builder::new()
            .with_client_options(limits)
            .with_retry(retry)
            .with_bucket_name(&options.bucket)
            .with_access_key_id(options.access_key_id)
            .with_secret_access_key(options.secret_access_key.0);
        if let Some(endpoint) = options.endpoint {
            builder = builder.with_endpoint(endpoint.trim_end_matches('/'));
        }
        if let Some(region) = options.region {
            builder = builder.with_region(region);
        }
        let client = builder.build().map_err(|error| S3Error(chain(&error)))?;
        Ok(Self { client, bucket: options.bucket, prefix: options.prefix, patience: CALL })
    }

    /// The same with another bound of how long everything about one call may take. Default: 45 s.
    #[must_use]
    pub fn with_patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    fn path(&self, key: &ObjectKey) -> Path {
        match &self.prefix {
            Some(prefix) => Path::from(format!("{prefix}/{key}")),
            None => Path::from(key.as_str()),
        }
    }

    fn key(&self, path: &Path) -> Option<ObjectKey> {
        let text = match &self.prefix {
            Some(prefix) => path.as_ref().strip_prefix(prefix.as_str())?.strip_prefix('/')?,
            None => path.as_ref(),
        };
        ObjectKey::parse(text).ok()
    }

    /// What others put under other names is none of ours.
    fn listed(&self, meta: &ObjectMeta) -> Option<ListedObject> {
        let put_at = Timestamp::from_micros(meta.last_modified.timestamp_micros());
        Some(ListedObject { key: self.key(&meta.location)?, put_at })
    }

    async fn call<T>(&self, work: impl Future<Output = Result<T, Error>> + Send) -> Result<T, ObjectError> {
        match tokio::time::timeout(self.patience, work).await {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(error)) => Err(self.refused(&error)),
            Err(_) => Err(ObjectError::Unavailable(format!("no answer within {:?}", self.patience))),
        }
    }

    /// As [`S3Objects::call`], where there may be nothing.
    async fn find<T>(&self, work: impl Future<Output = Result<T, Error>> + Send) -> Result<Option<T>, ObjectError> {
        let found = async {
            match work.await {
                Err(error @ Error::NotFound { .. }) if !is_bucket_absent(&error) => Ok(None),
                found => found.map(Some),
            }
        };
        self.call(found).await
    }

    fn refused(&self, error: &Error) -> ObjectError {
        let said = chain(error);
        // Not every call tells these apart by its kind.
        let is_absent = matches!(error, Error::NotFound { .. }) || said.contains(NO_BUCKET);
        let is_forbidden = matches!(error, Error::PermissionDenied { .. } | Error::Unauthenticated { .. })
            || said.contains("403 Forbidden")
            || said.contains("401 Unauthorized");
        if is_absent {
            return ObjectError::Refused(format!("there is no bucket {}: make it, or name another", self.bucket));
        }
        if is_forbidden {
            return ObjectError::Refused(format!(
                "the key may not use the bucket {}: check its id, its secret and its rights ({said})",
                self.bucket
            ));
        }
        ObjectError::Unavailable(said)
    }
}

fn is_bucket_absent(error: &Error) -> bool {
    chain(error).contains(NO_BUCKET)
}

/// Everything that an error says, on one line and bounded: answers of servers are part of it.
fn chain(error: &Error) -> String {
    let mut said = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !said.contains(&more) {
            said = format!("{said}: {more}");
        }
        cause = error.source();
    }
    said.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(500).collect()
}

fn content_type(attributes: &Attributes) -> String {
    attributes.get(&Attribute::ContentType).map_or(UNKNOWN_TYPE, AsRef::as_ref).to_owned()
}

#[async_trait]
impl ObjectStore for S3Objects {
    async fn put(&self, key: &ObjectKey, object: Object) -> Result<(), ObjectError> {
        let attributes = Attributes::from_iter([(Attribute::ContentType, object.content_type().to_owned())]);
        let options = PutOptions { attributes, ..PutOptions::default() };
        let path = self.path(key);
        let put = self.client.put_opts(&path, object.content().clone().into(), options);
        self.call(put).await.map(drop)
    }

    async fn get(&self, key: &ObjectKey) -> Result<Option<Object>, ObjectError> {
        let path = self.path(key);
        let read = async {
            let found: GetResult = self.client.get_opts(&path, GetOptions::default()).await?;
            if found.meta.size > MAX_OBJECT_BYTES {
                return Ok(None);
            }
            let content_type = content_type(&found.attributes);
            Ok(Some((content_type, found.bytes().await?)))
        };
        match self.find(read).await? {
            None => Ok(None),
            Some(Some((content_type, content))) => Object::new(content_type, content).map(Some),
            Some(None) => Err(ObjectError::Refused(format!("the object {key} has more than {MAX_OBJECT_BYTES} bytes"))),
        }
    }

    async fn head(&self, key: &ObjectKey) -> Result<Option<ObjectInfo>, ObjectError> {
        let path = self.path(key);
        let options = GetOptions { head: true, ..GetOptions::default() };
        let found = self.find(self.client.get_opts(&path, options)).await?;
        Ok(found.map(|found| ObjectInfo { content_type: content_type(&found.attributes), length: found.meta.size }))
    }

    async fn delete(&self, key: &ObjectKey) -> Result<(), ObjectError> {
        let path = self.path(key);
        self.find(self.client.delete(&path)).await.map(drop)
    }

    async fn list(
        &self,
        folder: &ObjectKey,
        after: Option<&ObjectKey>,
        limit: usize,
    ) -> Result<Vec<ListedObject>, ObjectError> {
        let limit = limit.clamp(1, MAX_OBJECT_PAGE);
        let below = self.path(folder);
        let offset = self.path(after.filter(|after| *after > folder).unwrap_or(folder));
        let list = async {
            let mut found = self.client.list_with_offset(Some(&below), &offset);
            let mut listed = Vec::new();
            while listed.len() < limit
                && let Some(meta) = found.try_next().await?
            {
                listed.extend(self.listed(&meta));
            }
            Ok(listed)
        };
        self.call(list).await
    }
}
