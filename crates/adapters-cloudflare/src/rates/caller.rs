//! What is kept of one caller.

use std::time::Duration;

use portway_domain::rates::{Bucket, KnownTokens, RateClass};

use super::message::{Answer, Question};

/// What a caller has left in each class; of an address also whose the tokens are that came from there.
#[derive(Debug, Default)]
pub(super) struct LimitedCaller {
    buckets: [Bucket; RateClass::LIMITED.len()],
    known: KnownTokens,
}

impl LimitedCaller {
    /// Answers, and says how long the bucket that was asked for takes until it is full.
    pub(super) fn answer(&mut self, question: Question) -> (Answer, Duration) {
        match question {
            Question::Take { class, limit, now, cost, token } => {
                if let Some(user) = token.and_then(|token| self.known.user(&token, now).cloned()) {
                    return (Answer::User(user), Duration::ZERO);
                }
                let place = RateClass::LIMITED.iter().position(|limited| *limited == class);
                let Some(bucket) = place.and_then(|place| self.buckets.get_mut(place)) else {
                    return (Answer::Bucket(Bucket::default()), Duration::ZERO);
                };
                let before = *bucket;
                let (after, decision) = before.take(limit, now, cost);
                *bucket = after;
                (Answer::Bucket(before), decision.full_in)
            }
            Question::LetIn { token, user, now } => {
                self.known.remember(&token, &user, now);
                (Answer::Noted, Duration::ZERO)
            }
            Question::TurnedAway { token } => {
                self.known.forget(&token);
                (Answer::Noted, Duration::ZERO)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use portway_domain::ids::UserId;
    use portway_domain::rates::RateLimit;
    use portway_domain::time::Timestamp;
    use portway_domain::tokens::TokenHash;

    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(1_771_927_200_000).plus(Duration::from_secs(seconds))
    }

    fn take(class: RateClass, now: Timestamp, token: Option<&str>) -> Question {
        let limit = RateLimit::a_minute(2).unwrap();
        Question::Take { class, limit, now, cost: 1, token: token.map(TokenHash::of) }
    }

    #[test]
    fn each_class_has_a_bucket() {
        let mut caller = LimitedCaller::default();
        for class in RateClass::LIMITED {
            let full = Answer::Bucket(Bucket::default());
            assert_eq!(caller.answer(take(class, at(0), None)), (full, Duration::from_secs(30)));
        }
        let half = Answer::Bucket(Bucket::full_at(at(30)));
        assert_eq!(caller.answer(take(RateClass::Agent, at(1), None)), (half, Duration::from_secs(59)));
    }

    #[test]
    fn a_token_that_was_let_in_costs_a_stranger_nothing_until_it_is_turned_away() {
        let mut caller = LimitedCaller::default();
        let user = UserId::parse("u-1").unwrap();
        let ask = |now| take(RateClass::Standard, now, Some("token"));
        assert_eq!(caller.answer(ask(at(0))).0, Answer::Bucket(Bucket::default()));
        caller.answer(Question::LetIn { token: TokenHash::of("token"), user: user.clone(), now: at(0) });
        for second in [0, 1, 599] {
            assert_eq!(caller.answer(ask(at(second))).0, Answer::User(user.clone()));
        }
        let other = take(RateClass::Standard, at(0), Some("guess"));
        assert_eq!(caller.answer(other).0, Answer::Bucket(Bucket::full_at(at(30))));
        caller.answer(Question::TurnedAway { token: TokenHash::of("token") });
        assert_eq!(caller.answer(ask(at(0))).0, Answer::Bucket(Bucket::full_at(at(60))));
    }
}
