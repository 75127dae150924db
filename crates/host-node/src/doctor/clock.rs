//! Whether the clock goes, and is not far off.

use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use super::report::Report;
use crate::data_folder;

const CHECK: &str = "clock";

/// How long the wall clock is watched, and how far it may be off after that.
const WATCH: Duration = Duration::from_millis(50);
const SLACK: Duration = Duration::from_millis(20);

/// How far a file's time may lie in the future.
const FUTURE: Duration = Duration::from_secs(60);

/// Seconds from the epoch to the start of 2026, before which this program was not written.
const TOO_EARLY: Duration = Duration::from_secs(1_767_225_600);

pub(super) async fn check(report: &mut Report, data: &Path) {
    let (wall, steady) = (SystemTime::now(), Instant::now());
    tokio::time::sleep(WATCH).await;
    let passed = wall.elapsed();
    let expected = steady.elapsed();
    let advice = "let the machine take its time from a server, such as with chrony or systemd-timesyncd";
    let problems = report.findings.len();
    match passed {
        Err(_) => report.problem(CHECK, "the wall clock went backwards while it was watched", advice),
        Ok(passed) if passed.abs_diff(expected) > SLACK => report.problem(
            CHECK,
            format!("the wall clock went {passed:.0?} in {expected:.0?}: it jumps or is being corrected"),
            advice,
        ),
        Ok(_) => {}
    }
    if wall.duration_since(SystemTime::UNIX_EPOCH).is_ok_and(|time| time < TOO_EARLY) {
        report.problem(CHECK, "the wall clock is years behind: tokens and times will be wrong", advice);
    }
    let written = std::fs::metadata(data_folder::database_in(data)).and_then(|file| file.modified());
    if let Ok(ahead) = written.map(|at| at.duration_since(wall).unwrap_or_default())
        && ahead > FUTURE
    {
        let message = format!("the database was last written {ahead:.0?} in the future: the clock is behind");
        report.problem(CHECK, message, advice);
    }
    if report.findings.len() == problems {
        report.fine(CHECK, "it goes evenly");
    }
}
