//! What people attach: the way of a node to the store of objects, on which things get lost, and whether all is there that
//! is attached, and nothing else.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::FutureExt;
use portway_adapters_s3::MemoryObjects;
use portway_domain::attachments::{AttachmentId, MediaType, OBJECTS};
use portway_domain::messages::{Message, Part, attachments};
use portway_domain::time::Timestamp;
use portway_ports::objects::{ListedObject, MAX_OBJECT_PAGE, Object, ObjectError, ObjectInfo, ObjectKey, ObjectStore};
use portway_ports::sessions::Transcript;
use portway_ports::system::Clock;
use portway_services::attachments::NewAttachment;

use crate::ledger::Ledger;
use crate::oracle::Oracle;
use crate::simulation::Simulation;

/// When something was put does not matter: only the sweep at the end looks, when all of it is old.
struct LongAgo;

#[async_trait]
impl Clock for LongAgo {
    fn now(&self) -> Timestamp {
        Timestamp::default()
    }

    async fn sleep(&self, _: Duration) {}
}

/// The objects of a world.
pub(crate) fn objects() -> Arc<MemoryObjects> {
    Arc::new(MemoryObjects::new(Arc::new(LongAgo)))
}

/// The one store of objects as one node reaches it.
pub(crate) struct FaultyObjects {
    pub(crate) simulation: Arc<Simulation>,
    pub(crate) objects: Arc<MemoryObjects>,
    pub(crate) node: usize,
}

impl FaultyObjects {
    async fn reach(&self) -> Result<(), ObjectError> {
        self.simulation.pause(0, 20).await;
        self.strike("does not reach")
    }

    fn strike(&self, what: &str) -> Result<(), ObjectError> {
        if self.simulation.strikes(self.simulation.plan.faults.objects) {
            self.simulation.note(format_args!("node {} {what} the objects", self.node));
            return Err(ObjectError::Unavailable("simulated".to_owned()));
        }
        Ok(())
    }

    /// What was done may not be told.
    async fn tell(&self, done: Result<(), ObjectError>) -> Result<(), ObjectError> {
        self.simulation.pause(0, 20).await;
        self.strike("hears nothing of")?;
        done
    }
}

#[async_trait]
impl ObjectStore for FaultyObjects {
    async fn put(&self, key: &ObjectKey, object: Object) -> Result<(), ObjectError> {
        self.reach().await?;
        let done = self.objects.put(key, object).await;
        self.tell(done).await
    }

    async fn get(&self, key: &ObjectKey) -> Result<Option<Object>, ObjectError> {
        self.reach().await?;
        self.objects.get(key).await
    }

    async fn head(&self, key: &ObjectKey) -> Result<Option<ObjectInfo>, ObjectError> {
        self.reach().await?;
        self.objects.head(key).await
    }

    async fn delete(&self, key: &ObjectKey) -> Result<(), ObjectError> {
        self.reach().await?;
        let done = self.objects.delete(key).await;
        self.tell(done).await
    }

    async fn list(
        &self,
        folder: &ObjectKey,
        after: Option<&ObjectKey>,
        limit: usize,
    ) -> Result<Vec<ListedObject>, ObjectError> {
        self.reach().await?;
        self.objects.list(folder, after, limit).await
    }
}

/// What somebody attaches to a text, if anything. The bytes follow from the text.
pub(crate) fn attach(simulation: &Simulation, text: &str) -> Vec<NewAttachment> {
    let count = simulation.draw(|random| if random.chance(150) { 1 + random.below(2) } else { 0 });
    let Ok(media_type) = MediaType::parse("text/plain") else {
        return Vec::new();
    };
    simulation.ledger(|ledger| ledger.attached.insert(text.to_owned(), count));
    (1..=count)
        .map(|number| NewAttachment { media_type: media_type.clone(), name: None, content: content(text, number) })
        .collect()
}

/// The bytes of one of the pieces that are attached to a text.
fn content(text: &str, number: u64) -> Bytes {
    Bytes::from(format!("piece {number} of {text}"))
}

impl Oracle {
    /// Whether everything is there that was attached.
    pub(crate) fn check_attachments(&self, transcript: &Transcript, ledger: &Ledger) -> Result<(), String> {
        let session = &transcript.engine.value.session;
        let own = |message: &&Message| !message.parts.iter().any(|part| matches!(part, Part::Forwarded(_)));
        for message in transcript.messages.iter().filter(own) {
            let Some(count) = ledger.attached.get(&message.content) else { continue };
            let shown: Vec<u64> = attachments(&message.parts).map(|attachment| attachment.number.into()).collect();
            if !shown.iter().copied().eq(1..=*count) {
                return Err(format!("{shown:?} are attached to {:?} instead of {count}", message.content));
            }
            for attachment in attachments(&message.parts) {
                let id = AttachmentId { message: message.id.clone(), number: attachment.number };
                let found = self.object(&id.object_key(session))?;
                let expected = content(&message.content, attachment.number.into());
                if found.as_ref().map(Object::content) != Some(&expected) {
                    return Err(format!("{found:?} is attached to {:?} as {id}", message.content));
                }
            }
        }
        Ok(())
    }

    fn object(&self, key: &str) -> Result<Option<Object>, String> {
        let key = ObjectKey::parse(key).map_err(|error| error.to_string())?;
        let found = self.objects.get(&key).now_or_never().ok_or("the objects did not answer at once")?;
        found.map_err(|error| error.to_string())
    }

    fn listed(&self) -> Result<BTreeSet<String>, String> {
        let folder = ObjectKey::parse(OBJECTS).map_err(|error| error.to_string())?;
        let listed = self.objects.list(&folder, None, MAX_OBJECT_PAGE).now_or_never();
        let listed = listed.ok_or("the objects did not answer at once")?.map_err(|error| error.to_string())?;
        Ok(listed.into_iter().map(|object| object.key.to_string()).collect())
    }

    /// Whether there are no objects but those that are attached, after a sweep.
    pub(crate) fn check_objects(&self) -> Result<(), String> {
        let mut attached = BTreeSet::new();
        for (id, _) in self.sessions() {
            for message in &self.transcript(id)?.messages {
                attached.extend(attachments(&message.parts).map(|attachment| {
                    AttachmentId { message: message.id.clone(), number: attachment.number }.object_key(id)
                }));
            }
        }
        let listed = self.listed()?;
        let left: Vec<&String> = listed.difference(&attached).collect();
        if left.is_empty() { Ok(()) } else { Err(format!("nothing refers to the objects {left:?}")) }
    }
}
