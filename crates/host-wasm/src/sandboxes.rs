//! Where agents run: never in a Worker.

use std::future;
use std::sync::Arc;

use async_trait::async_trait;
use portway_adapters_cloudflare::WorkerClient;
use portway_adapters_http::{HttpSandboxOptions, HttpSandboxes};
use portway_domain::ids::{SessionId, SnapshotId};
use portway_ports::sandboxes::{SandboxError, SandboxOrder, SandboxRef, Sandboxes, StartedSandbox};
use portway_ports::system::Clock;

/// Sandboxes of a backend, whose end nobody waits for all the time: that would keep an instance at work for as long as a
/// sandbox lives.
struct Unwatched(HttpSandboxes);

/// No backend was named.
struct Nowhere;

/// The sandboxes of the backend, if one is named.
pub(crate) fn open(options: Option<HttpSandboxOptions>, clock: Arc<dyn Clock>) -> Arc<dyn Sandboxes> {
    match options {
        Some(options) => Arc::new(Unwatched(HttpSandboxes::new(options, Arc::new(WorkerClient), clock))),
        None => Arc::new(Nowhere),
    }
}

#[async_trait]
impl Sandboxes for Unwatched {
    async fn start(&self, order: SandboxOrder) -> Result<StartedSandbox, SandboxError> {
        self.0.start(order).await
    }

    async fn stop(&self, sandbox: &SandboxRef) -> Result<(), SandboxError> {
        self.0.stop(sandbox).await
    }

    async fn hibernate(&self, sandbox: &SandboxRef) -> Result<Option<SnapshotId>, SandboxError> {
        self.0.hibernate(sandbox).await
    }

    async fn delete_workspace(&self, session: &SessionId) -> Result<bool, SandboxError> {
        self.0.delete_workspace(session).await
    }

    async fn is_alive(&self, sandbox: &SandboxRef) -> Result<bool, SandboxError> {
        self.0.is_alive(sandbox).await
    }

    fn stay_with_node(&self) -> bool {
        self.0.stay_with_node()
    }

    fn are_watched(&self) -> bool {
        false
    }

    async fn ended(&self, sandbox: &SandboxRef) -> String {
        self.0.ended(sandbox).await
    }
}

#[async_trait]
impl Sandboxes for Nowhere {
    async fn start(&self, _: SandboxOrder) -> Result<StartedSandbox, SandboxError> {
        let text = "agents cannot run in a Worker: name a sandbox backend in PORTWAY_SANDBOX_URL";
        Err(SandboxError::Refused(text.to_owned()))
    }

    async fn stop(&self, _: &SandboxRef) -> Result<(), SandboxError> {
        Ok(())
    }

    async fn is_alive(&self, _: &SandboxRef) -> Result<bool, SandboxError> {
        Ok(false)
    }

    async fn ended(&self, _: &SandboxRef) -> String {
        future::pending().await
    }
}
