//! Tokens that let people into a sandbox, at its own front door.
//!
//! The gateway and each sandbox share a key, which follows from a root key that no sandbox ever sees. So what leaks from
//! one sandbox opens no other one.

use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use serde::Serialize;
use sha2::Sha256;

use crate::ids::{SessionId, UserId};
use crate::time::Timestamp;
use crate::tokens::{TokenSecret, hex};

/// How long a token is valid.
pub const SANDBOX_TOKEN_LIFETIME: Duration = Duration::from_secs(900);

/// What keys of sessions are made for, so that no other use of the root key leads to the same ones.
const PURPOSE: &[u8] = b"portway sandbox token v1\0";

/// Whom a token is for.
const AUDIENCE: &str = "sandbox";

/// What the keys of all sessions follow from. All gateways on one database need the same one.
#[derive(Clone)]
pub struct SandboxRootKey(TokenSecret);

impl SandboxRootKey {
    /// The root key that this secret is.
    #[must_use]
    pub fn new(secret: TokenSecret) -> Self {
        Self(secret)
    }

    /// The key of a session.
    #[must_use]
    pub fn of_session(&self, session: &SessionId) -> SandboxKey {
        SandboxKey(hex(&hmac(self.0.reveal().as_bytes(), &[PURPOSE, session.as_str().as_bytes()])))
    }
}

impl fmt::Debug for SandboxRootKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SandboxRootKey(..)")
    }
}

/// What the gateway and the sandboxes of one session share: 64 hexadecimal digits.
#[derive(Clone, PartialEq, Eq)]
pub struct SandboxKey(String);

impl SandboxKey {
    /// The key itself, to hand to the backend of the sandbox.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// A token for a user, and when it ends: a JSON Web Token, signed with HMAC-SHA256 under the digits of the key.
    #[must_use]
    pub fn token(&self, user: &UserId, session: &SessionId, now: Timestamp) -> (SandboxToken, Timestamp) {
        let issued = now.as_seconds();
        let expires_at = Timestamp::from_millis(issued.saturating_mul(1_000)).plus(SANDBOX_TOKEN_LIFETIME);
        let claims = Claims {
            sub: user.as_str(),
            sid: session.as_str(),
            iat: issued,
            exp: expires_at.as_seconds(),
            aud: AUDIENCE,
        };
        (signed(self.0.as_bytes(), &claims), expires_at)
    }
}

impl fmt::Debug for SandboxKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SandboxKey(..)")
    }
}

/// A token that a sandbox lets somebody in with.
#[derive(Clone, PartialEq, Eq)]
pub struct SandboxToken(String);

impl SandboxToken {
    /// The token itself, to hand to its owner.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SandboxToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SandboxToken(..)")
    }
}

#[derive(Serialize)]
struct Header {
    alg: &'static str,
    typ: &'static str,
}

/// What a token says.
#[derive(Serialize)]
struct Claims<'a> {
    sub: &'a str,
    sid: &'a str,
    iat: i64,
    exp: i64,
    aud: &'static str,
}

/// Signs a JSON Web Token by RFC 7515.
fn signed(key: &[u8], claims: &impl Serialize) -> SandboxToken {
    let header = encoded(&Header { alg: "HS256", typ: "JWT" });
    let said = format!("{header}.{}", encoded(claims));
    let signature = URL_SAFE_NO_PAD.encode(hmac(key, &[said.as_bytes()]));
    SandboxToken(format!("{said}.{signature}"))
}

fn encoded(part: &impl Serialize) -> String {
    // Structs of texts and numbers can always be written.
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(part).unwrap_or_default())
}

/// HMAC-SHA256 of the parts one behind the other.
#[expect(clippy::expect_used, reason = "a key of this code has any length")]
fn hmac(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let begun = Hmac::<Sha256>::new_from_slice(key).expect("any length will do");
    parts.iter().fold(begun, |code, part| code.chain_update(part)).finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_is_that_of_rfc_4231() {
        let code = |key: &[u8], parts: &[&[u8]]| hex(&hmac(key, parts));
        let short = code(&[0x0b; 20], &[b"Hi ", b"There"]);
        assert_eq!(short, "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
        let word = code(b"Jefe", &[b"what do ya want for nothing?"]);
        assert_eq!(word, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
        let long = code(&[0xaa; 131], &[b"Test Using Larger Than Block-Size Key - Hash Key First"]);
        assert_eq!(long, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
    }

    #[test]
    fn the_signature_is_that_of_jwt() {
        #[derive(Serialize)]
        struct Example {
            sub: &'static str,
            name: &'static str,
            iat: i64,
        }
        let example = Example { sub: "1234567890", name: "John Doe", iat: 1_516_239_022 };
        let expected = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.\
            eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9lIiwiaWF0IjoxNTE2MjM5MDIyfQ.\
            SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c";
        assert_eq!(signed(b"your-256-bit-secret", &example).reveal(), expected);
    }

    fn root(text: &str) -> SandboxRootKey {
        SandboxRootKey::new(TokenSecret::opaque(text).unwrap())
    }

    fn session(id: &str) -> SessionId {
        SessionId::parse(id).unwrap()
    }

    #[test]
    fn each_session_has_a_key_of_its_own() {
        let key = |secret, id| root(secret).of_session(&session(id));
        assert_eq!(key("root", "s"), key("root", "s"));
        assert_ne!(key("root", "s"), key("root", "t"));
        assert_ne!(key("root", "s"), key("toor", "s"));
        assert_eq!(key("root", "s").reveal().len(), 64);
        let token = signed(b"key", &"claims");
        let shown = format!("{:?} {:?} {token:?}", root("root"), key("root", "s"));
        assert_eq!(shown, "SandboxRootKey(..) SandboxKey(..) SandboxToken(..)");
    }

    #[test]
    fn a_token_says_who_may_go_where_and_for_how_long() {
        let (user, session) = (UserId::parse("u").unwrap(), session("s"));
        let key = root("root").of_session(&session);
        let (token, expires_at) = key.token(&user, &session, Timestamp::from_millis(1_700_000_000_999));
        let parts: Vec<&str> = token.reveal().split('.').collect();
        let claims = URL_SAFE_NO_PAD.decode(parts[1]).unwrap();
        let claims: serde_json::Value = serde_json::from_slice(&claims).unwrap();
        let expected = serde_json::json!({
            "sub": "u", "sid": "s", "iat": 1_700_000_000, "exp": 1_700_000_900, "aud": "sandbox",
        });
        assert_eq!((claims, expires_at.as_millis()), (expected, 1_700_000_900_000));
        assert_eq!(parts.len(), 3);
    }
}
