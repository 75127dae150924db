//! Under which names the gateway answers, and whose pages may call it.
//!
//! A page of a stranger can reach a gateway on the caller's own machine in two ways: by a name of its own that it lets
//! point there (so `Host` is checked), and across origins (so `Origin` is checked).

use axum::body::Body;
use axum::response::Response;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, HOST, ORIGIN, VARY,
};
use http::request::Parts;
use http::uri::Scheme;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};

use crate::error::{ApiError, ErrorCode};
use crate::options::ApiOptions;

/// How long a browser may remember the answer to a preflight, in seconds.
const PREFLIGHT_SECONDS: u32 = 7200;

/// Headers that pages of other origins may read.
const EXPOSED: &str = "X-Request-Id, Retry-After, X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset";

/// An option that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OptionsError {
    /// The public URL is no `http` or `https` URL with nothing after the host and port.
    #[error("{0:?} is no public URL: use a form like https://gateway.example.com")]
    PublicUrl(String),
    /// An allowed host is no name.
    #[error("{0:?} is no host name: use a form like gateway.example.com or *.example.com, without a port")]
    Host(String),
    /// An allowed origin is none.
    #[error("{0:?} is no origin: use a form like https://app.example.com or https://*.example.com")]
    Origin(String),
}

/// Looks at a value for [`ApiOptions::public_url`] before a router is made with it.
///
/// # Errors
/// [`OptionsError::PublicUrl`] when no router could be.
pub fn check_public_url(url: &str) -> Result<(), OptionsError> {
    let plain = url.trim_end_matches('/').to_ascii_lowercase();
    authority_of(&plain).map(|_| ()).ok_or_else(|| OptionsError::PublicUrl(url.to_owned()))
}

/// Looks at one of [`ApiOptions::allowed_hosts`] before a router is made with it.
///
/// # Errors
/// [`OptionsError::Host`] when no router could be.
pub fn check_allowed_host(host: &str) -> Result<(), OptionsError> {
    Pattern::host(host).map(|_| ()).ok_or_else(|| OptionsError::Host(host.to_owned()))
}

/// Looks at one of [`ApiOptions::allowed_origins`] before a router is made with it.
///
/// # Errors
/// [`OptionsError::Origin`] when no router could be.
pub fn check_allowed_origin(origin: &str) -> Result<(), OptionsError> {
    Pattern::origin(origin).map(|_| ()).ok_or_else(|| OptionsError::Origin(origin.to_owned()))
}

pub(super) struct Guard {
    public_url: Option<String>,
    hosts: Vec<Pattern>,
    origins: Vec<Pattern>,
}

impl Guard {
    pub(super) fn new(options: &ApiOptions) -> Result<Self, OptionsError> {
        let mut hosts: Vec<Pattern> =
            ["localhost", "127.0.0.1", "[::1]"].map(|name| Pattern::Exactly(name.to_owned())).to_vec();
        let mut origins = Vec::new();
        let public_url = match &options.public_url {
            Some(url) => {
                check_public_url(url)?;
                let url = url.trim_end_matches('/').to_ascii_lowercase();
                hosts.extend(authority_of(&url).map(|authority| Pattern::Exactly(without_port(authority).to_owned())));
                origins.push(Pattern::Exactly(url.clone()));
                Some(url)
            }
            None => None,
        };
        for host in &options.allowed_hosts {
            check_allowed_host(host)?;
            hosts.extend(Pattern::host(host));
        }
        for origin in &options.allowed_origins {
            check_allowed_origin(origin)?;
            origins.extend(Pattern::origin(origin));
        }
        Ok(Self { public_url, hosts, origins })
    }

    /// Refuses requests under a name that is not ours.
    pub(super) fn check_host(&self, parts: &Parts) -> Result<(), ApiError> {
        let name = authority(parts).map(without_port).unwrap_or_default();
        if self.hosts.iter().any(|pattern| pattern.matches(name)) {
            return Ok(());
        }
        Err(ApiError::new(ErrorCode::Forbidden, "this host name is not answered here: add it to the allowed hosts")
            .with_status(StatusCode::MISDIRECTED_REQUEST))
    }

    /// Refuses requests that a page of a stranger makes. What has no `Origin` is no page.
    pub(super) fn check_origin(&self, parts: &Parts) -> Result<(), ApiError> {
        let Some(origin) = parts.headers.get(ORIGIN) else {
            return Ok(());
        };
        let own = || {
            let page = origin.to_str().ok().and_then(authority_of);
            page.is_some_and(|page| authority(parts).is_some_and(|own| own.eq_ignore_ascii_case(page)))
        };
        if self.is_allowed(origin) || own() {
            return Ok(());
        }
        Err(ApiError::new(ErrorCode::Forbidden, "pages of this origin may not call: add it to the allowed origins"))
    }

    /// The request's origin, if its pages may read the response.
    pub(super) fn foreign_origin(&self, parts: &Parts) -> Option<HeaderValue> {
        let origin = parts.headers.get(ORIGIN)?;
        self.is_allowed(origin).then(|| origin.clone())
    }

    /// Lets pages of `origin` read the response.
    pub(super) fn share(headers: &mut HeaderMap, origin: Option<HeaderValue>) {
        headers.append(VARY, HeaderValue::from_static("Origin"));
        if let Some(origin) = origin {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
        }
    }

    /// The answer to a preflight, if the request is one.
    pub(super) fn preflight(&self, parts: &Parts) -> Option<Result<Response, ApiError>> {
        let asks = parts.method == Method::OPTIONS
            && parts.headers.contains_key(ORIGIN)
            && parts.headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD);
        if !asks {
            return None;
        }
        Some(self.check_origin(parts).map(|()| {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::NO_CONTENT;
            let headers = response.headers_mut();
            headers.insert(
                ACCESS_CONTROL_ALLOW_METHODS,
                HeaderValue::from_static("GET, POST, PUT, PATCH, DELETE, OPTIONS"),
            );
            headers.insert(
                ACCESS_CONTROL_ALLOW_HEADERS,
                HeaderValue::from_static("Content-Type, Authorization, Idempotency-Key, X-Request-Id"),
            );
            headers.insert(ACCESS_CONTROL_MAX_AGE, PREFLIGHT_SECONDS.into());
            response
        }))
    }

    /// Scheme and authority under which the caller reached us.
    pub(super) fn base_url(&self, parts: &Parts) -> String {
        match &self.public_url {
            Some(url) => url.clone(),
            None => {
                let scheme = parts.uri.scheme().unwrap_or(&Scheme::HTTP);
                format!("{scheme}://{}", authority(parts).unwrap_or("localhost"))
            }
        }
    }

    fn is_allowed(&self, origin: &HeaderValue) -> bool {
        let Ok(origin) = origin.to_str() else {
            return false;
        };
        self.origins.iter().any(|pattern| pattern.matches(origin))
    }
}

/// A name, or a family of names.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Pattern {
    Anything,
    Exactly(String),
    /// Begins and ends like this, with at least one label of a host name in between.
    Between(String, String),
}

impl Pattern {
    fn host(text: &str) -> Option<Self> {
        if text == "*" {
            return Some(Self::Anything);
        }
        let name = text.to_ascii_lowercase();
        let bare = name.strip_prefix("*.").unwrap_or(&name);
        let is_name = is_authority(bare) && without_port(bare) == bare;
        is_name.then(|| Self::of("", &name))
    }

    fn origin(text: &str) -> Option<Self> {
        let origin = text.trim_end_matches('/').to_ascii_lowercase();
        let (scheme, host) = origin.split_once("://")?;
        let bare = host.strip_prefix("*.").unwrap_or(host);
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.');
        let is_origin = !scheme.is_empty() && scheme.bytes().all(plain) && is_authority(bare);
        is_origin.then(|| Self::of(&origin[..scheme.len() + "://".len()], host))
    }

    fn of(start: &str, host: &str) -> Self {
        match host.strip_prefix('*') {
            Some(end) => Self::Between(start.to_owned(), end.to_owned()),
            None => Self::Exactly(format!("{start}{host}")),
        }
    }

    fn matches(&self, text: &str) -> bool {
        match self {
            Self::Anything => true,
            Self::Exactly(name) => name.eq_ignore_ascii_case(text),
            Self::Between(start, end) => {
                strip_prefix(text, start).and_then(|rest| strip_suffix(rest, end)).is_some_and(is_labels)
            }
        }
    }
}

fn strip_prefix<'a>(text: &'a str, start: &str) -> Option<&'a str> {
    let (found, rest) = text.split_at_checked(start.len())?;
    found.eq_ignore_ascii_case(start).then_some(rest)
}

fn strip_suffix<'a>(text: &'a str, end: &str) -> Option<&'a str> {
    let (rest, found) = text.split_at_checked(text.len().checked_sub(end.len())?)?;
    found.eq_ignore_ascii_case(end).then_some(rest)
}

fn is_labels(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    !text.is_empty() && text.bytes().all(plain)
}

/// A host name or address, with or without a port, and nothing else.
fn is_authority(text: &str) -> bool {
    let host = without_port(text);
    let port = text[host.len()..].strip_prefix(':');
    let address = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
    let host_ok = match address {
        Some(address) => address.bytes().all(|b| b.is_ascii_hexdigit() || matches!(b, b':' | b'.')),
        None => is_labels(host),
    };
    host_ok && (host.len() == text.len() || port.is_some_and(|p| p.parse::<u16>().is_ok()))
}

fn without_port(authority: &str) -> &str {
    let end = match authority.rfind(']') {
        Some(bracket) => bracket + 1,
        None => authority.find(':').unwrap_or(authority.len()),
    };
    &authority[..end]
}

/// The authority of a URL that has no path.
fn authority_of(url: &str) -> Option<&str> {
    let authority = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"))?;
    is_authority(authority).then_some(authority)
}

/// The authority that the request names; with HTTP/2 it is in the URI.
fn authority(parts: &Parts) -> Option<&str> {
    let in_uri = Uri::authority(&parts.uri).map(http::uri::Authority::as_str);
    in_uri.or_else(|| parts.headers.get(HOST)?.to_str().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_patterns() {
        let any_below = Pattern::host("*.Example.com").unwrap();
        assert!(any_below.matches("a.example.COM") && any_below.matches("a.b.example.com"));
        for other in ["example.com", ".example.com", "aexample.com", "evil.com/.example.com", ""] {
            assert!(!any_below.matches(other), "{other}");
        }
        assert!(Pattern::host("*").unwrap().matches("whatever"));
        assert!(Pattern::host("[::1]").unwrap().matches("[::1]"));
        for bad in ["", "a:80", "http://a", "a/b", "*.*.com"] {
            assert_eq!(Pattern::host(bad), None, "{bad}");
        }
    }

    #[test]
    fn origin_patterns() {
        let previews = Pattern::origin("https://*.example.com").unwrap();
        assert!(previews.matches("https://pr-1.example.com"));
        for other in [
            "http://pr-1.example.com",
            "https://example.com",
            "https://evil.com#.example.com",
            "https://pr-1.example.com:444",
            "null",
        ] {
            assert!(!previews.matches(other), "{other}");
        }
        assert!(Pattern::origin("tauri://localhost").is_some());
        for bad in ["", "*", "null", "example.com", "https://a/b", "https://a:x"] {
            assert_eq!(Pattern::origin(bad), None, "{bad}");
        }
    }

    #[test]
    fn ports_are_cut_off() {
        for (authority, host) in [
            ("localhost:8787", "localhost"),
            ("localhost", "localhost"),
            ("[::1]:80", "[::1]"),
            ("[::1]", "[::1]"),
            ("", ""),
        ] {
            assert_eq!(without_port(authority), host);
        }
    }
}
