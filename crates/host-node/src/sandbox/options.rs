//! What the operator of a backend decides.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use clap::Args;
use portway_adapters_http::RunnerUrl;
use portway_domain::tokens::TokenSecret;
use portway_ports::sandboxes::AgentCommand;

use super::gateways::Gateways;
use crate::config::{Config, ConfigError, PlaceArgs, ServeArgs, TOKEN_VARIABLE};
use crate::secret_file::{parse_token, read_token};

const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8788);

/// Flags of `portway sandbox serve`.
#[derive(Debug, Clone, Default, Args)]
pub struct SandboxServeArgs {
    /// Where the backend keeps its things; its portway.toml says which agents there are.
    #[command(flatten)]
    pub place: PlaceArgs,
    /// Address to listen on [default: 127.0.0.1:8788]
    #[arg(long, env = "PORTWAY_SANDBOX_LISTEN", value_name = "ADDRESS")]
    pub listen: Option<SocketAddr>,
    /// Listen on an address that others can reach although what is said there is not encrypted
    #[arg(long)]
    pub insecure: bool,
    /// File with the token that gateways present [default: sandbox-token in the data folder, made at the first start];
    /// PORTWAY_SANDBOX_TOKEN can hold the token itself
    #[arg(long, env = "PORTWAY_SANDBOX_TOKEN_FILE", value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// Where all runners connect, such as wss://gateway.example.com, whatever gateways say
    #[arg(long, env = "PORTWAY_SANDBOX_GATEWAY_URL", value_name = "URL", conflicts_with = "allow_gateway")]
    pub gateway_url: Option<String>,
    /// A host, with or without a port, that gateways may let runners connect to; may be repeated
    /// [default: this machine only]
    #[arg(long, value_name = "HOST")]
    pub allow_gateway: Vec<String>,
    /// A folder that gateways may let agents work in, or below; may be repeated [default: none but workspaces]
    #[arg(long, value_name = "DIR")]
    pub allow_folder: Vec<PathBuf>,
    /// Let gateways run any program, and not only the agents of this backend
    #[arg(long)]
    pub allow_any_command: bool,
}

/// Everything that was decided.
pub(super) struct Options {
    pub(super) data: PathBuf,
    pub(super) listen: SocketAddr,
    /// The token, if there is one already, and where it came from.
    pub(super) token: Option<(TokenSecret, String)>,
    pub(super) agents: BTreeMap<String, AgentCommand>,
    pub(super) default_agent: String,
    pub(super) gateways: Gateways,
    pub(super) folders: Vec<PathBuf>,
    pub(super) any_command: bool,
}

impl Options {
    /// Puts flags, environment and file together.
    ///
    /// # Errors
    /// [`ConfigError`] with every mistake.
    pub(super) fn load(args: SandboxServeArgs) -> Result<Self, ConfigError> {
        let variable = std::env::var(TOKEN_VARIABLE).ok().filter(|value| !value.is_empty());
        // Only the agents are of interest, as a gateway on this folder would have them.
        let serve = ServeArgs { place: args.place.clone(), insecure: true, ..ServeArgs::default() };
        let (agents, mut wrong) = match Config::load(serve) {
            Ok(config) => (Some((config.agents, config.default_agent)), Vec::new()),
            Err(ConfigError(wrong)) => (None, wrong),
        };
        let options = Self::combine(args, variable, agents.unwrap_or_default(), &mut wrong);
        if wrong.is_empty() { Ok(options) } else { Err(ConfigError(wrong)) }
    }

    pub(super) fn combine(
        args: SandboxServeArgs,
        variable: Option<String>,
        (agents, default_agent): (BTreeMap<String, AgentCommand>, String),
        wrong: &mut Vec<String>,
    ) -> Self {
        let listen = args.listen.unwrap_or(DEFAULT_LISTEN);
        if !listen.ip().is_loopback() && !args.insecure {
            wrong.push(format!(
                "listening on {listen}: others can reach the backend there, and read the token on the way: listen on a \
                 loopback address behind a proxy that speaks https, or say --insecure"
            ));
        }
        let token = match (variable, &args.token_file) {
            (Some(value), _) => Some((parse_token(&value), TOKEN_VARIABLE.to_owned())),
            (None, Some(path)) => Some((read_token(path), path.display().to_string())),
            (None, None) => None,
        };
        let token = token.and_then(|(token, source)| {
            token.map_err(|error| wrong.push(format!("{source}: {error}"))).ok().map(|token| (token, source))
        });
        Self {
            data: args.place.data_folder(),
            listen,
            token,
            agents,
            default_agent,
            gateways: gateways(args.gateway_url.as_deref(), args.allow_gateway, wrong),
            folders: args.allow_folder.into_iter().filter_map(|folder| existing(folder, wrong)).collect(),
            any_command: args.allow_any_command,
        }
    }
}

fn gateways(url: Option<&str>, allowed: Vec<String>, wrong: &mut Vec<String>) -> Gateways {
    let Some(url) = url.filter(|url| !url.is_empty()) else {
        return Gateways::allowed(allowed);
    };
    match url.parse::<RunnerUrl>() {
        Ok(url) => Gateways::Always(url),
        Err(error) => {
            wrong.push(format!("--gateway-url or PORTWAY_SANDBOX_GATEWAY_URL: {error}"));
            Gateways::ThisMachine
        }
    }
}

/// The folder as it is found in the file system, so that what is below it can be told.
fn existing(folder: PathBuf, wrong: &mut Vec<String>) -> Option<PathBuf> {
    let found = std::fs::canonicalize(&folder);
    found.map_err(|error| wrong.push(format!("--allow-folder {}: {error}", folder.display()))).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "0123456789abcdef0123456789abcdef";

    fn combine(args: SandboxServeArgs, variable: Option<&str>) -> Result<Options, Vec<String>> {
        let mut wrong = Vec::new();
        let agents = (BTreeMap::new(), "demo".to_owned());
        let options = Options::combine(args, variable.map(str::to_owned), agents, &mut wrong);
        if wrong.is_empty() { Ok(options) } else { Err(wrong) }
    }

    #[test]
    fn by_default_nothing_leaves_this_machine() {
        let options = combine(SandboxServeArgs::default(), None).ok().unwrap();
        assert!(options.listen.ip().is_loopback() && options.token.is_none() && !options.any_command);
        assert_eq!((options.gateways, options.folders.len()), (Gateways::ThisMachine, 0));
    }

    #[test]
    fn the_token_is_that_of_the_variable_then_that_of_the_file() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("token");
        std::fs::write(&path, TOKEN.to_uppercase()).unwrap();
        let args = SandboxServeArgs { token_file: Some(path), ..SandboxServeArgs::default() };
        let token = |variable| combine(args.clone(), variable).ok().unwrap().token.unwrap().0.reveal().to_owned();
        assert_eq!(token(Some(TOKEN)), TOKEN);
        assert_eq!(token(None), TOKEN.to_uppercase());
        let wrong = combine(args, Some("too short")).err().unwrap();
        assert!(wrong.len() == 1 && wrong[0].starts_with("PORTWAY_SANDBOX_TOKEN: ") && !wrong[0].contains("too short"));
    }

    #[test]
    fn other_addresses_only_on_demand() {
        let args = SandboxServeArgs { listen: Some("0.0.0.0:80".parse().unwrap()), ..SandboxServeArgs::default() };
        assert!(combine(args.clone(), None).is_err());
        assert!(combine(SandboxServeArgs { insecure: true, ..args }, None).is_ok());
    }
}
