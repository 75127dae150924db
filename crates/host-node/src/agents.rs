//! The agents that sessions can be opened with: those of `portway.toml`, and well-known ones that are installed.
//!
//! A [`Preset`] is a coding agent that speaks ACP when it is started in a certain way. If its program is on the `PATH`
//! when the gateway starts, it is an agent like a configured one. A section of `portway.toml` with the name of a preset
//! wins over it, key by key.

mod listing;
mod presets;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use portway_ports::sandboxes::AgentCommand;
use serde::Deserialize;

use crate::config::{DEMO_AGENT, Mistakes};

pub use self::listing::{AgentsArgs, run};
pub use self::presets::{Key, PRESETS, Preset};

/// Looks variables of the environment up.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// What `portway.toml` says about an agent.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Section {
    /// Program and arguments. May be left out in a section with the name of a preset.
    pub command: Option<Vec<String>>,
    /// Variables of its environment.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Names of variables that it gets from the environment of the gateway, if they are set there.
    pub pass_env: Option<Vec<String>>,
    /// Which of its ACP authentication methods to use when it demands a login.
    #[serde(alias = "authMethod")]
    pub auth_method: Option<String>,
    /// Which of its ACP session modes to put it into; the empty one leaves it to the agent.
    pub mode: Option<String>,
}

/// Why an agent is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// `portway.toml` has a section about it.
    Configured,
    /// There is a preset for it.
    Preset,
}

/// An agent, whether or not it is installed.
#[derive(Debug, Clone)]
pub struct KnownAgent {
    /// Its name in sessions.
    pub name: String,
    /// Why it is known.
    pub source: Source,
    /// The preset of that name, if there is one.
    pub preset: Option<&'static Preset>,
    /// How it is started, with all its variables.
    pub command: AgentCommand,
    /// Where its program is; `None` if it is not found.
    pub program: Option<PathBuf>,
    /// Names of variables that it gets if the environment of the gateway has them, and whether it has.
    pub passed: Vec<(String, bool)>,
}

impl KnownAgent {
    /// Whether sessions can be opened with it: presets that are not found are only known.
    #[must_use]
    pub fn is_offered(&self) -> bool {
        self.source == Source::Configured || self.program.is_some()
    }

    fn configured(name: &str, section: &Section, environment: Environment<'_>) -> Self {
        let preset = Preset::named(name);
        let (command, program) = match (&section.command, preset) {
            (Some(command), _) => (command.clone(), find_first(command, environment)),
            (None, Some(preset)) => preset.find(environment),
            (None, None) => (Vec::new(), None),
        };
        let pass = match (&section.pass_env, preset) {
            (Some(names), _) => names.clone(),
            (None, Some(preset)) => preset.variables(),
            (None, None) => Vec::new(),
        };
        let (taken, passed) = take(pass, environment);
        let mut env = preset.map(Preset::defaults).unwrap_or_default();
        env.extend(taken);
        env.extend(section.env.clone());
        let mode = section.mode.clone().or_else(|| preset?.mode.map(str::to_owned)).filter(|mode| !mode.is_empty());
        let auth_method = section.auth_method.clone().or_else(|| preset?.auth_method(&env));
        Self {
            name: name.to_owned(),
            source: Source::Configured,
            preset,
            command: AgentCommand { command, env, auth_method, mode },
            program,
            passed,
        }
    }

    fn preset(preset: &'static Preset, environment: Environment<'_>) -> Self {
        let mut known = Self::configured(preset.name, &Section::default(), environment);
        known.source = Source::Preset;
        if let (Some(program), Some(first)) = (&known.program, known.command.command.first_mut()) {
            *first = program.to_string_lossy().into_owned();
        }
        known
    }
}

/// All agents but the built-in one, by name.
#[must_use]
pub fn known(sections: &BTreeMap<String, Section>, environment: Environment<'_>) -> Vec<KnownAgent> {
    let configured = sections.iter().map(|(name, section)| KnownAgent::configured(name, section, environment));
    let presets = PRESETS.iter().filter(|preset| !sections.contains_key(preset.name));
    let mut known: Vec<_> = configured.chain(presets.map(|preset| KnownAgent::preset(preset, environment))).collect();
    known.sort_by(|a, b| a.name.cmp(&b.name));
    known
}

/// Adds what is wrong with the sections, each with what to do about it.
pub(crate) fn check(sections: &BTreeMap<String, Section>, wrong: &mut Mistakes<'_>) {
    for (name, section) in sections {
        let harmless = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
        if name.is_empty() || name.len() > 100 || !name.bytes().all(harmless) {
            wrong.at(&["agents", name], "a name has 1 to 100 letters, digits, '_', '-' or '.'");
        }
        if name == DEMO_AGENT {
            let what = format!("the name \"{DEMO_AGENT}\" belongs to the built-in agent: choose another");
            wrong.at(&["agents", name], what);
        }
        let program = section.command.as_ref().map(|command| command.first().is_some_and(|word| !word.is_empty()));
        if !program.unwrap_or_else(|| Preset::named(name).is_some()) {
            let what = "expected a list that begins with a program, such as [\"my-agent\"]";
            wrong.at(&["agents", name, "command"], what);
        }
        for variable in section.pass_env.iter().flatten() {
            if let Some(reason) = unfit(variable) {
                wrong.at(&["agents", name, "pass_env"], format!("\"{variable}\": {reason}"));
            }
        }
    }
}

/// Why a variable cannot be passed on.
fn unfit(variable: &str) -> Option<&'static str> {
    let harmless = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    if variable.is_empty() || !variable.bytes().all(harmless) {
        Some("expected the name of a variable: letters, digits and '_'; put values into env")
    } else if variable.starts_with("PORTWAY_") {
        Some("variables of the gateway itself are not for agents: choose another name")
    } else {
        None
    }
}

/// The variables of these names that are set, and for each name whether it is.
fn take(names: Vec<String>, environment: Environment<'_>) -> (BTreeMap<String, String>, Vec<(String, bool)>) {
    let mut env = BTreeMap::new();
    let passed = names.into_iter().map(|name| {
        let value = environment(&name).and_then(|value| value.into_string().ok()).filter(|value| !value.is_empty());
        let is_set = value.is_some();
        env.extend(value.map(|value| (name.clone(), value)));
        (name, is_set)
    });
    let passed = passed.collect();
    (env, passed)
}

fn find_first(command: &[String], environment: Environment<'_>) -> Option<PathBuf> {
    find(command.first()?, environment)
}

/// Where a program is that a runner would start by this name.
fn find(program: &str, environment: Environment<'_>) -> Option<PathBuf> {
    if program.contains('/') {
        // A relative path begins at the folder of the session, which is not known here.
        let path = Path::new(program);
        return (path.is_relative() || is_program(path)).then(|| path.to_owned());
    }
    let path = environment("PATH")?;
    std::env::split_paths(&path)
        // The rest begins at the current folder, which may be a stranger's checkout.
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join(program))
        .find(|candidate| is_program(candidate))
}

fn is_program(path: &Path) -> bool {
    path.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder with these programs, and an environment with it as its `PATH`.
    struct Machine {
        folder: tempfile::TempDir,
        variables: BTreeMap<&'static str, OsString>,
    }

    impl Machine {
        fn with(programs: &[&str], variables: &[(&'static str, &str)]) -> Self {
            let folder = tempfile::tempdir().unwrap();
            for program in programs {
                let path = folder.path().join(program);
                std::fs::write(&path, "#!/bin/sh\n").unwrap();
                std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
            }
            let mut variables: BTreeMap<_, _> =
                variables.iter().map(|(name, value)| (*name, OsString::from(value))).collect();
            variables.insert("PATH", folder.path().into());
            Self { folder, variables }
        }

        fn known(&self, sections: &str) -> Vec<KnownAgent> {
            known(&sections_of(sections), &|name| self.variables.get(name).cloned())
        }

        fn agent(&self, name: &str, sections: &str) -> KnownAgent {
            self.known(sections).into_iter().find(|agent| agent.name == name).unwrap()
        }
    }

    fn sections_of(text: &str) -> BTreeMap<String, Section> {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn a_preset_is_offered_if_its_program_is_there() {
        let machine = Machine::with(&["codex-acp", "claude-code-acp"], &[]);
        let offered: Vec<_> =
            machine.known("").into_iter().filter(KnownAgent::is_offered).map(|agent| agent.name).collect();
        assert_eq!(offered, ["claude", "codex"]);
        assert_eq!(machine.known("").len(), PRESETS.len());
        let program = machine.folder.path().join("claude-code-acp").to_str().unwrap().to_owned();
        assert_eq!(machine.agent("claude", "").command.command, [program], "the older name is known too");
        let gemini = machine.agent("gemini", "");
        assert_eq!((gemini.program, gemini.command.command), (None, vec!["gemini".to_owned(), "--acp".to_owned()]));
    }

    #[test]
    fn what_is_no_program_is_not_taken_for_one() {
        let machine = Machine::with(&[], &[]);
        std::fs::write(machine.folder.path().join("codex-acp"), "text").unwrap();
        std::fs::create_dir(machine.folder.path().join("opencode")).unwrap();
        assert!(machine.known("").iter().all(|agent| agent.program.is_none()));
    }

    #[test]
    fn the_current_folder_is_not_searched() {
        let environment = |name: &str| (name == "PATH").then(|| OsString::from(":.:src:bin"));
        assert_eq!(find("lib.rs", &environment), None);
    }

    #[test]
    fn keys_are_passed_on_and_decide_how_to_log_in() {
        let machine = Machine::with(&["codex-acp"], &[("OPENAI_API_KEY", "k"), ("AWS_SECRET", "no")]);
        let codex = machine.agent("codex", "").command;
        assert_eq!(codex.env, BTreeMap::from([("OPENAI_API_KEY".to_owned(), "k".to_owned())]));
        assert_eq!(codex.auth_method.as_deref(), Some("api-key"));
        let without = Machine::with(&["codex-acp"], &[("OPENAI_API_KEY", "")]).agent("codex", "").command;
        assert_eq!((without.env.len(), without.auth_method), (0, None));
    }

    #[test]
    fn a_section_wins_over_its_preset_key_by_key() {
        let machine = Machine::with(&["codex-acp"], &[("OPENAI_API_KEY", "k"), ("MINE", "m")]);
        let codex = machine.agent("codex", "[codex]\nenv = { CODEX_HOME = \"/c\" }\nauth_method = \"chat-gpt\"");
        assert_eq!(codex.source, Source::Configured);
        assert_eq!(codex.command.command, ["codex-acp"]);
        assert_eq!(codex.command.env.keys().collect::<Vec<_>>(), ["CODEX_HOME", "OPENAI_API_KEY"]);
        assert_eq!(codex.command.auth_method.as_deref(), Some("chat-gpt"));

        let codex = machine.agent("codex", "[codex]\ncommand = [\"other\"]\npass_env = [\"MINE\", \"ABSENT\"]");
        assert_eq!((codex.command.command, codex.program), (vec!["other".to_owned()], None));
        assert_eq!(codex.command.env, BTreeMap::from([("MINE".to_owned(), "m".to_owned())]));
        assert_eq!(codex.passed, [("MINE".to_owned(), true), ("ABSENT".to_owned(), false)]);
        assert_eq!(codex.command.auth_method, None, "it gets no key");
    }

    #[test]
    fn presets_ask_before_they_act_unless_told_otherwise() {
        let mode = |machine: &Machine, sections| machine.agent("claude", sections).command.mode;
        let machine = Machine::with(&[], &[]);
        assert_eq!(mode(&machine, "").as_deref(), Some("default"));
        assert_eq!(mode(&machine, "[claude]\nmode = \"plan\"").as_deref(), Some("plan"));
        assert_eq!(mode(&machine, "[claude]\nmode = \"\""), None);
        assert_eq!(machine.agent("mine", "[mine]\ncommand = [\"m\"]").command.mode, None);

        let goose = |machine: &Machine, sections| machine.agent("goose", sections).command.env["GOOSE_MODE"].clone();
        assert_eq!(goose(&machine, ""), "approve");
        assert_eq!(goose(&machine, "[goose]\nenv = { GOOSE_MODE = \"chat\" }"), "chat");
        assert_eq!(goose(&Machine::with(&[], &[("GOOSE_MODE", "auto")]), ""), "auto");
        let permission = &machine.agent("opencode", "").command.env["OPENCODE_PERMISSION"];
        let permission: BTreeMap<String, String> = serde_json::from_str(permission).unwrap();
        assert!(permission.values().all(|value| value == "ask"), "{permission:?}");
    }

    #[test]
    fn what_env_says_wins_over_what_is_passed_on() {
        let machine = Machine::with(&[], &[("KEY", "from outside")]);
        let section = "[mine]\ncommand = [\"m\"]\npass_env = [\"KEY\"]\nenv = { KEY = \"chosen\" }";
        assert_eq!(machine.agent("mine", section).command.env["KEY"], "chosen");
    }

    #[test]
    fn mistakes_are_named() {
        let mistakes = |text: &str| {
            let (sections, mut wrong) = Mistakes::decode(Path::new("portway.toml"), text).unwrap();
            check(&sections, &mut wrong);
            wrong.into_result().err().map_or_else(Vec::new, |error| error.0)
        };
        assert_eq!(mistakes("[codex]\n[mine]\ncommand = [\"m\"]\npass_env = [\"A_1\"]"), [""; 0]);
        for (text, part) in [
            ("[mine]", "[agents.mine] command: expected a list that begins"),
            ("[codex]\ncommand = []", "[agents.codex] command: expected a list that begins"),
            ("[demo]\ncommand = [\"a\"]", "built-in"),
            ("[\"a b\"]\ncommand = [\"a\"]", "1 to 100"),
            ("[mine]\ncommand = [\"m\"]\npass_env = [\"A=b\"]", "letters, digits"),
            ("[mine]\ncommand = [\"m\"]\npass_env = [\"PORTWAY_BOOTSTRAP_KEY\"]", "not for agents"),
        ] {
            let wrong = mistakes(text);
            assert!(wrong.len() == 1 && wrong[0].contains(part), "{wrong:?}");
        }
    }
}
