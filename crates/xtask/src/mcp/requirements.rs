//! Which scenarios of the suite a gateway has to pass.

use std::collections::BTreeSet;

use super::suite::Suite;
use crate::failure::Failure;

/// A revision of the protocol that the suite has requirements for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Revision {
    /// With sessions.
    November2025,
    /// Without.
    July2026,
}

/// What every server passes, whatever it offers, in every revision.
const OF_ANY_SERVER: [&str; 6] = [
    "completion-complete",
    "dns-rebinding-protection",
    "prompts-list",
    "resources-list",
    "server-sse-multiple-streams",
    "tools-list",
];

/// What is passed by a gateway with fixtures although it scores nothing.
const UNSCORED: [&str; 1] = ["json-schema-2020-12"];

impl Revision {
    pub(super) const ALL: [Self; 2] = [Self::November2025, Self::July2026];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::November2025 => "2025-11-25",
            Self::July2026 => "2026-07-28",
        }
    }

    /// What every server passes besides.
    fn of_any_server(self) -> &'static [&'static str] {
        match self {
            Self::November2025 => &["ping", "server-initialize", "server-session-lifecycle"],
            Self::July2026 => &["caching", "http-header-validation", "sep-2164-resource-not-found", "server-stateless"],
        }
    }
}

/// Scenarios that have to be passed.
pub(super) struct Requirements {
    pub(super) scenarios: BTreeSet<String>,
    /// Whether a check counts that the suite cannot carry out for want of what it asks a server for.
    pub(super) counts_untestable: bool,
}

impl Requirements {
    /// All that the suite scores a server by, and what else a gateway with fixtures passes.
    pub(super) fn of_fixtures(suite: &Suite<'_>, revision: Revision) -> Result<Self, Failure> {
        let mut scenarios = server_section(&suite.requirements(revision)?);
        scenarios.extend(Self::of_any_server(revision).scenarios);
        scenarios.extend(UNSCORED.map(str::to_owned));
        Ok(Self { scenarios, counts_untestable: true })
    }

    /// What can be passed without having what the suite asks for.
    pub(super) fn of_any_server(revision: Revision) -> Self {
        let scenarios = OF_ANY_SERVER.iter().chain(revision.of_any_server());
        Self { scenarios: scenarios.map(|&name| name.to_owned()).collect(), counts_untestable: false }
    }
}

/// The entries of the list `server` in a document of the suite.
fn server_section(document: &str) -> BTreeSet<String> {
    let inside = document.lines().skip_while(|line| *line != "server:").skip(1);
    let entries = inside.take_while(|line| line.is_empty() || line.starts_with([' ', '#']));
    entries.filter_map(|line| line.trim().strip_prefix("- ")).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_list_of_servers_is_read() {
        let document = "# server:\nserver:\n  - a\n  # why\n\n  - b\nclient:\n  - c\nnot_scored:\n  - scenario: d\n";
        assert_eq!(server_section(document), ["a", "b"].map(str::to_owned).into());
        assert!(server_section("client:\n  - c\n").is_empty());
    }
}
