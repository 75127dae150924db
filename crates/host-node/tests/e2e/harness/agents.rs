//! The agents that tests talk to.

use std::path::{Path, PathBuf};

/// An agent.
#[derive(Debug, Clone)]
pub(crate) enum Agent {
    /// The built-in one.
    Demo,
    /// The example of the TypeScript library, at that path.
    Example(PathBuf),
}

/// Where the example agent is, if it is installed.
pub(crate) fn example_agent() -> Option<PathBuf> {
    let installed = "test-agents/node_modules/@agentclientprotocol/sdk/dist/examples/agent.js";
    let path = match std::env::var_os("PORTWAY_TEST_ACP_AGENT") {
        Some(path) => PathBuf::from(path),
        None => Path::new(env!("CARGO_TARGET_TMPDIR")).parent()?.join(installed),
    };
    path.is_file().then_some(path)
}

impl Agent {
    /// Its name in the configuration.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Demo => "demo",
            Self::Example(_) => "example",
        }
    }

    /// What `portway.toml` says about it.
    pub(crate) fn config(&self) -> String {
        match self {
            Self::Demo => String::new(),
            Self::Example(path) => custom_agent("example", &["node", &path.to_string_lossy()]),
        }
    }

    /// The choices of its permission question.
    pub(crate) fn choices(&self) -> Choices {
        match self {
            Self::Demo => Choices {
                allow: "allow-once",
                allow_label: "Allow once",
                reject: "reject-once",
                reject_label: "Refuse",
                call: "write-demo",
                allowed: "I wrote your prompt into demo.md. That is all I can do.",
                refused: "You refused, so I left everything as it was.",
            },
            Self::Example(_) => Choices {
                allow: "allow",
                allow_label: "Allow this change",
                reject: "reject",
                reject_label: "Skip this change",
                call: "call_2",
                allowed: " Perfect! I've successfully updated the configuration. The changes have been applied.",
                refused: " I understand you prefer not to make that change. I'll skip the configuration update.",
            },
        }
    }
}

/// What an agent asks in an ordinary turn, and what it says to the answers.
pub(crate) struct Choices {
    pub(crate) allow: &'static str,
    pub(crate) allow_label: &'static str,
    pub(crate) reject: &'static str,
    pub(crate) reject_label: &'static str,
    /// The tool call that needs the permission.
    pub(crate) call: &'static str,
    /// The end of its message.
    pub(crate) allowed: &'static str,
    pub(crate) refused: &'static str,
}

/// What `portway.toml` says about an agent with that command.
pub(crate) fn custom_agent(name: &str, command: &[&str]) -> String {
    let words: Vec<String> = command.iter().map(|word| format!("{word:?}")).collect();
    format!("[agents.{name}]\ncommand = [{}]\n", words.join(", "))
}
