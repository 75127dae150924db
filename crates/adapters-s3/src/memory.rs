//! Objects in memory.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use portway_domain::time::Timestamp;
use portway_ports::objects::{ListedObject, MAX_OBJECT_PAGE, Object, ObjectError, ObjectInfo, ObjectKey, ObjectStore};
use portway_ports::system::Clock;

/// Objects in memory, which are gone with the process.
pub struct MemoryObjects {
    clock: Arc<dyn Clock>,
    objects: Mutex<BTreeMap<ObjectKey, (Object, Timestamp)>>,
}

impl MemoryObjects {
    /// An empty store. The clock tells when objects are put.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, objects: Mutex::default() }
    }

    fn objects(&self) -> MutexGuard<'_, BTreeMap<ObjectKey, (Object, Timestamp)>> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl ObjectStore for MemoryObjects {
    async fn put(&self, key: &ObjectKey, object: Object) -> Result<(), ObjectError> {
        let put_at = self.clock.now();
        self.objects().insert(key.clone(), (object, put_at));
        Ok(())
    }

    async fn get(&self, key: &ObjectKey) -> Result<Option<Object>, ObjectError> {
        Ok(self.objects().get(key).map(|(object, _)| object.clone()))
    }

    async fn head(&self, key: &ObjectKey) -> Result<Option<ObjectInfo>, ObjectError> {
        let info = |(object, _): &(Object, Timestamp)| ObjectInfo {
            content_type: object.content_type().to_owned(),
            length: object.content().len() as u64,
        };
        Ok(self.objects().get(key).map(info))
    }

    async fn delete(&self, key: &ObjectKey) -> Result<(), ObjectError> {
        self.objects().remove(key);
        Ok(())
    }

    async fn list(
        &self,
        folder: &ObjectKey,
        after: Option<&ObjectKey>,
        limit: usize,
    ) -> Result<Vec<ListedObject>, ObjectError> {
        let objects = self.objects();
        let after = after.filter(|after| *after > folder).unwrap_or(folder);
        let rest = objects.range((Bound::Excluded(after), Bound::Unbounded));
        // Others may stand between a folder and what is below it.
        let below = rest.filter(|(key, _)| key.is_below(folder));
        let listed = below.map(|(key, (_, put_at))| ListedObject { key: key.clone(), put_at: *put_at });
        Ok(listed.take(limit.clamp(1, MAX_OBJECT_PAGE)).collect())
    }
}
