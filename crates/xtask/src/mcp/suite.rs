//! The official suite, and what it says.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::requirements::{Requirements, Revision};
use super::{CONFORMANCE, NODE_TOOLS, node};
use crate::failure::Failure;
use crate::process;
use crate::workspace::Workspace;

/// How the name of a scenario's folder begins, and how long the time at its end is.
const PREFIX: &str = "server-";
const TIME: usize = "-2026-01-01T00-00-00-000Z".len();

/// The suite of conformance tests.
pub(super) struct Suite<'a> {
    workspace: &'a Workspace,
}

/// What came of a scenario.
#[derive(Debug)]
pub(super) struct Outcome {
    scenario: String,
    checks: Vec<Check>,
}

/// Something that was looked at.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Check {
    id: String,
    status: Status,
    #[serde(default)]
    error_message: Option<String>,
    #[serde(default)]
    details: Details,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum Status {
    Success,
    Failure,
    /// The protocol says "should", and the server does not.
    Warning,
    Skipped,
    Info,
}

#[derive(Debug, Default, Deserialize)]
struct Details {
    /// The server has not what the check needs.
    #[serde(default)]
    untestable: bool,
}

impl<'a> Suite<'a> {
    pub(super) fn new(workspace: &'a Workspace) -> Self {
        Self { workspace }
    }

    /// The document that says what a revision requires.
    pub(super) fn requirements(&self, revision: Revision) -> Result<String, Failure> {
        let name = format!("../requirements/{}.yaml", revision.as_str());
        let path = NODE_TOOLS.path(self.workspace, CONFORMANCE).with_file_name(name);
        fs::read_to_string(&path).map_err(Failure::file(&path))
    }

    /// Runs all scenarios of a revision against the server of that URL. What the suite writes goes below the folder.
    pub(super) fn run(&self, url: &str, revision: Revision, folder: &Path) -> Result<Vec<Outcome>, Failure> {
        let folder = folder.join(revision.as_str());
        if folder.exists() {
            fs::remove_dir_all(&folder).map_err(Failure::file(&folder))?;
        }
        fs::create_dir_all(&folder).map_err(Failure::file(&folder))?;
        let mut node = node(self.workspace);
        node.arg(NODE_TOOLS.path(self.workspace, CONFORMANCE)).args(["server", "--url", &format!("{url}/mcp")]);
        node.args(["--requirements", revision.as_str(), "-o"]).arg(&folder);
        // Whether it is content is judged by what it writes: it also runs what is required of nobody.
        let (_, printed) = process::capture(&mut node)?;
        let log = folder.join("printed.txt");
        fs::write(&log, printed).map_err(Failure::file(&log))?;
        outcomes(&folder)
    }
}

fn outcomes(folder: &Path) -> Result<Vec<Outcome>, Failure> {
    let mut outcomes = Vec::new();
    for entry in fs::read_dir(folder).map_err(Failure::file(folder))? {
        let path = entry.map_err(Failure::file(folder))?.path();
        if let Some(scenario) = scenario(&path) {
            outcomes.push(Outcome { scenario, checks: checks(path.join("checks.json"))? });
        }
    }
    outcomes.sort_by(|one, other| one.scenario.cmp(&other.scenario));
    Ok(outcomes)
}

/// The scenario that a folder is of.
fn scenario(folder: &Path) -> Option<String> {
    let name = folder.file_name()?.to_str()?.strip_prefix(PREFIX)?;
    name.split_at_checked(name.len().checked_sub(TIME)?).map(|(scenario, _)| scenario.to_owned())
}

/// What a scenario checked: nothing, if it broke off.
fn checks(file: PathBuf) -> Result<Vec<Check>, Failure> {
    if !file.exists() {
        return Ok(Vec::new());
    }
    let text = fs::read_to_string(&file).map_err(Failure::file(&file))?;
    serde_json::from_str(&text).map_err(|error| Failure::Format { path: file, message: error.to_string() })
}

/// Prints what came of each scenario that is required, and answers with all that is wrong with those.
pub(super) fn judged(outcomes: &[Outcome], required: &Requirements, revision: Revision) -> Vec<String> {
    let mut findings = Vec::new();
    let (mut passed, mut all) = (0, 0);
    let (wanted, others): (Vec<&Outcome>, Vec<&Outcome>) =
        outcomes.iter().partition(|outcome| required.scenarios.contains(&outcome.scenario));
    for outcome in &wanted {
        let (successes, faults) = (outcome.successes(), outcome.faults(required.counts_untestable));
        println!("  {:<48} {}", outcome.scenario, told(successes, faults.len()));
        passed += successes;
        all += successes + faults.len();
        findings.extend(faults.into_iter().map(|fault| fault.finding(&outcome.scenario, revision)));
    }
    let is_done = |name: &&String| wanted.iter().any(|outcome| outcome.scenario == **name && outcome.successes() > 0);
    let missing = required.scenarios.iter().filter(|name| !is_done(name));
    findings.extend(missing.map(|name| format!("{} {name}: nothing was checked", revision.as_str())));
    let failed = others.iter().filter(|outcome| !outcome.faults(true).is_empty()).count();
    println!("  {passed} of {all} checks passed; of {} scenarios that are not required, {failed} failed", others.len());
    findings
}

fn told(successes: usize, faults: usize) -> String {
    if faults == 0 { format!("{successes} passed") } else { format!("{successes} passed, {faults} FAILED") }
}

impl Outcome {
    fn successes(&self) -> usize {
        self.checks.iter().filter(|check| check.status == Status::Success).count()
    }

    fn faults(&self, with_untestable: bool) -> Vec<&Check> {
        let is_fault = |check: &&Check| matches!(check.status, Status::Failure | Status::Warning);
        self.checks.iter().filter(is_fault).filter(|check| with_untestable || !check.details.untestable).collect()
    }
}

impl Check {
    fn finding(&self, scenario: &str, revision: Revision) -> String {
        let reason = self.error_message.as_deref().unwrap_or("it says nothing more");
        format!("{} {scenario}: {}: {reason}", revision.as_str(), self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(scenario: &str, checks: &str) -> Outcome {
        Outcome { scenario: scenario.to_owned(), checks: serde_json::from_str(checks).unwrap() }
    }

    fn judge(outcomes: &[Outcome], counts_untestable: bool) -> Vec<String> {
        let scenarios = ["a", "b"].map(str::to_owned).into();
        judged(outcomes, &Requirements { scenarios, counts_untestable }, Revision::July2026)
    }

    #[test]
    fn a_folder_tells_its_scenario() {
        let name = |name: &str| scenario(&Path::new("x").join(name));
        let folder = "server-json-schema-2020-12-2026-11-29T15-14-46-123Z";
        assert_eq!(name(folder).as_deref(), Some("json-schema-2020-12"));
        assert_eq!(name("printed.txt"), None);
        assert_eq!(name("server-x"), None);
    }

    #[test]
    fn whatever_is_not_passed_is_found() {
        let passed = || outcome("a", r#"[{"id":"1","status":"SUCCESS","details":{"x":1}},{"id":"2","status":"INFO"}]"#);
        assert_eq!(judge(&[passed()], true), ["2026-07-28 b: nothing was checked"]);
        let failed = outcome(
            "b",
            r#"[{"id":"1","status":"SUCCESS"},{"id":"2","status":"FAILURE","errorMessage":"why"},{"id":"3","status":"WARNING"}]"#,
        );
        let found = judge(&[passed(), failed], true);
        assert_eq!(found, ["2026-07-28 b: 2: why", "2026-07-28 b: 3: it says nothing more"]);
    }

    #[test]
    fn only_what_is_required_counts() {
        let passed = |name: &str| outcome(name, r#"[{"id":"1","status":"SUCCESS"}]"#);
        let other = outcome("c", r#"[{"id":"1","status":"FAILURE"}]"#);
        assert_eq!(judge(&[passed("a"), passed("b"), other], true), Vec::<String>::new());
        let untestable = || {
            outcome(
                "b",
                r#"[{"id":"1","status":"SUCCESS"},{"id":"2","status":"FAILURE","details":{"untestable":true}}]"#,
            )
        };
        assert_eq!(judge(&[passed("a"), untestable()], false), Vec::<String>::new());
        assert_eq!(judge(&[passed("a"), untestable()], true).len(), 1);
    }
}
