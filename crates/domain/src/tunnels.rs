//! How a sandbox is reached from outside: where its backend says that it is, and which of its ports are open.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Most tunnels of one sandbox that are kept; those behind them are left out.
pub const MAX_TUNNELS: usize = 32;

/// Longest name of a tunnel or an address, in characters.
pub const MAX_NAME_CHARS: usize = 100;

/// Longest path of a tunnel, in characters.
pub const MAX_PATH_CHARS: usize = 500;

/// Most addresses of one sandbox that are kept; those behind them by name are left out.
pub const MAX_URLS: usize = 16;

/// Longest address, in characters.
pub const MAX_URL_CHARS: usize = 2_000;

/// Longest name of a tunnel's protocol, in characters.
const MAX_PROTOCOL_CHARS: usize = 20;

/// The address that the paths of tunnels belong to.
const GATEWAY: &str = "gateway";

/// A port of a sandbox that can be reached from outside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tunnel {
    /// What to call it; unique within the sandbox.
    pub name: String,
    /// The port.
    pub port: u16,
    /// What is spoken there, if somebody said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<String>,
    /// Where it is behind the address of the gateway in the sandbox.
    pub path: String,
}

impl Tunnel {
    fn is_kept(&self) -> bool {
        let is_path = |path: &str| path.starts_with('/') && !path.contains(|c: char| c.is_control() || c == ' ');
        let is_protocol = |protocol: &String| is_within(protocol, MAX_PROTOCOL_CHARS) && !protocol.contains('\0');
        is_name(&self.name)
            && self.port != 0
            && is_within(&self.path, MAX_PATH_CHARS)
            && is_path(&self.path)
            && self.protocol.as_ref().is_none_or(is_protocol)
    }
}

/// The tunnels of a sandbox, each name once, at most [`MAX_TUNNELS`]. What cannot be one is left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<Tunnel>", into = "Vec<Tunnel>")]
pub struct Tunnels(Vec<Tunnel>);

impl Tunnels {
    /// The tunnels.
    #[must_use]
    pub fn as_slice(&self) -> &[Tunnel] {
        &self.0
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether there is one of that name.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.0.iter().any(|tunnel| tunnel.name == name)
    }
}

impl From<Vec<Tunnel>> for Tunnels {
    fn from(tunnels: Vec<Tunnel>) -> Self {
        let mut kept = Self::default();
        for tunnel in tunnels.into_iter().filter(Tunnel::is_kept) {
            if kept.0.len() < MAX_TUNNELS && !kept.contains(&tunnel.name) {
                kept.0.push(tunnel);
            }
        }
        kept
    }
}

impl From<Tunnels> for Vec<Tunnel> {
    fn from(tunnels: Tunnels) -> Self {
        tunnels.0
    }
}

/// Where what runs in a sandbox can be reached, by name: at most [`MAX_URLS`] addresses. What is none is left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "BTreeMap<String, String>", into = "BTreeMap<String, String>")]
pub struct SandboxUrls(BTreeMap<String, String>);

impl SandboxUrls {
    /// The addresses by name.
    #[must_use]
    pub fn as_map(&self) -> &BTreeMap<String, String> {
        &self.0
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Where the gateway in the sandbox is, which lets people in and through to the tunnels.
    #[must_use]
    pub fn gateway(&self) -> Option<&str> {
        self.0.get(GATEWAY).map(String::as_str)
    }
}

impl From<BTreeMap<String, String>> for SandboxUrls {
    fn from(urls: BTreeMap<String, String>) -> Self {
        Self(urls.into_iter().filter(|(name, url)| is_name(name) && is_url(url)).take(MAX_URLS).collect())
    }
}

impl From<SandboxUrls> for BTreeMap<String, String> {
    fn from(urls: SandboxUrls) -> Self {
        urls.0
    }
}

/// All that is known of how a sandbox is reached. It goes with the sandbox.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Exposure {
    /// What its backend said when it was started.
    #[serde(skip_serializing_if = "SandboxUrls::is_empty")]
    pub urls: SandboxUrls,
    /// What its runner said last.
    #[serde(skip_serializing_if = "Tunnels::is_empty")]
    pub tunnels: Tunnels,
}

impl Exposure {
    /// Whether nothing is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.urls.is_empty() && self.tunnels.is_empty()
    }

    /// Where a tunnel of the sandbox is, as far as that is known.
    #[must_use]
    pub fn url_of(&self, tunnel: &Tunnel) -> Option<String> {
        self.urls.gateway().map(|gateway| format!("{}{}", gateway.trim_end_matches('/'), tunnel.path))
    }
}

fn is_name(name: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    is_within(name, MAX_NAME_CHARS) && name.chars().all(is_plain)
}

/// Whether it is an address that a browser may be sent to.
fn is_url(url: &str) -> bool {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/'))
        && is_within(url, MAX_URL_CHARS)
        && url.bytes().all(|byte| byte.is_ascii_graphic())
}

fn is_within(text: &str, max_chars: usize) -> bool {
    !text.is_empty() && text.chars().nth(max_chars).is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tunnel(name: &str) -> Tunnel {
        Tunnel { name: name.to_owned(), port: 3000, protocol: Some("http".to_owned()), path: format!("/t/{name}") }
    }

    fn urls<const N: usize>(urls: [(&str, &str); N]) -> SandboxUrls {
        BTreeMap::from(urls.map(|(name, url)| (name.to_owned(), url.to_owned()))).into()
    }

    #[test]
    fn what_can_be_no_tunnel_is_left_out() {
        let long = "n".repeat(MAX_NAME_CHARS);
        let path = |path: &str| Tunnel { path: path.to_owned(), ..tunnel("p") };
        let protocol = |protocol: String| Tunnel { protocol: Some(protocol), ..tunnel("q") };
        let bad = vec![
            tunnel(""),
            tunnel("a b"),
            tunnel("a/b"),
            tunnel("ä"),
            tunnel(&format!("{long}n")),
            Tunnel { port: 0, ..tunnel("port") },
            path(""),
            path("t/p"),
            path("/t\n"),
            path("/t p"),
            path(&format!("/{}", "x".repeat(MAX_PATH_CHARS))),
            protocol(String::new()),
            protocol("x".repeat(MAX_PROTOCOL_CHARS + 1)),
        ];
        assert_eq!(Tunnels::from(bad), Tunnels::default());
        let good = vec![
            tunnel(&long),
            tunnel("a.b_c-1"),
            Tunnel { port: u16::MAX, protocol: None, ..tunnel("bare") },
            Tunnel { path: format!("/{}", "x".repeat(MAX_PATH_CHARS - 1)), ..tunnel("far") },
        ];
        assert_eq!(Tunnels::from(good.clone()).as_slice(), good);
    }

    #[test]
    fn a_name_is_kept_once_and_no_more_than_so_many() {
        let twice = vec![tunnel("a"), Tunnel { port: 1, ..tunnel("a") }, tunnel("b")];
        assert_eq!(Tunnels::from(twice).as_slice(), [tunnel("a"), tunnel("b")]);
        let many: Vec<Tunnel> = (0..MAX_TUNNELS + 5).map(|n| tunnel(&n.to_string())).collect();
        let kept = Tunnels::from(many);
        assert!(kept.as_slice().len() == MAX_TUNNELS && kept.contains("31") && !kept.contains("32"));
        let read: Tunnels = serde_json::from_value(serde_json::to_value(&kept).unwrap()).unwrap();
        assert_eq!(read, kept);
    }

    #[test]
    fn only_addresses_of_the_web_are_kept() {
        let long = format!("https://{}", "x".repeat(MAX_URL_CHARS));
        let kept = urls([
            ("gateway", "https://g.example"),
            ("vnc", "http://127.0.0.1:6080/x?y=1"),
            ("script", "javascript:alert(1)"),
            ("file", "file:///etc/passwd"),
            ("none", "https://"),
            ("nowhere", "https:///x"),
            ("blank", "https://g.example/a b"),
            ("long", &long),
            ("bad name", "https://g.example"),
        ]);
        assert_eq!(kept, urls([("gateway", "https://g.example"), ("vnc", "http://127.0.0.1:6080/x?y=1")]));
        let many: BTreeMap<String, String> =
            (0..MAX_URLS + 5).map(|n| (format!("{n:02}"), "https://g.example".to_owned())).collect();
        assert_eq!(SandboxUrls::from(many).as_map().len(), MAX_URLS);
    }

    #[test]
    fn a_tunnel_is_behind_the_gateway_of_the_sandbox() {
        let tunnels = Tunnels::from(vec![tunnel("web")]);
        let nowhere = Exposure { tunnels: tunnels.clone(), ..Exposure::default() };
        assert_eq!(nowhere.url_of(&tunnel("web")), None);
        for gateway in ["https://g.example", "https://g.example/"] {
            let exposure = Exposure { urls: urls([("gateway", gateway)]), tunnels: tunnels.clone() };
            assert_eq!(exposure.url_of(&tunnel("web")).as_deref(), Some("https://g.example/t/web"));
        }
    }
}
