//! Processes of this machine.

use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// The processes that have this folder as their `TMPDIR`: a gateway that was started with it, and everything below it,
/// because the gateway hands this variable down to runners and agents. Processes that have ended do not count.
pub(crate) fn marked(folder: &Path) -> Vec<i32> {
    let mark = format!("TMPDIR={}", folder.display());
    let has_mark = |pid: &i32| {
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|entry| entry == mark.as_bytes())
    };
    all().filter(has_mark).collect()
}

/// Numbers of the children of a process.
pub(crate) fn children(pid: i32) -> Vec<i32> {
    all().filter(|child| parent(*child) == Some(pid)).collect()
}

/// Whether the process runs. One that has ended and was not waited for does not.
pub(crate) fn is_alive(pid: i32) -> bool {
    stat(pid).is_some_and(|fields| !matches!(fields.first().map(String::as_str), None | Some("Z" | "X")))
}

/// Ends a process at once.
pub(crate) fn kill9(pid: i32) {
    signal(pid, Signal::SIGKILL);
}

/// Signals a process, which may be gone already.
pub(crate) fn signal(pid: i32, signal: Signal) {
    assert!(pid > 1, "{pid} is not one process");
    let _ = kill(Pid::from_raw(pid), signal);
}

/// Ends all processes with the mark, also those that they are starting just now.
pub(crate) fn kill_marked(folder: &Path) {
    let end = Instant::now() + Duration::from_secs(10);
    loop {
        let left = marked(folder);
        if left.is_empty() || Instant::now() > end {
            return;
        }
        left.into_iter().for_each(kill9);
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A process in words, for messages.
pub(crate) fn describe(pid: i32) -> String {
    let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    format!("{pid} ({})", String::from_utf8_lossy(&line).replace('\0', " ").trim())
}

fn all() -> impl Iterator<Item = i32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten();
    entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
}

fn parent(pid: i32) -> Option<i32> {
    stat(pid)?.get(1)?.parse().ok()
}

/// The fields of `/proc/PID/stat` after the name: state, parent, and so on.
fn stat(pid: i32) -> Option<Vec<String>> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = text.rsplit_once(')')?;
    Some(fields.split_whitespace().map(str::to_owned).collect())
}
