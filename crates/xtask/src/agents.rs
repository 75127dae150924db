//! The agents that the end-to-end tests talk to, installed from npm.

use std::path::PathBuf;

use crate::failure::Failure;
use crate::npm::Packages;
use crate::workspace::Workspace;

/// An agent.
pub(crate) struct TestAgent {
    /// Its packages.
    packages: Packages,
    /// The variable that tells the tests where the first of its files is.
    variable: &'static str,
    /// Whether there are packages for this machine.
    available: bool,
}

/// Whether there are packages with compiled programs for this machine.
const HAS_BINARIES: bool = cfg!(all(target_os = "linux", target_arch = "x86_64"));

/// All of them.
pub(crate) const TEST_AGENTS: [TestAgent; 6] = [
    TestAgent {
        packages: Packages {
            name: "the ACP example agent",
            manifests: "crates/host-node/tests/agents",
            folder: "test-agents",
            files: &["node_modules/@agentclientprotocol/sdk/dist/examples/agent.js"],
        },
        variable: "PORTWAY_TEST_ACP_AGENT",
        available: true,
    },
    TestAgent {
        packages: Packages {
            name: "Claude Code",
            manifests: "crates/host-node/tests/agents/claude",
            folder: "test-agents/claude",
            files: &["node_modules/.bin/claude-agent-acp", "node_modules/.bin/node"],
        },
        variable: "PORTWAY_TEST_CLAUDE",
        available: HAS_BINARIES,
    },
    TestAgent {
        packages: Packages {
            name: "Codex",
            manifests: "crates/host-node/tests/agents/codex",
            folder: "test-agents/codex",
            files: &["node_modules/.bin/codex-acp", "node_modules/.bin/node"],
        },
        variable: "PORTWAY_TEST_CODEX",
        available: HAS_BINARIES,
    },
    TestAgent {
        packages: Packages {
            name: "Gemini CLI",
            manifests: "crates/host-node/tests/agents/gemini",
            folder: "test-agents/gemini",
            files: &["node_modules/.bin/gemini"],
        },
        variable: "PORTWAY_TEST_GEMINI",
        available: true,
    },
    TestAgent {
        packages: Packages {
            name: "Goose",
            manifests: "crates/host-node/tests/agents/goose",
            folder: "test-agents/goose",
            files: &["node_modules/@aaif/goose-binary-linux-x64/bin/goose"],
        },
        variable: "PORTWAY_TEST_GOOSE",
        available: HAS_BINARIES,
    },
    TestAgent {
        packages: Packages {
            name: "OpenCode",
            manifests: "crates/host-node/tests/agents/opencode",
            folder: "test-agents/opencode",
            files: &["node_modules/opencode-linux-x64-baseline/bin/opencode"],
        },
        variable: "PORTWAY_TEST_OPENCODE",
        available: HAS_BINARIES,
    },
];

/// Variables for the tests.
pub(crate) type Variables = Vec<(&'static str, PathBuf)>;

impl TestAgent {
    /// What it is, for messages.
    pub(crate) fn name(&self) -> &'static str {
        self.packages.name
    }

    /// Installs the agent unless it is there.
    pub(crate) fn install(&self, workspace: &Workspace) -> Result<Variables, Failure> {
        if !self.available {
            return Err(Failure::Environment(format!("{} has no package for this machine", self.name())));
        }
        let program = self.packages.install(workspace)?.into_iter().next();
        Ok(program.map(|program| (self.variable, program)).into_iter().collect())
    }
}
