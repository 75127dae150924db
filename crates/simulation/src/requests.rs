//! Requests of people: they go to some node, and they or their answers get lost.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use portway_domain::access::{Permission, SessionRole};
use portway_domain::tokens::TokenSecret;
use portway_services::context::IdempotencyKey;
use portway_services::error::Error;
use portway_services::{Context, Services};
use tokio::sync::oneshot;

use crate::node::Node;
use crate::simulation::Simulation;

/// How long an answer is waited for, in milliseconds.
const PATIENCE: u64 = 10_000;

/// Who talks.
#[derive(Clone)]
pub(crate) struct Person {
    pub(crate) simulation: Arc<Simulation>,
    pub(crate) nodes: Arc<Vec<Arc<Node>>>,
    pub(crate) key: TokenSecret,
    pub(crate) number: u64,
}

/// What became of a request.
#[derive(Debug)]
pub(crate) enum Outcome<T> {
    Done(T),
    Refused(Error),
    /// Nobody knows.
    Lost,
}

/// A call of the services.
pub(crate) type Call<T> = Box<dyn FnOnce(Arc<Services>, Context) -> BoxFuture<'static, Result<T, Error>> + Send>;

/// Makes a call of a closure.
pub(crate) fn call<T, F>(call: impl FnOnce(Arc<Services>, Context) -> F + Send + 'static) -> Call<T>
where
    F: Future<Output = Result<T, Error>> + Send + 'static,
{
    Box::new(move |services, context| Box::pin(call(services, context)))
}

impl Person {
    /// Sends a request to some node.
    pub(crate) async fn request<T: Send + 'static>(
        &self,
        permission: Permission,
        idempotency: Option<IdempotencyKey>,
        call: Call<T>,
    ) -> Outcome<T> {
        let node = self.simulation.draw(|random| random.pick(&self.nodes).cloned());
        let Some(gateway) = node.and_then(|node| node.machine.gateway()) else {
            return Outcome::Lost;
        };
        let faults = self.simulation.plan.faults.requests;
        if self.simulation.strikes(faults) {
            return Outcome::Lost;
        }
        let (answer, answered) = oneshot::channel();
        let mut context = gateway.services.context(&self.key, permission);
        context.idempotency = idempotency;
        let is_answer_lost = self.simulation.strikes(faults);
        let services = gateway.services;
        self.simulation.spawn(gateway.group, async move {
            let outcome = call(services, context).await;
            if !is_answer_lost {
                // Whoever asked may have given up.
                let _ = answer.send(outcome);
            }
        });
        tokio::select! {
            biased;
            outcome = answered => match outcome {
                Ok(Ok(done)) => Outcome::Done(done),
                Ok(Err(error)) => Outcome::Refused(error),
                Err(_) => Outcome::Lost,
            },
            () = self.simulation.pause(PATIENCE, PATIENCE) => Outcome::Lost,
        }
    }

    /// A request that only who is let into the session may make.
    pub(crate) async fn collaborate<T: Send + 'static>(&self, call: Call<T>) -> Outcome<T> {
        self.request(Permission::Session(SessionRole::Owner), None, call).await
    }
}
