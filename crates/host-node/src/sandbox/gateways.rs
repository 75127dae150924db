//! Where runners may connect. What a request says about that is not trusted: a runner brings its secret along, and
//! whoever it connects to can tell its agent what to do.

use portway_adapters_http::RunnerUrl;
use portway_domain::ids::SessionId;

/// Which gateways runners may connect to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Gateways {
    /// This one, whatever is asked for.
    Always(RunnerUrl),
    /// Those of these hosts, in small letters, each with a port or for all ports.
    Hosts(Vec<String>),
    /// Those of this machine.
    ThisMachine,
}

/// No runner may connect there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unfit {
    /// It is no address of a session's socket.
    #[error("expected the address of this session's socket: ws:// or wss://, a host, and /api/sessions/ID/ws")]
    NoSocket,
    /// It is a stranger's.
    #[error(
        "runners of this backend may not connect to {0}: allow it there with `portway sandbox serve --allow-gateway {0}`"
    )]
    Stranger(String),
}

impl Gateways {
    /// Those of these hosts; of this machine, if none is named.
    pub(super) fn allowed(hosts: Vec<String>) -> Self {
        if hosts.is_empty() {
            return Self::ThisMachine;
        }
        Self::Hosts(hosts.into_iter().map(|host| host.to_ascii_lowercase()).collect())
    }

    /// The gateway for the runner of a session whose socket a request names.
    pub(super) fn choose(&self, socket: &str, session: &SessionId) -> Result<RunnerUrl, Unfit> {
        if let Self::Always(url) = self {
            return Ok(url.clone());
        }
        let url = RunnerUrl::of_socket(socket, session.as_str()).map_err(|_| Unfit::NoSocket)?;
        let is_allowed = match self {
            Self::Hosts(hosts) => hosts.iter().any(|host| host == url.host() || host == url.authority()),
            Self::Always(_) | Self::ThisMachine => url.is_local(),
        };
        if is_allowed { Ok(url) } else { Err(Unfit::Stranger(url.authority().to_owned())) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choose(gateways: &Gateways, base: &str) -> Result<String, Unfit> {
        let session = SessionId::parse("s").unwrap();
        gateways.choose(&format!("{base}/api/sessions/s/ws"), &session).map(|url| url.to_string())
    }

    #[test]
    fn only_this_machine_unless_others_are_named() {
        let gateways = Gateways::allowed(Vec::new());
        assert_eq!(choose(&gateways, "ws://127.0.0.1:8787").as_deref(), Ok("ws://127.0.0.1:8787"));
        assert_eq!(choose(&gateways, "wss://host.example"), Err(Unfit::Stranger("host.example".to_owned())));
        assert_eq!(choose(&gateways, "http://127.0.0.1"), Err(Unfit::NoSocket));
    }

    #[test]
    fn a_host_is_named_for_one_port_or_for_all() {
        let gateways = Gateways::allowed(vec!["A.example".to_owned(), "b.example:444".to_owned()]);
        for good in ["wss://a.example", "ws://a.example:1", "wss://b.example:444"] {
            assert_eq!(choose(&gateways, good).as_deref(), Ok(good));
        }
        for bad in ["wss://b.example", "wss://x.a.example", "ws://127.0.0.1:1", "wss://a.example.evil", "wss://a@b"] {
            assert!(choose(&gateways, bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_fixed_stays() {
        let gateways = Gateways::Always("wss://mine.example".parse().unwrap());
        assert_eq!(choose(&gateways, "wss://evil.example").as_deref(), Ok("wss://mine.example"));
    }
}
