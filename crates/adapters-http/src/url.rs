//! Where a backend is, and where its runners find the gateway.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use http::Uri;

/// Stands for the name of the call.
const LABEL: &str = "{label}";

/// A URL cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidUrl {
    /// It is no address of a backend.
    #[error(
        "expected a URL of http or https such as https://sandboxes.example.com, without a user, a query or a fragment; \
         {{label}} in it stands for the name of the call, at most once"
    )]
    Backend,
    /// It is no address of a gateway.
    #[error("expected ws:// or wss:// and a host, such as wss://gateway.example.com, with nothing behind it")]
    Runner,
}

/// The URL of a backend, with a place for the name of the call: `https://host/{label}`, or `https://{label}.host`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackendUrl(String);

impl BackendUrl {
    /// The URL of a call.
    #[must_use]
    pub(crate) fn of(&self, label: &str) -> String {
        self.0.replacen(LABEL, label, 1)
    }

    /// Whether it is spoken to over TLS.
    #[must_use]
    pub fn is_encrypted(&self) -> bool {
        self.0.get(..6).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https:"))
    }

    /// Whether the backend is on this very machine.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.of("label").parse::<Uri>().is_ok_and(|uri| uri.host().is_some_and(is_loopback))
    }

    /// Whether the token and the runners' secrets can be read on the way: they go to another machine without TLS.
    #[must_use]
    pub fn is_open(&self) -> bool {
        !self.is_encrypted() && !self.is_local()
    }
}

impl FromStr for BackendUrl {
    type Err = InvalidUrl;

    fn from_str(text: &str) -> Result<Self, InvalidUrl> {
        let text = text.trim();
        let template = match text.matches(LABEL).count() {
            0 => format!("{}/{LABEL}", text.trim_end_matches('/')),
            1 => text.to_owned(),
            _ => return Err(InvalidUrl::Backend),
        };
        let url = Self(template);
        let uri = url.of("create-session").parse::<Uri>().map_err(|_| InvalidUrl::Backend)?;
        let plain = !url.0.contains(['@', '?', '#']);
        let fits =
            matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some_and(|host| !host.is_empty());
        if fits && plain { Ok(url) } else { Err(InvalidUrl::Backend) }
    }
}

impl fmt::Display for BackendUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.strip_suffix(LABEL).unwrap_or(&self.0);
        f.write_str(text.strip_suffix('/').unwrap_or(text))
    }
}

/// Where runners reach a gateway: `ws://host:port` or `wss://host`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunnerUrl(String);

impl RunnerUrl {
    /// The URL as text, without a slash at its end.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Host and port as they stand in the URL.
    #[must_use]
    pub fn authority(&self) -> &str {
        self.0.split_once("://").map_or("", |(_, rest)| rest)
    }

    /// The host, without the port.
    #[must_use]
    pub fn host(&self) -> &str {
        let authority = self.authority();
        let end = match authority.rfind(']') {
            Some(bracket) => bracket + 1,
            None => authority.find(':').unwrap_or(authority.len()),
        };
        authority.get(..end).unwrap_or(authority)
    }

    /// Whether the gateway is on the very machine that the runner is on.
    #[must_use]
    pub fn is_local(&self) -> bool {
        is_loopback(self.host())
    }

    /// The gateway in the address of a session's socket: the way back from what a backend is given.
    ///
    /// # Errors
    /// [`InvalidUrl::Runner`] unless the socket is one of that session, of `ws` or `wss`, with nothing behind it.
    pub fn of_socket(socket: &str, session: &str) -> Result<Self, InvalidUrl> {
        let path = format!("/api/sessions/{session}/ws");
        socket.strip_suffix(&path).ok_or(InvalidUrl::Runner)?.parse()
    }

    /// The address of a session's socket.
    #[must_use]
    pub fn socket(&self, session: &str) -> String {
        format!("{}/api/sessions/{session}/ws", self.0)
    }
}

impl FromStr for RunnerUrl {
    type Err = InvalidUrl;

    fn from_str(text: &str) -> Result<Self, InvalidUrl> {
        let url = Self(text.trim_end_matches('/').to_ascii_lowercase());
        let uri = url.0.parse::<Uri>().map_err(|_| InvalidUrl::Runner)?;
        let same = uri.authority().is_some_and(|authority| authority.as_str() == url.authority());
        let plain = !url.0.contains(['@', '?', '#']) && !url.host().is_empty();
        let fits = matches!(uri.scheme_str(), Some("ws" | "wss")) && same && plain;
        if fits { Ok(url) } else { Err(InvalidUrl::Runner) }
    }
}

impl fmt::Display for RunnerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Names below `localhost` may be anybody's.
fn is_loopback(host: &str) -> bool {
    let host = host.trim_matches(['[', ']']);
    host.eq_ignore_ascii_case("localhost") || host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_call_has_its_place_in_the_url() {
        let of = |text: &str| text.parse::<BackendUrl>().unwrap().of("create-session");
        assert_eq!(of("http://127.0.0.1:8788/"), "http://127.0.0.1:8788/create-session");
        assert_eq!(of("https://host.example/a/{label}/b"), "https://host.example/a/create-session/b");
        assert_eq!(of("https://org--{label}.example"), "https://org--create-session.example");
        assert_eq!("https://host.example/a/".parse::<BackendUrl>().unwrap().to_string(), "https://host.example/a");
    }

    #[test]
    fn what_is_no_backend_is_refused() {
        for bad in [
            "",
            "host",
            "host:80",
            "ftp://host",
            "ws://host",
            "http://",
            "http://user:secret@host",
            "http://host?token={label}",
            "http://host#x",
            "http://{label}.host/{label}",
            "http://a b",
        ] {
            assert_eq!(bad.parse::<BackendUrl>(), Err(InvalidUrl::Backend), "{bad}");
        }
    }

    #[test]
    fn only_this_machine_may_do_without_tls() {
        let is_open = |text: &str| text.parse::<BackendUrl>().unwrap().is_open();
        for closed in ["https://host", "http://localhost:1", "http://127.9.9.9", "http://[::1]:8788/x"] {
            assert!(!is_open(closed), "{closed}");
        }
        for open in ["http://host", "http://10.0.0.1:1", "http://localhost.example"] {
            assert!(is_open(open), "{open}");
        }
    }

    #[test]
    fn gateways_are_taken_from_sockets_of_the_session_only() {
        let of = |socket: &str| RunnerUrl::of_socket(socket, "s-1");
        let url = of("wss://Gateway.example:444/api/sessions/s-1/ws").unwrap();
        assert_eq!((url.as_str(), url.host()), ("wss://gateway.example:444", "gateway.example"));
        assert_eq!(url.socket("s-1"), "wss://gateway.example:444/api/sessions/s-1/ws");
        let local = of("ws://[::1]:8787/api/sessions/s-1/ws").unwrap();
        assert_eq!((local.host(), local.is_local()), ("[::1]", true));
        for bad in [
            "wss://host/api/sessions/other/ws",
            "http://host/api/sessions/s-1/ws",
            "wss://host/x/api/sessions/s-1/ws",
            "wss://user@host/api/sessions/s-1/ws",
            "wss:///api/sessions/s-1/ws",
            "wss://host?x=/api/sessions/s-1/ws",
            "wss://host/api/sessions/s-1/ws?role=client",
            "wss://host\n/api/sessions/s-1/ws",
            "/api/sessions/s-1/ws",
        ] {
            assert_eq!(of(bad), Err(InvalidUrl::Runner), "{bad}");
        }
    }
}
