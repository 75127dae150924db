//! Proxies whose word about who calls is taken.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::http::{HeaderMap, HeaderName};
use ipnet::IpNet;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The addresses of proxies in front of the gateway. A proxy appends the address of its own caller to
/// `X-Forwarded-For`; what stands before that is whatever the caller said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustedProxies(Arc<[IpNet]>);

/// The text names no address and no network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no address and no network: use a form like 127.0.0.1 or 10.0.0.0/8")]
pub struct InvalidProxy(String);

impl TrustedProxies {
    /// Those with the addresses, or in the networks, that are named.
    ///
    /// # Errors
    /// [`InvalidProxy`] for the first text that names none.
    pub fn parse<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Self, InvalidProxy> {
        let network = |text: &str| {
            let address = || text.parse::<IpAddr>().map(|address| address.to_canonical().into()).ok();
            text.parse().ok().or_else(address).ok_or_else(|| InvalidProxy(text.to_owned()))
        };
        texts.into_iter().map(network).collect::<Result<_, _>>().map(Self)
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Who calls, where `peer` is at the other end of the connection: the last address that a trusted proxy names and
    /// that is not one itself. Of what cannot be read it is the proxy that wrote it.
    pub(crate) fn caller(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut caller = peer.to_canonical();
        if !self.trusts(caller) {
            return caller;
        }
        let lines = headers.get_all(X_FORWARDED_FOR).into_iter().rev();
        for named in lines.flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b',')) {
            let Some(address) = address(named) else { return caller };
            caller = address;
            if !self.trusts(caller) {
                return caller;
            }
        }
        caller
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }
}

/// An address as proxies write it: some add the port, and brackets.
fn address(named: &[u8]) -> Option<IpAddr> {
    let named = str::from_utf8(named).ok()?.trim_ascii();
    let bare = named.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(named);
    let address = bare.parse().ok().or_else(|| named.parse::<SocketAddr>().ok().map(|address| address.ip()));
    address.map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(trusted: &[&str], peer: &str, lines: &[&'static str]) -> String {
        let proxies = TrustedProxies::parse(trusted.iter().copied()).unwrap();
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(X_FORWARDED_FOR, line.parse().unwrap());
        }
        proxies.caller(peer.parse().unwrap(), &headers).to_string()
    }

    #[test]
    fn nobody_else_is_believed() {
        assert_eq!(caller(&[], "127.0.0.1", &["192.0.2.1"]), "127.0.0.1");
        assert_eq!(caller(&["10.0.0.0/8"], "192.0.2.9", &["10.0.0.1"]), "192.0.2.9");
        assert_eq!(caller(&["10.0.0.0/8"], "10.0.0.1", &["192.0.2.1"]), "192.0.2.1");
        assert_eq!(caller(&["10.0.0.1"], "10.0.0.2", &["192.0.2.1"]), "10.0.0.2");
        assert_eq!(caller(&["10.0.0.1"], "::ffff:10.0.0.1", &["192.0.2.1"]), "192.0.2.1");
        assert_eq!(caller(&["::ffff:10.0.0.1"], "10.0.0.1", &["192.0.2.1"]), "192.0.2.1");
    }

    #[test]
    fn what_callers_say_themselves_stands_on_the_left() {
        let trusted = ["10.0.0.0/8", "2001:db8::/32"];
        assert_eq!(caller(&trusted, "10.0.0.1", &["198.51.100.7, 192.0.2.1"]), "192.0.2.1");
        assert_eq!(caller(&trusted, "10.0.0.1", &["198.51.100.7,192.0.2.1 , 10.0.0.2"]), "192.0.2.1");
        assert_eq!(caller(&trusted, "10.0.0.1", &["198.51.100.7", "192.0.2.1", "2001:db8::1"]), "192.0.2.1");
        assert_eq!(caller(&trusted, "10.0.0.1", &["10.0.0.3, 10.0.0.2"]), "10.0.0.3");
        assert_eq!(caller(&trusted, "10.0.0.1", &[]), "10.0.0.1");
    }

    #[test]
    fn what_cannot_be_read_is_of_the_proxy_that_wrote_it() {
        for line in ["192.0.2.1, unknown", "192.0.2.1, ", "192.0.2.1, 300.0.0.1", "192.0.2.1, \u{e9}"] {
            assert_eq!(caller(&["10.0.0.0/8"], "10.0.0.1", &[line]), "10.0.0.1", "{line}");
            let through_another: &[&'static str] = &[line, "10.0.0.2"];
            assert_eq!(caller(&["10.0.0.0/8"], "10.0.0.1", through_another), "10.0.0.2", "{line}");
        }
    }

    #[test]
    fn ports_and_brackets_are_left_out() {
        for (line, expected) in [
            ("192.0.2.1:4711", "192.0.2.1"),
            ("[2001:db8::1]:443", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
        ] {
            assert_eq!(caller(&["10.0.0.1"], "10.0.0.1", &[line]), expected);
        }
    }

    #[test]
    fn only_addresses_and_networks_are_trusted() {
        for bad in ["", "proxy.example", "10.0.0.0/33", "10.0.0.1:80", "*"] {
            assert_eq!(TrustedProxies::parse(["10.0.0.1", bad]), Err(InvalidProxy(bad.to_owned())));
        }
    }
}
