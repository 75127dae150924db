//! The gateway's side of a sandbox backend.

use std::net::SocketAddr;
use std::sync::Arc;

use portway_adapters_http::{HttpError, HttpSandboxOptions, HttpSandboxes, InvalidUrl, RunnerUrl};
use portway_adapters_system::SystemClock;
use portway_api::check_allowed_host;
use portway_domain::sandbox_tokens::SandboxRootKey;
use portway_ports::sandboxes::AgentCommand;

use crate::child;
use crate::config::{Config, DEMO_AGENT, SandboxConfig, SandboxToken};
use crate::gateway::{GatewayBuilder, reachable};
use crate::http_client::ReqwestClient;
use crate::secret_file::TokenError;

/// Why a backend cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RemoteError {
    /// There is no token to get in with.
    #[error("the token of the sandbox backend: {0}")]
    Token(#[from] TokenError),
    /// The root key cannot be used.
    #[error("the root key of sandboxes: {0}")]
    RootKey(TokenError),
    /// No request can be sent.
    #[error("requests to the sandbox backend cannot be sent: {0}")]
    Client(#[from] HttpError),
    /// Runners could not find the gateway.
    #[error("runners of the sandbox backend cannot find the gateway under {0}: name where with --sandbox-gateway-url")]
    Gateway(String),
}

/// The adapter for a backend whose runners reach the gateway there.
pub(crate) fn connect(sandbox: &SandboxConfig, gateway_url: RunnerUrl) -> Result<HttpSandboxes, RemoteError> {
    let client = Arc::new(ReqwestClient::new(sandbox.url.is_encrypted())?);
    let options = HttpSandboxOptions { url: sandbox.url.clone(), token: sandbox.token.read()?, gateway_url };
    Ok(HttpSandboxes::new(options, client, Arc::new(SystemClock::new())))
}

/// The same gateway with its agents run by the backend. The built-in agent is known to every backend of ours.
pub(crate) fn add(
    builder: GatewayBuilder,
    config: &Config,
    sandbox: &SandboxConfig,
    address: SocketAddr,
) -> Result<GatewayBuilder, RemoteError> {
    let gateway_url = gateway_url(config, sandbox, address)?;
    if !gateway_url.is_local() && !sandbox.url.is_local() && gateway_url.as_str().starts_with("ws:") {
        tracing::warn!(url = %gateway_url, "what agents say and do can be read on its way from the sandbox backend");
    }
    // Runners ask under that name.
    let host = Some(gateway_url.host().to_owned()).filter(|host| check_allowed_host(host).is_ok());
    let sandboxes = connect(sandbox, gateway_url)?;
    let demo = AgentCommand::new(["portway", child::DEMO_AGENT]);
    let builder = builder.sandboxes(Arc::new(sandboxes)).allowed_hosts(host).agent(DEMO_AGENT, demo);
    Ok(match &sandbox.root_key {
        SandboxToken::Missing => builder,
        place => builder.sandbox_root_key(SandboxRootKey::new(place.read().map_err(RemoteError::RootKey)?)),
    })
}

/// Where runners reach the gateway: where the operator says, or else under its public name, or else where it listens.
pub(crate) fn gateway_url(
    config: &Config,
    sandbox: &SandboxConfig,
    address: SocketAddr,
) -> Result<RunnerUrl, RemoteError> {
    if let Some(url) = &sandbox.gateway_url {
        return Ok(url.clone());
    }
    let text = match config.public_url.as_deref().and_then(|url| url.strip_prefix("http")) {
        Some(rest) => format!("ws{rest}"),
        None => format!("ws://{}", reachable(address)),
    };
    text.parse().map_err(|_: InvalidUrl| RemoteError::Gateway(text))
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::*;
    use crate::config::{SandboxFlags, ServeArgs};

    fn told(public_url: Option<&str>, gateway_url: Option<&str>, listen: &str) -> String {
        let sandbox = SandboxFlags {
            sandbox_url: Some("https://sandboxes.example".to_owned()),
            sandbox_gateway_url: gateway_url.map(str::to_owned),
            ..SandboxFlags::default()
        };
        let args = ServeArgs { sandbox, public_url: public_url.map(str::to_owned), ..ServeArgs::default() };
        let config = Config::combine(args, PathBuf::new(), Path::new("portway.toml"), "", &|_| None).unwrap();
        let url = super::gateway_url(&config, config.sandbox.as_ref().unwrap(), listen.parse().unwrap());
        url.unwrap().to_string()
    }

    #[test]
    fn runners_find_the_gateway_where_the_operator_says_or_under_its_public_name() {
        let (public, own) = (Some("https://gateway.example/"), Some("ws://10.0.0.1:8787"));
        assert_eq!(told(public, own, "127.0.0.1:1"), "ws://10.0.0.1:8787");
        assert_eq!(told(public, None, "127.0.0.1:1"), "wss://gateway.example");
        assert_eq!(told(None, None, "127.0.0.1:8787"), "ws://127.0.0.1:8787");
        assert_eq!(told(None, None, "0.0.0.0:8787"), "ws://127.0.0.1:8787");
    }
}
