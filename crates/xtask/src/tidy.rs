//! `cargo xtask tidy`: rules about tracked files that no compiler knows.

use std::collections::BTreeSet;
use std::fs;

use crate::failure::Failure;
use crate::workspace::Workspace;

/// From here on a source file is reported.
const LINES_TO_WARN: usize = 400;
/// A source file with more lines than this fails.
const LINES_TO_FAIL: usize = 600;

/// Folders of the repository: a path in a document that begins with one of them must exist.
const CODE_FOLDERS: [&str; 5] = [".cargo", ".ci", "crates", "docs", "migrations"];

/// Absolute folders of one machine. Put together here so that this file passes its own rule.
const MACHINE_FOLDERS: [&str; 2] = [concat!("/", "work/"), concat!("/", "root/")];
/// The name of a private package mirror.
const PRIVATE_MIRROR: &str = concat!("arti", "factory");

/// Runs all rules over the tracked files and reports every finding at once.
pub(crate) fn run(workspace: &Workspace) -> Result<(), Failure> {
    let files = workspace.tracked_files()?;
    let paths = known_paths(&files);
    let mut findings = Vec::new();
    for file in &files {
        let full_path = workspace.root().join(file);
        let bytes = fs::read(&full_path).map_err(Failure::file(&full_path))?;
        let Ok(text) = String::from_utf8(bytes) else {
            continue;
        };
        findings.extend(machine_findings(file, &text));
        findings.extend(lock_findings(file, &text));
        findings.extend(size_finding(file, &text));
        if is_checked_document(file) {
            findings.extend(document_findings(file, &text, &paths));
        }
    }
    Failure::unless_empty("tidy", findings)?;
    println!("{} files are tidy", files.len());
    Ok(())
}

/// Every tracked file and every folder above one.
fn known_paths(files: &[String]) -> BTreeSet<&str> {
    files
        .iter()
        .flat_map(|file| {
            let folders = file.match_indices('/').map(|(at, _)| &file[..at]);
            folders.chain(std::iter::once(file.as_str()))
        })
        .collect()
}

fn size_finding(file: &str, text: &str) -> Option<String> {
    if !file.ends_with(".rs") {
        return None;
    }
    let lines = text.lines().count();
    if lines > LINES_TO_FAIL {
        return Some(format!("{file}: {lines} lines, more than {LINES_TO_FAIL}: split it by concern"));
    }
    if lines > LINES_TO_WARN {
        eprintln!("warning: {file}: {lines} lines; more than {LINES_TO_FAIL} will fail");
    }
    None
}

fn machine_findings(file: &str, text: &str) -> Vec<String> {
    let mut findings = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        for folder in MACHINE_FOLDERS {
            if names_folder(line, folder) {
                findings.push(format!("{file}:{number}: names {folder}, a folder of one machine"));
            }
        }
        if line.to_ascii_lowercase().contains(PRIVATE_MIRROR) {
            findings.push(format!("{file}:{number}: names a private package mirror"));
        }
    }
    findings
}

/// Whether the line has the folder as an absolute path, not as the middle of a longer path.
fn names_folder(line: &str, folder: &str) -> bool {
    line.match_indices(folder)
        .any(|(at, _)| !line[..at].ends_with(|before: char| before.is_alphanumeric() || "._-~})]>*".contains(before)))
}

/// A lock file that says where its packages came from would tie every clone to that registry.
fn lock_findings(file: &str, text: &str) -> Option<String> {
    let is_lock = file.rsplit('/').next() == Some("package-lock.json");
    (is_lock && text.contains("\"resolved\": \"http")).then(|| {
        format!("{file}: names a registry; write it with `npm install --package-lock-only --omit-lockfile-registry-resolved`")
    })
}

fn is_checked_document(file: &str) -> bool {
    matches!(file, "README.md" | "ARCHITECTURE.md" | "CONTRIBUTING.md")
        || (file.starts_with("docs/") && file.ends_with(".md"))
}

fn document_findings(file: &str, text: &str, paths: &BTreeSet<&str>) -> Vec<String> {
    let mut findings = Vec::new();
    let mut in_block = false;
    for (number, line) in (1..).zip(text.lines()) {
        if line.trim_start().starts_with("```") {
            in_block = !in_block;
        } else if !in_block {
            let missing = line.split('`').skip(1).step_by(2).filter_map(code_path).filter(|path| !paths.contains(path));
            findings.extend(missing.map(|path| format!("{file}:{number}: `{path}` does not exist")));
        }
    }
    findings
}

/// The path that a piece of inline code names, up to its first placeholder; `None` when it names no code path.
fn code_path(code: &str) -> Option<&str> {
    if code.contains(char::is_whitespace) {
        return None;
    }
    let mut path = code;
    if let Some(at) = path.find(['*', '<', '{', '[', '$', '…']).or_else(|| path.find("...")) {
        path = &path[..path[..at].rfind('/')?];
    }
    let path = path.split([':', '#']).next()?.trim_end_matches('/');
    let (first, _) = code.split_once('/')?;
    CODE_FOLDERS.contains(&first).then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_paths_are_told_from_other_code() {
        assert_eq!(code_path("crates/domain/src/lib.rs"), Some("crates/domain/src/lib.rs"));
        assert_eq!(code_path("crates/domain/src/lib.rs:12"), Some("crates/domain/src/lib.rs"));
        assert_eq!(code_path("crates/domain/"), Some("crates/domain"));
        assert_eq!(code_path("crates/*/src"), Some("crates"));
        assert_eq!(code_path("migrations/{sqlite,postgres}"), Some("migrations"));
        assert_eq!(code_path("crates/adapters-<name>/src"), Some("crates"));
        for other in ["crates", "/docs/api", "api/sessions", "cargo run -p crates/x", "sessions.rs"] {
            assert_eq!(code_path(other), None, "{other}");
        }
    }

    #[test]
    fn a_document_may_name_only_what_exists() {
        let files = ["crates/domain/src/lib.rs".to_owned()];
        let paths = known_paths(&files);
        let text =
            "See `crates/domain`, `crates/domain/src/lib.rs`.\n```\n`crates/in-a-block`\n```\nAnd `crates/gone`.\n";
        assert_eq!(document_findings("README.md", text, &paths), ["README.md:5: `crates/gone` does not exist"]);
    }

    #[test]
    fn only_the_documents_of_the_repository_are_checked() {
        assert!(is_checked_document("README.md"));
        assert!(is_checked_document("docs/adr/0001.md"));
        assert!(!is_checked_document("crates/sql/README.md"));
        assert!(!is_checked_document("docs/picture.svg"));
    }

    #[test]
    fn a_long_source_file_is_found() {
        let lines = |count| "\n".repeat(count);
        assert!(size_finding("a.rs", &lines(LINES_TO_FAIL)).is_none());
        assert!(size_finding("a.rs", &lines(LINES_TO_FAIL + 1)).is_some());
        assert!(size_finding("a.md", &lines(LINES_TO_FAIL + 1)).is_none());
    }

    #[test]
    fn folders_of_one_machine_are_found() {
        for folder in MACHINE_FOLDERS {
            assert_eq!(machine_findings("a", &format!("x\nopen(\"{folder}x\")")).len(), 1);
            assert_eq!(machine_findings("a", &format!("https://host{folder}x")), Vec::<String>::new());
            assert_eq!(machine_findings("a", &format!("~{folder}x")), Vec::<String>::new());
        }
    }

    #[test]
    fn a_private_mirror_is_found_in_any_case() {
        let line = PRIVATE_MIRROR.to_uppercase();
        assert_eq!(machine_findings("a", &line).len(), 1);
    }

    #[test]
    fn a_lock_file_may_not_name_a_registry() {
        let text = r#"{ "resolved": "https://registry.example/a.tgz" }"#;
        assert!(lock_findings("crates/a/package-lock.json", text).is_some());
        assert!(lock_findings("crates/a/other.json", text).is_none());
        assert!(lock_findings("package-lock.json", r#"{ "resolved": "../local" }"#).is_none());
    }
}
