//! Rules about the manifests: shared lints, inherited versions, and a reason for every external package.

use toml::Table;

use crate::dependency_rule::package_name;
use crate::failure::Failure;
use crate::workspace::{PACKAGE_PREFIX, Workspace, folder};

/// Every finding in the manifests of the workspace.
pub(crate) fn findings(workspace: &Workspace) -> Result<Vec<String>, Failure> {
    let mut findings = reason_findings(&workspace.read("Cargo.toml")?);
    for package in workspace.packages() {
        let folder = folder(package);
        let path = format!("crates/{folder}/Cargo.toml");
        if package.name.as_str() != package_name(&folder) {
            findings.push(format!("{path}: the package is called {}", package_name(&folder)));
        }
        let manifest = parse(&path, &workspace.read(&path)?)?;
        findings.extend(manifest_findings(&path, &manifest));
    }
    Ok(findings)
}

fn parse(path: &str, text: &str) -> Result<Table, Failure> {
    text.parse().map_err(|error: toml::de::Error| Failure::Format { path: path.into(), message: error.to_string() })
}

fn manifest_findings(path: &str, manifest: &Table) -> Vec<String> {
    let mut findings = Vec::new();
    if !is_inherited(manifest.get("lints")) {
        findings.push(format!("{path}: add `[lints] workspace = true`"));
    }
    let platforms =
        table(manifest, "target").into_iter().flat_map(|targets| targets.values()).filter_map(toml::Value::as_table);
    for owner in std::iter::once(manifest).chain(platforms) {
        for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
            for (name, entry) in table(owner, section).into_iter().flatten() {
                if !is_inherited(Some(entry)) {
                    findings.push(format!("{path}: {section}: write `{name}.workspace = true`"));
                }
            }
        }
    }
    findings
}

fn is_inherited(entry: Option<&toml::Value>) -> bool {
    entry.and_then(|entry| entry.get("workspace")).and_then(toml::Value::as_bool) == Some(true)
}

fn table<'a>(owner: &'a Table, key: &str) -> Option<&'a Table> {
    owner.get(key)?.as_table()
}

/// Comments are no data of TOML, so this reads lines: the line above each external package is a comment.
fn reason_findings(root_manifest: &str) -> Vec<String> {
    let mut findings = Vec::new();
    let mut inside = false;
    let mut above = "";
    for line in root_manifest.lines() {
        if line.starts_with('[') {
            inside = line.trim_end() == "[workspace.dependencies]";
            if line.starts_with("[workspace.dependencies.") {
                findings.push(format!("Cargo.toml: write {line} as one line of [workspace.dependencies]"));
            }
        } else if inside
            && let Some(name) = key(line)
            && !name.starts_with(PACKAGE_PREFIX)
            && !is_comment(above)
        {
            findings.push(format!("Cargo.toml: give {name} a comment above it that says why it is needed"));
        }
        above = line;
    }
    findings
}

fn is_comment(line: &str) -> bool {
    line.strip_prefix('#').is_some_and(|text| !text.trim().is_empty())
}

/// The key that a line begins with; continued lines are indented or close a bracket.
fn key(line: &str) -> Option<&str> {
    let end = line.find(['=', '.', ' '])?;
    let key = line[..end].trim_matches('"');
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    (!key.is_empty() && key.chars().all(is_name)).then_some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(manifest: &str) -> Vec<String> {
        manifest_findings("Cargo.toml", &manifest.parse().unwrap())
    }

    #[test]
    fn an_inheriting_manifest_has_no_findings() {
        let manifest = "
            lints.workspace = true
            [dependencies]
            serde.workspace = true
            tokio = { workspace = true, features = ['sync'] }
        ";
        assert_eq!(check(manifest), Vec::<String>::new());
    }

    #[test]
    fn missing_lints_are_found() {
        assert_eq!(check("[lints.rust]\nunsafe_code = 'allow'").len(), 1);
        assert_eq!(check("").len(), 1);
        assert_eq!(check("lints.workspace = false").len(), 1);
    }

    #[test]
    fn a_version_of_its_own_is_found_in_every_section() {
        let manifest = "
            lints.workspace = true
            [dependencies]
            a = '1'
            [dev-dependencies]
            b = { version = '1' }
            [build-dependencies]
            c = { path = '../c' }
            [target.'cfg(unix)'.dependencies]
            d = '1'
        ";
        let findings = check(manifest);
        assert_eq!(findings.len(), 4, "{findings:?}");
    }

    #[test]
    fn an_external_package_without_a_reason_is_found() {
        let manifest = "[package]\nname = \"x\"\n[workspace.dependencies]\nportway-x = { path = \"x\" }\n\
                        # Why.\na = \"1\"\nb-c = \"1\"\n#\nd.version = \"1\"\n[profile.dev]\ndebug = false\n";
        let findings = reason_findings(manifest);
        assert_eq!(findings.len(), 2, "{findings:?}");
        assert!(findings[0].contains("b-c"));
        assert!(findings[1].contains("give d "));
    }

    #[test]
    fn lines_inside_an_array_are_no_packages() {
        let manifest = "[workspace.dependencies]\n# Why.\na = { version = \"1\", features = [\n    \"x\",\n] }\n";
        assert_eq!(reason_findings(manifest), Vec::<String>::new());
    }
}
