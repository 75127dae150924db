//! States that clients keep and bring back, and cannot change.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use portway_api::McpError;
use serde_json::Value;
use sha2::Sha256;

/// What states are signed with.
pub(crate) struct StateKey([u8; 32]);

impl StateKey {
    /// A key for which nobody else may know the bytes.
    pub(crate) fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// A state of a feature, as its client gets it.
    pub(crate) fn sign(&self, feature: &str, state: &Value) -> String {
        let state = URL_SAFE_NO_PAD.encode(state.to_string());
        let signature = self.code(feature, &state).finalize().into_bytes();
        format!("{state}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// The state that a client brings back to the same feature.
    ///
    /// # Errors
    /// It was not given out like that.
    pub(crate) fn verify(&self, feature: &str, signed: &str) -> Result<Value, McpError> {
        let state = signed.split_once('.').and_then(|(state, signature)| {
            let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
            self.code(feature, state).verify_slice(&signature).ok()?;
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(state).ok()?).ok()
        });
        state.ok_or_else(|| McpError::invalid_params("this state was not given out"))
    }

    #[expect(clippy::expect_used, reason = "a key of this code has any length")]
    fn code(&self, feature: &str, state: &str) -> Hmac<Sha256> {
        let begun = Hmac::<Sha256>::new_from_slice(&self.0).expect("any length will do");
        begun.chain_update(feature).chain_update("\0").chain_update(state)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_a_state_that_was_given_out_comes_back() {
        let (key, state) = (StateKey::new([1; 32]), json!({ "round": 1 }));
        let signed = key.sign("a", &state);
        assert_eq!(key.verify("a", &signed).unwrap(), state);
        let (said, signature) = signed.split_once('.').unwrap();
        let other = URL_SAFE_NO_PAD.encode(json!({ "round": 2 }).to_string());
        for wrong in [format!("{signed}-TAMPERED"), format!("{other}.{signature}"), format!("{said}."), said.to_owned()]
        {
            assert_eq!(key.verify("a", &wrong).unwrap_err().code, -32602, "{wrong}");
        }
        assert!(key.verify("b", &signed).is_err(), "of another feature");
        assert!(StateKey::new([2; 32]).verify("a", &signed).is_err(), "of another key");
    }
}
