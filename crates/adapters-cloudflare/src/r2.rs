//! Objects in a bucket of R2.

use std::fmt;

use async_trait::async_trait;
use portway_domain::time::Timestamp;
use portway_ports::objects::{
    ListedObject, MAX_OBJECT_BYTES, MAX_OBJECT_PAGE, Object, ObjectError, ObjectInfo, ObjectKey, ObjectStore,
};
use worker::send::{IntoSendFuture, SendWrapper};
use worker::{Bucket, HttpMetadata};

/// Objects in a bucket. R2 is consistent: what was put or deleted is seen by every later call, from anywhere.
pub struct R2Objects {
    bucket: SendWrapper<Bucket>,
}

impl fmt::Debug for R2Objects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("R2Objects").finish_non_exhaustive()
    }
}

impl R2Objects {
    /// The bucket behind a binding of the Worker.
    #[must_use]
    pub fn new(bucket: Bucket) -> Self {
        Self { bucket: SendWrapper::new(bucket) }
    }

    async fn read(&self, key: &ObjectKey) -> Result<Option<Object>, ObjectError> {
        let Some(found) = self.bucket.get(key.as_str()).execute().await.map_err(unavailable)? else {
            return Ok(None);
        };
        if found.size() > MAX_OBJECT_BYTES {
            return Err(ObjectError::Refused(format!("the object {key} has more than {MAX_OBJECT_BYTES} bytes")));
        }
        let body = found.body().ok_or_else(|| ObjectError::Unavailable("R2 answered without a body".to_owned()))?;
        let content = body.bytes().await.map_err(unavailable)?;
        Object::new(content_type(&found), content).map(Some)
    }

    async fn page(
        &self,
        folder: &ObjectKey,
        after: Option<&ObjectKey>,
        limit: usize,
    ) -> Result<Vec<ListedObject>, ObjectError> {
        let limit = u32::try_from(limit.clamp(1, MAX_OBJECT_PAGE)).unwrap_or(1);
        let mut after = after.map(|key| key.as_str().to_owned());
        loop {
            let mut list = self.bucket.list().prefix(format!("{folder}/")).limit(limit);
            if let Some(after) = &after {
                list = list.start_after(after);
            }
            let found = list.execute().await.map_err(unavailable)?;
            let objects = found.objects();
            // What others put under names that are no keys is not ours.
            let listed: Vec<ListedObject> = objects.iter().filter_map(listed).collect();
            match objects.last() {
                Some(last) if listed.is_empty() && found.truncated() => after = Some(last.key()),
                _ => return Ok(listed),
            }
        }
    }
}

#[async_trait]
impl ObjectStore for R2Objects {
    async fn put(&self, key: &ObjectKey, object: Object) -> Result<(), ObjectError> {
        let put = async {
            let metadata =
                HttpMetadata { content_type: Some(object.content_type().to_owned()), ..HttpMetadata::default() };
            let content = object.content().to_vec();
            self.bucket.put(key.as_str(), content).http_metadata(metadata).execute().await
        };
        put.into_send().await.map(drop).map_err(unavailable)
    }

    async fn get(&self, key: &ObjectKey) -> Result<Option<Object>, ObjectError> {
        self.read(key).into_send().await
    }

    async fn head(&self, key: &ObjectKey) -> Result<Option<ObjectInfo>, ObjectError> {
        let head = async {
            let found = self.bucket.head(key.as_str()).await.map_err(unavailable)?;
            Ok(found.map(|found| ObjectInfo { content_type: content_type(&found), length: found.size() }))
        };
        head.into_send().await
    }

    async fn delete(&self, key: &ObjectKey) -> Result<(), ObjectError> {
        let delete = async { self.bucket.delete(key.as_str()).await };
        delete.into_send().await.map_err(unavailable)
    }

    async fn list(
        &self,
        folder: &ObjectKey,
        after: Option<&ObjectKey>,
        limit: usize,
    ) -> Result<Vec<ListedObject>, ObjectError> {
        self.page(folder, after, limit).into_send().await
    }
}

fn listed(object: &worker::Object) -> Option<ListedObject> {
    let put_at = Timestamp::from_millis(i64::try_from(object.uploaded().as_millis()).unwrap_or(i64::MAX));
    Some(ListedObject { key: ObjectKey::parse(object.key()).ok()?, put_at })
}

/// What the bytes are; those that somebody put without saying it may be anything.
fn content_type(object: &worker::Object) -> String {
    object.http_metadata().content_type.unwrap_or_else(|| "application/octet-stream".to_owned())
}

fn unavailable(error: impl fmt::Display) -> ObjectError {
    ObjectError::Unavailable(error.to_string())
}
