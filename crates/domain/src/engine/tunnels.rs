//! How the sandbox is reached from outside: the state keeps it, and it goes with the sandbox.

use super::{Actor, StatusNotice, Step};
use crate::messages::{MessageRole, Part};
use crate::tunnels::{SandboxUrls, Tunnels};

impl Step<'_> {
    /// The runner told which ports are open, all of them.
    pub(super) fn tunnels_told(&mut self, tunnels: Tunnels) {
        if self.engine.runner.exposure.tunnels == tunnels {
            return;
        }
        self.engine.runner.exposure.tunnels = tunnels;
        let exposure = self.engine.runner.exposure.clone();
        self.status(StatusNotice::Tunnels(exposure));
    }

    /// The backend told where the sandbox is. Answers whether that is news.
    pub(super) fn reached_at(&mut self, urls: SandboxUrls) -> bool {
        let is_other = !urls.is_empty() && self.engine.runner.exposure.urls != urls;
        let is_news = is_other && self.engine.uses_sandbox();
        if is_news {
            self.engine.runner.exposure.urls = urls;
        }
        is_news
    }

    /// Somebody had the runner close a tunnel, and it did.
    pub(super) fn tunnel_closed(&mut self, name: String, by: &Actor) {
        if self.engine.status.is_ended() {
            return;
        }
        let (id, text) = (self.ids.draw(), format!("{} closed the tunnel {name}", by.name));
        self.audit("tunnel.disabled", &text, Some(by.user.clone()));
        self.add_new_message(id, MessageRole::System, &text, vec![Part::TunnelClosed { name }]);
    }
}
