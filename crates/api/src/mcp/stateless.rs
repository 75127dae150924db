//! What a request brings that stands by itself.

use http::HeaderMap;
use portway_domain::mcp::McpLogLevel;
use serde_json::{Map, Value};

use super::error::McpError;
use super::revision::Revision;

const PROTOCOL_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
const CLIENT_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
const LOG_LEVEL: &str = "io.modelcontextprotocol/logLevel";

/// The revision that a request says it is written in, in its header.
pub(crate) const VERSION_HEADER: &str = "mcp-protocol-version";
const METHOD_HEADER: &str = "mcp-method";
const NAME_HEADER: &str = "mcp-name";

/// What a request says of its client.
#[derive(Debug)]
pub(crate) struct Meta {
    pub(crate) revision: Revision,
    pub(crate) capabilities: Map<String, Value>,
    pub(crate) log_level: Option<McpLogLevel>,
}

impl Meta {
    /// Reads the parameters of a request.
    ///
    /// # Errors
    /// Of parameters without what every request has to bring, and of revisions that are not spoken so.
    pub(crate) fn read(params: &Map<String, Value>) -> Result<Self, McpError> {
        let missing = |name: &str| McpError::incomplete(format!("params._meta[{name:?}] is missing"));
        let meta = params.get("_meta").and_then(Value::as_object).ok_or_else(|| missing(PROTOCOL_VERSION))?;
        let version = meta.get(PROTOCOL_VERSION).and_then(Value::as_str).ok_or_else(|| missing(PROTOCOL_VERSION))?;
        let capabilities = meta.get(CLIENT_CAPABILITIES).and_then(Value::as_object);
        let capabilities = capabilities.ok_or_else(|| missing(CLIENT_CAPABILITIES))?.clone();
        let revision = Revision::parse(version).filter(|revision| revision.is_stateless());
        let log_level = match meta.get(LOG_LEVEL) {
            Some(level) => {
                let level = level.as_str().and_then(McpLogLevel::parse);
                Some(level.ok_or_else(|| McpError::incomplete("this is no level of a log"))?)
            }
            None => None,
        };
        Ok(Self { revision: revision.ok_or_else(|| McpError::unsupported_version(version))?, capabilities, log_level })
    }

    /// Whether a request says in its parameters that it is written in a revision.
    pub(crate) fn is_in(params: &Map<String, Value>) -> bool {
        params.get("_meta").is_some_and(|meta| meta.get(PROTOCOL_VERSION).is_some())
    }
}

/// Compares the headers with the request that they are about: whoever routes by them must not be deceived.
///
/// # Errors
/// [`McpError::header_mismatch`].
pub(crate) fn check(headers: &HeaderMap, method: &str, params: &Map<String, Value>) -> Result<(), McpError> {
    let version = params.get("_meta").and_then(|meta| meta.get(PROTOCOL_VERSION)).and_then(Value::as_str);
    if let Some(version) = version {
        same(headers, VERSION_HEADER, version)?;
    }
    same(headers, METHOD_HEADER, method)?;
    let name = match method {
        "tools/call" | "prompts/get" => params.get("name"),
        "resources/read" => params.get("uri"),
        _ => None,
    };
    name.and_then(Value::as_str).map_or(Ok(()), |name| same(headers, NAME_HEADER, name))
}

fn same(headers: &HeaderMap, name: &'static str, expected: &str) -> Result<(), McpError> {
    let mut values = headers.get_all(name).iter();
    let value = values.next().map(|value| value.as_bytes().trim_ascii());
    match value {
        Some(value) if values.next().is_none() && decoded(value).as_deref() == Some(expected.as_bytes()) => Ok(()),
        Some(_) => Err(McpError::header_mismatch(format!("the header {name} says something else than the request"))),
        None => Err(McpError::header_mismatch(format!("the header {name} is missing"))),
    }
}

/// What a header cannot say in its own characters is in Base64, between `=?base64?` and `?=`.
fn decoded(value: &[u8]) -> Option<std::borrow::Cow<'_, [u8]>> {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    match value.strip_prefix(b"=?base64?").and_then(|value| value.strip_suffix(b"?=")) {
        Some(encoded) => STANDARD.decode(encoded).ok().map(Into::into),
        None => Some(value.into()),
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};
    use serde_json::json;

    use super::*;

    fn params(value: Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap()
    }

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn every_request_says_how_it_is_written() {
        let read = |meta: Value| Meta::read(&params(json!({ "_meta": meta })));
        let meta = read(json!({ PROTOCOL_VERSION: "2026-07-28", CLIENT_CAPABILITIES: { "roots": {} } })).unwrap();
        assert!(meta.revision == Revision::July2026 && meta.capabilities.contains_key("roots"));
        for (bad, code) in [
            (json!({}), -32602),
            (json!({ PROTOCOL_VERSION: "2026-07-28" }), -32602),
            (json!({ CLIENT_CAPABILITIES: {} }), -32602),
            (json!({ PROTOCOL_VERSION: "2025-11-25", CLIENT_CAPABILITIES: {} }), -32022),
            (json!({ PROTOCOL_VERSION: "v9", CLIENT_CAPABILITIES: {} }), -32022),
            (json!({ PROTOCOL_VERSION: "2026-07-28", CLIENT_CAPABILITIES: {}, LOG_LEVEL: "loud" }), -32602),
        ] {
            assert_eq!(read(bad.clone()).unwrap_err().code, code, "{bad}");
        }
        assert_eq!(Meta::read(&Map::new()).unwrap_err().code, -32602);
    }

    #[test]
    fn headers_say_the_same_as_the_request() {
        let call = params(json!({ "name": "ü", "_meta": { PROTOCOL_VERSION: "2026-07-28" } }));
        let version = (VERSION_HEADER, "2026-07-28");
        let with = |method, name| {
            check(&headers(&[version, (METHOD_HEADER, method), (NAME_HEADER, name)]), "tools/call", &call)
        };
        assert!(with("tools/call", "=?base64?w7w=?=").is_ok());
        for (method, name) in [("TOOLS/CALL", "=?base64?w7w=?="), ("tools/call", "u"), ("tools/call", "=?base64?w7w?=")]
        {
            assert_eq!(with(method, name).unwrap_err().code, -32020, "{method} {name}");
        }
        assert!(check(&headers(&[version]), "tools/list", &call).is_err(), "the method is missing");
        assert!(check(&headers(&[(METHOD_HEADER, "tools/list")]), "tools/list", &call).is_err(), "so is the revision");
        let list = headers(&[version, (METHOD_HEADER, " tools/list ")]);
        assert!(check(&list, "tools/list", &call).is_ok());
    }
}
