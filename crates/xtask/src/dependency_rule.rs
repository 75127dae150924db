//! `cargo xtask check-deps`: the workspace against `dependency-rule.toml` and the manifest rules.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, Package};
use serde::Deserialize;

use crate::failure::Failure;
use crate::workspace::{PACKAGE_PREFIX, Workspace, folder};
use crate::{clippy_config, manifests};

const RULE_FILE: &str = "crates/xtask/dependency-rule.toml";

/// The table kept as a file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DependencyRule {
    /// By folder under `crates/`.
    pub(crate) crates: BTreeMap<String, CrateRule>,
    /// Package name to the reason against it.
    banned: BTreeMap<String, String>,
}

/// What one crate is and may know.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct CrateRule {
    /// Compiles for wasm32-unknown-unknown.
    pub(crate) portable: bool,
    dependencies: BTreeSet<String>,
    #[serde(default)]
    dev_dependencies: BTreeSet<String>,
}

/// The edges of one crate as they are.
#[derive(Debug, Default)]
struct Edges {
    dependencies: BTreeSet<String>,
    dev_dependencies: BTreeSet<String>,
}

impl DependencyRule {
    /// Reads the table of the workspace.
    pub(crate) fn load(workspace: &Workspace) -> Result<Self, Failure> {
        toml::from_str(&workspace.read(RULE_FILE)?)
            .map_err(|error| Failure::Format { path: RULE_FILE.into(), message: error.to_string() })
    }

    /// The folders of the crates that compile for WebAssembly.
    pub(crate) fn portable(&self) -> impl Iterator<Item = &str> {
        self.crates.iter().filter(|(_, rule)| rule.portable).map(|(name, _)| name.as_str())
    }
}

/// Runs all rules about dependencies and manifests and reports every finding at once.
pub(crate) fn run(workspace: &Workspace) -> Result<(), Failure> {
    let rule = DependencyRule::load(workspace)?;
    let mut findings = edge_findings(&rule, &actual_edges(workspace));
    let packages = &workspace.metadata.packages;
    findings.extend(banned_findings(&rule, packages.iter().map(|package| package.name.as_str())));
    findings.extend(manifests::findings(workspace)?);
    findings.extend(clippy_config::findings(workspace, &rule)?);
    Failure::unless_empty("dependency rule", findings)?;
    println!("{} crates follow the dependency rule", rule.crates.len());
    Ok(())
}

fn actual_edges(workspace: &Workspace) -> BTreeMap<String, Edges> {
    let members = workspace.packages();
    let folders: BTreeMap<&str, String> =
        members.iter().map(|package| (package.name.as_str(), folder(package))).collect();
    members.iter().map(|package| (folder(package), edges(package, &folders))).collect()
}

fn edges(package: &Package, folders: &BTreeMap<&str, String>) -> Edges {
    let mut edges = Edges::default();
    for dependency in &package.dependencies {
        let Some(to) = folders.get(dependency.name.as_str()) else {
            continue;
        };
        match dependency.kind {
            DependencyKind::Development => edges.dev_dependencies.insert(to.clone()),
            _ => edges.dependencies.insert(to.clone()),
        };
    }
    edges
}

fn edge_findings(rule: &DependencyRule, actual: &BTreeMap<String, Edges>) -> Vec<String> {
    let nothing_allowed = CrateRule::default();
    let nothing_there = Edges::default();
    let names: BTreeSet<&String> = rule.crates.keys().chain(actual.keys()).collect();
    let mut findings = Vec::new();
    for name in names {
        match (rule.crates.contains_key(name), actual.contains_key(name)) {
            (false, _) => findings.push(format!("crates/{name} has no entry in {RULE_FILE}")),
            (_, false) => findings.push(format!("{RULE_FILE} has an entry for crates/{name}, which is gone")),
            _ => {}
        }
        let allowed = rule.crates.get(name).unwrap_or(&nothing_allowed);
        let edges = actual.get(name).unwrap_or(&nothing_there);
        compare(name, "dependencies", &allowed.dependencies, &edges.dependencies, &mut findings);
        compare(name, "dev-dependencies", &allowed.dev_dependencies, &edges.dev_dependencies, &mut findings);
    }
    findings
}

fn compare(name: &str, list: &str, allowed: &BTreeSet<String>, actual: &BTreeSet<String>, findings: &mut Vec<String>) {
    for to in actual.difference(allowed) {
        findings.push(format!(
            "{list}: {name} must not know {to}; \
             move the code, or change the rule in {RULE_FILE} with its reason in docs/adr"
        ));
    }
    for to in allowed.difference(actual) {
        findings.push(format!("{list}: {name} no longer knows {to}; remove the edge from {RULE_FILE}"));
    }
}

fn banned_findings<'a>(rule: &DependencyRule, packages: impl Iterator<Item = &'a str>) -> Vec<String> {
    let present: BTreeSet<&str> = packages.collect();
    rule.banned
        .iter()
        .filter(|(name, _)| present.contains(name.as_str()))
        .map(|(name, reason)| format!("{name} is banned: {reason} (see `cargo tree --target all -i {name}`)"))
        .collect()
}

/// The package name of a folder under `crates/`.
pub(crate) fn package_name(folder: &str) -> String {
    format!("{PACKAGE_PREFIX}{folder}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = r#"
        [crates.domain]
        portable = true
        dependencies = []
        [crates.sql]
        portable = true
        dependencies = ["domain"]
        dev-dependencies = ["conformance"]
        [banned]
        openssl = "use rustls"
    "#;

    fn rule() -> DependencyRule {
        toml::from_str(TABLE).unwrap()
    }

    fn actual(edges: &[(&str, &[&str], &[&str])]) -> BTreeMap<String, Edges> {
        let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        edges
            .iter()
            .map(|(name, dependencies, dev_dependencies)| {
                let edges = Edges { dependencies: set(dependencies), dev_dependencies: set(dev_dependencies) };
                ((*name).to_owned(), edges)
            })
            .collect()
    }

    #[test]
    fn the_same_edges_have_no_findings() {
        let actual = actual(&[("domain", &[], &[]), ("sql", &["domain"], &["conformance"])]);
        assert_eq!(edge_findings(&rule(), &actual), Vec::<String>::new());
    }

    #[test]
    fn an_edge_outside_the_table_is_found() {
        let actual = actual(&[("domain", &["sql"], &[]), ("sql", &["domain"], &["conformance"])]);
        let findings = edge_findings(&rule(), &actual);
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert!(findings[0].starts_with("dependencies: domain must not know sql"));
    }

    #[test]
    fn an_edge_that_is_gone_is_found() {
        let actual = actual(&[("domain", &[], &[]), ("sql", &[], &["conformance"])]);
        let findings = edge_findings(&rule(), &actual);
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert!(findings[0].starts_with("dependencies: sql no longer knows domain"));
    }

    #[test]
    fn edges_of_tests_are_a_list_of_their_own() {
        let actual = actual(&[("domain", &[], &[]), ("sql", &["domain", "conformance"], &[])]);
        let findings = edge_findings(&rule(), &actual);
        assert_eq!(findings.len(), 2, "{findings:?}");
        assert!(findings[0].starts_with("dependencies: sql must not know conformance"));
        assert!(findings[1].starts_with("dev-dependencies: sql no longer knows conformance"));
    }

    #[test]
    fn crates_on_one_side_only_are_found() {
        let actual = actual(&[("domain", &[], &[]), ("extra", &[], &[])]);
        let findings = edge_findings(&rule(), &actual);
        assert!(findings.contains(&format!("crates/extra has no entry in {RULE_FILE}")));
        assert!(findings.contains(&format!("{RULE_FILE} has an entry for crates/sql, which is gone")));
    }

    #[test]
    fn a_banned_package_is_found_by_its_whole_name() {
        assert_eq!(banned_findings(&rule(), ["openssl-probe", "ring"].into_iter()), Vec::<String>::new());
        let findings = banned_findings(&rule(), ["ring", "openssl"].into_iter());
        assert_eq!(findings.len(), 1);
        assert!(findings[0].contains("use rustls"));
    }

    #[test]
    fn a_misspelt_key_of_the_table_is_refused() {
        let misspelt = TABLE.replace("dev-dependencies", "dev_dependencies");
        assert!(toml::from_str::<DependencyRule>(&misspelt).is_err());
    }
}
