//! The ports of a sandbox that can be reached from outside.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

/// A port of a sandbox that can be reached from outside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tunnel {
    /// What to call it.
    pub name: String,
    /// The port.
    pub port: u16,
    /// What is spoken there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<String>,
    /// Where it is behind the gateway of the sandbox.
    pub path: String,
    /// All of its address, where that is known; runners do not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

/// Reads those that can be read: one that cannot is no reason to lose the others.
pub(crate) fn readable<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Tunnel>, D::Error> {
    let told = Option::<Vec<Value>>::deserialize(deserializer)?.unwrap_or_default();
    Ok(told.into_iter().filter_map(|tunnel| serde_json::from_value(tunnel).ok()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(tunnels: Value) -> Vec<Tunnel> {
        readable(tunnels).unwrap()
    }

    #[test]
    fn what_cannot_be_read_is_left_out() {
        let good = json!({"name": "web", "port": 3000, "path": "/t/web"});
        let bad = [json!("web"), json!({"name": "x", "port": 70_000, "path": "/"}), json!({"port": 1}), Value::Null];
        let told = Value::Array(bad.into_iter().chain([good.clone()]).collect());
        assert_eq!(serde_json::to_value(read(told)).unwrap(), json!([good]));
        assert_eq!(read(Value::Null), []);
        assert!(readable(json!({"web": 3000})).is_err());
    }
}
