//! Requests whose answers are kept under their idempotency keys.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use portway_services::context::Context;
use portway_services::kept_answers::{Claim, Ended};

use super::caught::caught;
use crate::error::ApiError;
use crate::kept_answers::KeptAnswers;

/// Longest answer that is kept under an idempotency key, in bytes. Those of what changes something are short.
const MAX_KEPT_BYTES: usize = 256 * 1024;

/// How often an answer is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    /// To each request with the key.
    Again,
    /// To the first one alone.
    Once,
}

/// A request whose answer is kept under its idempotency key.
pub(super) struct Keyed {
    pub(super) answers: Arc<dyn KeptAnswers>,
    /// Has the key.
    pub(super) context: Context,
    /// What is done once the key is held.
    pub(super) operation: BoxFuture<'static, Result<Bytes, ApiError>>,
    pub(super) told: Told,
}

impl Keyed {
    /// Carries it out, unless that was done before. It has to come to its end: given up half way, a claim may have been
    /// written, and nobody would let go of the key.
    pub(super) async fn carry_out(self) -> Result<Bytes, ApiError> {
        let held = match self.answers.claim(&self.context).await? {
            Claim::Answered(answer) => return Ok(answer.into()),
            Claim::Held(held) => held,
        };
        let outcome = caught(self.operation).await;
        self.answers.release(held, ended(self.told, &outcome)).await;
        outcome
    }
}

fn ended(told: Told, outcome: &Result<Bytes, ApiError>) -> Ended {
    match outcome {
        Ok(answer) if told == Told::Again && answer.len() <= MAX_KEPT_BYTES => {
            Ended::Answered(String::from_utf8_lossy(answer).into_owned())
        }
        Ok(_) => Ended::Untold,
        Err(_) => Ended::Failed,
    }
}
