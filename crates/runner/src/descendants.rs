//! What an agent started and left behind.
//!
//! Coding agents run commands in sessions of their own, so that no signal to the agent reaches them, and do not end them
//! when they are ended themselves. On Linux such orphans are adopted by the runner, which collects them as they end and
//! ends the rest at its own end. Elsewhere they live on.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

/// Processes whose exit status somebody waits for.
static AWAITED: Mutex<BTreeSet<i32>> = Mutex::new(BTreeSet::new());

/// Keeps a child from being collected here as long as somebody else waits for it.
#[derive(Debug)]
pub(crate) struct Awaited(i32);

impl Awaited {
    pub(crate) fn new(pid: i32) -> Self {
        AWAITED.lock().unwrap_or_else(PoisonError::into_inner).insert(pid);
        Self(pid)
    }
}

impl Drop for Awaited {
    fn drop(&mut self) {
        AWAITED.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.0);
    }
}

#[cfg(target_os = "linux")]
pub(crate) use linux::{adopt, collect, end_all};
#[cfg(not(target_os = "linux"))]
pub(crate) use other::{adopt, collect, end_all};

#[cfg(target_os = "linux")]
mod linux {
    use std::collections::HashMap;
    use std::sync::PoisonError;
    use std::time::Duration;

    use nix::errno::Errno;
    use nix::sys::prctl;
    use nix::sys::signal::{Signal, kill};
    use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
    use nix::unistd::{Pid, getpid};
    use tokio::signal::unix::{SignalKind, signal};

    use super::AWAITED;

    /// How often all descendants are killed before the rest is given up, and the time between: two seconds in all.
    const ROUNDS: u32 = 100;
    const PAUSE: Duration = Duration::from_millis(20);

    /// Makes this process the parent of all orphans among its descendants.
    pub(crate) fn adopt() {
        if let Err(error) = prctl::set_child_subreaper(true) {
            tracing::warn!(%error, "what the agent leaves behind may outlive it");
        }
    }

    /// Collects adopted processes as they end; never returns.
    pub(crate) async fn collect() {
        let Ok(mut ended) = signal(SignalKind::child()) else {
            tracing::warn!("adopted processes that have ended cannot be collected");
            return std::future::pending().await;
        };
        while ended.recv().await.is_some() {
            while let Some(pid) = ended_orphan() {
                let _ = waitpid(pid, Some(WaitPidFlag::WNOHANG));
            }
        }
    }

    /// A child that has ended and that nobody waits for. One that is waited for hides the others until it was collected,
    /// which is soon: the signal of the next one, or the end of the runner, finds them.
    fn ended_orphan() -> Option<Pid> {
        let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
        let pid = waitid(Id::All, flags).ok()?.pid()?;
        let awaited = AWAITED.lock().unwrap_or_else(PoisonError::into_inner).contains(&pid.as_raw());
        (!awaited).then_some(pid)
    }

    /// Ends all descendants. Call it when nobody waits for any of them.
    pub(crate) async fn end_all() {
        for _ in 0..ROUNDS {
            for pid in descendants() {
                let _ = kill(pid, Signal::SIGKILL);
            }
            if !collect_all() {
                return;
            }
            tokio::time::sleep(PAUSE).await;
        }
        tracing::warn!("some processes that the agent left behind do not end");
    }

    /// Collects what has ended; answers whether there are children left.
    fn collect_all() -> bool {
        loop {
            match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::StillAlive) => return true,
                Ok(_) | Err(Errno::EINTR) => {}
                Err(_) => return false,
            }
        }
    }

    fn descendants() -> Vec<Pid> {
        let mut children: HashMap<i32, Vec<i32>> = HashMap::new();
        for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
            if let Some(parent) = parent(pid) {
                children.entry(parent).or_default().push(pid);
            }
        }
        let mut found = Vec::new();
        let mut queue = vec![getpid().as_raw()];
        while let Some(parent) = queue.pop() {
            for child in children.remove(&parent).unwrap_or_default() {
                found.push(Pid::from_raw(child));
                queue.push(child);
            }
        }
        found
    }

    fn parent(pid: i32) -> Option<i32> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name before it may hold anything, brackets too.
        let (_, fields) = stat.rsplit_once(')')?;
        fields.split_whitespace().nth(1)?.parse().ok()
    }
}

#[cfg(not(target_os = "linux"))]
mod other {
    pub(crate) fn adopt() {}

    pub(crate) async fn collect() {
        std::future::pending().await
    }

    pub(crate) async fn end_all() {}
}
