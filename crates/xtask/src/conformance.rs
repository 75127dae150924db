//! `cargo xtask conformance`: the port suite on every database, and what came of it as a table.

use std::collections::BTreeMap;

use crate::failure::Failure;
use crate::test::{Servers, is_ci, worker_tools};
use crate::workspace::Workspace;
use crate::{process, worker};

/// Crates that run the suite have a test target of this name; its tests are called `lane::module::case`.
const TARGET: &str = "conformance";

/// What came of the cases of one lane.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    passed: usize,
    failed: usize,
    ignored: usize,
}

/// Runs all lanes, also after one failed, and prints the table.
pub(crate) fn run(workspace: &Workspace) -> Result<(), Failure> {
    let servers = Servers::start(true)?;
    let mut cargo = process::cargo();
    cargo.current_dir(workspace.root()).args(["test", "--workspace", "--no-fail-fast", "--test", TARGET]);
    let mut runs = vec![process::capture(cargo.envs(servers.locations()))?];
    if worker_tools(workspace)? {
        runs.push(worker::suite(workspace)?);
    }
    let mut lanes = BTreeMap::new();
    let mut broken = Vec::new();
    for (is_fine, output) in runs {
        count(&output, &mut lanes);
        if !is_fine {
            println!("{output}");
            broken.push("see the cases above that failed".to_owned());
        }
    }
    println!("{}", table(&lanes));
    let skipped: usize = lanes.values().map(|tally| tally.ignored).sum();
    if skipped > 0 && is_ci() {
        broken.push(format!("{skipped} cases were ignored"));
    }
    Failure::unless_empty(TARGET, broken)
}

/// Counts the lines of the form `test [kind] lane::module::case ... ok`.
fn count(output: &str, lanes: &mut BTreeMap<String, Tally>) {
    for line in output.lines().filter_map(|line| line.strip_prefix("test ")) {
        let Some((name, outcome)) = line.rsplit_once(" ... ") else { continue };
        let name = name.rsplit_once("] ").map_or(name, |(_, name)| name).trim();
        // What has no case is no part of the suite.
        let Some((lane, case)) = name.split_once("::") else { continue };
        if !case.contains("::") {
            continue;
        }
        let tally = lanes.entry(lane.to_owned()).or_default();
        match outcome.trim() {
            "ok" => tally.passed += 1,
            "ignored" => tally.ignored += 1,
            _ => tally.failed += 1,
        }
    }
}

fn table(lanes: &BTreeMap<String, Tally>) -> String {
    let mut text = format!("\n{:<12}{:>8}{:>8}{:>8}{:>8}\n", "lane", "passed", "failed", "ignored", "cases");
    for (lane, tally) in lanes {
        let Tally { passed, failed, ignored } = tally;
        text.push_str(&format!("{lane:<12}{passed:>8}{failed:>8}{ignored:>8}{:>8}\n", passed + failed + ignored));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cases_are_counted_by_lane() {
        let output = "running 5 tests\n\
                      test file::users::a ... ok\n\
                      test file::users::b            ... FAILED\n\
                      test memory::users::a ... ok\n\
                      test [skipped: no server] postgres::users::a ... ignored\n\
                      test plans::no_scan ... ok\n\
                      test result: FAILED. 3 passed\n";
        let mut lanes = BTreeMap::new();
        count(output, &mut lanes);
        assert_eq!(lanes.len(), 3, "{lanes:?}");
        assert_eq!(lanes["file"], Tally { passed: 1, failed: 1, ignored: 0 });
        assert_eq!(lanes["postgres"], Tally { passed: 0, failed: 0, ignored: 1 });
        assert!(table(&lanes).contains("memory             1       0       0       1"), "{}", table(&lanes));
    }
}
