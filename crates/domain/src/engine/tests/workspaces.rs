//! What is reported of the workspace.

use super::rig::{Rig, files, git, notices};
use crate::engine::{Change, Refusal, RunnerReport};
use crate::workspaces::GitReport;

#[test]
fn reports_of_the_workspace_become_rows_and_leave_the_state_small() {
    let mut rig = Rig::ready();
    let before = rig.engine.clone();
    let effects = rig.report(RunnerReport::FilesChanged(files(2)));
    let (seq, at) = (before.seq + 1, rig.now);
    assert_eq!(effects.changes, [Change::FilesChanged { files: files(2), seq, at }]);
    assert_eq!(notices(&effects), ["files 2"]);

    let effects = rig.report(RunnerReport::GitState(git(3)));
    let (seq, at) = (before.seq + 2, rig.now);
    assert_eq!(effects.changes, [Change::GitStateChanged { report: git(3), seq, at }]);
    assert_eq!(notices(&effects), ["git main"]);

    let mut after = rig.engine.clone();
    after.seq = before.seq;
    after.runner.last_frame = before.runner.last_frame;
    assert_eq!(after, before, "nothing else is kept");
}

#[test]
fn a_report_of_git_that_says_nothing_changes_nothing() {
    let mut rig = Rig::ready();
    let nothing = GitReport { branch: Some(String::new()), ..GitReport::default() };
    let before = rig.engine.seq;
    let effects = rig.report(RunnerReport::GitState(nothing));
    assert!(effects.changes.is_empty() && effects.notices.is_empty());
    assert_eq!(rig.engine.seq, before);
}

#[test]
fn a_report_that_comes_again_is_not_written_again() {
    let mut rig = Rig::ready();
    let frame = rig.engine.runner.last_frame + 1;
    assert!(!rig.frame(frame, RunnerReport::FilesChanged(files(1))).unwrap().changes.is_empty());
    assert!(rig.frame(frame, RunnerReport::FilesChanged(files(2))).unwrap().changes.is_empty());
    assert_eq!(rig.frame(frame + 2, RunnerReport::FilesChanged(files(2))), Err(Refusal::Gap(frame + 2)));
}

#[test]
fn the_workspace_is_no_sign_of_life_of_the_agent() {
    let mut rig = Rig::working();
    let heard = rig.engine.turn.as_ref().map(|turn| turn.last_report);
    rig.wait(5);
    rig.report(RunnerReport::FilesChanged(files(1)));
    rig.report(RunnerReport::GitState(git(1)));
    assert_eq!(rig.engine.turn.as_ref().map(|turn| turn.last_report), heard);
    rig.report(RunnerReport::Unknown);
    assert_ne!(rig.engine.turn.as_ref().map(|turn| turn.last_report), heard);
}
