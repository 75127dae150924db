//! The workspace as cargo sees it.

use std::fs;
use std::path::{Path, PathBuf};

use cargo_metadata::{CargoOpt, Metadata, MetadataCommand, Package};

use crate::failure::Failure;
use crate::process;

/// Packages of this workspace are called this plus the name of their folder.
pub(crate) const PACKAGE_PREFIX: &str = "portway-";

/// The profile of what tests run very often, and its folder among cargo's targets.
pub(crate) const CHECKED: &str = "checked";

/// The workspace around the current folder.
pub(crate) struct Workspace {
    /// Resolved with all features, so that nothing optional hides from the rules.
    pub(crate) metadata: Metadata,
}

impl Workspace {
    /// Asks cargo about the workspace around the current folder.
    pub(crate) fn load() -> Result<Self, Failure> {
        let metadata = MetadataCommand::new().features(CargoOpt::AllFeatures).exec()?;
        Ok(Self { metadata })
    }

    /// The folder of the root manifest.
    pub(crate) fn root(&self) -> &Path {
        self.metadata.workspace_root.as_std_path()
    }

    /// A path inside cargo's target folder.
    pub(crate) fn target(&self, inside: &str) -> PathBuf {
        self.metadata.target_directory.as_std_path().join(inside)
    }

    /// The crates of the workspace.
    pub(crate) fn packages(&self) -> Vec<&Package> {
        self.metadata.workspace_packages()
    }

    /// The files that git tracks or would track, relative to the root, with `/` between folders.
    pub(crate) fn tracked_files(&self) -> Result<Vec<String>, Failure> {
        let listing = process::output(std::process::Command::new("git").current_dir(self.root()).args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ]))?;
        let mut files: Vec<String> = listing
            .split('\0')
            .filter(|path| !path.is_empty() && self.root().join(path).is_file())
            .map(str::to_owned)
            .collect();
        files.sort();
        files.dedup();
        Ok(files)
    }

    /// The text of a file of the workspace.
    pub(crate) fn read(&self, path: &str) -> Result<String, Failure> {
        let path = self.root().join(path);
        fs::read_to_string(&path).map_err(Failure::file(&path))
    }
}

/// The folder of a crate of this workspace, relative to `crates/`.
pub(crate) fn folder(package: &Package) -> String {
    package.manifest_path.parent().and_then(|folder| folder.file_name()).unwrap_or_default().to_owned()
}
