//! The standard library for WebAssembly on a machine where rustup cannot download: built from the sources that Debian
//! packages, which are those of the same release, and kept in the sysroot like a downloaded one.

mod apt_sources;
mod debian;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::failure::Failure;
use crate::process;
use crate::wasm::TARGET;
use crate::workspace::Workspace;

/// Name of the empty crate that cargo builds the standard library for.
const PROBE: &str = "portway-wasm-std-probe";

/// The folder of the toolchain that builds this workspace.
pub(crate) fn sysroot(workspace: &Workspace) -> Result<PathBuf, Failure> {
    let printed = process::output(rustc().current_dir(workspace.root()).args(["--print", "sysroot"]))?;
    Ok(PathBuf::from(printed.trim_end()))
}

/// Where the standard library of the target lies in a sysroot.
pub(crate) fn libraries(sysroot: &Path) -> PathBuf {
    sysroot.join("lib/rustlib").join(TARGET).join("lib")
}

/// Whether a complete standard library is there.
pub(crate) fn is_present(libraries: &Path) -> bool {
    rlibs(libraries).is_ok_and(|files| files.iter().any(|file| is_std(file)))
}

/// Builds the standard library from source and puts it into the sysroot.
pub(crate) fn build(workspace: &Workspace, sysroot: &Path) -> Result<(), Failure> {
    let scratch = workspace.target("wasm-std");
    let source = sysroot.join("lib/rustlib/src/rust");
    if source.join("library/std").is_dir() {
        compile(&scratch, sysroot)?;
    } else {
        let unpacked = debian::rust_source(&scratch, &release(workspace)?)?;
        compile_linked(&unpacked, &source, &scratch, sysroot)?;
    }
    fs::remove_dir_all(&scratch).map_err(Failure::file(&scratch))
}

/// Cargo looks for the sources in the sysroot only, so they are linked there for as long as it builds.
fn compile_linked(unpacked: &Path, link: &Path, scratch: &Path, sysroot: &Path) -> Result<(), Failure> {
    create_folder(&sysroot.join("lib/rustlib/src"))?;
    if link.is_symlink() {
        fs::remove_file(link).map_err(Failure::file(link))?;
    }
    symlink(unpacked, link).map_err(Failure::file(link))?;
    let compiled = compile(scratch, sysroot);
    fs::remove_file(link).map_err(Failure::file(link))?;
    compiled
}

fn compile(scratch: &Path, sysroot: &Path) -> Result<(), Failure> {
    let probe = scratch.join(PROBE);
    create_folder(&probe.join("src"))?;
    write(&probe.join("src/lib.rs"), "#![no_std]\n")?;
    write(&probe.join("Cargo.toml"), &format!("[package]\nname = \"{PROBE}\"\nedition = \"2024\"\n\n[workspace]\n"))?;
    let target_folder = scratch.join("build");
    process::run(
        process::cargo()
            .current_dir(&probe)
            .args(["build", "--release", "-Zbuild-std=std,panic_abort", "--target", TARGET])
            .arg("--target-dir")
            .arg(&target_folder)
            .env("RUSTC_BOOTSTRAP", "1")
            // Without bitcode, every crate that is built with LTO fails to link.
            .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS", "-Cembed-bitcode=yes")
            .env_remove("RUSTFLAGS")
            .env_remove("CARGO_ENCODED_RUSTFLAGS"),
    )?;
    install(&target_folder.join(TARGET).join("release/deps"), &libraries(sysroot))
}

fn install(built: &Path, libraries: &Path) -> Result<(), Failure> {
    create_folder(libraries)?;
    // Two builds of one crate side by side are "multiple candidates" to rustc.
    for old in rlibs(libraries)? {
        fs::remove_file(&old).map_err(Failure::file(&old))?;
    }
    let mut files = rlibs(built)?;
    files.retain(|file| !file_name(file).contains(&PROBE.replace('-', "_")));
    // `std` comes last: its presence says that all of it is there.
    files.sort_by_key(|file| is_std(file));
    for file in files {
        fs::copy(&file, libraries.join(file_name(&file))).map_err(Failure::file(libraries))?;
    }
    Ok(())
}

/// The release of the compiler, such as `1.95.0`.
fn release(workspace: &Workspace) -> Result<String, Failure> {
    let printed = process::output(rustc().current_dir(workspace.root()).arg("--version"))?;
    let release = printed.split(' ').nth(1);
    release
        .map(str::to_owned)
        .ok_or_else(|| Failure::Environment(format!("`rustc --version` printed no version: {printed}")))
}

fn rustc() -> Command {
    Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
}

fn rlibs(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let entries = fs::read_dir(folder).map_err(Failure::file(folder))?;
    Ok(entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "rlib"))
        .collect())
}

fn is_std(file: &Path) -> bool {
    file_name(file).starts_with("libstd-")
}

fn file_name(file: &Path) -> String {
    file.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn create_folder(folder: &Path) -> Result<(), Failure> {
    fs::create_dir_all(folder).map_err(Failure::file(folder))
}

fn write(file: &Path, text: &str) -> Result<(), Failure> {
    fs::write(file, text).map_err(Failure::file(file))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_installed_library_replaces_the_old_one_and_leaves_the_probe_out() {
        let scratch = tempfile::tempdir().unwrap();
        let (built, libraries) = (scratch.path().join("built"), scratch.path().join("lib"));
        create_folder(&built).unwrap();
        create_folder(&libraries).unwrap();
        for name in ["libstd-1.rlib", "libcore-1.rlib", "libcore-1.rmeta", "libportway_wasm_std_probe-1.rlib"] {
            write(&built.join(name), "new").unwrap();
        }
        write(&libraries.join("libcore-0.rlib"), "old").unwrap();
        assert!(!is_present(&libraries));

        install(&built, &libraries).unwrap();

        let mut names: Vec<String> = rlibs(&libraries).unwrap().iter().map(|file| file_name(file)).collect();
        names.sort();
        assert_eq!(names, ["libcore-1.rlib", "libstd-1.rlib"]);
        assert!(is_present(&libraries));
    }

    #[test]
    fn a_missing_folder_holds_no_library() {
        assert!(!is_present(Path::new("does/not/exist")));
    }
}
