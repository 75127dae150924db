//! Which host of the gateway the tests are about: the native one, or a Worker in workerd on this machine.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU16, Ordering};

use super::backend::Backend;

/// What a Worker lacks, and the tests that need it, by the beginnings of their names.
const LACKING: &[(&str, &[&str])] = &[
    (
        "a program with a command line",
        &["agents_command::", "db::", "doctor::", "starting::", "sandboxes::mistakes", "sandboxes::the_doctor"],
    ),
    (
        "an HTTP server of its own",
        &[
            "attachments::large_bodies",
            "garbage::",
            "legacy_runner::a_caller_hangs_up",
            "limits::",
            "requests::http2",
            "requests::large",
            "requests::sockets",
        ],
    ),
    ("a log in a file", &["logs::"]),
    ("callers on its own machine", &["metrics::"]),
    ("proxies that it could trust", &["rates::nobody_but_a_trusted_proxy"]),
    ("a connection to Redis", &["rates::gateways_on_one_redis"]),
    ("objects that can be made older", &["attachments::what_a_crash"]),
    ("another database", &["postgres::", "neighbours::", "resuming::another", "sandboxes::gateways_share"]),
    (
        "an end that puts sandboxes away",
        &[
            "event_streams::end_when_the_gateway_stops",
            "sandboxes::a_stopped_gateway",
            "stopping::a_long_turn",
            "stopping::a_short_turn",
            "stopping::clients_are_told",
            "stopping::sessions_go_on",
            "stopping::what_waits",
        ],
    ),
];

/// Whether gateways are Workers.
pub(crate) fn is_worker() -> bool {
    std::env::var("PORTWAY_TEST_HOST").is_ok_and(|host| host == "worker")
}

/// What the Worker lacks for that test, if anything.
pub(crate) fn lacking(test: &str) -> Option<&'static str> {
    if !is_worker() {
        return None;
    }
    let needs = |(_, tests): &&(&str, &[&str])| tests.iter().any(|name| test.starts_with(name));
    LACKING.iter().find(needs).map(|(what, _)| *what)
}

/// What a Worker is started with.
pub(crate) struct WorkerFiles {
    script: PathBuf,
    miniflare: PathBuf,
    worker: PathBuf,
}

impl WorkerFiles {
    /// Those of the Worker that the tests are about, if they are about one.
    pub(crate) fn find() -> Option<Self> {
        if !is_worker() {
            return None;
        }
        let path = |name: &str| {
            let path = std::env::var_os(name);
            PathBuf::from(path.unwrap_or_else(|| panic!("{name} is not set: run `cargo xtask worker e2e`")))
        };
        Some(Self {
            script: path("PORTWAY_TEST_WORKER_SCRIPT"),
            miniflare: path("PORTWAY_TEST_MINIFLARE"),
            worker: path("PORTWAY_TEST_WORKER"),
        })
    }

    /// Serves it at that address, with its agents on the backend if it is given one.
    pub(crate) fn command(&self, data: &Path, address: SocketAddr, backend: Option<&Backend>) -> Command {
        let mut command = Command::new("node");
        command.arg(&self.script).arg(&self.miniflare).arg(&self.worker).arg(data).arg(address.port().to_string());
        for (name, value) in variables(data, address, backend) {
            command.env(name, value);
        }
        command
    }
}

/// Variables that say what `portway.toml` says to the native host.
fn variables(data: &Path, address: SocketAddr, backend: Option<&Backend>) -> Vec<(&'static str, OsString)> {
    let config: toml::Table = std::fs::read_to_string(data.join("portway.toml")).unwrap().parse().unwrap();
    let mut variables = vec![("PORTWAY_SANDBOX_GATEWAY_URL", format!("ws://{address}").into())];
    if let Some(backend) = backend {
        variables.push(("PORTWAY_SANDBOX_URL", backend.url().into()));
        variables.push(("PORTWAY_SANDBOX_TOKEN", backend.token().into()));
    }
    for (key, value) in config {
        match (key.as_str(), value) {
            ("agents", toml::Value::Table(agents)) => {
                let agents: BTreeMap<String, toml::Value> = agents.into_iter().collect();
                variables.push(("PORTWAY_AGENTS", serde_json::to_string(&agents).unwrap().into()));
            }
            ("default_agent", toml::Value::String(name)) => variables.push(("PORTWAY_DEFAULT_AGENT", name.into())),
            ("max_children", toml::Value::Integer(count)) => {
                variables.push(("PORTWAY_MAX_CHILDREN", count.to_string().into()));
            }
            ("rate_limits", toml::Value::Table(limits)) => variables.extend(limits.into_iter().map(rate_limit)),
            ("timeouts", toml::Value::Table(timeouts)) => {
                variables.extend(timeouts.iter().map(|(name, seconds)| (timeout(name), seconds.to_string().into())));
            }
            (key, _) => panic!("a Worker cannot be told {key}: put the test among those that it lacks something for"),
        }
    }
    variables
}

/// The variable for a key of `[rate_limits]`.
fn rate_limit((name, value): (String, toml::Value)) -> (&'static str, OsString) {
    match (name.as_str(), value) {
        ("enabled", toml::Value::Boolean(is_on)) => ("PORTWAY_RATE_LIMITS", if is_on { "on" } else { "off" }.into()),
        ("strangers", limits) => ("PORTWAY_RATE_LIMITS_STRANGERS", serde_json::to_string(&limits).unwrap().into()),
        ("users", limits) => ("PORTWAY_RATE_LIMITS_USERS", serde_json::to_string(&limits).unwrap().into()),
        (other, _) => panic!("there is no limit {other}"),
    }
}

/// The variable for a key of `[timeouts]`.
fn timeout(name: &str) -> &'static str {
    match name {
        "start" => "PORTWAY_TIMEOUT_START",
        "ready" => "PORTWAY_TIMEOUT_READY",
        "reconnect" => "PORTWAY_TIMEOUT_RECONNECT",
        "abort" => "PORTWAY_TIMEOUT_ABORT",
        "silence" => "PORTWAY_TIMEOUT_SILENCE",
        other => panic!("there is no timeout {other}"),
    }
}

/// Ports below those that systems give to whoever asks for none: no connection takes one of them by chance.
const PORTS: std::ops::Range<u16> = 16_384..32_768;

/// An address that nobody listens on, another one for each call.
pub(crate) fn free_address() -> SocketAddr {
    static CALLS: AtomicU16 = AtomicU16::new(0);
    let count = PORTS.end - PORTS.start;
    // Programs that run at the same time begin in different places.
    let begin = (std::process::id() % u32::from(count)) as u16;
    loop {
        let call = CALLS.fetch_add(1, Ordering::Relaxed);
        let port = PORTS.start + begin.wrapping_add(call) % count;
        if let Ok(listener) = TcpListener::bind(("127.0.0.1", port)) {
            return listener.local_addr().unwrap();
        }
    }
}

/// The file of a Worker's database, while the Worker does not run.
pub(crate) fn database_file(data: &Path) -> PathBuf {
    let folder = data.join("d1/miniflare-D1DatabaseObject");
    let files = std::fs::read_dir(folder).unwrap().flatten().map(|file| file.path());
    let mut databases = files.filter(|path| {
        path.extension().is_some_and(|extension| extension == "sqlite")
            && path.file_stem().is_some_and(|name| name.len() == 64)
    });
    databases.next().expect("the Worker ran once")
}
