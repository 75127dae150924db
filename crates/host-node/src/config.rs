//! What the operator decides: flags win over environment variables, which win over `portway.toml` in the data folder,
//! which wins over the defaults. The file is never looked for in the current folder, which may be a stranger's checkout.

mod decode;
mod mistakes;
mod objects;
mod rates;
mod sandbox;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueEnum};
use portway_adapters_redis::RedisUrl;
use portway_api::{check_allowed_host, check_allowed_origin, check_public_url};
use portway_domain::children::DEFAULT_LIVE_CHILDREN;
use portway_domain::engine::Timeouts;
use portway_domain::rates::RateLimits;
use portway_domain::tokens::TokenSecret;
use portway_ports::sandboxes::AgentCommand;
use serde::{Deserialize, Deserializer};

pub(crate) use self::mistakes::Mistakes;
use self::objects::ObjectKeys;
pub(crate) use self::objects::ObjectsError;
pub use self::objects::{Bucket, ObjectFlags, ObjectsConfig};
use self::rates::FileRates;
pub use self::rates::RateFlags;
use self::sandbox::SandboxKeys;
pub(crate) use self::sandbox::TOKEN_VARIABLE;
pub use self::sandbox::{SandboxConfig, SandboxFlags, SandboxToken};
use crate::agents::{self, Environment, KnownAgent, Preset, Section, Source};
use crate::gateway::DatabaseUrl;
use crate::proxies::TrustedProxies;

/// The built-in agent.
pub const DEMO_AGENT: &str = "demo";

const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8787);

const EXPOSED: &str = "others can reach the gateway there: set PORTWAY_PUBLIC_URL to the https URL of the proxy in \
                       front of it, or say --insecure";

/// Where a gateway keeps its things.
#[derive(Debug, Clone, Default, Args)]
pub struct PlaceArgs {
    /// Folder for everything that is kept [default: ./portway-data]
    #[arg(long, env = "PORTWAY_DATA", value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Configuration file [default: portway.toml in the data folder]
    #[arg(long, env = "PORTWAY_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
}

impl PlaceArgs {
    /// The data folder.
    #[must_use]
    pub fn data_folder(&self) -> PathBuf {
        self.data.clone().unwrap_or_else(|| PathBuf::from("portway-data"))
    }
}

/// Flags of `portway serve`.
#[derive(Debug, Clone, Default, Args)]
pub struct ServeArgs {
    /// Where the gateway keeps its things.
    #[command(flatten)]
    pub place: PlaceArgs,
    /// Where sessions are kept: postgres://user:password@machine/database or sqlite:///path/file.db
    /// [default: portway.db in the data folder]
    #[arg(long, env = "DATABASE_URL", value_name = "URL", hide_env_values = true)]
    pub database: Option<String>,
    /// Address to listen on [default: 127.0.0.1:8787]
    #[arg(long, env = "PORTWAY_LISTEN", value_name = "ADDRESS")]
    pub listen: Option<SocketAddr>,
    /// Scheme and host under which users reach the gateway; https, for anybody but yourself
    #[arg(long, env = "PORTWAY_PUBLIC_URL", value_name = "URL")]
    pub public_url: Option<String>,
    /// Listen on an address that others can reach although the public URL is not https
    #[arg(long)]
    pub insecure: bool,
    /// Seconds to let agents finish their turns when the gateway is told to stop
    #[arg(long, default_value_t = 30, value_name = "SECONDS")]
    pub drain: u64,
    /// Log each request
    #[arg(long, env = "PORTWAY_ACCESS_LOG", value_name = "on|off")]
    pub access_log: Option<Switch>,
    /// How often callers may call.
    #[command(flatten)]
    pub rates: RateFlags,
    /// Where agents work.
    #[command(flatten)]
    pub sandbox: SandboxFlags,
    /// Where attachments are kept.
    #[command(flatten)]
    pub objects: ObjectFlags,
    /// Key of the first administrator, for automation; made up if left out
    #[arg(long, env = "PORTWAY_BOOTSTRAP_KEY", value_name = "KEY", hide_env_values = true)]
    pub bootstrap_key: Option<String>,
}

/// Yes or no, where the default is not always the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    /// Yes.
    On,
    /// No.
    Off,
}

/// Everything that was decided.
#[derive(Debug, Clone)]
pub struct Config {
    /// Folder for everything that is kept.
    pub data: PathBuf,
    /// Where sessions are kept; in the data folder if absent.
    pub(crate) database: Option<DatabaseUrl>,
    /// Address to listen on.
    pub listen: SocketAddr,
    /// Scheme and host under which users reach the gateway.
    pub public_url: Option<String>,
    /// Origins whose pages may call the gateway.
    pub allowed_origins: Vec<String>,
    /// Host names that are answered besides the loopback names and the public one.
    pub allowed_hosts: Vec<String>,
    /// The agents that sessions can be opened with, by name, without the built-in one.
    pub agents: BTreeMap<String, AgentCommand>,
    /// The same agents with where they come from, and the presets that are not installed.
    pub known_agents: Vec<KnownAgent>,
    /// The agent of sessions that name none.
    pub default_agent: String,
    /// The backend that runs the agents; this machine does if absent.
    pub sandbox: Option<SandboxConfig>,
    /// Where attachments are kept; in the data folder if absent.
    pub objects: Option<ObjectsConfig>,
    /// How long things in a session may take.
    pub timeouts: Timeouts,
    /// How many child sessions of a session may live at once.
    pub max_children: u32,
    /// How long agents may take to finish their turns at the end.
    pub drain: Duration,
    /// Whether each request is logged.
    pub access_log: bool,
    /// Whether everybody may read the metrics, and not only programs on this machine.
    pub public_metrics: bool,
    /// How often callers may call; as they like if absent.
    pub rate_limits: Option<RateLimits>,
    /// Proxies whose word about who calls is taken.
    pub trusted_proxies: TrustedProxies,
    /// Where gateways limit callers together; each does by itself if absent.
    pub redis: Option<RedisUrl>,
    /// Key of the first administrator.
    pub bootstrap_key: Option<TokenSecret>,
}

/// The configuration cannot be used. Lists everything that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct ConfigError(pub Vec<String>);

/// What `portway.toml` may say.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct File {
    database: Option<String>,
    #[serde(default, deserialize_with = "address")]
    listen: Option<SocketAddr>,
    public_url: Option<String>,
    #[serde(default)]
    allowed_origins: Vec<String>,
    #[serde(default)]
    allowed_hosts: Vec<String>,
    default_agent: Option<String>,
    max_children: Option<u32>,
    sandbox_url: Option<String>,
    sandbox_token_file: Option<PathBuf>,
    sandbox_gateway_url: Option<String>,
    sandbox_root_key_file: Option<PathBuf>,
    objects: Option<String>,
    objects_endpoint: Option<String>,
    objects_region: Option<String>,
    objects_access_key_id: Option<String>,
    objects_secret_file: Option<PathBuf>,
    #[serde(default)]
    agents: BTreeMap<String, Section>,
    #[serde(default)]
    timeouts: FileTimeouts,
    #[serde(default)]
    log: FileLog,
    #[serde(default)]
    metrics: FileMetrics,
    #[serde(default)]
    trusted_proxies: Vec<String>,
    redis: Option<String>,
    #[serde(default)]
    rate_limits: FileRates,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileLog {
    access: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileMetrics {
    #[serde(default)]
    public: bool,
}

/// Seconds.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileTimeouts {
    start: Option<u64>,
    ready: Option<u64>,
    reconnect: Option<u64>,
    abort: Option<u64>,
    silence: Option<u64>,
}

impl Config {
    /// Puts flags, environment and file together.
    ///
    /// # Errors
    /// [`ConfigError`] with every mistake, each with where it is and what to do about it.
    pub fn load(args: ServeArgs) -> Result<Self, ConfigError> {
        let data = args.place.data_folder();
        let path = args.place.config.clone().unwrap_or_else(|| data.join("portway.toml"));
        let text = read_file(&path, args.place.config.is_some())?;
        Self::combine(args, data, &path, &text, &|name| std::env::var_os(name))
    }

    /// Puts flags, environment and the text of the file at `path` together.
    pub(crate) fn combine(
        args: ServeArgs,
        data: PathBuf,
        path: &Path,
        text: &str,
        environment: Environment<'_>,
    ) -> Result<Self, ConfigError> {
        let (file, mut wrong) = Mistakes::decode::<File>(path, text)?;
        let database = database(args.database.as_deref(), file.database.as_deref(), &mut wrong);
        let listen = args.listen.or(file.listen).unwrap_or(DEFAULT_LISTEN);
        check_names(args.public_url.as_deref(), &file, &mut wrong);
        let sandbox = sandbox::combine(&args.sandbox, file.sandbox_keys(), args.insecure, environment, &mut wrong);
        let objects = objects::combine(&args.objects, file.object_keys(), args.insecure, environment, &mut wrong);
        let public_url = args.public_url.or(file.public_url).map(|url| url.trim_end_matches('/').to_owned());
        if !args.insecure && !is_safe(listen, public_url.as_deref()) && !wrong.is_told(&["public_url"]) {
            match args.listen {
                Some(listen) => wrong.beside(&format!("listening on {listen}"), EXPOSED),
                None => wrong.at(&["listen"], EXPOSED),
            }
        }
        let trusted_proxies = rates::proxies(&args.rates, &file.trusted_proxies, &mut wrong);
        let others_can_call = !listen.ip().is_loopback() || !trusted_proxies.is_empty();
        let rate_limits = rates::limits(&args.rates, &file.rate_limits, others_can_call, &mut wrong);
        let redis = rates::redis(&args.rates, file.redis.as_deref(), &mut wrong);
        agents::check(&file.agents, &mut wrong);
        let known_agents = agents::known(&file.agents, environment);
        let is_offered = |agent: &&KnownAgent| match sandbox {
            // What is installed on this machine says nothing about the backend's.
            Some(_) => agent.source == Source::Configured,
            None => agent.is_offered(),
        };
        let offered = known_agents.iter().filter(is_offered);
        let agents: BTreeMap<_, _> = offered.map(|agent| (agent.name.clone(), agent.command.clone())).collect();
        // What happens to be installed is no choice of the operator.
        let first = file.agents.keys().next().cloned();
        let default_agent = file.default_agent.clone().or(first).unwrap_or_else(|| DEMO_AGENT.to_owned());
        // Beside an agent with a mistake it may well be right.
        if default_agent != DEMO_AGENT && !agents.contains_key(&default_agent) && !wrong.is_told(&["agents"]) {
            wrong.at(&["default_agent"], no_agent(&default_agent));
        }
        let bootstrap_key = match args.bootstrap_key.as_deref().map(TokenSecret::chosen).transpose() {
            Ok(key) => key,
            Err(error) => {
                wrong.beside("PORTWAY_BOOTSTRAP_KEY", error.to_string());
                None
            }
        };
        wrong.into_result()?;
        Ok(Self {
            data,
            database,
            listen,
            public_url,
            allowed_origins: file.allowed_origins,
            allowed_hosts: file.allowed_hosts,
            agents,
            known_agents,
            default_agent,
            sandbox,
            objects,
            timeouts: file.timeouts.over(Timeouts::default()),
            max_children: file.max_children.unwrap_or(DEFAULT_LIVE_CHILDREN),
            drain: Duration::from_secs(args.drain),
            access_log: args.access_log.map_or(file.log.access.unwrap_or(true), |switch| switch == Switch::On),
            public_metrics: file.metrics.public,
            rate_limits,
            trusted_proxies,
            redis,
            bootstrap_key,
        })
    }
}

impl File {
    fn sandbox_keys(&self) -> SandboxKeys<'_> {
        SandboxKeys {
            url: self.sandbox_url.as_deref(),
            token_file: self.sandbox_token_file.as_deref(),
            gateway_url: self.sandbox_gateway_url.as_deref(),
            root_key_file: self.sandbox_root_key_file.as_deref(),
        }
    }
}

impl File {
    fn object_keys(&self) -> ObjectKeys<'_> {
        ObjectKeys {
            place: self.objects.as_deref(),
            endpoint: self.objects_endpoint.as_deref(),
            region: self.objects_region.as_deref(),
            access_key_id: self.objects_access_key_id.as_deref(),
            secret_file: self.objects_secret_file.as_deref(),
        }
    }
}

impl FileTimeouts {
    fn over(&self, mut timeouts: Timeouts) -> Timeouts {
        let set = |span: &mut Duration, seconds: Option<u64>| {
            if let Some(seconds) = seconds {
                *span = Duration::from_secs(seconds.max(1));
            }
        };
        set(&mut timeouts.start, self.start);
        set(&mut timeouts.ready, self.ready);
        set(&mut timeouts.reconnect, self.reconnect);
        set(&mut timeouts.abort, self.abort);
        set(&mut timeouts.silence, self.silence);
        timeouts
    }
}

/// An address, with what is expected of it in words.
fn address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SocketAddr>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let expected = "expected an IP address and a port, such as 127.0.0.1:8787";
    text.parse().map(Some).map_err(|_| serde::de::Error::custom(expected))
}

/// The text of the configuration file; nothing if it is not there and need not be.
fn read_file(path: &Path, named: bool) -> Result<String, ConfigError> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && !named => Ok(String::new()),
        Err(error) => Err(ConfigError(vec![format!("{}: cannot be read: {error}", path.display())])),
    }
}

/// Checks what decides under which names the gateway is reached.
fn check_names(given_url: Option<&str>, file: &File, wrong: &mut Mistakes<'_>) {
    if let Some(url) = given_url {
        if let Err(error) = check_public_url(url) {
            wrong.beside("--public-url or PORTWAY_PUBLIC_URL", error.to_string());
        }
    } else if let Some(Err(error)) = file.public_url.as_deref().map(check_public_url) {
        wrong.at(&["public_url"], error.to_string());
    }
    for error in file.allowed_hosts.iter().filter_map(|host| check_allowed_host(host).err()) {
        wrong.at(&["allowed_hosts"], error.to_string());
    }
    for error in file.allowed_origins.iter().filter_map(|origin| check_allowed_origin(origin).err()) {
        wrong.at(&["allowed_origins"], error.to_string());
    }
}

/// The first of the two that says something. Neither is shown: it may hold a password.
fn database(given: Option<&str>, in_file: Option<&str>, wrong: &mut Mistakes<'_>) -> Option<DatabaseUrl> {
    let given = given.filter(|url| !url.is_empty());
    match given.or(in_file)?.parse::<DatabaseUrl>() {
        Ok(url) => Some(url),
        Err(error) => {
            let what = error.to_string();
            if given.is_some() {
                wrong.beside("--database or DATABASE_URL", what);
            } else {
                wrong.at(&["database"], what);
            }
            None
        }
    }
}

/// A gateway that others can reach must be reached over https, since tokens travel in its requests.
fn is_safe(listen: SocketAddr, public_url: Option<&str>) -> bool {
    listen.ip().is_loopback() || public_url.is_some_and(|url| url.starts_with("https://"))
}

fn no_agent(name: &str) -> String {
    match Preset::named(name) {
        Some(preset) => format!(
            "{} is not on the PATH: get it with `{}`, or add command to [agents.{name}]",
            preset.commands[0][0], preset.install
        ),
        None => format!("{name} names no agent: add [agents.{name}] or choose another"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn combine(args: ServeArgs, file: &str) -> Result<Config, ConfigError> {
        let nothing = |_: &str| None;
        Config::combine(args, PathBuf::from("data"), Path::new("portway.toml"), file, &nothing)
    }

    #[test]
    fn the_demo_agent_is_the_default_until_another_is_configured() {
        assert_eq!(combine(ServeArgs::default(), "").unwrap().default_agent, "demo");
        let file = "[agents.codex]\ncommand = [\"codex-acp\"]\nenv = { KEY = \"x\" }";
        let config = combine(ServeArgs::default(), file).unwrap();
        assert_eq!(config.default_agent, "codex");
        assert_eq!(config.agents["codex"].env["KEY"], "x");
    }

    #[test]
    fn a_preset_is_offered_but_never_the_default_by_itself() {
        let programs = tempfile::tempdir().unwrap();
        let codex = programs.path().join("codex-acp");
        std::os::unix::fs::symlink("/bin/sh", &codex).unwrap();
        let combine = |file: &str| {
            let environment = |name: &str| (name == "PATH").then(|| programs.path().into());
            Config::combine(ServeArgs::default(), PathBuf::from("data"), Path::new("portway.toml"), file, &environment)
                .unwrap()
        };
        let config = combine("");
        assert_eq!(config.default_agent, "demo");
        assert_eq!(config.agents["codex"].command, [codex.to_str().unwrap()]);
        assert_eq!(config.agents.len(), 1, "what is not installed is only known");
        assert_eq!(config.known_agents.len(), agents::PRESETS.len());
        assert_eq!(combine("[agents.mine]\ncommand = [\"m\"]").default_agent, "mine");
        assert_eq!(combine("default_agent = \"codex\"").default_agent, "codex");
    }

    #[test]
    fn an_absent_preset_as_the_default_is_told_with_how_to_get_it() {
        let ConfigError(wrong) = combine(ServeArgs::default(), "default_agent = \"codex\"").unwrap_err();
        assert!(wrong.len() == 1 && wrong[0].contains("npm install -g"), "{wrong:?}");
    }

    #[test]
    fn all_mistakes_are_told_at_once() {
        let args = ServeArgs { bootstrap_key: Some("short".to_owned()), ..ServeArgs::default() };
        let file = "listen = \"0.0.0.0:80\"\ndefault_agent = \"x\"\nallowed_hosts = [\"a:1\", \"b\", \"c/d\"]\n[agents.demo]\ncommand = [\"a\"]\n[agents.empty]\n\
                    command = []\n[log]\naccess = \"off\"\n[metric]\npublic = true";
        let ConfigError(wrong) = combine(args, file).unwrap_err();
        let begins = [
            "portway.toml:1:1: listen: others can reach",
            "portway.toml:2:1: default_agent: x names no agent",
            "portway.toml:3:1: allowed_hosts: \"a:1\" is no host name",
            "portway.toml:3:1: allowed_hosts: \"c/d\" is no host name",
            "portway.toml:4:9: [agents.demo]: the name",
            "portway.toml:7:1: [agents.empty] command: expected a list that begins with a program",
            "portway.toml:9:10: [log] access: expected true or false, found text",
            "portway.toml:10:2: metric: there is no such key: did you mean [metrics]?",
            "PORTWAY_BOOTSTRAP_KEY: ",
        ];
        assert_eq!(wrong.len(), begins.len(), "{wrong:#?}");
        for (mistake, begin) in wrong.iter().zip(begins) {
            assert!(mistake.starts_with(begin), "{mistake}");
        }
    }

    #[test]
    fn no_mistake_is_told_that_comes_of_another() {
        let file = "default_agent = \"mine\"\npublic_url = 5\nlisten = \"everywhere\"\n[agent.mine]\ncommand = [\"a\"]";
        let args = ServeArgs { listen: Some("0.0.0.0:80".parse().unwrap()), ..ServeArgs::default() };
        let ConfigError(wrong) = combine(args, file).unwrap_err();
        let expected = [
            "portway.toml:2:14: public_url: expected text, found a whole number",
            "portway.toml:3:10: listen: expected an IP address and a port, such as 127.0.0.1:8787",
            "portway.toml:4:2: agent: there is no such key: did you mean [agents]?",
        ];
        assert_eq!(wrong, expected);
    }

    #[test]
    fn the_database_is_that_of_the_flag_then_that_of_the_file() {
        let database = |flag: Option<&str>, file: &str| {
            let args = ServeArgs { database: flag.map(str::to_owned), ..ServeArgs::default() };
            combine(args, file).map(|config| format!("{:?}", config.database))
        };
        assert_eq!(database(None, "").unwrap(), "None");
        assert!(database(Some(""), "").unwrap().contains("None"), "an empty variable says nothing");
        let file = "database = \"postgres://ada:hunter2@db.example/portway\"";
        let shown = database(None, file).unwrap();
        assert!(shown.contains("db.example") && !shown.contains("hunter2"), "{shown}");
        assert!(database(Some("sqlite:///a.db"), file).unwrap().contains("a.db"));
        let ConfigError(wrong) = database(Some("postgres://ada:hunter2@h:x/y"), file).unwrap_err();
        assert!(wrong.len() == 1 && wrong[0].contains("DATABASE_URL") && !wrong[0].contains("hunter2"), "{wrong:?}");
        let ConfigError(wrong) = database(None, "database = \"mysql://ada:hunter2@h/y\"").unwrap_err();
        assert!(wrong[0].starts_with("portway.toml:1:1: database: ") && !wrong[0].contains("hunter2"), "{wrong:?}");
    }

    #[test]
    fn a_mistake_beside_a_password_is_told_without_it() {
        for file in [
            "listen = \"127.0.0.1:1\"\ndatabase = postgres://ada:hunter2@h/y\n",
            "database = [\"postgres://ada:hunter2@h/y\"]",
        ] {
            let ConfigError(wrong) = combine(ServeArgs::default(), file).unwrap_err();
            assert!(wrong.len() == 1 && !wrong[0].contains("hunter2"), "{wrong:?}");
        }
    }

    #[test]
    fn others_may_reach_it_over_https_or_on_demand() {
        let args = ServeArgs { listen: Some("0.0.0.0:80".parse().unwrap()), ..ServeArgs::default() };
        let insecure = ServeArgs { insecure: true, ..args.clone() };
        assert!(combine(insecure, "").is_ok());
        let secure = ServeArgs { public_url: Some("https://x.example/".to_owned()), ..args };
        assert_eq!(combine(secure, "").unwrap().public_url.as_deref(), Some("https://x.example"));
    }

    #[test]
    fn the_access_log_is_on_until_it_is_switched_off() {
        let on = |access_log: Option<Switch>, file: &str| {
            combine(ServeArgs { access_log, ..ServeArgs::default() }, file).unwrap().access_log
        };
        assert!(on(None, ""));
        assert!(!on(None, "[log]\naccess = false"));
        assert!(!on(Some(Switch::Off), ""));
        assert!(on(Some(Switch::On), "[log]\naccess = false"));
    }

    #[test]
    fn other_host_names_are_answered_when_configured() {
        assert!(combine(ServeArgs::default(), "").unwrap().allowed_hosts.is_empty());
        let config = combine(ServeArgs::default(), "allowed_hosts = [\"gateway.lan\"]").unwrap();
        assert_eq!(config.allowed_hosts, ["gateway.lan"]);
    }

    #[test]
    fn metrics_are_not_for_everybody_unless_configured() {
        assert!(!combine(ServeArgs::default(), "[log]").unwrap().public_metrics);
        assert!(combine(ServeArgs::default(), "[metrics]\npublic = true").unwrap().public_metrics);
    }

    #[test]
    fn timeouts_are_seconds() {
        let config = combine(ServeArgs::default(), "[timeouts]\nstart = 5\nabort = 0").unwrap();
        assert_eq!(config.timeouts.start, Duration::from_secs(5));
        assert_eq!(config.timeouts.abort, Duration::from_secs(1));
        assert_eq!(config.timeouts.silence, Timeouts::default().silence);
    }
}
