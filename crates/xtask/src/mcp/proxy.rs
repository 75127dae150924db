//! What signs the requests of the suite, which can send no header.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

use super::node;
use crate::failure::Failure;
use crate::gateway::Gateway;
use crate::workspace::Workspace;

const SCRIPT: &str = "crates/xtask/mcp/proxy.mjs";

/// A proxy that stops when this is dropped, or when this program ends in whatever way.
pub(super) struct Proxy {
    url: String,
    process: Child,
}

impl Proxy {
    /// Starts one before that gateway.
    pub(super) fn start(workspace: &Workspace, gateway: &Gateway) -> Result<Self, Failure> {
        let mut node = node(workspace);
        node.arg(workspace.root().join(SCRIPT)).stdin(Stdio::piped()).stdout(Stdio::piped());
        let started = gateway.introduce(&mut node).spawn();
        let mut process = started.map_err(|source| Failure::Start { program: "node".to_owned(), source })?;
        let mut url = String::new();
        if let Some(printed) = process.stdout.take() {
            BufReader::new(printed).read_line(&mut url).map_err(Failure::file(SCRIPT.as_ref()))?;
        }
        let proxy = Self { url: url.trim().to_owned(), process };
        if proxy.url.is_empty() {
            return Err(Failure::Environment("the proxy of the conformance suite does not start".to_owned()));
        }
        Ok(proxy)
    }

    /// Scheme and authority.
    pub(super) fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        if let Err(error) = self.process.wait() {
            eprintln!("warning: the proxy of the conformance suite cannot be waited for: {error}");
        }
    }
}
