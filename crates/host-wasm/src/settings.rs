//! What the operator decides: variables and secrets of the Worker, under the names that the native host has for the same.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use portway_adapters_http::{BackendUrl, HttpSandboxOptions, RunnerUrl};
use portway_api::{check_allowed_host, check_allowed_origin, check_public_url};
use portway_domain::children::DEFAULT_LIVE_CHILDREN;
use portway_domain::engine::Timeouts;
use portway_domain::jobs::LEASE;
use portway_domain::rates::{Audience, MAX_CELLS, RateClass, RateLimit, RateLimits};
use portway_domain::sandbox_tokens::SandboxRootKey;
use portway_domain::tokens::{TokenHash, TokenSecret};
use portway_ports::sandboxes::AgentCommand;

/// From the order of a sandbox to its runner's first word. A job of an instance that is gone is done by another one when
/// its lease is over, and the session must still want it then.
const START: Duration = LEASE.saturating_mul(2);

/// The agent that every backend of ours knows.
const DEMO_AGENT: &str = "demo";

/// Fewest characters of a key that others could try to guess.
const MIN_KEY_CHARS: usize = 32;

/// What the operator decides.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Scheme and host under which users reach the Worker.
    pub public_url: Option<String>,
    /// Host names that are answered besides the public one.
    pub allowed_hosts: Vec<String>,
    /// Origins whose pages may call.
    pub allowed_origins: Vec<String>,
    /// The agents that sessions can be opened with.
    pub agents: BTreeMap<String, AgentCommand>,
    /// The agent of sessions that name none.
    pub default_agent: String,
    /// Key of the first administrator. Without it nobody is made who could sign in.
    pub bootstrap_key: Option<TokenSecret>,
    /// Where agents run. Without it sessions cannot start.
    pub sandboxes: Option<HttpSandboxOptions>,
    /// How long things in a session may take.
    pub timeouts: Timeouts,
    /// How many child sessions of a session may live at once.
    pub max_children: u32,
    /// What the keys of sandboxes follow from. Without it nobody gets a token for a sandbox.
    pub sandbox_root_key: Option<SandboxRootKey>,
    /// Whether each request is logged.
    pub access_log: bool,
    /// How often callers may call. Without it they may as often as they like.
    pub rate_limits: Option<RateLimits>,
    /// What `portway db` has to present. While there is one nobody else is served.
    pub transfer_key: Option<TokenHash>,
}

/// A variable that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{variable}: {problem}")]
pub struct Mistake {
    /// Its name.
    pub variable: &'static str,
    /// What is wrong with it, and what to write instead. It does not repeat secrets.
    pub problem: String,
}

/// Reads variables, and collects what is wrong with them.
struct Reader<'a> {
    variable: &'a dyn Fn(&str) -> Option<String>,
    mistakes: Vec<Mistake>,
}

impl Settings {
    /// Reads the variables. An empty one counts as absent.
    ///
    /// # Errors
    /// All that is wrong, at once.
    pub fn read(variable: &dyn Fn(&str) -> Option<String>) -> Result<Self, Vec<Mistake>> {
        let mut reader = Reader { variable, mistakes: Vec::new() };
        let public_url = reader.checked("PORTWAY_PUBLIC_URL", check_public_url);
        let (agents, default_agent) = reader.agents();
        let settings = Self {
            allowed_hosts: reader.list("PORTWAY_ALLOWED_HOSTS", check_allowed_host),
            allowed_origins: reader.list("PORTWAY_ALLOWED_ORIGINS", check_allowed_origin),
            agents,
            default_agent,
            bootstrap_key: reader.made("PORTWAY_BOOTSTRAP_KEY", TokenSecret::chosen),
            sandboxes: reader.sandboxes(public_url.as_deref()),
            timeouts: reader.timeouts(),
            max_children: reader.made("PORTWAY_MAX_CHILDREN", number).unwrap_or(DEFAULT_LIVE_CHILDREN),
            sandbox_root_key: reader.made("PORTWAY_SANDBOX_ROOT_KEY", root_key),
            access_log: reader.made("PORTWAY_ACCESS_LOG", switch).unwrap_or(true),
            rate_limits: reader.rate_limits(),
            transfer_key: reader.made("PORTWAY_TRANSFER_KEY", long_secret).map(|key| key.hash()),
            public_url,
        };
        if reader.mistakes.is_empty() { Ok(settings) } else { Err(reader.mistakes) }
    }
}

impl Reader<'_> {
    fn text(&self, name: &str) -> Option<String> {
        (self.variable)(name).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
    }

    fn wrong(&mut self, variable: &'static str, problem: impl Display) {
        self.mistakes.push(Mistake { variable, problem: problem.to_string() });
    }

    /// What `make` makes of a variable.
    fn made<T, E: Display>(&mut self, name: &'static str, make: impl FnOnce(&str) -> Result<T, E>) -> Option<T> {
        let made = make(&self.text(name)?);
        made.map_err(|problem| self.wrong(name, problem)).ok()
    }

    fn checked<E: Display>(&mut self, name: &'static str, check: impl FnOnce(&str) -> Result<(), E>) -> Option<String> {
        self.made(name, |text| check(text).map(|()| text.to_owned()))
    }

    /// Several values with commas between them.
    fn list<E: Display>(&mut self, name: &'static str, check: impl Fn(&str) -> Result<(), E>) -> Vec<String> {
        let text = self.text(name).unwrap_or_default();
        let mut values = Vec::new();
        for value in text.split(',').map(str::trim).filter(|value| !value.is_empty()) {
            match check(value) {
                Ok(()) => values.push(value.to_owned()),
                Err(problem) => self.wrong(name, problem),
            }
        }
        values
    }

    fn agents(&mut self) -> (BTreeMap<String, AgentCommand>, String) {
        let read = |text: &str| serde_json::from_str::<BTreeMap<String, AgentCommand>>(text);
        let mut agents = self.made("PORTWAY_AGENTS", read).unwrap_or_default();
        let first = agents.keys().next().cloned();
        agents.entry(DEMO_AGENT.to_owned()).or_insert_with(|| AgentCommand::new(["portway", "demo-agent"]));
        let chosen = self.text("PORTWAY_DEFAULT_AGENT").or(first).unwrap_or_else(|| DEMO_AGENT.to_owned());
        if !agents.contains_key(&chosen) {
            let known = agents.keys().cloned().collect::<Vec<_>>().join(", ");
            self.wrong("PORTWAY_DEFAULT_AGENT", format!("{chosen:?} is not among the agents: {known}"));
        }
        for (name, agent) in &agents {
            if agent.command.first().is_none_or(String::is_empty) {
                let problem = format!("the command of {name:?} has to begin with a program");
                self.mistakes.push(Mistake { variable: "PORTWAY_AGENTS", problem });
            }
        }
        (agents, chosen)
    }

    fn timeouts(&mut self) -> Timeouts {
        let usual = Timeouts::default();
        let mut span = |name: &'static str, usual: Duration| self.made(name, seconds).unwrap_or(usual);
        Timeouts {
            start: span("PORTWAY_TIMEOUT_START", START),
            ready: span("PORTWAY_TIMEOUT_READY", usual.ready),
            reconnect: span("PORTWAY_TIMEOUT_RECONNECT", usual.reconnect),
            abort: span("PORTWAY_TIMEOUT_ABORT", usual.abort),
            silence: span("PORTWAY_TIMEOUT_SILENCE", usual.silence),
            ..usual
        }
    }

    /// Limits are read also where they are off, so that what is wrong with them is told before they are needed.
    fn rate_limits(&mut self) -> Option<RateLimits> {
        let mut limits = RateLimits::default();
        for (name, audience) in
            [("PORTWAY_RATE_LIMITS_STRANGERS", Audience::Strangers), ("PORTWAY_RATE_LIMITS_USERS", Audience::Users)]
        {
            for (class, limit) in self.made(name, calls_a_minute).unwrap_or_default() {
                limits.set(audience, class, limit);
            }
        }
        self.made("PORTWAY_RATE_LIMITS", switch).unwrap_or(false).then_some(limits)
    }

    /// Runners find the gateway under its public name unless another one is given.
    fn sandboxes(&mut self, public_url: Option<&str>) -> Option<HttpSandboxOptions> {
        let url = self.made("PORTWAY_SANDBOX_URL", backend)?;
        let token = self.made("PORTWAY_SANDBOX_TOKEN", TokenSecret::opaque);
        if token.is_none() && self.text("PORTWAY_SANDBOX_TOKEN").is_none() {
            self.wrong("PORTWAY_SANDBOX_TOKEN", "the backend lets nobody in without its token: set this secret");
        }
        let given = self.text("PORTWAY_SANDBOX_GATEWAY_URL");
        let public = public_url.and_then(|url| url.strip_prefix("http")).map(|rest| format!("ws{rest}"));
        let Some(text) = given.or(public) else {
            let problem = "runners cannot find the gateway: set this, or PORTWAY_PUBLIC_URL";
            self.wrong("PORTWAY_SANDBOX_GATEWAY_URL", problem);
            return None;
        };
        let gateway_url = RunnerUrl::from_str(&text);
        let gateway_url = gateway_url.map_err(|problem| self.wrong("PORTWAY_SANDBOX_GATEWAY_URL", problem)).ok()?;
        Some(HttpSandboxOptions { url, token: token?, gateway_url })
    }
}

fn backend(text: &str) -> Result<BackendUrl, String> {
    let url: BackendUrl = text.parse().map_err(|error: portway_adapters_http::InvalidUrl| error.to_string())?;
    if url.is_open() {
        return Err("the token and the secrets of runners could be read on the way: use https".to_owned());
    }
    Ok(url)
}

fn root_key(text: &str) -> Result<SandboxRootKey, String> {
    long_secret(text).map(SandboxRootKey::new)
}

/// As long as what others could try to guess must be.
fn long_secret(text: &str) -> Result<TokenSecret, String> {
    let secret = TokenSecret::opaque(text).map_err(|error| error.to_string())?;
    if text.len() < MIN_KEY_CHARS {
        return Err(format!("expected at least {MIN_KEY_CHARS} characters"));
    }
    Ok(secret)
}

/// Calls a minute by class, as JSON.
fn calls_a_minute(text: &str) -> Result<Vec<(RateClass, RateLimit)>, String> {
    let given: BTreeMap<String, u32> = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let limit = |(name, cells): (String, u32)| {
        let class = RateClass::limited(&name).ok_or_else(|| format!("{name:?} is no class: {}", classes()))?;
        let limit = RateLimit::a_minute(cells).map_err(|_| format!("{name}: expected 1 to {MAX_CELLS} calls a minute"));
        Ok((class, limit?))
    };
    given.into_iter().map(limit).collect()
}

fn classes() -> String {
    RateClass::LIMITED.map(RateClass::as_str).join(", ")
}

/// At least one of them.
fn seconds(text: &str) -> Result<Duration, &'static str> {
    let seconds: u64 = text.parse().map_err(|_| "expected a number of seconds")?;
    Ok(Duration::from_secs(seconds.max(1)))
}

fn number(text: &str) -> Result<u32, &'static str> {
    text.parse().map_err(|_| "expected a number")
}

fn switch(text: &str) -> Result<bool, &'static str> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err("expected on or off"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Settings, Vec<Mistake>> {
        let find =
            |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        Settings::read(&find)
    }

    fn mistakes(variables: &[(&str, &str)]) -> Vec<&'static str> {
        read(variables).unwrap_err().into_iter().map(|mistake| mistake.variable).collect()
    }

    #[test]
    fn nothing_has_to_be_set() {
        let settings = read(&[("PORTWAY_SANDBOX_URL", " ")]).unwrap();
        assert!(settings.access_log && settings.sandboxes.is_none() && settings.bootstrap_key.is_none());
        assert_eq!((settings.agents.len(), settings.default_agent.as_str()), (1, DEMO_AGENT));
    }

    #[test]
    fn everything_can_be_set() {
        let settings = read(&[
            ("PORTWAY_PUBLIC_URL", "https://gateway.example"),
            ("PORTWAY_ALLOWED_HOSTS", "a.example, *.b.example"),
            ("PORTWAY_ALLOWED_ORIGINS", "https://app.example"),
            ("PORTWAY_AGENTS", r#"{"claude": {"command": ["claude-code-acp"]}}"#),
            ("PORTWAY_BOOTSTRAP_KEY", "sk_test_0123456789abcdef0123456789abcdef"),
            ("PORTWAY_SANDBOX_URL", "https://sandboxes.example"),
            ("PORTWAY_SANDBOX_TOKEN", "secret"),
            ("PORTWAY_SANDBOX_ROOT_KEY", "0123456789abcdef0123456789abcdef"),
            ("PORTWAY_ACCESS_LOG", "off"),
            ("PORTWAY_TRANSFER_KEY", "abcdef0123456789abcdef0123456789"),
            ("PORTWAY_TIMEOUT_ABORT", "7"),
            ("PORTWAY_TIMEOUT_SILENCE", "0"),
            ("PORTWAY_MAX_CHILDREN", "3"),
        ])
        .unwrap();
        let timeouts = Timeouts {
            start: Duration::from_secs(120),
            abort: Duration::from_secs(7),
            silence: Duration::from_secs(1),
            ..Timeouts::default()
        };
        assert_eq!((settings.timeouts, settings.max_children), (timeouts, 3));
        assert_eq!(settings.transfer_key, Some(TokenHash::of("abcdef0123456789abcdef0123456789")));
        assert_eq!(settings.allowed_hosts, ["a.example", "*.b.example"]);
        assert_eq!(settings.allowed_origins, ["https://app.example"]);
        assert_eq!(settings.default_agent, "claude");
        assert!(settings.agents.contains_key(DEMO_AGENT) && !settings.access_log);
        assert!(settings.sandbox_root_key.is_some());
        let sandboxes = settings.sandboxes.unwrap();
        assert_eq!(sandboxes.gateway_url.as_str(), "wss://gateway.example");
        assert_eq!(sandboxes.token.reveal(), "secret");
    }

    #[test]
    fn all_that_is_wrong_is_told_at_once_and_no_secret_is() {
        let variables = [
            ("PORTWAY_PUBLIC_URL", "gateway"),
            ("PORTWAY_ALLOWED_HOSTS", "a:80"),
            ("PORTWAY_AGENTS", r#"{"x": {"command": [""]}}"#),
            ("PORTWAY_DEFAULT_AGENT", "y"),
            ("PORTWAY_BOOTSTRAP_KEY", "short"),
            ("PORTWAY_SANDBOX_URL", "https://sandboxes.example"),
            ("PORTWAY_ACCESS_LOG", "maybe"),
            ("PORTWAY_SANDBOX_ROOT_KEY", "short"),
            ("PORTWAY_TRANSFER_KEY", "short"),
            ("PORTWAY_TIMEOUT_START", "1s"),
            ("PORTWAY_MAX_CHILDREN", "-1"),
            ("PORTWAY_RATE_LIMITS", "yes"),
            ("PORTWAY_RATE_LIMITS_STRANGERS", r#"{"standard": 0}"#),
            ("PORTWAY_RATE_LIMITS_USERS", r#"{"unlimited": 1}"#),
        ];
        let mut told = mistakes(&variables);
        told.sort_unstable();
        let expected = [
            "PORTWAY_ACCESS_LOG",
            "PORTWAY_AGENTS",
            "PORTWAY_ALLOWED_HOSTS",
            "PORTWAY_BOOTSTRAP_KEY",
            "PORTWAY_DEFAULT_AGENT",
            "PORTWAY_MAX_CHILDREN",
            "PORTWAY_PUBLIC_URL",
            "PORTWAY_RATE_LIMITS",
            "PORTWAY_RATE_LIMITS_STRANGERS",
            "PORTWAY_RATE_LIMITS_USERS",
            "PORTWAY_SANDBOX_GATEWAY_URL",
            "PORTWAY_SANDBOX_ROOT_KEY",
            "PORTWAY_SANDBOX_TOKEN",
            "PORTWAY_TIMEOUT_START",
            "PORTWAY_TRANSFER_KEY",
        ];
        assert_eq!(told, expected);
        let texts: String = read(&variables).unwrap_err().iter().map(ToString::to_string).collect();
        assert!(!texts.contains("short"), "{texts}");
    }

    #[test]
    fn callers_are_limited_when_it_is_switched_on() {
        let strangers = ("PORTWAY_RATE_LIMITS_STRANGERS", r#"{"login": 3, "standard": 70}"#);
        let users = ("PORTWAY_RATE_LIMITS_USERS", r#"{"agent": 7}"#);
        let limits = |switch| read(&[("PORTWAY_RATE_LIMITS", switch), strangers, users]).unwrap().rate_limits;
        assert_eq!((limits(""), limits("off")), (None, None));
        let mut expected = RateLimits::default();
        expected.set(Audience::Strangers, RateClass::Login, RateLimit::a_minute(3).unwrap());
        expected.set(Audience::Strangers, RateClass::Standard, RateLimit::a_minute(70).unwrap());
        expected.set(Audience::Users, RateClass::Agent, RateLimit::a_minute(7).unwrap());
        assert_eq!(limits("on"), Some(expected));
        assert_eq!(read(&[("PORTWAY_RATE_LIMITS", "on")]).unwrap().rate_limits, Some(RateLimits::default()));
    }

    #[test]
    fn a_backend_elsewhere_is_spoken_to_over_tls() {
        assert_eq!(mistakes(&[("PORTWAY_SANDBOX_URL", "http://sandboxes.example")]), ["PORTWAY_SANDBOX_URL"]);
        let local = [
            ("PORTWAY_SANDBOX_URL", "http://127.0.0.1:1"),
            ("PORTWAY_SANDBOX_TOKEN", "x"),
            ("PORTWAY_SANDBOX_GATEWAY_URL", "ws://127.0.0.1:2"),
        ];
        assert!(read(&local).unwrap().sandboxes.is_some());
    }
}
