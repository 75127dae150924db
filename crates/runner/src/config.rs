//! What a runner is told, by its environment only: arguments are visible to every process of the machine.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

/// Address of the session's socket: `ws://` or `wss://host/api/sessions/{id}/ws`.
const URL: &str = "PORTWAY_RUNNER_URL";
/// The runner's token.
const TOKEN: &str = "PORTWAY_RUNNER_TOKEN";
/// The generation as a number.
const GENERATION: &str = "PORTWAY_RUNNER_GENERATION";
/// The agent as JSON, see [`AgentCommand`].
const AGENT: &str = "PORTWAY_RUNNER_AGENT";
/// The workspace as an absolute path.
const WORKSPACE: &str = "PORTWAY_RUNNER_WORKSPACE";
const START: &str = "PORTWAY_RUNNER_START";
/// The agent's own name of the conversation to go on with; may be absent.
const AGENT_SESSION: &str = "PORTWAY_RUNNER_AGENT_SESSION";

/// What of the runner's own environment the agent gets too.
const INHERITED: [&str; 4] = ["PATH", "HOME", "LANG", "TMPDIR"];

/// What a runner needs to know.
#[derive(Debug, Clone)]
pub struct Config {
    /// Address of the session's socket, without the role.
    pub url: String,
    /// Shown to the gateway in the `Authorization` header.
    pub token: Secret,
    /// Which start of the sandbox this is.
    pub generation: u32,
    /// The agent to run.
    pub agent: AgentCommand,
    /// The agent's current folder, and all that it may read and write through the runner.
    pub workspace: PathBuf,
    /// The agent's own name of the conversation that an earlier runner of the session had with it. It is gone on with
    /// if the agent can load it.
    pub agent_session: Option<String>,
    /// Whether [`crate::run`] waits for a byte on the standard input before it does anything, and ends when the input ends
    /// without one: whoever started the runner has not written down yet that it exists.
    pub waits_for_start: bool,
    /// What the agent's environment begins with; [`AgentCommand::env`] is laid over it.
    pub base_env: BTreeMap<String, String>,
    /// How long things may take.
    pub timing: Timing,
}

/// A text that never shows in logs.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// Keeps `text`.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// How the agent is started.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AgentCommand {
    /// Program and arguments; never empty.
    pub command: Vec<String>,
    /// Variables of its environment, secrets among them.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// The ACP authentication method to use if the agent asks for one.
    #[serde(default)]
    pub auth_method: Option<String>,
    /// The ACP session mode to put every conversation into.
    #[serde(default)]
    pub mode: Option<String>,
}

impl fmt::Debug for AgentCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AgentCommand")
            .field("program", &self.command.first())
            .field("env", &self.env.keys().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

/// How long things may take, and how much may wait.
#[derive(Debug, Clone)]
pub struct Timing {
    /// Wait before the second attempt to connect; doubles with each further one.
    pub first_retry: Duration,
    /// Longest wait between two attempts.
    pub last_retry: Duration,
    /// How long an attempt to connect may take.
    pub connect: Duration,
    /// After this long without a gateway the runner ends the agent and itself.
    pub give_up: Duration,
    /// How often a `ping` is sent.
    pub ping: Duration,
    /// After this long without a word from the gateway the runner connects anew.
    pub silence: Duration,
    /// After this long without an acknowledgement everything that waits for one is sent again.
    pub acknowledge: Duration,
    /// How long each step of the agent's start may take.
    pub start: Duration,
    /// How long the agent may take to end an aborted turn.
    pub abort: Duration,
    /// Wait before an agent that died for the second time is started again; the third time it is four times as long.
    pub restart: Duration,
    /// How long the agent has between SIGTERM and SIGKILL.
    pub grace: Duration,
    /// Bytes of unacknowledged events beyond which the agent is no longer read.
    pub keep_bytes: usize,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            first_retry: Duration::from_millis(250),
            last_retry: Duration::from_secs(5),
            connect: Duration::from_secs(15),
            give_up: Duration::from_secs(600),
            ping: Duration::from_secs(portway_protocol::PING_SECONDS),
            silence: Duration::from_secs(75),
            acknowledge: Duration::from_secs(10),
            start: Duration::from_secs(60),
            abort: Duration::from_secs(10),
            restart: Duration::from_secs(1),
            grace: Duration::from_secs(2),
            keep_bytes: 16 * 1024 * 1024,
        }
    }
}

/// What is wrong with the environment.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A variable is absent or empty.
    #[error("{0} is not set; the gateway sets it when it starts a runner")]
    Missing(&'static str),
    /// The address is no WebSocket address.
    #[error("{URL} must begin with ws:// or wss://")]
    Url,
    /// The token cannot stand in a header.
    #[error("{TOKEN} must be printable ASCII")]
    Token,
    /// The generation is no number.
    #[error("{GENERATION} must be a whole number from 0 to 4294967295")]
    Generation,
    /// The agent is not described by the expected JSON. The text names the place, never the content.
    #[error("{AGENT} must be {{\"command\":[\"program\",…],\"env\":{{…}}}}: {0}")]
    Agent(String),
    /// The workspace is no absolute path.
    #[error("{WORKSPACE} must be an absolute path")]
    Workspace,
}

impl Config {
    /// Reads the environment of this process:
    ///
    /// | variable | value |
    /// |---|---|
    /// | `PORTWAY_RUNNER_URL` | `ws://` or `wss://host/api/sessions/{id}/ws` |
    /// | `PORTWAY_RUNNER_TOKEN` | the runner's token |
    /// | `PORTWAY_RUNNER_GENERATION` | a whole number |
    /// | `PORTWAY_RUNNER_AGENT` | `{"command":["program","argument"],"env":{"KEY":"value"},"authMethod":"id"}`; the last two may be left out |
    /// | `PORTWAY_RUNNER_WORKSPACE` | an absolute path |
    /// | `PORTWAY_RUNNER_START` | `stdin` to wait for a byte on the standard input first, and to end when it ends without one; may be left out |
    /// | `PORTWAY_RUNNER_AGENT_SESSION` | the agent's own name of the conversation to go on with; may be left out |
    ///
    /// The agent's environment is `PATH`, `HOME`, `LANG` and `TMPDIR` of this process and the agent's own `env`.
    ///
    /// # Errors
    /// Names the first variable that is absent or wrong.
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::from_lookup(|name| std::env::var(name).ok())
    }

    /// Reads the variables that `lookup` knows.
    ///
    /// # Errors
    /// Names the first variable that is absent or wrong.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let required =
            |name: &'static str| lookup(name).filter(|value| !value.is_empty()).ok_or(ConfigError::Missing(name));
        let url = required(URL)?;
        if !(url.starts_with("ws://") || url.starts_with("wss://")) {
            return Err(ConfigError::Url);
        }
        let token = required(TOKEN)?;
        if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(ConfigError::Token);
        }
        let generation = required(GENERATION)?.parse().map_err(|_| ConfigError::Generation)?;
        let workspace = PathBuf::from(required(WORKSPACE)?);
        if !workspace.is_absolute() {
            return Err(ConfigError::Workspace);
        }
        Ok(Self {
            url,
            token: Secret::new(token),
            generation,
            agent: AgentCommand::from_json(&required(AGENT)?)?,
            workspace,
            waits_for_start: lookup(START).as_deref() == Some("stdin"),
            agent_session: lookup(AGENT_SESSION).filter(|name| !name.is_empty()),
            base_env: INHERITED.iter().filter_map(|name| Some(((*name).to_owned(), lookup(name)?))).collect(),
            timing: Timing::default(),
        })
    }
}

impl AgentCommand {
    fn from_json(text: &str) -> Result<Self, ConfigError> {
        // serde's own words could quote a secret of `env`.
        let command: Self = serde_json::from_str(text)
            .map_err(|error| ConfigError::Agent(format!("wrong near column {}", error.column())))?;
        match command.command.first() {
            Some(program) if !program.is_empty() => Ok(command),
            _ => Err(ConfigError::Agent("command is empty".to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complete(name: &str) -> Option<String> {
        Some(
            match name {
                URL => "ws://127.0.0.1:1/api/sessions/s/ws",
                TOKEN => "tok-secret",
                GENERATION => "7",
                AGENT => r#"{"command":["agent","--acp"],"env":{"KEY":"env-secret"}}"#,
                WORKSPACE => "/work",
                "PATH" => "/bin",
                "HOME" => "/home/me",
                _ => return None,
            }
            .to_owned(),
        )
    }

    #[test]
    fn a_complete_environment_is_read() {
        let config = Config::from_lookup(complete).unwrap();
        assert_eq!(config.generation, 7);
        assert_eq!(config.agent_session, None);
        assert_eq!(config.agent.command, ["agent", "--acp"]);
        assert_eq!(
            config.base_env.keys().collect::<Vec<_>>(),
            ["HOME", "PATH"],
            "only what exists of the inherited names"
        );
    }

    #[test]
    fn a_conversation_may_be_gone_on_with() {
        let with = |session: &'static str| {
            Config::from_lookup(|name| if name == AGENT_SESSION { Some(session.to_owned()) } else { complete(name) })
        };
        assert_eq!(with("talk 1").unwrap().agent_session.as_deref(), Some("talk 1"));
        assert_eq!(with("").unwrap().agent_session, None);
    }

    #[test]
    fn secrets_do_not_show() {
        let shown = format!("{:?}", Config::from_lookup(complete).unwrap());
        assert!(!shown.contains("tok-secret"), "{shown}");
        assert!(!shown.contains("env-secret"), "{shown}");
    }

    #[test]
    fn every_wrong_value_is_named() {
        for (name, value, part) in [
            (URL, "http://x", "ws://"),
            (URL, "", "not set"),
            (TOKEN, "a b", "printable"),
            (GENERATION, "-1", "whole number"),
            (AGENT, "{", "command"),
            (AGENT, r#"{"command":[]}"#, "empty"),
            (WORKSPACE, "here", "absolute"),
        ] {
            let error =
                Config::from_lookup(|asked| if asked == name { Some(value.to_owned()) } else { complete(asked) })
                    .unwrap_err()
                    .to_string();
            assert!(error.contains(name) && error.contains(part), "{error}");
        }
    }
}
