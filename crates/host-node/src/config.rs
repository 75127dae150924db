//! What the operator decides: flags win over environment variables, which win over `portway.toml` in the data folder,
//! which wins over the defaults. The file is never looked for in the current folder, which may be a stranger's checkout.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueEnum};
use portway_domain::engine::Timeouts;
use portway_domain::tokens::TokenSecret;
use portway_ports::sandboxes::AgentCommand;
use serde::Deserialize;

use crate::agents::{self, Environment, KnownAgent, Preset, Section};
use crate::gateway::DatabaseUrl;

/// The built-in agent.
pub const DEMO_AGENT: &str = "demo";

const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8787);

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
    /// How long things in a session may take.
    pub timeouts: Timeouts,
    /// How long agents may take to finish their turns at the end.
    pub drain: Duration,
    /// Whether each request is logged.
    pub access_log: bool,
    /// Whether everybody may read the metrics, and not only programs on this machine.
    pub public_metrics: bool,
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
    listen: Option<SocketAddr>,
    public_url: Option<String>,
    #[serde(default)]
    allowed_origins: Vec<String>,
    #[serde(default)]
    allowed_hosts: Vec<String>,
    default_agent: Option<String>,
    #[serde(default)]
    agents: BTreeMap<String, Section>,
    #[serde(default)]
    timeouts: FileTimeouts,
    #[serde(default)]
    log: FileLog,
    #[serde(default)]
    metrics: FileMetrics,
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
        let file = read_file(&path, args.place.config.is_some())?;
        Self::combine(args, data, file, &path, &|name| std::env::var_os(name))
    }

    pub(crate) fn combine(
        args: ServeArgs,
        data: PathBuf,
        file: File,
        path: &Path,
        environment: Environment<'_>,
    ) -> Result<Self, ConfigError> {
        let mut wrong = Vec::new();
        let database = database(args.database.as_deref(), file.database.as_deref(), path, &mut wrong);
        let listen = args.listen.or(file.listen).unwrap_or(DEFAULT_LISTEN);
        let public_url = args.public_url.or(file.public_url).map(|url| url.trim_end_matches('/').to_owned());
        check_exposure(listen, public_url.as_deref(), args.insecure, &mut wrong);
        agents::check(&file.agents, path, &mut wrong);
        let known_agents = agents::known(&file.agents, environment);
        let offered = known_agents.iter().filter(|agent| agent.is_offered());
        let agents: BTreeMap<_, _> = offered.map(|agent| (agent.name.clone(), agent.command.clone())).collect();
        // What happens to be installed is no choice of the operator.
        let first = file.agents.keys().next().cloned();
        let default_agent = file.default_agent.clone().or(first).unwrap_or_else(|| DEMO_AGENT.to_owned());
        if default_agent != DEMO_AGENT && !agents.contains_key(&default_agent) {
            wrong.push(no_agent(path, &default_agent));
        }
        let bootstrap_key = match args.bootstrap_key.as_deref().map(TokenSecret::chosen).transpose() {
            Ok(key) => key,
            Err(error) => {
                wrong.push(format!("PORTWAY_BOOTSTRAP_KEY: {error}"));
                None
            }
        };
        if !wrong.is_empty() {
            return Err(ConfigError(wrong));
        }
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
            timeouts: file.timeouts.over(Timeouts::default()),
            drain: Duration::from_secs(args.drain),
            access_log: args.access_log.map_or(file.log.access.unwrap_or(true), |switch| switch == Switch::On),
            public_metrics: file.metrics.public,
            bootstrap_key,
        })
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

fn read_file(path: &Path, named: bool) -> Result<File, ConfigError> {
    let wrong = |what: String| ConfigError(vec![format!("{}: {what}", path.display())]);
    match std::fs::read_to_string(path) {
        Ok(text) => toml::from_str(&text).map_err(|error| wrong(explain(&text, &error))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && !named => Ok(File::default()),
        Err(error) => Err(wrong(format!("cannot be read: {error}"))),
    }
}

/// What is wrong with a file, with the line where it is; unless that line may have the password of a URL.
fn explain(text: &str, error: &toml::de::Error) -> String {
    let shown = error.to_string().trim_end().to_owned();
    if !shown.contains('@') {
        return shown;
    }
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    format!("line {}: {}", before.lines().count().max(1), error.message())
}

/// The first of the two that says something. Neither is shown: it may hold a password.
fn database(given: Option<&str>, in_file: Option<&str>, path: &Path, wrong: &mut Vec<String>) -> Option<DatabaseUrl> {
    let given = given.filter(|url| !url.is_empty()).map(|url| (url, "--database or DATABASE_URL".to_owned()));
    let (url, place) = given.or_else(|| in_file.map(|url| (url, format!("{}: database", path.display()))))?;
    match url.parse() {
        Ok(url) => Some(url),
        Err(error) => {
            wrong.push(format!("{place}: {error}"));
            None
        }
    }
}

/// A gateway that others can reach must be reached over https, since tokens travel in its requests.
fn check_exposure(listen: SocketAddr, public_url: Option<&str>, insecure: bool, wrong: &mut Vec<String>) {
    let secure = public_url.is_some_and(|url| url.starts_with("https://"));
    if let Some(url) = public_url.filter(|url| !url.starts_with("https://") && !url.starts_with("http://")) {
        wrong.push(format!("public URL {url}: expected it to begin with https:// (or http:// for trying out)"));
    }
    if !listen.ip().is_loopback() && !secure && !insecure {
        wrong.push(format!(
            "listening on {listen} lets others reach the gateway: set PORTWAY_PUBLIC_URL to the https URL of the proxy \
             in front of it, or say --insecure"
        ));
    }
}

fn no_agent(path: &Path, name: &str) -> String {
    let at = format!("{}: default_agent = \"{name}\"", path.display());
    match Preset::named(name) {
        Some(preset) => format!(
            "{at}: {} is not on the PATH: get it with `{}`, or add command to [agents.{name}]",
            preset.commands[0][0], preset.install
        ),
        None => format!("{at} names no agent: add [agents.{name}] or choose another"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn combine(args: ServeArgs, file: &str) -> Result<Config, ConfigError> {
        let nothing = |_: &str| None;
        Config::combine(args, PathBuf::from("data"), toml::from_str(file).unwrap(), Path::new("portway.toml"), &nothing)
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
            let file = toml::from_str(file).unwrap();
            Config::combine(ServeArgs::default(), PathBuf::from("data"), file, Path::new("portway.toml"), &environment)
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
        let args = ServeArgs {
            listen: Some("0.0.0.0:80".parse().unwrap()),
            bootstrap_key: Some("short".to_owned()),
            ..ServeArgs::default()
        };
        let file = "default_agent = \"x\"\n[agents.demo]\ncommand = [\"a\"]\n[agents.empty]\ncommand = []";
        let ConfigError(wrong) = combine(args, file).unwrap_err();
        assert_eq!(wrong.len(), 5, "{wrong:#?}");
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
        assert!(wrong[0].starts_with("portway.toml: database: ") && !wrong[0].contains("hunter2"), "{wrong:?}");
    }

    #[test]
    fn a_mistake_beside_a_password_is_told_without_it() {
        let text = "listen = \"127.0.0.1:1\"\ndatabase = postgres://ada:hunter2@h/y\n";
        let shown = explain(text, &toml::from_str::<File>(text).unwrap_err());
        assert!(shown.starts_with("line 2: ") && !shown.contains("hunter2"), "{shown}");
        let text = "agnets = 1";
        assert!(explain(text, &toml::from_str::<File>(text).unwrap_err()).contains("agnets = 1"));
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
    fn unknown_keys_are_refused() {
        assert!(toml::from_str::<File>("agnets = 1").is_err());
        assert!(toml::from_str::<File>("[agents.a]\ncomand = []").is_err());
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
