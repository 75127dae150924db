//! The address of a gateway.

use std::net::IpAddr;

use portway_domain::ids::SessionId;
use reqwest::Url;

use super::error::ApiError;

/// The address of a gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Server(Url);

impl Server {
    /// An address as it is typed.
    ///
    /// # Errors
    /// [`ApiError::Address`] for anything but `http` and `https`, and for one with a user, a query or a fragment.
    pub(crate) fn parse(text: &str) -> Result<Self, ApiError> {
        let refuse = || ApiError::Address(text.to_owned());
        let url = Url::parse(text.trim().trim_end_matches('/')).map_err(|_| refuse())?;
        let plain = url.username().is_empty() && url.password().is_none() && url.query().is_none();
        let fits = matches!(url.scheme(), "http" | "https") && url.has_host() && plain && url.fragment().is_none();
        if fits { Ok(Self(url)) } else { Err(refuse()) }
    }

    /// Whether it is on this machine.
    pub(crate) fn is_local(&self) -> bool {
        let host = self.0.host_str().unwrap_or_default().trim_matches(['[', ']']);
        host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
    }

    /// Whether what is sent can be read on the way.
    pub(crate) fn is_open(&self) -> bool {
        !self.is_encrypted() && !self.is_local()
    }

    /// Whether it is spoken to over TLS.
    pub(crate) fn is_encrypted(&self) -> bool {
        self.0.scheme() == "https"
    }

    /// The address of a session's socket.
    pub(crate) fn socket(&self, session: &SessionId) -> String {
        let mut url = self.path(&["api", "sessions", session.as_str(), "ws"]);
        url.set_query(Some("role=client"));
        let rest = url.as_str().trim_start_matches("https").trim_start_matches("http");
        format!("{}{rest}", if self.is_encrypted() { "wss" } else { "ws" })
    }

    /// The address of a path.
    pub(crate) fn path(&self, segments: &[&str]) -> Url {
        let mut url = self.0.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        url
    }
}

impl std::fmt::Display for Server {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.0.as_str().trim_end_matches('/'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::exit::Exit;

    #[test]
    fn addresses_are_checked() {
        for bad in ["", "127.0.0.1:8787", "ftp://host", "http://user:secret@host", "http://host/?token=x"] {
            assert_eq!(Server::parse(bad), Err(ApiError::Address(bad.to_owned())), "{bad}");
        }
        assert_eq!(Server::parse("").unwrap_err().exit(), Exit::Usage);
    }

    #[test]
    fn sockets_stand_beside_the_api() {
        let id = SessionId::parse("orchestrator:u1").unwrap();
        let local = Server::parse("http://127.0.0.1:8787/").unwrap();
        assert_eq!(local.to_string(), "http://127.0.0.1:8787");
        assert_eq!(local.socket(&id), "ws://127.0.0.1:8787/api/sessions/orchestrator:u1/ws?role=client");
        let proxied = Server::parse("https://host.example/portway/").unwrap();
        assert_eq!(proxied.socket(&id), "wss://host.example/portway/api/sessions/orchestrator:u1/ws?role=client");
    }

    #[test]
    fn only_this_machine_is_local() {
        for local in ["http://127.0.0.1:1", "http://localhost", "http://[::1]:8787", "http://127.8.8.8"] {
            assert!(Server::parse(local).unwrap().is_local(), "{local}");
        }
        for remote in ["http://10.0.0.1", "http://localhost.example", "https://127.0.0.1.example"] {
            assert!(!Server::parse(remote).unwrap().is_local(), "{remote}");
        }
        assert!(Server::parse("http://10.0.0.1").unwrap().is_open());
        assert!(!Server::parse("https://10.0.0.1").unwrap().is_open());
    }
}
