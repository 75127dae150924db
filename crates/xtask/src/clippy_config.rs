//! Clippy reads the `clippy.toml` of a crate instead of that of the workspace: this keeps the exceptions where the
//! dependency rule says that a crate is native, and all of them the same.

use std::collections::BTreeMap;

use crate::dependency_rule::DependencyRule;
use crate::failure::Failure;
use crate::workspace::Workspace;

/// Every crate whose lint configuration does not fit its place in the dependency rule.
pub(crate) fn findings(workspace: &Workspace, rule: &DependencyRule) -> Result<Vec<String>, Failure> {
    let mut configurations = BTreeMap::new();
    for name in rule.crates.keys() {
        let path = format!("crates/{name}/clippy.toml");
        if workspace.root().join(&path).is_file() {
            configurations.insert(name.as_str(), workspace.read(&path)?);
        }
    }
    Ok(compare(rule, &configurations))
}

fn compare(rule: &DependencyRule, configurations: &BTreeMap<&str, String>) -> Vec<String> {
    let model = configurations.get("xtask");
    let mut findings = Vec::new();
    for (name, crate_rule) in &rule.crates {
        match (crate_rule.portable, configurations.get(name.as_str())) {
            (true, Some(_)) => findings.push(format!(
                "crates/{name}/clippy.toml lifts the bans of the root clippy.toml, but {name} is portable: remove it"
            )),
            (false, text) if text.is_none() || text != model => findings.push(format!(
                "crates/{name}/clippy.toml must be a copy of crates/xtask/clippy.toml: {name} is native"
            )),
            _ => {}
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "
        [crates.domain]
        portable = true
        dependencies = []
        [crates.host-node]
        portable = false
        dependencies = []
        [crates.xtask]
        portable = false
        dependencies = []
        [banned]
    ";

    fn check(configurations: &[(&'static str, &str)]) -> Vec<String> {
        let configurations = configurations.iter().map(|(name, text)| (*name, (*text).to_owned())).collect();
        compare(&toml::from_str(TABLE).unwrap(), &configurations)
    }

    #[test]
    fn native_crates_share_one_configuration() {
        assert_eq!(check(&[("host-node", "a"), ("xtask", "a")]), Vec::<String>::new());
        assert_eq!(check(&[("host-node", "b"), ("xtask", "a")]).len(), 1);
        assert_eq!(check(&[("xtask", "a")]).len(), 1);
        assert_eq!(check(&[]).len(), 2);
    }

    #[test]
    fn a_portable_crate_has_none() {
        let findings = check(&[("domain", "a"), ("host-node", "a"), ("xtask", "a")]);
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert!(findings[0].starts_with("crates/domain/clippy.toml"));
    }
}
