use proptest::prelude::*;

use super::*;

fn at(micros: i64) -> Timestamp {
    Timestamp::from_micros(1_771_927_200_000_000 + micros)
}

fn three_a_second(burst: u32) -> RateLimit {
    RateLimit::new(3, Duration::from_secs(1), burst).unwrap()
}

/// Takes from a bucket, one after the other. Answers how many cells were taken each time.
fn taken(limit: RateLimit, requests: &[(i64, u32)]) -> Vec<u64> {
    let mut bucket = Bucket::default();
    let take = |&(moment, cost): &(i64, u32)| {
        let (after, decision) = bucket.take(limit, at(moment), cost);
        bucket = after;
        if decision.is_allowed() { u64::from(cost) } else { 0 }
    };
    requests.iter().map(take).collect()
}

fn limits() -> impl Strategy<Value = RateLimit> {
    (1..50_u32, 1..5_u64, 1..20_u32)
        .prop_map(|(cells, seconds, burst)| RateLimit::new(cells, Duration::from_secs(seconds), burst).unwrap())
}

/// Requests with the time since the one before, which is negative where the clock goes back.
fn requests(steps: impl Strategy<Value = i64>) -> impl Strategy<Value = Vec<(i64, u32)>> {
    let request = (steps, prop_oneof![4 => Just(1), 1 => 0..4_u32]);
    proptest::collection::vec(request, 1..120).prop_map(|requests| {
        let mut now = 0;
        let at = |(step, cost)| {
            now += step;
            (now, cost)
        };
        requests.into_iter().map(at).collect()
    })
}

proptest! {
    #[test]
    fn no_window_lets_more_through_than_the_burst_and_what_grows_in_it(
        limit in limits(),
        requests in requests(prop_oneof![Just(0), 0..2_000_000_i64]),
    ) {
        let taken = taken(limit, &requests);
        for first in 0..requests.len() {
            let mut sum = 0;
            for last in first..requests.len() {
                sum += taken[last];
                let window = u64::try_from(requests[last].0 - requests[first].0).unwrap();
                prop_assert!(sum <= u64::from(limit.burst) + window / limit.interval);
            }
        }
    }

    #[test]
    fn a_clock_that_goes_back_lets_no_more_through(
        limit in limits(),
        requests in requests(-3_000_000..3_000_000_i64),
    ) {
        let sum: u64 = taken(limit, &requests).iter().sum();
        let forward: u64 = requests.windows(2).map(|pair| u64::try_from(pair[1].0 - pair[0].0).unwrap_or(0)).sum();
        prop_assert!(sum <= u64::from(limit.burst) + forward / limit.interval);
    }

    #[test]
    fn what_is_said_to_remain_and_to_grow_back_is_true(
        limit in limits(),
        requests in requests(0..2_000_000_i64),
    ) {
        let mut bucket = Bucket::default();
        for (moment, cost) in requests {
            let (after, decision) = bucket.take(limit, at(moment), cost);
            match decision.retry_after {
                None => {
                    let all = after.take(limit, at(moment), decision.remaining).1;
                    prop_assert!(all.is_allowed() && all.remaining == 0);
                    prop_assert!(!after.take(limit, at(moment), decision.remaining + 1).1.is_allowed());
                    let later = at(moment).plus(decision.full_in);
                    prop_assert_eq!(after.take(limit, later, 0).1.remaining, limit.burst);
                }
                Some(wait) => {
                    prop_assert_eq!(after, bucket, "who is refused takes nothing");
                    let later = at(moment).plus(wait);
                    prop_assert_eq!(after.take(limit, later, cost).1.is_allowed(), cost <= limit.burst);
                    prop_assert!(!after.take(limit, later.minus(Duration::from_micros(1)), cost).1.is_allowed());
                }
            }
            bucket = after;
        }
    }
}

#[test]
fn a_burst_goes_through_at_once_and_then_one_after_the_other() {
    let interval = 333_334;
    let requests = [(0, 1), (0, 1), (0, 1), (interval - 1, 1), (interval, 1), (interval, 1), (3 * interval, 2)];
    assert_eq!(taken(three_a_second(2), &requests), [1, 1, 0, 0, 1, 0, 2]);
}

#[test]
fn more_than_there_ever_is_is_refused() {
    let (_, decision) = Bucket::default().take(three_a_second(2), at(0), 3);
    assert_eq!((decision.is_allowed(), decision.remaining), (false, 2));
    let slow = RateLimit::new(1, MAX_PERIOD, MAX_CELLS).unwrap();
    assert!(!Bucket::default().take(slow, at(0), u32::MAX).1.is_allowed());
}

#[test]
fn a_clock_that_was_a_year_ahead_keeps_nobody_out() {
    let (limit, year) = (three_a_second(2), 365 * 24 * 3_600_000_000);
    let (ahead, _) = Bucket::default().take(limit, at(year), 1);
    let (mut bucket, refused) = ahead.take(limit, at(0), 1);
    let wait = refused.retry_after.unwrap();
    assert!(wait <= limit.interval(), "{wait:?}");
    for moment in [0, 1] {
        bucket = bucket.take(limit, at(moment), 1).0;
    }
    assert!(bucket.take(limit, at(0).plus(wait), 1).1.is_allowed());
}

#[test]
fn clocks_that_differ_a_little_make_nothing_grow() {
    let limit = three_a_second(2);
    let requests: Vec<_> = (0..50).map(|turn| (if turn % 2 == 0 { 10_000_000 } else { 0 }, 1)).collect();
    assert_eq!(taken(limit, &requests).iter().sum::<u64>(), 2);
}

#[test]
fn limits_have_bounds() {
    let (second, day) = (MIN_PERIOD, MAX_PERIOD);
    for (cells, period, burst) in [(1, day, MAX_CELLS), (MAX_CELLS, second, 1)] {
        assert!(RateLimit::new(cells, period, burst).is_ok());
    }
    let short = second.saturating_sub(Duration::from_nanos(1));
    for (cells, period, burst) in [
        (0, second, 1),
        (1, second, 0),
        (MAX_CELLS + 1, second, 1),
        (1, second, MAX_CELLS + 1),
        (1, short, 1),
        (1, day + Duration::from_nanos(1), 1),
    ] {
        assert_eq!(RateLimit::new(cells, period, burst), Err(InvalidRateLimit));
    }
    assert_eq!(RateLimit::a_minute(60).map(|limit| (limit.burst(), limit.interval())), Ok((60, MIN_PERIOD)));
}

#[test]
fn each_class_has_its_limit() {
    let limits = RateLimits::default();
    for (class, cells) in RateClass::LIMITED.into_iter().zip([60, 20, 30, 10, 5]) {
        assert_eq!(limits.of(Audience::Strangers, class), Some(RateLimit::a_minute(cells).unwrap()));
        assert_eq!(limits.of(Audience::Users, class), Some(RateLimit::a_minute(600).unwrap()));
    }
    let mut limits = limits;
    let own = RateLimit::a_minute(7).unwrap();
    limits.set(Audience::Users, RateClass::Unlimited, own);
    assert_eq!(limits, RateLimits::default());
    assert_eq!(limits.of(Audience::Strangers, RateClass::Unlimited), None);
    limits.set(Audience::Users, RateClass::Batch, own);
    assert_eq!(limits.of(Audience::Users, RateClass::Batch), Some(own));
    assert_eq!(limits.of(Audience::Strangers, RateClass::Batch), Some(RateLimit::a_minute(5).unwrap()));
}

#[test]
fn blocks_are_addresses_or_the_first_half_of_them() {
    let block = |text: &str| AddressBlock::of(text.parse().unwrap());
    assert_eq!(block("2001:db8:1:2::1"), block("2001:db8:1:2:ffff::9"));
    assert_ne!(block("2001:db8:1:2::1"), block("2001:db8:1:3::1"));
    assert_ne!(block("192.0.2.1"), block("192.0.2.2"));
    assert_eq!(block("::ffff:192.0.2.1"), block("192.0.2.1"));
    assert_eq!(block("::1"), block("127.0.0.1"));
}

#[test]
fn a_limit_is_made_again_of_its_parts() {
    let longest = RateLimit::new(1, MAX_PERIOD, MAX_CELLS).unwrap();
    let shortest = RateLimit::new(MAX_CELLS, MIN_PERIOD, 1).unwrap();
    for limit in [three_a_second(2), RateLimit::a_minute(7).unwrap(), longest, shortest] {
        assert_eq!(RateLimit::from_parts(limit.interval(), limit.burst()), Ok(limit));
    }
    let second = Duration::from_secs(1);
    for (interval, burst) in
        [(Duration::ZERO, 1), (MAX_PERIOD + second, 1), (second, 0), (second, MAX_CELLS + 1), (Duration::MAX, 1)]
    {
        assert_eq!(RateLimit::from_parts(interval, burst), Err(InvalidRateLimit));
    }
}
