//! The rewriter must be of the version of `wasm-bindgen` that is compiled into a Worker: their formats are private.

use crate::failure::Failure;
use crate::workspace::Workspace;

/// What is compiled into a Worker.
const COMPILED_IN: &str = "wasm-bindgen";

/// What rewrites the Worker.
const REWRITER: &str = "wasm-bindgen-cli-support";

/// Compares both versions in the lock file.
pub(super) fn check(workspace: &Workspace) -> Result<(), Failure> {
    let packages = workspace.metadata.packages.iter();
    compare(packages.map(|package| (package.name.as_str(), package.version.to_string())))
}

fn compare<'a>(packages: impl Iterator<Item = (&'a str, String)> + Clone) -> Result<(), Failure> {
    let version = |wanted| {
        let found = packages.clone().find(|(name, _)| *name == wanted);
        found.map(|(_, version)| version).ok_or_else(|| Failure::Environment(format!("Cargo.lock has no {wanted}")))
    };
    let (compiled_in, rewriter) = (version(COMPILED_IN)?, version(REWRITER)?);
    if compiled_in == rewriter {
        return Ok(());
    }
    Err(Failure::Environment(format!(
        "Cargo.lock has {COMPILED_IN} {compiled_in} and {REWRITER} {rewriter}, which cannot work together: run \
         `cargo update --package {REWRITER} --precise {compiled_in}`"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(packages: &[(&'static str, &str)]) -> Result<(), Failure> {
        compare(packages.iter().map(|(name, version)| (*name, (*version).to_owned())))
    }

    #[test]
    fn equal_versions_work_together() {
        assert!(check(&[("wasm-bindgen", "0.2.1"), ("wasm-bindgen-cli-support", "0.2.1")]).is_ok());
    }

    #[test]
    fn other_versions_come_with_a_remedy() {
        let error = check(&[("wasm-bindgen", "0.2.2"), ("wasm-bindgen-cli-support", "0.2.1")]).unwrap_err().to_string();
        assert!(error.contains("cargo update --package wasm-bindgen-cli-support --precise 0.2.2"), "{error}");
        let error = check(&[("wasm-bindgen", "0.2.2")]).unwrap_err().to_string();
        assert!(error.contains("no wasm-bindgen-cli-support"), "{error}");
    }
}
