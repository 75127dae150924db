//! Where requests come from.

use std::str;

use portway_api::Peer;

/// The header in which Cloudflare says so. It replaces what callers write there themselves, so it is the one that is
/// believed.
pub const CONNECTING_IP: &str = "cf-connecting-ip";

/// Who sends a request that has that value in [`CONNECTING_IP`]: nobody of whom is known where they are, if it is missing
/// or no address.
#[must_use]
pub fn of(connecting_ip: Option<&[u8]>) -> Peer {
    let address = connecting_ip.and_then(|value| str::from_utf8(value).ok()?.parse().ok());
    Peer { loopback: false, address }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_is_where_cloudflare_says() {
        for address in ["192.0.2.1", "2001:db8::1", "127.0.0.1"] {
            let expected = Peer { loopback: false, address: address.parse().ok() };
            assert!(expected.address.is_some() && of(Some(address.as_bytes())) == expected, "{address}");
        }
        for other in [None, Some(&b""[..]), Some(b"192.0.2.1, 192.0.2.2"), Some(b"\xff")] {
            assert_eq!(of(other), Peer { loopback: false, address: None });
        }
    }
}
