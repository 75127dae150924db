//! Access tokens: their secrets, their hashes and what is shown of them.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::ids::{TokenId, UserId};
use crate::time::Timestamp;

/// Longest secret that is hashed at all, in bytes; anything longer is no token of ours.
pub const MAX_SECRET_BYTES: usize = 512;

/// What every API key that the gateway makes begins with.
const KEY_PREFIX: &str = "sk_live_";
/// Hexadecimal digits after it: the milliseconds since 1970 at which the key was made.
const LOOKUP_DIGITS: usize = 12;
/// Hexadecimal digits of the random part that follows.
const RANDOM_DIGITS: usize = 64;
/// Hexadecimal digits of the sum at the end.
const CHECKSUM_DIGITS: usize = 8;

/// The hash of a token's secret: the only form in which secrets are stored and looked up.
///
/// It is the SHA-256 of the secret. For a key that begins with the time at which it was made, the first 12 of the 64
/// digits are that time: keys then come to stand in the index in the order in which they are made, and a commit of many
/// new keys writes few pages of it. The 208 bits of SHA-256 that are left are more than can be searched.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TokenHash(String);

impl TokenHash {
    /// Hashes a presented secret.
    #[must_use]
    pub fn of(secret: &str) -> Self {
        let mut digits = hex(&Sha256::digest(secret.as_bytes()));
        if let Some(lookup) = lookup_digits(secret) {
            digits.replace_range(..LOOKUP_DIGITS, lookup);
        }
        Self(digits)
    }

    /// A hash as it was stored.
    #[must_use]
    pub fn from_stored(hex: String) -> Self {
        Self(hex)
    }

    /// Sixty-four lower-case hexadecimal digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Compares in constant time.
    #[must_use]
    pub fn matches(&self, other: &Self) -> bool {
        self.0.as_bytes().ct_eq(other.0.as_bytes()).into()
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHash(..)")
    }
}

/// A token's secret. It is never written to a log: its `Debug` form hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenSecret(String);

impl TokenSecret {
    /// A new API key from the time and 32 bytes of entropy: `sk_live_`, 12 hexadecimal digits of the time, 64 random
    /// ones, and a checksum of eight, by which a scanner for leaked secrets tells a key from other text.
    #[must_use]
    pub fn api_key(now: Timestamp, entropy: [u8; 32]) -> Self {
        // The lower 48 bits last until the year 10889.
        let millis = u64::try_from(now.as_millis()).unwrap_or(0) & 0xffff_ffff_ffff;
        let body = format!("{KEY_PREFIX}{millis:012x}{}", hex(&entropy));
        let checksum = checksum(&body);
        Self(body + &checksum)
    }

    /// A new secret of a runner: 64 hexadecimal digits.
    #[must_use]
    pub fn runner(entropy: [u8; 32]) -> Self {
        Self(hex(&entropy))
    }

    /// A secret that an operator chose.
    ///
    /// # Errors
    /// [`InvalidSecret`] unless it begins with `sk_live_` or `sk_test_`, is followed by at least 32 letters, digits,
    /// `_` or `-`, and is no longer than [`MAX_SECRET_BYTES`].
    pub fn chosen(text: &str) -> Result<Self, InvalidSecret> {
        let rest = text.strip_prefix("sk_live_").or_else(|| text.strip_prefix("sk_test_")).ok_or(InvalidSecret)?;
        let harmless = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
        if rest.len() < 32 || text.len() > MAX_SECRET_BYTES || !rest.bytes().all(harmless) {
            return Err(InvalidSecret);
        }
        Ok(Self(text.to_owned()))
    }

    /// A secret that somebody else made, of whatever form.
    ///
    /// # Errors
    /// [`UnusableSecret`] unless it has 1 to [`MAX_SECRET_BYTES`] printable ASCII characters and no blank.
    pub fn opaque(text: &str) -> Result<Self, UnusableSecret> {
        let fits = (1..=MAX_SECRET_BYTES).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
        if fits { Ok(Self(text.to_owned())) } else { Err(UnusableSecret) }
    }

    /// The secret itself, to hand to its owner.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Its hash, to store.
    #[must_use]
    pub fn hash(&self) -> TokenHash {
        TokenHash::of(&self.0)
    }

    /// What lists show to tell keys apart: the first seven characters, three dots and the last four.
    #[must_use]
    pub fn prefix(&self) -> String {
        let tail = self.0.len().saturating_sub(4);
        format!("{}...{}", &self.0[..self.0.len().min(7)], &self.0[tail..])
    }
}

impl fmt::Debug for TokenSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenSecret(..)")
    }
}

/// A chosen secret has the wrong form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a key begins with sk_live_ or sk_test_, followed by at least 32 letters, digits, '_' or '-'")]
pub struct InvalidSecret;

/// A text can be no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a secret has 1 to 512 printable ASCII characters and no blank")]
pub struct UnusableSecret;

/// What a token was made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenKind {
    /// A key that a user made for programs.
    Api,
    /// A signed-in browser or terminal.
    Login,
}

impl TokenKind {
    /// The kind's name in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Login => "login",
        }
    }

    /// The kind of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Api, Self::Login].into_iter().find(|kind| kind.as_str() == name)
    }
}

/// An access token as it is stored: everything but the secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessToken {
    /// Its id.
    pub id: TokenId,
    /// Whom it signs in.
    pub user: UserId,
    /// What it was made for.
    pub kind: TokenKind,
    /// The name that its owner gave it; 1 to 100 characters.
    pub name: String,
    /// The recognisable part of the secret, see [`TokenSecret::prefix`].
    pub prefix: String,
    /// The hash of the secret.
    pub hash: TokenHash,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it stops being valid; never, if absent.
    pub expires_at: Option<Timestamp>,
}

/// The digits of the time in a key that [`TokenSecret::api_key`] made; `None` for every other secret.
fn lookup_digits(secret: &str) -> Option<&str> {
    if secret.len() != KEY_PREFIX.len() + LOOKUP_DIGITS + RANDOM_DIGITS + CHECKSUM_DIGITS {
        return None;
    }
    let digits = secret.strip_prefix(KEY_PREFIX)?;
    if !digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
        return None;
    }
    let (body, sum) = secret.split_at_checked(secret.len() - CHECKSUM_DIGITS)?;
    (sum == checksum(body)).then(|| &digits[..LOOKUP_DIGITS])
}

/// The first digits of the SHA-256 of all that stands before them.
fn checksum(body: &str) -> String {
    hex(&Sha256::digest(body.as_bytes())[..CHECKSUM_DIGITS / 2])
}

/// Lower-case hexadecimal digits of `bytes`.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_shows_only_its_ends() {
        let secret = TokenSecret::api_key(Timestamp::from_millis(1), [0xab; 32]);
        assert_eq!(secret.reveal().len(), 92);
        assert!(secret.reveal().starts_with("sk_live_000000000001abab"));
        assert_eq!(secret.prefix(), format!("sk_live...{}", &secret.reveal()[88..]));
        assert!(!format!("{secret:?} {:?}", secret.hash()).contains("abab"));
    }

    #[test]
    fn hashes_of_keys_are_in_the_order_of_their_making() {
        let hash = |millis, random| TokenSecret::api_key(Timestamp::from_millis(millis), [random; 32]).hash();
        let times = [-1, 0, 1, 0xff, 0x100, 1_795_806_306_000];
        let hashes = times.map(|millis| hash(millis, 7));
        assert!(hashes.windows(2).all(|two| two[0].as_str() <= two[1].as_str()), "in order");
        let twins = [hash(5, 1), hash(5, 2)];
        assert_eq!(twins[0].as_str()[..12], twins[1].as_str()[..12]);
        assert!(!twins[0].matches(&twins[1]), "two keys of one millisecond differ");
        assert!(hashes.iter().chain(&twins).all(|hash| hash.as_str().len() == 64));
    }

    #[test]
    fn only_a_key_with_its_checksum_is_looked_up_by_its_time() {
        let secret = TokenSecret::api_key(Timestamp::from_millis(0xabc), [3; 32]);
        assert!(secret.hash().as_str().starts_with("000000000abc"));
        let typo = secret.reveal().replacen("abc", "abd", 1);
        let shouted = secret.reveal().to_uppercase();
        let accented = format!("sk_live_{}", "é".repeat(42));
        for other in [typo, shouted, accented, secret.reveal()[..91].to_owned(), format!("{}0", secret.reveal())] {
            assert_eq!(TokenHash::of(&other).as_str(), hex(&Sha256::digest(other.as_bytes())), "{other}");
        }
    }

    #[test]
    fn the_hash_is_sha_256() {
        assert_eq!(TokenHash::of("abc").as_str(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert!(TokenHash::of("abc").matches(&TokenHash::of("abc")));
        assert!(!TokenHash::of("abc").matches(&TokenHash::of("abd")));
    }

    #[test]
    fn a_chosen_key_must_be_long_and_plain() {
        assert!(TokenSecret::chosen(&format!("sk_live_{}", "a".repeat(32))).is_ok());
        for bad in ["sk_live_short", &"a".repeat(80), &format!("sk_test_{}", "é".repeat(40))] {
            assert_eq!(TokenSecret::chosen(bad), Err(InvalidSecret));
        }
    }
}
