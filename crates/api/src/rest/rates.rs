//! Whose limit a request counts against, and what the caller is told about it.
//!
//! Who the caller is, only the operation's own read finds out, which comes later. So it is remembered whose a token was
//! that was let in, and a request with a token that nobody remembers counts against the address it comes from: tokens
//! cannot be guessed faster than strangers may call.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::response::Response;
use http::{HeaderMap, HeaderName, StatusCode};
use portway_domain::ids::UserId;
use portway_domain::rates::{AddressBlock, Audience, Decision, KnownTokens, RateClass, RateLimit};
use portway_domain::time::Timestamp;
use portway_domain::tokens::TokenHash;
use portway_ports::rates::{BucketKey, Caller, Standing};
use portway_services::context::{CallerSlot, Context};

use crate::error::{ApiError, ErrorCode};
use crate::options::Peer;
use crate::rate::RateLimiting;

const X_RATELIMIT_LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const X_RATELIMIT_REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const X_RATELIMIT_RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");

/// The headers that tell callers what they have left.
pub const RATE_HEADERS: [HeaderName; 3] = [X_RATELIMIT_LIMIT, X_RATELIMIT_REMAINING, X_RATELIMIT_RESET];

/// The limits of all requests.
pub(super) struct Rates {
    limiting: Option<RateLimiting>,
    known: Mutex<KnownTokens>,
}

/// What a request was charged last: nothing where there is no limit.
#[derive(Default)]
pub(super) struct Toll(Mutex<Told>);

#[derive(Default)]
struct Told {
    charge: Option<Charge>,
    /// What another instance told of a call that it counted after that.
    elsewhere: Option<HeaderMap>,
}

struct Charge {
    limit: RateLimit,
    decision: Decision,
    now: Timestamp,
    credential: Option<TokenHash>,
    caller: CallerSlot,
    /// Where the request comes from.
    from: Caller,
    /// Whether it was counted as a stranger's.
    is_strange: bool,
}

impl Toll {
    /// Another instance has counted a call, and answered with these headers.
    pub(super) fn was_charged_elsewhere(&self, headers: &HeaderMap) {
        let told = RATE_HEADERS.into_iter().filter_map(|name| Some((name.clone(), headers.get(name)?.clone())));
        locked(&self.0).elsewhere = Some(told.collect());
    }
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
        let Some(charge) = self.count(limiting, class, context, stranger(peer)).await else { return Ok(()) };
        let retry_after = charge.decision.retry_after;
        *locked(&toll.0) = Told { charge: Some(charge), elsewhere: None };
        retry_after.map_or(Ok(()), |wait| Err(refused(wait)))
    }

    /// Takes a cell out of the bucket of whoever calls; `None` where there is no limit.
    async fn count(
        &self,
        limiting: &RateLimiting,
        class: RateClass,
        context: &Context,
        from: Caller,
    ) -> Option<Charge> {
        let now = context.now;
        let charge = |limit, decision, from, is_strange| Charge {
            limit,
            decision,
            now,
            credential: context.credential.clone(),
            caller: context.caller.clone(),
            from,
            is_strange,
        };
        let user = match self.user(context) {
            Some(user) => user,
            None => {
                let limit = limiting.limits.of(Audience::Strangers, class)?;
                let stranger = BucketKey { class, caller: from.clone() };
                let standing = match &context.credential {
                    Some(token) => limiting.limiter.take_unless_known(&stranger, token, limit, now).await,
                    None => Standing::Stranger(limiting.limiter.take(&stranger, limit, now, 1).await),
                };
                match standing {
                    Standing::Stranger(decision) => return Some(charge(limit, decision, from, true)),
                    Standing::User(user) => user,
                }
            }
        };
        let limit = limiting.limits.of(Audience::Users, class)?;
        let key = BucketKey { class, caller: Caller::User(user) };
        let decision = limiting.limiter.take(&key, limit, now, 1).await;
        Some(charge(limit, decision, from, false))
    }

    /// Tells the caller what is left, and remembers who it was.
    pub(super) async fn settle(&self, toll: Toll, response: &mut Response) {
        let told = toll.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        if let Some(charge) = told.charge {
            let headers = response.headers_mut();
            headers.insert(X_RATELIMIT_LIMIT, charge.limit.burst().into());
            headers.insert(X_RATELIMIT_REMAINING, charge.decision.remaining.into());
            headers.insert(X_RATELIMIT_RESET, charge.resets_at().into());
            self.note(charge, response.status()).await;
        }
        response.headers_mut().extend(told.elsewhere.unwrap_or_default());
    }

    /// Remembers who the caller of a request turned out to be that was answered with that status.
    async fn note(&self, charge: Charge, status: StatusCode) {
        let (Some(limiting), Some(token)) = (&self.limiting, charge.credential) else { return };
        match charge.caller.get() {
            Some(user) => {
                locked(&self.known).remember(&token, user, charge.now);
                if charge.is_strange {
                    limiting.limiter.let_in(&charge.from, &token, user, charge.now).await;
                }
            }
            None if status == StatusCode::UNAUTHORIZED => {
                locked(&self.known).forget(&token);
                if !charge.is_strange {
                    limiting.limiter.turned_away(&charge.from, &token).await;
                }
            }
            None => {}
        }
    }

    fn user(&self, context: &Context) -> Option<UserId> {
        locked(&self.known).user(context.credential.as_ref()?, context.now).cloned()
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
