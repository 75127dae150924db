//! Where agents work, if not on this machine.

use std::fmt;
use std::path::{Path, PathBuf};

use clap::Args;
use portway_adapters_http::{BackendUrl, RunnerUrl};
use portway_domain::tokens::TokenSecret;

use super::Mistakes;
use crate::agents::Environment;
use crate::secret_file::{TokenError, parse_token, read_token};

/// The variable with the token itself.
pub(crate) const TOKEN_VARIABLE: &str = "PORTWAY_SANDBOX_TOKEN";

/// The variable with the root key itself.
pub(crate) const ROOT_KEY_VARIABLE: &str = "PORTWAY_SANDBOX_ROOT_KEY";

const READABLE: &str = "the token and the runners' secrets could be read on the way: use https, or say --insecure";

/// Flags of `portway serve` about sandboxes.
#[derive(Debug, Clone, Default, Args)]
pub struct SandboxFlags {
    /// Let a sandbox backend run the agents, such as `portway sandbox serve` on another machine
    #[arg(long, env = "PORTWAY_SANDBOX_URL", value_name = "URL")]
    pub sandbox_url: Option<String>,
    /// File with the backend's token; PORTWAY_SANDBOX_TOKEN can hold the token itself
    #[arg(long, env = "PORTWAY_SANDBOX_TOKEN_FILE", value_name = "FILE")]
    pub sandbox_token_file: Option<PathBuf>,
    /// Where the backend's runners reach this gateway [default: the public URL, or else the address listened on]
    #[arg(long, env = "PORTWAY_SANDBOX_GATEWAY_URL", value_name = "URL")]
    pub sandbox_gateway_url: Option<String>,
    /// File with the key that those of sandboxes follow from [default: made, in the data folder; none with Postgres];
    /// PORTWAY_SANDBOX_ROOT_KEY can hold the key itself
    #[arg(long, env = "PORTWAY_SANDBOX_ROOT_KEY_FILE", value_name = "FILE")]
    pub sandbox_root_key_file: Option<PathBuf>,
}

/// What `portway.toml` says about sandboxes.
#[derive(Debug, Clone, Copy)]
pub(super) struct SandboxKeys<'f> {
    pub(super) url: Option<&'f str>,
    pub(super) token_file: Option<&'f Path>,
    pub(super) gateway_url: Option<&'f str>,
    pub(super) root_key_file: Option<&'f Path>,
}

/// A backend that runs the agents.
#[derive(Debug, Clone)]
pub struct SandboxConfig {
    /// The backend.
    pub url: BackendUrl,
    /// What it lets the gateway in with.
    pub token: SandboxToken,
    /// Where its runners reach the gateway, if that was said.
    pub gateway_url: Option<RunnerUrl>,
    /// Where the key is that those of its sandboxes follow from; in the data folder, if anywhere, if that was not said.
    pub root_key: SandboxToken,
}

/// Where the backend's token is, or another secret. It is read by those who need it: other commands may not be able to.
#[derive(Clone, PartialEq, Eq)]
pub enum SandboxToken {
    /// Nobody said.
    Missing,
    /// It is the text of a variable.
    Variable(String),
    /// It is in a file.
    File(PathBuf),
}

impl SandboxToken {
    /// The token.
    ///
    /// # Errors
    /// [`TokenError`] says where to put one.
    pub(crate) fn read(&self) -> Result<TokenSecret, TokenError> {
        match self {
            Self::Missing => Err(TokenError::Missing),
            Self::Variable(text) => parse_token(text),
            Self::File(path) => read_token(path),
        }
    }
}

impl fmt::Debug for SandboxToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("Missing"),
            Self::Variable(_) => f.write_str("Variable(..)"),
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
        }
    }
}

/// Puts flags, environment and file together; `None` without a backend, or where something is wrong.
pub(super) fn combine(
    flags: &SandboxFlags,
    keys: SandboxKeys<'_>,
    insecure: bool,
    environment: Environment<'_>,
    wrong: &mut Mistakes<'_>,
) -> Option<SandboxConfig> {
    let given = flags.sandbox_url.as_deref().filter(|url| !url.is_empty());
    let url = given.or(keys.url)?;
    let tell = |wrong: &mut Mistakes<'_>, what: &str| match given {
        Some(_) => wrong.beside("--sandbox-url or PORTWAY_SANDBOX_URL", what),
        None => wrong.at(&["sandbox_url"], what),
    };
    let url = match url.parse::<BackendUrl>() {
        Ok(url) if url.is_open() && !insecure => {
            tell(wrong, READABLE);
            return None;
        }
        Ok(url) => url,
        Err(error) => {
            tell(wrong, &error.to_string());
            return None;
        }
    };
    let gateway_url = gateway_url(flags, keys, wrong);
    let token_file = flags.sandbox_token_file.as_deref().or(keys.token_file);
    let root_key_file = flags.sandbox_root_key_file.as_deref().or(keys.root_key_file);
    Some(SandboxConfig {
        url,
        token: secret(TOKEN_VARIABLE, token_file, environment),
        gateway_url,
        root_key: secret(ROOT_KEY_VARIABLE, root_key_file, environment),
    })
}

/// The variable wins over files, since it is what a supervisor of containers sets.
fn secret(variable: &str, file: Option<&Path>, environment: Environment<'_>) -> SandboxToken {
    let variable = environment(variable).filter(|value| !value.is_empty());
    match (variable, file) {
        (Some(value), _) => SandboxToken::Variable(value.to_string_lossy().into_owned()),
        (None, Some(path)) => SandboxToken::File(path.to_owned()),
        (None, None) => SandboxToken::Missing,
    }
}

fn gateway_url(flags: &SandboxFlags, keys: SandboxKeys<'_>, wrong: &mut Mistakes<'_>) -> Option<RunnerUrl> {
    let given = flags.sandbox_gateway_url.as_deref().filter(|url| !url.is_empty());
    let told = |error: portway_adapters_http::InvalidUrl| match given {
        Some(_) => wrong.beside("--sandbox-gateway-url or PORTWAY_SANDBOX_GATEWAY_URL", error.to_string()),
        None => wrong.at(&["sandbox_gateway_url"], error.to_string()),
    };
    given.or(keys.gateway_url)?.parse::<RunnerUrl>().map_err(told).ok()
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;
    use crate::config::{Config, ConfigError, ServeArgs};

    const TOKEN: &str = "0123456789abcdef0123456789abcdef";

    fn combine(sandbox: SandboxFlags, insecure: bool, file: &str) -> Result<Config, ConfigError> {
        let args = ServeArgs { sandbox, insecure, ..ServeArgs::default() };
        let environment = |name: &str| (name == TOKEN_VARIABLE).then(|| OsString::from(TOKEN));
        Config::combine(args, PathBuf::from("data"), Path::new("portway.toml"), file, &environment)
    }

    fn url(text: &str) -> SandboxFlags {
        SandboxFlags { sandbox_url: Some(text.to_owned()), ..SandboxFlags::default() }
    }

    #[test]
    fn the_root_key_is_where_somebody_said() {
        let place = |file: &str| combine(url("https://a.example"), false, file).unwrap().sandbox.unwrap().root_key;
        assert_eq!(place(""), SandboxToken::Missing);
        assert_eq!(place("sandbox_root_key_file = \"/key\""), SandboxToken::File(PathBuf::from("/key")));
    }

    #[test]
    fn agents_work_on_this_machine_until_a_backend_is_named() {
        assert!(combine(SandboxFlags::default(), false, "").unwrap().sandbox.is_none());
        assert!(combine(url(""), false, "").unwrap().sandbox.is_none(), "an empty variable says nothing");
        let file = "sandbox_url = \"https://file.example\"\nsandbox_gateway_url = \"wss://gateway.example\"";
        let sandbox = combine(SandboxFlags::default(), false, file).unwrap().sandbox.unwrap();
        assert_eq!(sandbox.url.to_string(), "https://file.example");
        assert_eq!(sandbox.token.read().unwrap().reveal(), TOKEN);
        assert_eq!(sandbox.gateway_url.unwrap().as_str(), "wss://gateway.example");
        let sandbox = combine(url("https://flag.example"), false, file).unwrap().sandbox.unwrap();
        assert_eq!(sandbox.url.to_string(), "https://flag.example");
    }

    #[test]
    fn secrets_do_not_travel_readable_unless_demanded() {
        let ConfigError(wrong) = combine(url("http://10.0.0.1:8788"), false, "").unwrap_err();
        assert!(wrong.len() == 1 && wrong[0].contains("--sandbox-url") && wrong[0].contains("https"), "{wrong:?}");
        assert!(combine(url("http://10.0.0.1:8788"), true, "").is_ok());
        assert!(combine(url("http://127.0.0.1:8788"), false, "").is_ok());
    }

    #[test]
    fn only_configured_agents_are_offered_by_a_backend() {
        let file = "[agents.codex]\n[agents.mine]\ncommand = [\"m\"]";
        let config = combine(url("https://host.example"), false, file).unwrap();
        assert_eq!(config.agents.keys().collect::<Vec<_>>(), ["codex", "mine"]);
    }

    #[test]
    fn a_token_has_to_be_there_for_those_who_need_it() {
        let args = || ServeArgs { sandbox: url("https://host.example"), ..ServeArgs::default() };
        let token = |file: &str| {
            let place = (PathBuf::from("data"), Path::new("portway.toml"));
            Config::combine(args(), place.0, place.1, file, &|_| None).unwrap().sandbox.unwrap().token
        };
        let missing = token("").read().unwrap_err().to_string();
        assert!(missing.contains("PORTWAY_SANDBOX_TOKEN") && missing.contains("sandbox_token_file"), "{missing}");
        let file = token("sandbox_token_file = \"/does/not/exist\"");
        assert!(file.read().unwrap_err().to_string().contains("/does/not/exist"));
        assert_eq!(format!("{:?}", SandboxToken::Variable(TOKEN.to_owned())), "Variable(..)");
    }
}
