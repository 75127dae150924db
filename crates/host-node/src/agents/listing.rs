//! `portway agents`: which agents there are, what they lack and how to get it.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use super::{KnownAgent, Source};
use crate::config::{Config, DEMO_AGENT, PlaceArgs, ServeArgs};

/// Flags of `portway agents`.
#[derive(Debug, Clone, Default, Args)]
pub struct AgentsArgs {
    /// Where the gateway keeps its things.
    #[command(flatten)]
    pub place: PlaceArgs,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Prints the agents that a gateway would have that was started here now.
#[must_use]
pub fn run(args: AgentsArgs) -> ExitCode {
    let config = match Config::load(ServeArgs { place: args.place, insecure: true, ..ServeArgs::default() }) {
        Ok(config) => config,
        Err(error) => {
            let mut stderr = std::io::stderr().lock();
            for line in error.to_string().lines() {
                let _ = writeln!(stderr, "portway: {line}");
            }
            return ExitCode::from(2);
        }
    };
    let list = List::of(&config);
    let text = if args.json { list.json() } else { list.text() };
    // Whoever reads may stop reading.
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
    ExitCode::SUCCESS
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct List {
    default_agent: String,
    agents: Vec<Row>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    name: String,
    title: Option<&'static str>,
    source: &'static str,
    default: bool,
    /// Whether sessions can be opened with it.
    offered: bool,
    found: bool,
    command: Vec<String>,
    program: Option<PathBuf>,
    auth_method: Option<String>,
    mode: Option<String>,
    variables: Vec<Variable>,
    /// How to get the program.
    install: Option<&'static str>,
    /// What to do before it works, in words.
    advice: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Variable {
    name: String,
    set: bool,
}

impl List {
    fn of(config: &Config) -> Self {
        let default = |name: &str| name == config.default_agent;
        let mut agents = vec![Row::demo(default(DEMO_AGENT))];
        agents.extend(config.known_agents.iter().map(|agent| Row::of(agent, default(&agent.name))));
        Self { default_agent: config.default_agent.clone(), agents }
    }

    fn json(&self) -> String {
        // It has no maps and no numbers, so it can always be written.
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }

    fn text(&self) -> String {
        let cells: Vec<[String; 4]> = std::iter::once(["AGENT", "PROGRAM", "FROM", "COMMAND"].map(str::to_owned))
            .chain(self.agents.iter().map(Row::cells))
            .collect();
        let width = |column: usize| cells.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let widths = [width(0), width(1), width(2)];
        let mut text = String::new();
        for [name, state, source, command] in &cells {
            let [a, b, c] = widths;
            text.push_str(&format!("{name:a$}  {state:b$}  {source:c$}  {command}\n"));
        }
        text.push_str("\n* is for sessions that name no agent; choose another with default_agent in portway.toml.\n");
        let advice = self.agents.iter().flat_map(|row| row.advice.iter().map(move |words| (&row.name, words)));
        for (index, (name, words)) in advice.enumerate() {
            if index == 0 {
                text.push_str("\nTo do before an agent works:\n");
            }
            text.push_str(&format!("  {name:a$}  {words}\n", a = widths[0]));
        }
        text
    }
}

impl Row {
    fn demo(default: bool) -> Self {
        Self {
            name: DEMO_AGENT.to_owned(),
            title: Some("Demo agent without a model"),
            source: "built in",
            default,
            offered: true,
            found: true,
            command: vec!["portway".to_owned(), "demo-agent".to_owned()],
            program: std::env::current_exe().ok(),
            auth_method: None,
            mode: None,
            variables: Vec::new(),
            install: None,
            advice: Vec::new(),
        }
    }

    fn of(agent: &KnownAgent, default: bool) -> Self {
        let source = match agent.source {
            Source::Configured => "portway.toml",
            Source::Preset => "preset",
        };
        Self {
            name: agent.name.clone(),
            title: agent.preset.map(|preset| preset.title),
            source,
            default,
            offered: agent.is_offered(),
            found: agent.program.is_some(),
            command: agent.command.command.clone(),
            program: agent.program.clone(),
            auth_method: agent.command.auth_method.clone(),
            mode: agent.command.mode.clone(),
            variables: agent.passed.iter().map(|(name, set)| Variable { name: name.clone(), set: *set }).collect(),
            install: agent.preset.map(|preset| preset.install),
            advice: advice(agent),
        }
    }

    fn cells(&self) -> [String; 4] {
        let mark = if self.default { " *" } else { "" };
        let state = if self.found { "found" } else { "missing" };
        [format!("{}{mark}", self.name), state.to_owned(), self.source.to_owned(), self.command.join(" ")]
    }
}

/// What to do before an agent works.
fn advice(agent: &KnownAgent) -> Vec<String> {
    let mut advice = Vec::new();
    let program = agent.command.command.first().map_or("", String::as_str);
    match (agent.program.is_some(), agent.source, agent.preset) {
        (true, ..) => {}
        (false, Source::Preset, Some(preset)) => {
            advice.push(format!("Install {}: {}. Then start the gateway again.", preset.title, preset.install));
        }
        (false, ..) => advice.push(format!(
            "{program} is not found: install it, or correct [agents.{}].command in portway.toml.",
            agent.name
        )),
    }
    if let Some(preset) = agent.preset.filter(|_| agent.program.is_some()) {
        let has_key = preset.keys.iter().any(|key| agent.command.env.contains_key(key.variable));
        if !has_key {
            let keys: Vec<&str> = preset.keys.iter().map(|key| key.variable).collect();
            advice.push(format!(
                "No key is set: unless you have logged in before, {}, or start the gateway with {}.",
                preset.login,
                keys.join(" or ")
            ));
        }
    } else if agent.preset.is_none() {
        let absent: Vec<&str> =
            agent.passed.iter().filter(|(_, is_set)| !is_set).map(|(name, _)| name.as_str()).collect();
        if !absent.is_empty() {
            advice.push(format!("Not set where the gateway starts: {}.", absent.join(", ")));
        }
    }
    advice
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::path::Path;

    use super::*;

    fn list(file: &str, variables: &[(&str, &str)]) -> List {
        let environment = |name: &str| {
            let (_, value) = variables.iter().find(|(variable, _)| *variable == name)?;
            Some(OsString::from(value))
        };
        let config =
            Config::combine(ServeArgs::default(), "data".into(), Path::new("portway.toml"), file, &environment);
        List::of(&config.unwrap())
    }

    #[test]
    fn every_agent_has_a_line_and_what_it_lacks_is_told() {
        let file = "[agents.mine]\ncommand = [\"/bin/sh\", \"-x\"]\npass_env = [\"TOKEN\"]\n[agents.gone]\ncommand = [\"no-such\"]";
        let text = list(file, &[]).text();
        for line in [
            "AGENT     PROGRAM  FROM          COMMAND",
            "demo      found    built in      portway demo-agent",
            "codex     missing  preset        codex-acp",
            "gone *    missing  portway.toml  no-such",
            "mine      found    portway.toml  /bin/sh -x",
            "  codex     Install Codex: npm install -g @agentclientprotocol/codex-acp. Then start the gateway again.",
            "  gone      no-such is not found: install it, or correct [agents.gone].command in portway.toml.",
            "  mine      Not set where the gateway starts: TOKEN.",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\nis not in\n{text}");
        }
    }

    #[test]
    fn a_found_preset_without_a_key_needs_a_login_and_secrets_are_not_shown() {
        let file = "[agents.codex]\ncommand = [\"/bin/sh\"]";
        let advice =
            |variables| list(file, variables).agents.into_iter().find(|row| row.name == "codex").unwrap().advice;
        assert!(
            advice(&[])[0].contains("run `codex login`, or start the gateway with CODEX_API_KEY or OPENAI_API_KEY")
        );
        assert_eq!(advice(&[("OPENAI_API_KEY", "sk-secret")]), [""; 0]);
        let both = list(file, &[("OPENAI_API_KEY", "sk-secret")]);
        assert!(!both.json().contains("sk-secret") && !both.text().contains("sk-secret"));
        let json: serde_json::Value = serde_json::from_str(&both.json()).unwrap();
        let codex = json["agents"].as_array().unwrap().iter().find(|row| row["name"] == "codex").unwrap();
        assert_eq!(codex["authMethod"], "api-key");
        assert_eq!(codex["variables"][1], serde_json::json!({"name": "OPENAI_API_KEY", "set": true}));
        assert_eq!((&json["defaultAgent"], &codex["default"]), (&"codex".into(), &true.into()));
    }
}
