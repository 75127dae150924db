//! `cargo xtask openapi`: whether the published description is well formed, is true of a gateway, and makes clients.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::failure::Failure;
use crate::gateway::Gateway;
use crate::workspace::Workspace;
use crate::{npm, process, pypi};

/// The description, as the tests of the api write it.
const DESCRIPTION: &str = "docs/openapi.json";

const REDOCLY: &str = "node_modules/@redocly/cli/bin/cli.js";
const SPECTRAL: &str = "node_modules/@stoplight/spectral-cli/dist/index.js";
const TYPES: &str = "node_modules/openapi-typescript/bin/cli.js";
const COMPILER: &str = "node_modules/typescript/bin/tsc";

const NODE_TOOLS: npm::Packages = npm::Packages {
    name: "the linters of OpenAPI",
    manifests: "crates/xtask/openapi/tools",
    folder: "openapi/node",
    files: &[REDOCLY, SPECTRAL, TYPES, COMPILER],
};

const PYTHON_TOOLS: pypi::Packages = pypi::Packages {
    name: "schemathesis",
    list: "crates/xtask/openapi/tools/requirements.txt",
    folder: "openapi/python",
};

/// Builds the gateway, and checks everything.
pub(crate) fn run(workspace: &Workspace) -> Result<(), Failure> {
    install(workspace)?;
    let mut build = process::cargo();
    process::run(build.current_dir(workspace.root()).args(["build", "--package", "portway-host-node"]))?;
    check(workspace)
}

/// Installs what checks the description, unless it is there.
pub(crate) fn install(workspace: &Workspace) -> Result<(), Failure> {
    NODE_TOOLS.install(workspace)?;
    PYTHON_TOOLS.install(workspace)
}

/// Checks everything with the gateway that was built last.
pub(crate) fn check(workspace: &Workspace) -> Result<(), Failure> {
    let tools = Tools { workspace };
    tools.lint()?;
    let gateway = Gateway::start(&workspace.target("debug/portway"), &workspace.target("openapi/gateway"))?;
    tools.typescript(&gateway)?;
    tools.python(&gateway)?;
    tools.try_out(&gateway)
}

struct Tools<'a> {
    workspace: &'a Workspace,
}

impl Tools<'_> {
    fn lint(&self) -> Result<(), Failure> {
        let mut redocly = self.node(REDOCLY);
        redocly.env("REDOCLY_TELEMETRY", "off").env("REDOCLY_SUPPRESS_UPDATE_NOTICE", "true");
        process::run(redocly.args(["lint", DESCRIPTION, "--config", "crates/xtask/openapi/redocly.yaml"]))?;
        let mut spectral = self.node(SPECTRAL);
        spectral.args(["lint", DESCRIPTION, "--ruleset", "crates/xtask/openapi/spectral.yaml"]);
        process::run(spectral.args(["--fail-severity", "hint"]))
    }

    /// Makes a client of types, compiles the session in it, and runs that.
    fn typescript(&self, gateway: &Gateway) -> Result<(), Failure> {
        // Below the packages, where it finds them.
        let folder = self.empty_folder("openapi/node/client")?;
        self.copy("client.mts", &folder)?;
        process::run(self.node(TYPES).arg(DESCRIPTION).arg("-o").arg(folder.join("schema.d.ts")))?;
        let mut compile = self.node(COMPILER);
        compile.args(["--strict", "--target", "es2022", "--module", "nodenext", "--skipLibCheck", "--lib"]);
        process::run(compile.arg("es2023,dom").arg(folder.join("client.mts")))?;
        process::run(gateway.introduce(Command::new("node").arg(folder.join("client.mjs"))))
    }

    /// Makes a client, and runs the session in it.
    fn python(&self, gateway: &Gateway) -> Result<(), Failure> {
        let folder = self.empty_folder("openapi/client")?;
        self.copy("client.py", &folder)?;
        let mut generate = Command::new(self.python_program("openapi-python-client"));
        generate.current_dir(self.workspace.root()).args(["generate", "--meta", "none", "--path", DESCRIPTION]);
        generate.args(["--fail-on-warning", "--config", "crates/xtask/openapi/python-client.yaml"]);
        process::run(generate.arg("--output-path").arg(folder.join("portway_client")))?;
        let mut client = Command::new(self.python_program("python"));
        process::run(gateway.introduce(client.arg(folder.join("client.py"))))
    }

    /// Compares what the gateway answers with what it says that it would.
    fn try_out(&self, gateway: &Gateway) -> Result<(), Failure> {
        let config = self.workspace.root().join("crates/xtask/openapi/schemathesis.toml");
        let mut schemathesis = Command::new(self.python_program("schemathesis"));
        schemathesis.current_dir(self.empty_folder("openapi/schemathesis")?);
        schemathesis.arg("--config-file").arg(config).args(["run", "--no-color"]);
        process::run(gateway.introduce(schemathesis.arg(format!("{}/openapi.json", gateway.url()))))
    }

    fn node(&self, script: &str) -> Command {
        let mut node = Command::new("node");
        node.current_dir(self.workspace.root()).arg(NODE_TOOLS.path(self.workspace, script));
        node
    }

    fn python_program(&self, name: &str) -> PathBuf {
        PYTHON_TOOLS.program(self.workspace, name)
    }

    fn empty_folder(&self, name: &str) -> Result<PathBuf, Failure> {
        let folder = self.workspace.target(name);
        if folder.exists() {
            fs::remove_dir_all(&folder).map_err(Failure::file(&folder))?;
        }
        fs::create_dir_all(&folder).map_err(Failure::file(&folder))?;
        Ok(folder)
    }

    fn copy(&self, script: &str, folder: &Path) -> Result<(), Failure> {
        let from = self.workspace.root().join("crates/xtask/openapi").join(script);
        fs::copy(&from, folder.join(script)).map(drop).map_err(Failure::file(&from))
    }
}
