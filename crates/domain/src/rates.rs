//! Rate limits: how often somebody may do something.
//!
//! The algorithm is the generic cell rate algorithm of telephone networks. A bucket of *cells* is full at first, each
//! request takes some out, and they grow back one after the other. All that is kept of a bucket is when it will be full
//! again, so a bucket that nobody has touched for a while needs no memory at all.

mod known;
#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::time::Duration;

pub use self::known::KnownTokens;
use crate::time::Timestamp;

/// By how much the clocks of two nodes may differ. A bucket that is further from being full than its
/// limit and this together allow was touched by a clock that was wrong.
pub const SKEW: Duration = Duration::from_secs(60);

const MINUTE: Duration = Duration::from_secs(60);

/// Most cells of a limit, in a period and at once.
pub const MAX_CELLS: u32 = 1_000_000;

/// Longest period of a limit.
pub const MAX_PERIOD: Duration = Duration::from_secs(24 * 60 * 60);

/// Shortest period of a limit.
pub const MIN_PERIOD: Duration = Duration::from_secs(1);

/// The numbers are outside the bounds of a limit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected 1 to 1000000 requests, in a second to a day")]
pub struct InvalidRateLimit;

/// So many cells in a period, and so many of them at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    /// From one cell that grows back to the next, in microseconds.
    interval: u64,
    burst: u32,
}

impl RateLimit {
    /// `cells` in every `period`, of which `burst` at once.
    ///
    /// # Errors
    /// [`InvalidRateLimit`] unless both numbers are 1 to [`MAX_CELLS`] and the period is from [`MIN_PERIOD`] to
    /// [`MAX_PERIOD`].
    pub fn new(cells: u32, period: Duration, burst: u32) -> Result<Self, InvalidRateLimit> {
        let bounds = 1..=MAX_CELLS;
        let fits = bounds.contains(&cells) && bounds.contains(&burst) && (MIN_PERIOD..=MAX_PERIOD).contains(&period);
        let micros = u64::try_from(period.as_micros()).map_err(|_| InvalidRateLimit)?;
        // Rounded up: what grows back is never more than was said.
        if fits { Ok(Self { interval: micros.div_ceil(u64::from(cells)), burst }) } else { Err(InvalidRateLimit) }
    }

    /// `cells` in a minute, all of them at once if need be.
    ///
    /// # Errors
    /// [`InvalidRateLimit`] unless the number is 1 to [`MAX_CELLS`].
    pub fn a_minute(cells: u32) -> Result<Self, InvalidRateLimit> {
        Self::new(cells, MINUTE, cells)
    }

    /// A limit by what [`interval`](Self::interval) and [`burst`](Self::burst) tell of it, as one instance sends it to
    /// another.
    ///
    /// # Errors
    /// [`InvalidRateLimit`] unless there is a limit of which they tell that.
    pub fn from_parts(interval: Duration, burst: u32) -> Result<Self, InvalidRateLimit> {
        let shortest = MIN_PERIOD / MAX_CELLS;
        let fits = (1..=MAX_CELLS).contains(&burst) && (shortest..=MAX_PERIOD).contains(&interval);
        let interval = u64::try_from(interval.as_micros()).map_err(|_| InvalidRateLimit)?;
        if fits { Ok(Self { interval, burst }) } else { Err(InvalidRateLimit) }
    }

    /// Most cells at once.
    #[must_use]
    pub fn burst(self) -> u32 {
        self.burst
    }

    /// From one cell that grows back to the next.
    #[must_use]
    pub fn interval(self) -> Duration {
        Duration::from_micros(self.interval)
    }

    /// How long an empty bucket takes to be full.
    #[must_use]
    pub fn span(self) -> Duration {
        Duration::from_micros(self.interval * u64::from(self.burst))
    }
}

/// The cells that somebody has left. One that was never touched is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Bucket {
    full_at: Timestamp,
}

/// What came of taking cells out of a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    /// `None` if they were taken. Otherwise nothing was, and so long it takes until they can be; more cells than the
    /// bucket ever has are refused whenever it is tried.
    pub retry_after: Option<Duration>,
    /// How many cells are left.
    pub remaining: u32,
    /// How long it takes until the bucket is full.
    pub full_in: Duration,
}

impl Decision {
    /// Whether the cells were taken.
    #[must_use]
    pub fn is_allowed(&self) -> bool {
        self.retry_after.is_none()
    }
}

impl Bucket {
    /// One that will be full then.
    #[must_use]
    pub fn full_at(moment: Timestamp) -> Self {
        Self { full_at: moment }
    }

    /// When it will be full, or was first.
    #[must_use]
    pub fn is_full_at(self) -> Timestamp {
        self.full_at
    }

    /// Takes `cost` cells out if they are there; a cost of 0 only looks. Answers the bucket after it, which is the same
    /// one when they are not.
    ///
    /// A clock that goes back makes nothing grow, and one that was far ahead for a while keeps nobody out for longer than
    /// the limit takes to be full, and a minute.
    #[must_use]
    pub fn take(self, limit: RateLimit, now: Timestamp, cost: u32) -> (Self, Decision) {
        let (span, cost) = (micros(limit.span()), limit.interval.saturating_mul(u64::from(cost)));
        let missing = micros(self.full_at.since(now));
        let (bucket, missing) = if missing > span + micros(SKEW) {
            (Self { full_at: now.plus(Duration::from_micros(span)) }, span)
        } else {
            (self, missing)
        };
        let decide = |missing: u64, retry_after| Decision {
            retry_after,
            remaining: u32::try_from(span.saturating_sub(missing) / limit.interval).unwrap_or(limit.burst),
            full_in: Duration::from_micros(missing),
        };
        let wanted = missing.saturating_add(cost);
        if wanted > span {
            return (bucket, decide(missing, Some(Duration::from_micros(wanted - span))));
        }
        (Self { full_at: now.plus(Duration::from_micros(wanted)) }, decide(wanted, None))
    }
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

/// The class whose limit an operation counts against: how much it costs, in words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum RateClass {
    /// Never limited: what probes and load balancers ask.
    Unlimited,
    /// Ordinary reads and writes.
    #[default]
    Standard,
    /// Starts or drives an agent.
    Agent,
    /// Starts or drives a workflow.
    Workflow,
    /// Signs in, or proves an identity.
    Login,
    /// Does much at once.
    Batch,
}

impl RateClass {
    /// The classes that have a limit.
    pub const LIMITED: [Self; 5] = [Self::Standard, Self::Agent, Self::Workflow, Self::Login, Self::Batch];

    /// The class with a limit that has that name.
    #[must_use]
    pub fn limited(name: &str) -> Option<Self> {
        Self::LIMITED.into_iter().find(|class| class.as_str() == name)
    }

    /// The name of the class in configuration and in the published description.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unlimited => "unlimited",
            Self::Standard => "standard",
            Self::Agent => "agent",
            Self::Workflow => "workflow",
            Self::Login => "login",
            Self::Batch => "batch",
        }
    }
}

/// Where a caller without an account comes from. Of an address of IPv6 it is the first half, since whoever has one has
/// all of the second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AddressBlock(u64);

impl AddressBlock {
    /// The block of an address.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            // No host has an address of IPv6 whose first half is such a small number.
            IpAddr::V4(address) => Self(u64::from(address.to_bits())),
            IpAddr::V6(address) if address.is_loopback() => Self::of(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST)),
            IpAddr::V6(address) => Self((address.to_bits() >> 64) as u64),
        }
    }

    /// The block as a number, which no other one has.
    #[must_use]
    pub fn as_number(self) -> u64 {
        self.0
    }
}

/// The limits of all classes: those of strangers, each by where they come from, and those of users.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimits {
    strangers: [RateLimit; RateClass::LIMITED.len()],
    users: [RateLimit; RateClass::LIMITED.len()],
}

/// A caller, as far as limits go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// Whoever is not known to be a user.
    Strangers,
    /// A user.
    Users,
}

impl RateLimits {
    /// The limit of a class; `None` for the one that has none.
    #[must_use]
    pub fn of(&self, audience: Audience, class: RateClass) -> Option<RateLimit> {
        self.row(audience).get(place(class)?).copied()
    }

    /// Sets the limit of a class. The class without a limit stays without.
    pub fn set(&mut self, audience: Audience, class: RateClass, limit: RateLimit) {
        let row = match audience {
            Audience::Strangers => &mut self.strangers,
            Audience::Users => &mut self.users,
        };
        if let Some(place) = place(class).and_then(|place| row.get_mut(place)) {
            *place = limit;
        }
    }

    fn row(&self, audience: Audience) -> &[RateLimit; RateClass::LIMITED.len()] {
        match audience {
            Audience::Strangers => &self.strangers,
            Audience::Users => &self.users,
        }
    }
}

impl Default for RateLimits {
    /// 60, 20, 30, 10 and 5 a minute for strangers, in the order of [`RateClass::LIMITED`]; 600 for users.
    fn default() -> Self {
        let a_minute = |cells: u32| RateLimit { interval: 60_000_000 / u64::from(cells), burst: cells };
        Self { strangers: [60, 20, 30, 10, 5].map(a_minute), users: [600; RateClass::LIMITED.len()].map(a_minute) }
    }
}

fn place(class: RateClass) -> Option<usize> {
    (class as usize).checked_sub(1)
}
