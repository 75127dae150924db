//! Fetches the sources of the standard library from the Debian mirror that this machine already uses,
//! without touching the apt configuration of the machine.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{apt_sources, create_folder, write};
use crate::failure::Failure;
use crate::process;
use crate::wasm::TARGET;

/// The suite whose `rust-src` is of the release in `rust-toolchain.toml`.
const SUITE: &str = "trixie-backports";
const PACKAGE: &str = "rust-src";

/// The folder with the sources of the given Rust release, downloaded and unpacked below `scratch`.
pub(super) fn rust_source(scratch: &Path, release: &str) -> Result<PathBuf, Failure> {
    let unpacked = scratch.join("source");
    let source = unpacked.join(format!("usr/src/rustc-{release}"));
    if source.join("library/std").is_dir() {
        return Ok(source);
    }
    let apt = PrivateApt::set_up(&scratch.join("apt"))?;
    process::run(apt.command("apt-get").arg("update"))?;
    let known = process::output(apt.command("apt-cache").args(["madison", PACKAGE]))?;
    let version = matching_version(&known, release).ok_or_else(|| {
        Failure::Environment(format!(
            "Debian {SUITE} has no {PACKAGE} {release}; install the standard library with `rustup target add {TARGET}`"
        ))
    })?;
    process::run(apt.command("apt-get").current_dir(&apt.folder).args(["download", &format!("{PACKAGE}={version}")]))?;
    let package = downloaded(&apt.folder)?;
    process::run(Command::new("dpkg-deb").arg("--extract").arg(package).arg(&unpacked))?;
    Ok(source)
}

/// The newest version of the release among the lines `package | version | source` of `apt-cache madison`.
fn matching_version<'a>(known: &'a str, release: &str) -> Option<&'a str> {
    known
        .lines()
        .filter_map(|line| line.split('|').nth(1))
        .map(str::trim)
        .find(|version| version.strip_prefix(release).is_some_and(|rest| rest.starts_with(['+', '-', '~'])))
}

fn downloaded(folder: &Path) -> Result<PathBuf, Failure> {
    let entries = fs::read_dir(folder).map_err(Failure::file(folder))?;
    entries
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|extension| extension == "deb"))
        .ok_or_else(|| Failure::Environment(format!("apt-get left no package in {}", folder.display())))
}

/// An apt configuration of its own with one suite; needs no root.
struct PrivateApt {
    folder: PathBuf,
}

impl PrivateApt {
    fn set_up(folder: &Path) -> Result<Self, Failure> {
        let mirror = apt_sources::mirror(Path::new("/etc/apt")).ok_or_else(|| {
            Failure::Environment(format!(
                "no Debian mirror in the apt sources of this machine; \
                 install the standard library with `rustup target add {TARGET}`"
            ))
        })?;
        create_folder(&folder.join("lists/partial"))?;
        create_folder(&folder.join("cache/archives/partial"))?;
        write(&folder.join("sources.list"), &mirror.line(SUITE))?;
        Ok(Self { folder: folder.to_owned() })
    }

    fn command(&self, program: &str) -> Command {
        let folder = self.folder.display();
        let mut command = Command::new(program);
        for option in [
            format!("Dir::Etc::sourcelist={folder}/sources.list"),
            "Dir::Etc::sourceparts=/dev/null".to_owned(),
            format!("Dir::State::Lists={folder}/lists"),
            format!("Dir::Cache={folder}/cache"),
            // The unprivileged download user of apt cannot write into a home folder.
            "APT::Sandbox::User=root".to_owned(),
        ] {
            command.args(["-o", &option]);
        }
        command
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_of_the_very_release_is_chosen() {
        let known = " rust-src | 1.95.1+dfsg1-1 | http://mirror.example/debian a/main\n \
                     rust-src | 1.95.0+dfsg1-2~bpo13+1 | http://mirror.example/debian b/main\n \
                     rust-src | 1.95.0+dfsg1-1 | http://mirror.example/debian c/main\n";
        assert_eq!(matching_version(known, "1.95.0"), Some("1.95.0+dfsg1-2~bpo13+1"));
        assert_eq!(matching_version(known, "1.95"), None);
        assert_eq!(matching_version("", "1.95.0"), None);
    }
}
