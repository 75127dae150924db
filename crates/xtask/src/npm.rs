//! Packages of npm, installed at the versions of committed lock files.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::failure::Failure;
use crate::process;
use crate::workspace::Workspace;

const LOCK: &str = "package-lock.json";
/// Copy of the lock file of what is installed, written last.
const INSTALLED: &str = "installed-lock.json";

/// Packages with a manifest and a lock file of their own.
pub(crate) struct Packages {
    /// What they are, for messages.
    pub(crate) name: &'static str,
    /// Folder of the manifest in the workspace.
    pub(crate) manifests: &'static str,
    /// Folder below `target/` to install them in.
    pub(crate) folder: &'static str,
    /// Files that are there once they are installed, below that folder.
    pub(crate) files: &'static [&'static str],
}

impl Packages {
    /// Where a file of the packages is, once they are installed.
    pub(crate) fn path(&self, workspace: &Workspace, file: &str) -> PathBuf {
        workspace.target(self.folder).join(file)
    }

    /// Installs the packages unless they are there, and answers where their files are, in order.
    pub(crate) fn install(&self, workspace: &Workspace) -> Result<Vec<PathBuf>, Failure> {
        let folder = workspace.target(self.folder);
        let files: Vec<PathBuf> = self.files.iter().map(|file| self.path(workspace, file)).collect();
        let absent = || files.iter().find(|file| !file.is_file());
        let wanted = workspace.read(&format!("{}/{LOCK}", self.manifests))?;
        let is_installed = fs::read_to_string(folder.join(INSTALLED)).is_ok_and(|lock| lock == wanted);
        if is_installed && absent().is_none() {
            println!("{} is installed already", self.name);
            return Ok(files);
        }
        let manifest = workspace.read(&format!("{}/package.json", self.manifests))?;
        fs::create_dir_all(&folder).map_err(Failure::file(&folder))?;
        for (name, text) in [("package.json", &manifest), (LOCK, &wanted)] {
            let path = folder.join(name);
            fs::write(&path, text).map_err(Failure::file(&path))?;
        }
        process::run(Command::new("node").arg("--version"))?;
        let mut npm = Command::new("npm");
        process::run(npm.current_dir(&folder).args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]))?;
        if let Some(file) = absent() {
            return Err(Failure::Environment(format!("npm installed no {}", file.display())));
        }
        let stamp = folder.join(INSTALLED);
        fs::write(&stamp, wanted).map_err(Failure::file(&stamp))?;
        Ok(files)
    }
}
