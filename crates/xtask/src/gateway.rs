//! A gateway of its own for one check: on a free port, with nothing in it, gone afterwards.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Lines};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use crate::failure::Failure;

/// Runs the gateway until its own standard input ends, however that comes about.
const SCRIPT: &str = r#"
    trap '' INT
    "$@" &
    gateway=$!
    cat >/dev/null
    kill -TERM "$gateway"; wait "$gateway"
"#;

/// Lets callers into a Worker, which makes no key of its own.
const WORKER_KEY: &str = "sk_test_of_a_check_that_is_over_in_a_minute";

/// A gateway that stops when this is dropped, or when this program ends in whatever way.
pub(crate) struct Gateway {
    url: String,
    key: String,
    /// Kept open, so that it can print on.
    _printed: Lines<BufReader<ChildStdout>>,
    _running: Running,
}

struct Running(Child);

impl Gateway {
    /// Starts the binary with what it keeps in that folder, which is emptied first. Its log is beside the folder.
    pub(crate) fn start(binary: &Path, data: &Path) -> Result<Self, Failure> {
        let mut command = Command::new(binary);
        command.args(["serve", "--drain", "1", "--listen", "127.0.0.1:0", "--data"]).arg(data);
        Self::run(&command, data, || {
            let file = data.join("bootstrap-key");
            fs::read_to_string(&file).map(|key| key.trim().to_owned()).map_err(Failure::file(&file))
        })
    }

    /// The same with a command that serves a Worker once it is told where its data is, and the port.
    pub(crate) fn start_worker(mut command: Command, data: &Path) -> Result<Self, Failure> {
        command.arg(data).arg("0").env("PORTWAY_BOOTSTRAP_KEY", WORKER_KEY);
        Self::run(&command, data, || Ok(WORKER_KEY.to_owned()))
    }

    fn run(command: &Command, data: &Path, key: impl Fn() -> Result<String, Failure>) -> Result<Self, Failure> {
        if data.exists() {
            fs::remove_dir_all(data).map_err(Failure::file(data))?;
        }
        fs::create_dir_all(data).map_err(Failure::file(data))?;
        let log = data.with_extension("log");
        let mut running = stoppable(command, data)
            .stderr(File::create(&log).map_err(Failure::file(&log))?)
            .spawn()
            .map_err(|source| Failure::Start { program: "sh".to_owned(), source })?;
        let stdout = running.stdout.take();
        let running = Running(running);
        let silent = || Failure::Environment(format!("the gateway does not start: see {}", log.display()));
        let mut printed = BufReader::new(stdout.ok_or_else(silent)?).lines();
        let url = printed.by_ref().map_while(Result::ok).find_map(|line| address(&line)).ok_or_else(silent)?;
        Ok(Self { url, key: key()?, _printed: printed, _running: running })
    }

    /// Scheme and authority.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// What lets callers in as an administrator.
    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    /// Tells a program where the gateway is and how to get in.
    pub(crate) fn introduce<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command.env("PORTWAY_URL", &self.url).env("PORTWAY_KEY", &self.key)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        if let Err(error) = self.0.wait() {
            eprintln!("warning: the gateway of the check cannot be waited for: {error}");
        }
    }
}

/// The same command in a shell that ends it, without what the environment says of other gateways.
fn stoppable(command: &Command, data: &Path) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", SCRIPT, "sh"]).arg(command.get_program()).args(command.get_args());
    shell.current_dir(command.get_current_dir().unwrap_or(data));
    for (name, _) in std::env::vars_os() {
        if name == "DATABASE_URL" || name.to_string_lossy().starts_with("PORTWAY_") {
            shell.env_remove(name);
        }
    }
    shell.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    shell.stdin(Stdio::piped()).stdout(Stdio::piped());
    shell
}

/// The address in the first line that a gateway prints.
fn address(line: &str) -> Option<String> {
    let rest = line.strip_prefix("Portway listens on ")?;
    rest.split_whitespace().next().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_found_in_what_a_gateway_prints() {
        let line = "Portway listens on http://127.0.0.1:8787 (API: http://127.0.0.1:8787/docs)";
        assert_eq!(address(line).as_deref(), Some("http://127.0.0.1:8787"));
        assert_eq!(address("Administrator key, also in a file: x"), None);
    }
}
