//! Well-known coding agents and how they are started as ACP agents.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::{Environment, find_first};

/// A well-known agent.
#[derive(Debug)]
pub struct Preset {
    /// Its name in sessions and in `portway.toml`.
    pub name: &'static str,
    /// What its makers call it.
    pub title: &'static str,
    /// Ways to start it, as program and arguments; the first whose program is found is taken.
    pub commands: &'static [&'static [&'static str]],
    /// How to get the program.
    pub install: &'static str,
    /// How to log in beforehand, instead of a key.
    pub login: &'static str,
    /// Keys that it takes from its environment, any one of which will do.
    pub keys: &'static [Key],
    /// Further variables that it is configured by.
    pub settings: &'static [&'static str],
    /// Settings that it has unless they are chosen. An agent that would not ask before it acts is made to by one.
    pub defaults: &'static [(&'static str, &'static str)],
    /// The ACP session mode to put it into, so that it asks before it acts.
    pub mode: Option<&'static str>,
}

/// A variable that an agent finds a key in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// Its name.
    pub variable: &'static str,
    /// The ACP authentication method that uses it, for an agent that does not use it unasked.
    pub auth_method: Option<&'static str>,
}

impl Key {
    const fn of(variable: &'static str) -> Self {
        Self { variable, auth_method: None }
    }

    const fn by(variable: &'static str, auth_method: &'static str) -> Self {
        Self { variable, auth_method: Some(auth_method) }
    }
}

/// All presets, by name.
pub static PRESETS: &[Preset] = &[
    Preset {
        name: "claude",
        title: "Claude Code",
        commands: &[&["claude-agent-acp"], &["claude-code-acp"]],
        install: "npm install -g @agentclientprotocol/claude-agent-acp",
        login: "run `claude` and say /login",
        keys: &[Key::of("ANTHROPIC_API_KEY"), Key::of("ANTHROPIC_AUTH_TOKEN"), Key::of("CLAUDE_CODE_OAUTH_TOKEN")],
        settings: &["ANTHROPIC_BASE_URL", "ANTHROPIC_MODEL", "CLAUDE_CONFIG_DIR"],
        defaults: &[],
        mode: Some("default"),
    },
    Preset {
        name: "codex",
        title: "Codex",
        commands: &[&["codex-acp"]],
        install: "npm install -g @agentclientprotocol/codex-acp",
        login: "run `codex login`",
        keys: &[Key::by("CODEX_API_KEY", "api-key"), Key::by("OPENAI_API_KEY", "api-key")],
        settings: &["CODEX_HOME", "CODEX_PATH", "INITIAL_AGENT_MODE"],
        defaults: &[],
        mode: None,
    },
    Preset {
        name: "gemini",
        title: "Gemini CLI",
        commands: &[&["gemini", "--acp"]],
        install: "npm install -g @google/gemini-cli",
        login: "run `gemini` and choose \"Sign in with Google\"",
        keys: &[Key::by("GEMINI_API_KEY", "gemini-api-key"), Key::by("GOOGLE_API_KEY", "vertex-ai")],
        settings: &[
            "GEMINI_MODEL",
            "GOOGLE_APPLICATION_CREDENTIALS",
            "GOOGLE_CLOUD_LOCATION",
            "GOOGLE_CLOUD_PROJECT",
            "GOOGLE_GEMINI_BASE_URL",
            "GOOGLE_GENAI_USE_VERTEXAI",
        ],
        defaults: &[],
        mode: Some("default"),
    },
    Preset {
        name: "goose",
        title: "Goose",
        commands: &[&["goose", "acp"]],
        install: "brew install block-goose-cli",
        login: "run `goose configure`, or set GOOSE_PROVIDER and GOOSE_MODEL besides a key",
        keys: &[
            Key::of("ANTHROPIC_API_KEY"),
            Key::of("GOOGLE_API_KEY"),
            Key::of("OPENAI_API_KEY"),
            Key::of("OPENROUTER_API_KEY"),
        ],
        settings: &["ANTHROPIC_HOST", "GOOSE_MODE", "GOOSE_MODEL", "GOOSE_PROVIDER", "OPENAI_HOST", "XDG_CONFIG_HOME"],
        defaults: &[("GOOSE_MODE", "approve")],
        mode: None,
    },
    Preset {
        name: "opencode",
        title: "OpenCode",
        commands: &[&["opencode", "acp"]],
        install: "npm install -g opencode-ai",
        login: "run `opencode auth login`",
        keys: &[
            Key::of("ANTHROPIC_API_KEY"),
            Key::of("GEMINI_API_KEY"),
            Key::of("OPENAI_API_KEY"),
            Key::of("OPENCODE_API_KEY"),
            Key::of("OPENROUTER_API_KEY"),
        ],
        settings: &["OPENCODE_CONFIG", "OPENCODE_PERMISSION", "XDG_CONFIG_HOME", "XDG_DATA_HOME"],
        defaults: &[("OPENCODE_PERMISSION", r#"{"bash":"ask","edit":"ask","webfetch":"ask"}"#)],
        mode: None,
    },
];

impl Preset {
    /// The preset of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        PRESETS.iter().find(|preset| preset.name == name)
    }

    /// Names of the variables that it gets from the environment of the gateway.
    pub(super) fn variables(&self) -> Vec<String> {
        let keys = self.keys.iter().map(|key| key.variable);
        keys.chain(self.settings.iter().copied()).map(str::to_owned).collect()
    }

    /// The variables that it has unless they are chosen.
    pub(super) fn defaults(&self) -> BTreeMap<String, String> {
        self.defaults.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    /// How to log in when the agent asks for it, given its variables.
    pub(super) fn auth_method(&self, env: &BTreeMap<String, String>) -> Option<String> {
        let key = self.keys.iter().find(|key| env.contains_key(key.variable))?;
        key.auth_method.map(str::to_owned)
    }

    /// The first of its commands whose program is found, with where that is; else the first.
    pub(super) fn find(&self, environment: Environment<'_>) -> (Vec<String>, Option<PathBuf>) {
        let mut commands: Vec<Vec<String>> =
            self.commands.iter().map(|words| words.iter().map(|word| (*word).to_owned()).collect()).collect();
        let found = commands.iter().enumerate().find_map(|(index, command)| {
            let program = find_first(command, environment)?;
            Some((index, program))
        });
        let (index, program) = found.map_or((0, None), |(index, program)| (index, Some(program)));
        (commands.swap_remove(index), program)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presets_are_complete_and_ordered() {
        assert!(PRESETS.is_sorted_by_key(|preset| preset.name));
        for preset in PRESETS {
            assert!(!preset.commands.is_empty() && preset.commands.iter().all(|command| !command.is_empty()));
            assert!(!preset.keys.is_empty(), "{}", preset.name);
            assert_eq!(Preset::named(preset.name).unwrap().title, preset.title);
            assert!(preset.defaults.iter().all(|(name, _)| preset.settings.contains(name)), "{}", preset.name);
            for variable in preset.variables() {
                assert_eq!(super::super::unfit(&variable), None, "{variable}");
            }
        }
    }
}
