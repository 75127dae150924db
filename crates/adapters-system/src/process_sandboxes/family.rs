//! A runner and all that came out of it.

use std::collections::HashSet;

use nix::sys::signal::Signal;

use super::process::{Process, ProcessTable, Row, kill_groups};

/// Most processes of a family that are remembered. What is beyond that is found when the others are gone.
const MAX_MEMBERS: usize = 4_096;

/// The processes of one sandbox as they were last seen.
///
/// A runner that is killed leaves its agent behind, in a group of its own and with another parent: nothing on the machine
/// tells any more whose it was. So the family is noted while the runner lives.
#[derive(Debug)]
pub(super) struct Family {
    leader: Process,
    members: Vec<Row>,
}

impl Family {
    pub(super) fn new(leader: Process) -> Self {
        Self { leader, members: Vec::new() }
    }

    /// Notes who is in the family now: the leader, members that were seen before, their descendants, and everybody in
    /// a process group of one of them.
    pub(super) fn refresh(&mut self, table: &ProcessTable) {
        let known = self.members.iter().map(|row| row.process).chain([self.leader]);
        let mut queue: Vec<i32> = known.filter(|process| table.has(*process)).map(Process::pid).collect();
        // The group outlives its leader, and keeps the number from being used again as long as it has members.
        if table.row(self.leader.pid()).is_none_or(|row| row.process == self.leader) {
            queue.extend(table.members(self.leader.pid()));
        }
        let mut seen = HashSet::new();
        self.members.clear();
        while let Some(pid) = queue.pop() {
            if self.members.len() == MAX_MEMBERS {
                break;
            }
            let Some(row) = table.row(pid) else { continue };
            if seen.insert(pid) {
                self.members.push(row);
                queue.extend(table.children(pid));
                queue.extend(table.members(row.group));
            }
        }
    }

    /// Whether nobody was left when the family was last looked at.
    pub(super) fn is_gone(&self) -> bool {
        self.members.is_empty()
    }

    /// Ends everybody who was there when the family was last looked at; look right before.
    pub(super) fn kill(&self) {
        self.leader.signal_group(Signal::SIGKILL);
        kill_groups(&self.members);
    }

    #[cfg(test)]
    pub(super) fn has(&self, pid: i32) -> bool {
        self.members.iter().any(|row| row.process.pid() == pid)
    }
}
