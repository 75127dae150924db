//! Packages of PyPI, installed at the versions of committed lists with hashes.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::failure::Failure;
use crate::process;
use crate::workspace::Workspace;

/// Copy of the list of what is installed, written last.
const INSTALLED: &str = "installed.txt";

/// Packages with a list of their own.
pub(crate) struct Packages {
    /// What they are, for messages.
    pub(crate) name: &'static str,
    /// The list, in the workspace.
    pub(crate) list: &'static str,
    /// Folder below `target/` to install them in.
    pub(crate) folder: &'static str,
}

impl Packages {
    /// Where a program of the packages is, once they are installed.
    pub(crate) fn program(&self, workspace: &Workspace, name: &str) -> PathBuf {
        workspace.target(self.folder).join("bin").join(name)
    }

    /// Installs the packages unless they are there.
    pub(crate) fn install(&self, workspace: &Workspace) -> Result<(), Failure> {
        let folder = workspace.target(self.folder);
        let wanted = workspace.read(self.list)?;
        let stamp = folder.join(INSTALLED);
        if fs::read_to_string(&stamp).is_ok_and(|list| list == wanted) {
            println!("{} is installed already", self.name);
            return Ok(());
        }
        process::run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder))?;
        let mut pip = Command::new(self.program(workspace, "pip"));
        // Packages that are built run programs of theirs at once.
        pip.args(["install", "--quiet", "--disable-pip-version-check", "--only-binary", ":all:", "--require-hashes"]);
        process::run(pip.arg("-r").arg(workspace.root().join(self.list)))?;
        fs::write(&stamp, wanted).map_err(Failure::file(&stamp))
    }
}
