//! What instances and the objects of callers say to each other: words with spaces between them.

use std::str::FromStr;
use std::time::Duration;

use portway_domain::ids::UserId;
use portway_domain::rates::{Bucket, RateClass, RateLimit};
use portway_domain::time::Timestamp;
use portway_domain::tokens::TokenHash;

/// What an instance asks the object of a caller, or tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Question {
    /// Takes cells out of a bucket; of a caller with a token only if it is not known whose that is.
    Take { class: RateClass, limit: RateLimit, now: Timestamp, cost: u32, token: Option<TokenHash> },
    /// The token was let in.
    LetIn { token: TokenHash, user: UserId, now: Timestamp },
    /// The token was turned away.
    TurnedAway { token: TokenHash },
}

/// What the object answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// This is what the bucket was before anything was taken out of it.
    Bucket(Bucket),
    /// Nothing was taken: the token is this user's.
    User(UserId),
    /// It will be remembered.
    Noted,
}

impl Question {
    pub(super) fn write(&self) -> String {
        match self {
            Self::Take { class, limit, now, cost, token } => {
                let (class, interval, burst, now) =
                    (class.as_str(), limit.interval().as_micros(), limit.burst(), now.as_micros());
                let token = token.iter().flat_map(|token| [" ", token.as_str()]).collect::<String>();
                format!("take {class} {interval} {burst} {now} {cost}{token}")
            }
            Self::LetIn { token, user, now } => {
                format!("let-in {} {} {}", token.as_str(), user.as_str(), now.as_micros())
            }
            Self::TurnedAway { token } => format!("turned-away {}", token.as_str()),
        }
    }

    /// `None` of what no instance says.
    pub(super) fn read(text: &str) -> Option<Self> {
        let mut words = text.split(' ');
        let question = match words.next()? {
            "take" => Self::Take {
                class: RateClass::limited(words.next()?)?,
                limit: RateLimit::from_parts(Duration::from_micros(number(words.next())?), number(words.next())?)
                    .ok()?,
                now: Timestamp::from_micros(number(words.next())?),
                cost: number(words.next())?,
                token: words.next().map(token),
            },
            "let-in" => Self::LetIn {
                token: token(words.next()?),
                user: UserId::parse(words.next()?).ok()?,
                now: Timestamp::from_micros(number(words.next())?),
            },
            "turned-away" => Self::TurnedAway { token: token(words.next()?) },
            _ => return None,
        };
        words.next().is_none().then_some(question)
    }
}

impl Answer {
    pub(super) fn write(&self) -> String {
        match self {
            Self::Bucket(bucket) => format!("bucket {}", bucket.is_full_at().as_micros()),
            Self::User(user) => format!("user {}", user.as_str()),
            Self::Noted => "noted".to_owned(),
        }
    }

    /// `None` of what no object says.
    pub(super) fn read(text: &str) -> Option<Self> {
        match text.split_once(' ') {
            Some(("bucket", moment)) => {
                Some(Self::Bucket(Bucket::full_at(Timestamp::from_micros(number(Some(moment))?))))
            }
            Some(("user", user)) => UserId::parse(user).ok().map(Self::User),
            None if text == "noted" => Some(Self::Noted),
            _ => None,
        }
    }
}

fn number<T: FromStr>(word: Option<&str>) -> Option<T> {
    word?.parse().ok()
}

fn token(word: &str) -> TokenHash {
    TokenHash::from_stored(word.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_and_answers_arrive_as_they_were_said() {
        let (now, token) = (Timestamp::from_micros(1_771_927_200_000_001), TokenHash::of("sk_test_x"));
        let user = UserId::parse("u-1").unwrap();
        let take = |class, limit, token| Question::Take { class, limit, now, cost: 3, token };
        let limits = [
            RateLimit::a_minute(7).unwrap(),
            RateLimit::a_minute(1_000_000).unwrap(),
            RateLimit::new(1_000_000, Duration::from_secs(1), 1).unwrap(),
            RateLimit::new(1, Duration::from_secs(24 * 60 * 60), 1_000_000).unwrap(),
        ];
        let mut questions = vec![
            Question::LetIn { token: token.clone(), user: user.clone(), now },
            Question::TurnedAway { token: token.clone() },
        ];
        for (class, limit) in RateClass::LIMITED.into_iter().zip(limits.into_iter().cycle()) {
            questions.extend([take(class, limit, None), take(class, limit, Some(token.clone()))]);
        }
        for question in questions {
            assert_eq!(Question::read(&question.write()), Some(question));
        }
        for answer in [Answer::Bucket(Bucket::full_at(now)), Answer::User(user), Answer::Noted] {
            assert_eq!(Answer::read(&answer.write()), Some(answer));
        }
    }

    #[test]
    fn what_nobody_says_is_not_understood() {
        for text in [
            "",
            "take",
            "take unlimited 1000000 60 1 1",
            "take standard 0 60 1 1",
            "take standard 1000000 0 1 1",
            "take standard 1000000 60 1",
            "take standard 1000000 60 1 1 token more",
            "let-in token",
            "noted",
        ] {
            assert_eq!(Question::read(text), None, "{text}");
        }
        for text in ["", "bucket", "bucket x", "noted now", "take"] {
            assert_eq!(Answer::read(text), None, "{text}");
        }
    }
}
