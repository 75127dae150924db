//! Nodes that publish hints, and the Durable Objects in which they are watched.
//!
//! Whoever publishes is a Worker. Whoever watches does so in the object of the topic, as in the gateway, and passes on what
//! it is told there.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::{Stream, StreamExt, stream};
use portway_adapters_cloudflare::{ObjectName, ObjectPubSub, Objects, PUBLISH, Said};
use portway_conformance::{Failure, Nodes, topic_of_trial};
use portway_ports::pubsub::{Delivery, Hint, PubSub, SharedHint, Subscription, Topic};
use serde::{Deserialize, Serialize};
use worker::send::{IntoSendFuture, SendWrapper};
use worker::{
    Delay, DurableObject, Env, Method, Request, RequestInit, Response, Result, State, durable_object, wasm_bindgen,
};

/// Binding of the class for the topics of sessions.
const SESSIONS: &str = "SESSIONS";

/// Binding of the class for the topics of users.
const USERS: &str = "USERS";

/// How long an object may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// How often it is looked at whether a hint has come.
const GLANCE: Duration = Duration::from_millis(1);

/// Asks an object to be told what it hears.
#[derive(Serialize, Deserialize)]
struct Watch {
    topic: Topic,
    /// How many hints of the topic were published before: those are not told.
    after: u64,
}

/// The nodes of one trial, whose topics no other trial has.
pub(crate) struct ObjectNodes {
    env: Env,
    trial: String,
    published: Published,
}

/// How many hints of a topic were published.
type Published = Arc<Mutex<HashMap<Topic, u64>>>;

impl ObjectNodes {
    pub(crate) fn new(env: Env, trial: String) -> Self {
        Self { env, trial, published: Published::default() }
    }
}

#[async_trait]
impl Nodes for ObjectNodes {
    async fn join(&self) -> std::result::Result<Arc<dyn PubSub>, Failure> {
        let objects = objects(&self.env).map_err(Failure::new)?;
        Ok(Arc::new(Node {
            pubsub: ObjectPubSub::new(None, objects.clone()),
            objects,
            trial: self.trial.clone(),
            published: self.published.clone(),
        }))
    }

    async fn interrupt(&self) -> bool {
        false
    }

    fn read_ahead(&self) -> bool {
        true
    }
}

struct Node {
    pubsub: ObjectPubSub,
    objects: Objects,
    trial: String,
    published: Published,
}

impl Node {
    /// The topic of this trial for one of the case.
    fn own(&self, topic: &Topic) -> Topic {
        topic_of_trial(topic, &self.trial)
    }

    fn count(&self, topic: &Topic) {
        *self.published.lock().unwrap_or_else(PoisonError::into_inner).entry(topic.clone()).or_default() += 1;
    }

    async fn watch(&self, topic: Topic) -> Result<Lines> {
        let published = self.published.lock().unwrap_or_else(PoisonError::into_inner).get(&topic).copied();
        let object = match &topic {
            Topic::Session(id) => ObjectName::Session(id.clone()),
            Topic::User(_) => ObjectName::Users,
        };
        let mut init = RequestInit::new();
        let watch = serde_json::to_string(&Watch { topic, after: published.unwrap_or(0) })?;
        init.with_method(Method::Post).with_body(Some(watch.into()));
        let request = Request::new_with_init("https://object/watch", &init)?;
        let mut response = self.objects.ask(&object, request, PATIENCE).await?;
        let stream = response.stream()?.filter_map(|piece| async move { piece.ok() });
        Ok(Lines { stream: SendWrapper::new(Box::pin(stream)), read: Vec::new() })
    }
}

#[async_trait]
impl PubSub for Node {
    fn publish(&self, topic: &Topic, hint: Hint) {
        let topic = self.own(topic);
        self.count(&topic);
        self.pubsub.publish(&topic, hint);
    }

    fn missed(&self, topic: &Topic) {
        let topic = self.own(topic);
        self.count(&topic);
        self.pubsub.missed(&topic);
    }

    async fn subscribe(&self, topic: &Topic) -> Box<dyn Subscription> {
        match self.watch(self.own(topic)).into_send().await {
            Ok(lines) => Box::new(lines),
            // A watch that ends at once fails the case.
            Err(_) => Box::new(Lines { stream: SendWrapper::new(Box::pin(stream::empty())), read: Vec::new() }),
        }
    }
}

/// What an object tells a watcher: JSON of a hint on each line, `null` for those that it missed.
struct Lines {
    stream: SendWrapper<Pin<Box<dyn Stream<Item = Vec<u8>>>>>,
    read: Vec<u8>,
}

impl Subscription for Lines {
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Delivery>> {
        loop {
            if let Some(end) = self.read.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.read.drain(..=end).collect();
                let hint: Option<Option<Hint>> = serde_json::from_slice(&line).ok();
                return Poll::Ready(hint.map(|hint| match hint {
                    Some(hint) => Delivery::Hint(Arc::new(SharedHint::new(Arc::new(hint)))),
                    None => Delivery::Missed,
                }));
            }
            match self.stream.as_mut().poll_next(context) {
                Poll::Ready(Some(piece)) => self.read.extend(piece),
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

fn objects(env: &Env) -> Result<Objects> {
    Ok(Objects::new(env.durable_object(SESSIONS)?, env.durable_object(USERS)?))
}

/// The object of topics.
#[durable_object]
pub struct Topics {
    pubsub: Result<ObjectPubSub>,
    heard: Mutex<HashMap<Topic, u64>>,
}

impl DurableObject for Topics {
    fn new(_: State, env: Env) -> Self {
        Self { pubsub: objects(&env).map(|objects| ObjectPubSub::new(None, objects)), heard: Mutex::default() }
    }

    async fn fetch(&self, mut request: Request) -> Result<Response> {
        let pubsub = self.pubsub.as_ref().map_err(|error| worker::Error::RustError(error.to_string()))?;
        if request.path() == PUBLISH {
            let said: Vec<Said> = serde_json::from_str(&request.text().await?)?;
            for said in &said {
                *self.heard.lock().unwrap_or_else(PoisonError::into_inner).entry(said.topic().clone()).or_default() +=
                    1;
            }
            pubsub.hear(said);
            return Response::ok("");
        }
        let Watch { topic, after } = serde_json::from_str(&request.text().await?)?;
        while self.heard.lock().unwrap_or_else(PoisonError::into_inner).get(&topic).copied().unwrap_or(0) < after {
            Delay::from(GLANCE).await;
        }
        let watch = pubsub.subscribe(&topic).await;
        Response::from_stream(stream::unfold(watch, |mut watch| async move {
            let line = match watch.next().await? {
                Delivery::Hint(hint) => serde_json::to_string(&**hint),
                Delivery::Missed => Ok("null".to_owned()),
            };
            Some((line.map(|line| format!("{line}\n").into_bytes()).map_err(worker::Error::from), watch))
        }))
    }
}
