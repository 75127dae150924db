//! Hints across instances: each topic has one Durable Object, which has the sockets of all who watch it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use portway_ports::pubsub::{Hint, PubSub, Subscription, Topic};
use portway_ports::system::Spawner;
use portway_pubsub::LocalPubSub;
use serde::{Deserialize, Serialize};
use worker::send::IntoSendFuture;
use worker::{Headers, Method, Request, RequestInit};

use crate::events::{WorkerSpawner, outbox};
use crate::objects::{ObjectName, Objects};

/// Path of what objects are told. Only objects and their Worker can send requests to an object, and a Worker passes none
/// on that has this path.
pub const PUBLISH: &str = "/publish";

/// How long an object may take to listen.
const PATIENCE: Duration = Duration::from_secs(10);

/// What an object is told. Requests to [`PUBLISH`] have a JSON array of it.
#[derive(Debug, Serialize, Deserialize)]
pub struct Said {
    topic: Topic,
    /// None when something was lost.
    hint: Option<Hint>,
}

impl Said {
    /// What it is about.
    #[must_use]
    pub fn topic(&self) -> &Topic {
        &self.topic
    }
}

/// Tells hints to those who watch a topic, wherever they are.
#[derive(Clone)]
pub struct ObjectPubSub {
    local: LocalPubSub,
    /// Which object this instance is; the one of a Worker is none.
    here: Option<ObjectName>,
    objects: Objects,
}

impl fmt::Debug for ObjectPubSub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObjectPubSub").field("here", &self.here).finish_non_exhaustive()
    }
}

impl ObjectPubSub {
    /// Hints of the instance that is this object, or none.
    #[must_use]
    pub fn new(here: Option<ObjectName>, objects: Objects) -> Self {
        Self { local: LocalPubSub::new(), here, objects }
    }

    /// Tells those who watch here what another instance said.
    pub fn hear(&self, all: Vec<Said>) {
        all.into_iter().for_each(|said| self.deliver(said));
    }

    fn deliver(&self, said: Said) {
        match said.hint {
            Some(hint) => self.local.deliver(&said.topic, Arc::new(hint)),
            None => self.local.missed(&said.topic),
        }
    }

    fn say(&self, topic: &Topic, hint: Option<Hint>) {
        let said = Said { topic: topic.clone(), hint };
        let object = object_of(topic);
        if self.here.as_ref() == Some(&object) {
            return self.deliver(said);
        }
        let Ok(text) = serde_json::to_string(&said) else {
            tracing::error!(?object, "a hint cannot be written");
            return;
        };
        let (outbox, objects) = (outbox(), self.objects.clone());
        if outbox.put(&object, text) {
            let telling = async move {
                while let Some(text) = outbox.take(&object) {
                    if let Err(error) = tell(&objects, &object, text).await {
                        tracing::warn!(?object, %error, "an object was not told what happened");
                    }
                }
            };
            WorkerSpawner.spawn(Box::pin(telling.into_send()));
        }
    }
}

#[async_trait]
impl PubSub for ObjectPubSub {
    fn publish(&self, topic: &Topic, hint: Hint) {
        self.say(topic, Some(hint));
    }

    fn missed(&self, topic: &Topic) {
        self.say(topic, None);
    }

    async fn subscribe(&self, topic: &Topic) -> Box<dyn Subscription> {
        self.local.subscribe(topic).await
    }
}

fn object_of(topic: &Topic) -> ObjectName {
    match topic {
        Topic::Session(id) => ObjectName::Session(id.clone()),
        Topic::User(_) => ObjectName::Users,
    }
}

async fn tell(objects: &Objects, object: &ObjectName, text: String) -> worker::Result<()> {
    let headers = Headers::new();
    headers.set("content-type", "application/json")?;
    let mut init = RequestInit::new();
    init.with_method(Method::Post).with_headers(headers).with_body(Some(text.into()));
    let request = Request::new_with_init(&format!("https://object{PUBLISH}"), &init)?;
    objects.ask(object, request, PATIENCE).await.map(drop)
}
