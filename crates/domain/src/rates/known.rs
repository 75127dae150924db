//! Whose tokens were that were let in.

use std::collections::HashMap;
use std::time::Duration;

use crate::ids::UserId;
use crate::time::Timestamp;
use crate::tokens::TokenHash;

/// How long it is remembered whose a token was, after it was let in for the last time.
const REMEMBERED: Duration = Duration::from_secs(600);

/// Most tokens that are remembered.
const MAX_TOKENS: usize = 10_000;

/// Whose tokens were that were let in within the last ten minutes: who a caller is has to be known before it is read who
/// that is. There are never more than ten thousand.
#[derive(Debug, Default)]
pub struct KnownTokens(HashMap<TokenHash, Known>);

#[derive(Debug)]
struct Known {
    user: UserId,
    until: Timestamp,
}

impl KnownTokens {
    /// Whose the token was, if that is remembered.
    #[must_use]
    pub fn user(&self, token: &TokenHash, now: Timestamp) -> Option<&UserId> {
        self.0.get(token).filter(|known| now < known.until).map(|known| &known.user)
    }

    /// Remembers from now on whose a token is that was let in.
    pub fn remember(&mut self, token: &TokenHash, user: &UserId, now: Timestamp) {
        let until = now.plus(REMEMBERED);
        if let Some(known) = self.0.get_mut(token) {
            known.until = until;
            return;
        }
        if self.0.len() >= MAX_TOKENS {
            self.0.retain(|_, known| known.until > now.plus(REMEMBERED / 2));
        }
        // Everybody is remembered anew with the next request.
        if self.0.len() >= MAX_TOKENS {
            self.0.clear();
        }
        self.0.insert(token.clone(), Known { user: user.clone(), until });
    }

    /// Forgets a token that was turned away.
    pub fn forget(&mut self, token: &TokenHash) {
        self.0.remove(token);
    }
}
