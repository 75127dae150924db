//! The side of the instances.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use portway_domain::ids::UserId;
use portway_domain::rates::{Decision, RateLimit};
use portway_domain::time::Timestamp;
use portway_domain::tokens::TokenHash;
use portway_ports::rates::{BucketKey, Caller, RateLimiter, Standing};
use portway_rate_limits::MemoryRateLimiter;
use worker::send::IntoSendFuture;
use worker::{Error, Method, ObjectNamespace, Request, RequestInit, Result};

use super::message::{Answer, Question};
use crate::objects::within;

/// How long a request waits for the object of its caller before the instance decides by itself. The first question brings
/// the object into memory, which may be on another continent.
const PATIENCE: Duration = Duration::from_secs(1);

/// Asks the object of each caller. While one does not answer, the instance counts that caller in its memory.
pub struct ObjectRateLimiter {
    callers: ObjectNamespace,
    prefix: String,
    own: MemoryRateLimiter,
}

impl fmt::Debug for ObjectRateLimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObjectRateLimiter").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

impl ObjectRateLimiter {
    /// With the objects of that class, whose names begin with `prefix`.
    #[must_use]
    pub fn new(callers: ObjectNamespace, prefix: impl Into<String>) -> Self {
        Self { callers, prefix: prefix.into(), own: MemoryRateLimiter::new() }
    }

    async fn ask(&self, caller: &Caller, question: &Question) -> Option<Answer> {
        let answer = within(PATIENCE, self.answer(caller, question)).into_send().await;
        let unanswered = |error| tracing::warn!(%error, "the object of a caller does not answer: it is counted here");
        answer.map_err(unanswered).ok()
    }

    async fn answer(&self, caller: &Caller, question: &Question) -> Result<Answer> {
        let mut init = RequestInit::new();
        init.with_method(Method::Post).with_body(Some(question.write().into()));
        let request = Request::new_with_init("https://caller", &init)?;
        let object = self.callers.get_by_name(&name(&self.prefix, caller))?;
        let answer = object.fetch_with_request(request).await?.text().await?;
        Answer::read(&answer).ok_or_else(|| Error::RustError("it says what is no answer".to_owned()))
    }
}

#[async_trait]
impl RateLimiter for ObjectRateLimiter {
    async fn take(&self, key: &BucketKey, limit: RateLimit, now: Timestamp, cost: u32) -> Decision {
        let question = Question::Take { class: key.class, limit, now, cost, token: None };
        match self.ask(&key.caller, &question).await {
            Some(Answer::Bucket(before)) => before.take(limit, now, cost).1,
            _ => self.own.take_now(key, limit, now, cost),
        }
    }

    async fn take_unless_known(
        &self,
        stranger: &BucketKey,
        token: &TokenHash,
        limit: RateLimit,
        now: Timestamp,
    ) -> Standing {
        let question = Question::Take { class: stranger.class, limit, now, cost: 1, token: Some(token.clone()) };
        match self.ask(&stranger.caller, &question).await {
            Some(Answer::User(user)) => Standing::User(user),
            Some(Answer::Bucket(before)) => Standing::Stranger(before.take(limit, now, 1).1),
            _ => Standing::Stranger(self.own.take_now(stranger, limit, now, 1)),
        }
    }

    async fn let_in(&self, from: &Caller, token: &TokenHash, user: &UserId, now: Timestamp) {
        self.ask(from, &Question::LetIn { token: token.clone(), user: user.clone(), now }).await;
    }

    async fn turned_away(&self, from: &Caller, token: &TokenHash) {
        self.ask(from, &Question::TurnedAway { token: token.clone() }).await;
    }
}

/// The name of a caller's object.
fn name(prefix: &str, caller: &Caller) -> String {
    match caller {
        Caller::User(user) => format!("{prefix}user:{}", user.as_str()),
        Caller::Address(block) => format!("{prefix}address:{:x}", block.as_number()),
        Caller::Unknown => format!("{prefix}unknown"),
    }
}
