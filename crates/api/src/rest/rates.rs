//! Whose limit a request counts against, and what the caller is told about it.
//!
//! Who the caller is, only the operation's own read finds out, which comes later. So it is remembered whose a token was
//! that was let in, and a request with a token that nobody remembers counts against the address it comes from: tokens
//! cannot be guessed faster than strangers may call.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::response::Response;
use http::{HeaderName, StatusCode};
use portway_domain::ids::UserId;
use portway_domain::rates::{AddressBlock, Audience, Decision, RateClass, RateLimit};
use portway_domain::time::Timestamp;
use portway_domain::tokens::TokenHash;
use portway_ports::rates::{BucketKey, Caller};
use portway_services::context::{CallerSlot, Context};

use crate::error::{ApiError, ErrorCode};
use crate::options::Peer;
use crate::rate::RateLimiting;

const X_RATELIMIT_LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const X_RATELIMIT_REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const X_RATELIMIT_RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");

/// How long it is remembered whose a token was, after it was let in for the last time.
const REMEMBERED: Duration = Duration::from_secs(600);

/// Most tokens that are remembered.
const MAX_TOKENS: usize = 10_000;

/// The limits of all requests.
pub(super) struct Rates {
    limiting: Option<RateLimiting>,
    known: Mutex<HashMap<TokenHash, Known>>,
}

/// Whose a token was.
struct Known {
    user: UserId,
    until: Timestamp,
}

/// What a request was charged last: nothing where there is no limit.
#[derive(Default)]
pub(super) struct Toll(Mutex<Option<Charge>>);

struct Charge {
    limit: RateLimit,
    decision: Decision,
    now: Timestamp,
    credential: Option<TokenHash>,
    caller: CallerSlot,
}

impl Rates {
    pub(super) fn new(limiting: Option<RateLimiting>) -> Self {
        Self { limiting, known: Mutex::default() }
    }

    /// Counts one call of that class, of whoever `context` and `peer` tell of. Has to come before anything is done for
    /// the call. Each call of a request that makes several is counted by itself.
    ///
    /// # Errors
    /// 429 with [`ErrorCode::RateLimitExceeded`] and when to try again; the call must not be made then.
    pub(super) async fn charge(
        &self,
        class: RateClass,
        context: &Context,
        peer: Option<Peer>,
        toll: &Toll,
    ) -> Result<(), ApiError> {
        let Some(limiting) = &self.limiting else { return Ok(()) };
        let (audience, caller) = match self.user(context) {
            Some(user) => (Audience::Users, Caller::User(user)),
            None => (Audience::Strangers, stranger(peer)),
        };
        let Some(limit) = limiting.limits.of(audience, class) else { return Ok(()) };
        let decision = limiting.limiter.take(&BucketKey { class, caller }, limit, context.now, 1).await;
        *locked(&toll.0) = Some(Charge {
            limit,
            decision,
            now: context.now,
            credential: context.credential.clone(),
            caller: context.caller.clone(),
        });
        decision.retry_after.map_or(Ok(()), |wait| Err(refused(wait)))
    }

    /// Tells the caller what is left, and remembers who it was.
    pub(super) fn settle(&self, toll: Toll, response: &mut Response) {
        let Some(charge) = toll.0.into_inner().unwrap_or_else(PoisonError::into_inner) else { return };
        let headers = response.headers_mut();
        headers.insert(X_RATELIMIT_LIMIT, charge.limit.burst().into());
        headers.insert(X_RATELIMIT_REMAINING, charge.decision.remaining.into());
        headers.insert(X_RATELIMIT_RESET, charge.resets_at().into());
        let Some(token) = charge.credential else { return };
        match charge.caller.get() {
            Some(user) => self.remember(token, user, charge.now),
            None if response.status() == StatusCode::UNAUTHORIZED => drop(locked(&self.known).remove(&token)),
            None => {}
        }
    }

    fn user(&self, context: &Context) -> Option<UserId> {
        let known = locked(&self.known);
        let known = known.get(context.credential.as_ref()?)?;
        (context.now < known.until).then(|| known.user.clone())
    }

    fn remember(&self, token: TokenHash, user: &UserId, now: Timestamp) {
        let mut known = locked(&self.known);
        let until = now.plus(REMEMBERED);
        if let Some(known) = known.get_mut(&token) {
            known.until = until;
            return;
        }
        if known.len() >= MAX_TOKENS {
            known.retain(|_, known| known.until > now.plus(REMEMBERED / 2));
        }
        // Everybody is remembered anew with the next request.
        if known.len() >= MAX_TOKENS {
            known.clear();
        }
        known.insert(token, Known { user: user.clone(), until });
    }
}

impl Charge {
    /// When the caller may do as much as ever, in seconds since the epoch.
    fn resets_at(&self) -> i64 {
        self.now.plus(self.decision.full_in).plus(Duration::from_micros(999_999)).as_seconds()
    }
}

fn stranger(peer: Option<Peer>) -> Caller {
    match peer.and_then(|peer| peer.address) {
        Some(address) => Caller::Address(AddressBlock::of(address)),
        None => Caller::Unknown,
    }
}

fn refused(wait: Duration) -> ApiError {
    let seconds = u32::try_from(wait.as_micros().div_ceil(1_000_000)).unwrap_or(u32::MAX);
    let message = format!("Too many requests: try again in {seconds} s");
    ApiError::new(ErrorCode::RateLimitExceeded, message).with_retry_after(seconds)
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
