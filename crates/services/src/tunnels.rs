//! How sandboxes are reached from outside. Runners and backends tell it, see [`crate::runners`] and [`crate::jobs`].

use std::sync::Arc;

use portway_domain::engine::{Actor, Event};
use portway_domain::ids::SessionId;
use portway_domain::runner_requests::{FailureCode, RequestFailure, RunnerRequest, RunnerResponse};
use portway_domain::tunnels::Exposure;

use crate::error::Error;
use crate::prompts::author;
use crate::{Context, Services};

impl Services {
    /// How the sandbox of a session is reached; nothing without a sandbox.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no session that the caller may read.
    pub async fn exposure(&self, context: &Context, id: &SessionId) -> Result<Exposure, Error> {
        Ok(self.session(context, id).await?.exposure)
    }

    /// Has the session's runner close a tunnel, and waits until it did. The list of tunnels changes by what the runner
    /// reports.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no such tunnel, or no session that the caller may act in; [`Error::NotAvailable`]
    /// when the runner closes none; [`Error::Unavailable`] when it is not there or does not answer in time;
    /// [`Error::TooMany`] when too many requests of the session are open.
    pub async fn close_tunnel(self: &Arc<Self>, context: &Context, id: &SessionId, name: &str) -> Result<(), Error> {
        let (principal, state) = self.acting(context, id).await?;
        if !state.engine.value.runner.exposure.tunnels.contains(name) {
            return Err(Error::NotFound { resource: "Tunnel", id: name.to_owned() });
        }
        let request = RunnerRequest::CloseTunnel { name: name.to_owned(), by: author(&principal) };
        match self.ask_runner_and_wait(context, id, request).await? {
            RunnerResponse::Failed(failure) => Err(failed(failure)),
            _ => Ok(()),
        }
    }

    /// A tunnel that the runner closed shows in the transcript.
    pub(crate) async fn note_closed_tunnel(
        &self,
        id: &SessionId,
        request: &RunnerRequest,
        response: RunnerResponse,
    ) -> RunnerResponse {
        let (RunnerRequest::CloseTunnel { name, by }, RunnerResponse::Done { .. }) = (request, &response) else {
            return response;
        };
        let by = Actor { user: by.id.clone(), name: by.name.clone().unwrap_or_else(|| by.email.clone()) };
        let closed = Event::TunnelClosed { name: name.clone(), by };
        if let Err(error) = self.apply(id, vec![closed], Vec::new(), self.moment()).await {
            tracing::warn!(session = %id, %error, "that a tunnel was closed could not be written down");
        }
        response
    }
}

fn failed(failure: RequestFailure) -> Error {
    match failure.code {
        FailureCode::NotAvailable => Error::NotAvailable(failure.error),
        FailureCode::Conflict => Error::Conflict(failure.error),
        FailureCode::Unavailable | FailureCode::InternalError => {
            Error::Unavailable { message: failure.error, retry_after: 1 }
        }
    }
}
