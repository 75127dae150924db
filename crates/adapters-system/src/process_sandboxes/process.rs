//! Processes of this machine, told apart from others that got the same number later.

use std::collections::HashMap;

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::{Pid, getpgrp, getpid};

/// A process: its number, and when it started, because numbers are used again.
///
/// On Linux the start is field 22 of `/proc/<pid>/stat`, in ticks since the machine started. Elsewhere it is 0, and a
/// process counts as the one that is meant when it exists and leads its own process group: a weaker check, which a
/// stranger that got the number passes if it leads a group too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Process {
    pid: i32,
    started: u64,
}

impl Process {
    /// The child with this number, which may have ended already but was not waited for yet.
    pub(super) fn of_child(pid: u32) -> Option<Self> {
        let pid = i32::try_from(pid).ok()?;
        Self::remembered(pid, started(pid)?)
    }

    /// A process as it was written down; `None` for numbers that must never be signalled.
    pub(super) fn remembered(pid: i32, started: u64) -> Option<Self> {
        // As a group, 0 is the caller's own and 1 means every process there is.
        (pid > 1 && pid != getpid().as_raw()).then_some(Self { pid, started })
    }

    pub(super) fn pid(self) -> i32 {
        self.pid
    }

    pub(super) fn started(self) -> u64 {
        self.started
    }

    /// Whether this very process runs. One that ended and was not waited for does not.
    pub(super) fn is_alive(self) -> bool {
        is_alive(self)
    }

    /// Signals the process and everything in the group that it leads. Does nothing if it is gone.
    pub(super) fn signal_group(self, signal: Signal) {
        if self.is_alive() {
            // It can only fail because the group is gone by now.
            let _ = killpg(Pid::from_raw(self.pid), signal);
        }
    }
}

/// A line of the [`ProcessTable`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    pub(super) process: Process,
    /// The number of its process group.
    pub(super) group: i32,
    parent: i32,
}

/// All processes that run, from one reading; empty where there is no `/proc`.
#[derive(Debug, Default)]
pub(super) struct ProcessTable {
    rows: HashMap<i32, Row>,
    children: HashMap<i32, Vec<i32>>,
    groups: HashMap<i32, Vec<i32>>,
}

impl ProcessTable {
    /// Reads what runs now. Blocks for a few microseconds per process.
    pub(super) fn read() -> Self {
        Self::new(running())
    }

    fn new(rows: impl Iterator<Item = Row>) -> Self {
        let mut table = Self::default();
        let own_group = getpgrp().as_raw();
        for row in rows {
            let pid = row.process.pid;
            table.children.entry(row.parent).or_default().push(pid);
            if row.group > 1 && row.group != own_group {
                table.groups.entry(row.group).or_default().push(pid);
            }
            table.rows.insert(pid, row);
        }
        table
    }

    pub(super) fn row(&self, pid: i32) -> Option<Row> {
        self.rows.get(&pid).copied()
    }

    /// Whether that very process runs.
    pub(super) fn has(&self, process: Process) -> bool {
        self.rows.get(&process.pid).is_some_and(|row| row.process == process)
    }

    /// Numbers of the children.
    pub(super) fn children(&self, pid: i32) -> &[i32] {
        self.children.get(&pid).map_or(&[], Vec::as_slice)
    }

    /// Numbers of a group's members. The gateway's own group has none here: it is never to be ended.
    pub(super) fn members(&self, group: i32) -> &[i32] {
        self.groups.get(&group).map_or(&[], Vec::as_slice)
    }
}

/// Ends the group of each row at once; a process in the gateway's own group, alone.
pub(super) fn kill_groups(rows: &[Row]) {
    let own_group = getpgrp().as_raw();
    let mut groups: Vec<i32> = rows.iter().map(|row| row.group).collect();
    groups.sort_unstable();
    groups.dedup();
    for group in groups.into_iter().filter(|group| *group > 1 && *group != own_group) {
        let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
    }
    for row in rows.iter().filter(|row| row.group <= 1 || row.group == own_group) {
        if row.process.is_alive() {
            let _ = kill(Pid::from_raw(row.process.pid), Signal::SIGKILL);
        }
    }
}

/// Names the present run of the machine, so that what was written down in an earlier one is recognised; empty where
/// that is unknown.
pub(super) fn machine_run() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").map(|id| id.trim().to_owned()).unwrap_or_default()
}

#[cfg(target_os = "linux")]
mod platform {
    use super::{Process, Row};

    struct Stat {
        ended: bool,
        parent: i32,
        group: i32,
        started: u64,
    }

    fn stat(pid: i32) -> Option<Stat> {
        parse(&std::fs::read(format!("/proc/{pid}/stat")).ok()?)
    }

    /// The name, in parentheses, is the program's choice: it may hold spaces, parentheses and any bytes.
    fn parse(line: &[u8]) -> Option<Stat> {
        let name_end = line.iter().rposition(|byte| *byte == b')')?;
        let fields: Vec<&str> = std::str::from_utf8(line.get(name_end + 1..)?).ok()?.split_ascii_whitespace().collect();
        Some(Stat {
            ended: matches!(*fields.first()?, "Z" | "X" | "x"),
            parent: fields.get(1)?.parse().ok()?,
            group: fields.get(2)?.parse().ok()?,
            started: fields.get(19)?.parse().ok()?,
        })
    }

    pub(super) fn started(pid: i32) -> Option<u64> {
        stat(pid).map(|stat| stat.started)
    }

    pub(super) fn is_alive(process: Process) -> bool {
        stat(process.pid).is_some_and(|stat| !stat.ended && stat.started == process.started)
    }

    pub(super) fn running() -> impl Iterator<Item = Row> {
        let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
        entries.filter_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            let stat = stat(pid).filter(|stat| !stat.ended)?;
            let process = Process::remembered(pid, stat.started)?;
            Some(Row { process, group: stat.group, parent: stat.parent })
        })
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn a_hostile_name_does_not_shift_the_fields() {
            let rest = "S 7 8 9 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 12345 2 3";
            for name in [&b"(sh)"[..], b"(a) Z 1 2 (b)", b"(\xff\xfe)"] {
                let line = [b"42 ", name, b" ", rest.as_bytes()].concat();
                let stat = parse(&line).unwrap();
                assert_eq!((stat.ended, stat.parent, stat.group, stat.started), (false, 7, 8, 12345));
            }
            assert!(parse(b"42 (sh) Z 7 8").is_none());
            assert!(parse(b"").is_none());
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod platform {
    use super::{Pid, Process, Row};
    use nix::unistd::getpgid;

    pub(super) fn started(_pid: i32) -> Option<u64> {
        Some(0)
    }

    pub(super) fn is_alive(process: Process) -> bool {
        let pid = Pid::from_raw(process.pid);
        getpgid(Some(pid)) == Ok(pid)
    }

    pub(super) fn running() -> impl Iterator<Item = Row> {
        std::iter::empty()
    }
}

use platform::{is_alive, running, started};

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn dangerous_numbers_are_no_process() {
        for pid in [i32::MIN, -1, 0, 1, getpid().as_raw()] {
            assert_eq!(Process::remembered(pid, 5), None);
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_process_lives_until_it_ends_even_if_nobody_waits_for_it() {
        let mut child = Command::new("cat").stdin(std::process::Stdio::piped()).spawn().unwrap();
        let process = Process::of_child(child.id()).unwrap();
        assert!(process.is_alive());
        assert!(ProcessTable::read().has(process));
        let stranger = Process { started: process.started + 1, ..process };
        assert!(!stranger.is_alive());
        assert!(!ProcessTable::read().has(stranger));

        drop(child.stdin.take());
        // Waits without collecting the exit status.
        use nix::sys::wait::{Id, WaitPidFlag, waitid};
        let pid = Pid::from_raw(process.pid);
        waitid(Id::Pid(pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT).unwrap();
        assert_eq!(Process::of_child(child.id()), Some(process), "it still has its number");
        assert!(!process.is_alive());
        child.wait().unwrap();
    }
}
