//! How sandboxes are reached, in the words of the protocol and of the domain.

use portway_domain::tunnels::{Exposure, Tunnel, Tunnels};
use portway_protocol::server::StatusData;
use portway_protocol::tunnels as wire;

/// The tunnels that a runner tells.
pub(super) fn tunnels(told: Vec<wire::Tunnel>) -> Tunnels {
    let tunnel = |tunnel: wire::Tunnel| {
        let wire::Tunnel { name, port, protocol, path, url: _ } = tunnel;
        Tunnel { name, port, protocol, path }
    };
    told.into_iter().map(tunnel).collect::<Vec<_>>().into()
}

/// What clients are told of other tunnels.
pub(super) fn tunnels_told(exposure: &Exposure) -> StatusData {
    let told = |tunnel: &Tunnel| wire::Tunnel {
        name: tunnel.name.clone(),
        port: tunnel.port,
        protocol: tunnel.protocol.clone(),
        path: tunnel.path.clone(),
        url: exposure.url_of(tunnel),
    };
    let tunnels = exposure.tunnels.as_slice().iter().map(told).collect();
    StatusData { tunnels: Some(tunnels), ..StatusData::default() }
}
