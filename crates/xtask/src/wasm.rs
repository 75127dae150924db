//! `cargo xtask wasm-check`: the portable crates compile for wasm32-unknown-unknown, and clippy has nothing to say about
//! what exists only there.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::dependency_rule::{DependencyRule, package_name};
use crate::failure::Failure;
use crate::workspace::Workspace;
use crate::{process, wasm_std};

/// The target of Cloudflare Workers.
pub(crate) const TARGET: &str = "wasm32-unknown-unknown";

/// Installs the standard library of the target where it is missing, then checks the portable crates.
pub(crate) fn run(workspace: &Workspace) -> Result<(), Failure> {
    ensure_standard_library(workspace)?;
    let rule = DependencyRule::load(workspace)?;
    let mut check = process::cargo();
    check.current_dir(workspace.root()).args(["clippy", "--lib", "--target", TARGET]);
    for folder in rule.portable() {
        check.args(["--package", &package_name(folder)]);
    }
    process::run(check.args(["--", "-D", "warnings"]))
}

/// Installs the standard library of the target where it is missing.
pub(crate) fn ensure_standard_library(workspace: &Workspace) -> Result<(), Failure> {
    let sysroot = wasm_std::sysroot(workspace)?;
    let libraries = wasm_std::libraries(&sysroot);
    if wasm_std::is_present(&libraries) {
        return Ok(());
    }
    let rustup = process::run(Command::new("rustup").current_dir(workspace.root()).args(["target", "add", TARGET]));
    if let Err(failure) = rustup {
        println!("{failure}: building the standard library for {TARGET} from Debian's sources instead");
    }
    if !wasm_std::is_present(&libraries) {
        wasm_std::build(workspace, &sysroot)?;
    }
    forget_older_builds(&workspace.target(TARGET))
}

/// Cargo does not notice a new standard library; what was compiled against another one cannot be linked with it.
fn forget_older_builds(folder: &Path) -> Result<(), Failure> {
    if folder.is_dir() {
        fs::remove_dir_all(folder).map_err(Failure::file(folder))?;
    }
    Ok(())
}
