//! What goes on when its caller is gone.

use std::future::Future;

use bytes::Bytes;
use portway_ports::system::Spawner;
use tokio::sync::oneshot;

use super::caught::caught;
use crate::error::ApiError;

/// Carries something out in a task of its own, to its end, and waits for its answer. Nobody may: then a failure that a caller
/// would be told without its reason is logged here.
pub(super) async fn detached(
    spawner: &dyn Spawner,
    request_id: String,
    work: impl Future<Output = Result<Bytes, ApiError>> + Send + 'static,
) -> Result<Bytes, ApiError> {
    let (caller, answer) = oneshot::channel();
    spawner.spawn(Box::pin(async move {
        if let Err(Err(error)) = caller.send(caught(work).await) {
            error.log(&request_id);
        }
    }));
    answer.await.unwrap_or_else(|_| Err(ApiError::internal("the task of the request broke off")))
}
