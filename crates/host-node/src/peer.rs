//! Who is at the other end of a connection.

use std::net::SocketAddr;

use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, Request};
use portway_api::Peer;

use crate::proxies::TrustedProxies;

/// The peer with that address.
fn peer(address: SocketAddr) -> Peer {
    let address = address.ip().to_canonical();
    Peer { loopback: address.is_loopback(), address: Some(address) }
}

/// What is at the other end of a connection, and who may be behind it.
#[derive(Debug, Clone)]
pub(crate) struct Via {
    /// The other end.
    pub(crate) peer: SocketAddr,
    /// Who is believed about who calls.
    pub(crate) proxies: TrustedProxies,
}

impl Via {
    /// Who sent a request with these headers.
    pub(crate) fn caller(&self, headers: &HeaderMap) -> Peer {
        Peer { address: Some(self.proxies.caller(self.peer.ip(), headers)), ..peer(self.peer) }
    }
}

/// Tells the gateway from which address a request came, as axum noted it. Use it with a service that is served with
/// connect info:
///
/// ```no_run
/// # async fn serve(gateway: portway::Gateway, listener: tokio::net::TcpListener) -> std::io::Result<()> {
/// use std::net::SocketAddr;
///
/// use tower::util::MapRequestLayer;
///
/// let app = gateway.service().layer(MapRequestLayer::new(portway::note_peer));
/// axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()).await
/// # }
/// ```
///
/// The gateway grants a little more to callers on its own machine, such as naming a folder for an agent to work in.
/// Without this, nobody counts as such. Leave it out behind a proxy on the same machine that adds no `Forwarded` or
/// `X-Forwarded-For` header, since everybody would count as local then.
///
/// Behind a proxy, [rate limits](crate::GatewayBuilder::rate_limits) of strangers need the address of who calls the proxy:
/// put a [`Peer`] with it on each request yourself.
pub fn note_peer<B>(mut request: Request<B>) -> Request<B> {
    if let Some(ConnectInfo(address)) = request.extensions().get::<ConnectInfo<SocketAddr>>() {
        let peer = peer(*address);
        request.extensions_mut().insert(peer);
    }
    request
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noted(address: Option<&str>) -> Option<bool> {
        let mut request = Request::new(());
        if let Some(address) = address {
            request.extensions_mut().insert(ConnectInfo::<SocketAddr>(address.parse().unwrap()));
        }
        note_peer(request).extensions().get::<Peer>().map(|peer| peer.loopback)
    }

    #[test]
    fn only_loopback_addresses_are_local() {
        assert_eq!(noted(None), None);
        assert_eq!(noted(Some("127.0.0.1:1")), Some(true));
        assert_eq!(noted(Some("[::1]:1")), Some(true));
        assert_eq!(noted(Some("[::ffff:127.0.0.1]:1")), Some(true));
        assert_eq!(noted(Some("192.0.2.1:1")), Some(false));
    }
}
