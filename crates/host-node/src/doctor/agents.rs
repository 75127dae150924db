//! Whether the agents' programs are there.

use super::report::Report;
use crate::agents::Source;
use crate::config::Config;

const CHECK: &str = "agents";

pub(super) fn check(report: &mut Report, config: &Config) {
    for agent in &config.known_agents {
        let program = agent.command.command.first().map_or("", String::as_str);
        match (&agent.program, agent.source) {
            (Some(path), _) => report.fine(CHECK, format!("{}: {}", agent.name, path.display())),
            (None, Source::Configured) => report.problem(
                CHECK,
                format!("{}: {program} is no program on the PATH that can be run", agent.name),
                format!("install it, or correct [agents.{}].command in portway.toml; see portway agents", agent.name),
            ),
            // What nobody configured may be absent.
            (None, Source::Preset) => {}
        }
    }
    report.fine(CHECK, format!("sessions that name none get {}", config.default_agent));
}
