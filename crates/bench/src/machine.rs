//! On what it was measured.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use crate::failure::Failure;
use crate::load::median;

/// Waits for the disk that are timed.
const SYNCS: usize = 200;

/// Facts about the machine.
pub(crate) struct Machine {
    pub(crate) processor: String,
    pub(crate) cores: usize,
    pub(crate) memory_gib: f64,
    pub(crate) kernel: String,
    pub(crate) rustc: String,
    /// Work that waited for a processor when the run began, over the last minute.
    pub(crate) busy_before: String,
    /// Median time that 4 KiB take to the disk, in milliseconds.
    pub(crate) sync: f64,
}

impl Machine {
    /// Looks around. The disk is that of `folder`.
    pub(crate) fn look(folder: &Path) -> Result<Self, Failure> {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let rustc = Command::new("rustc").arg("--version").output();
        let rustc = rustc.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
        let kib: f64 = value(&read("/proc/meminfo"), "MemTotal").trim_end_matches(" kB").parse().unwrap_or_default();
        Ok(Self {
            processor: value(&read("/proc/cpuinfo"), "model name"),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory_gib: kib / 1024.0 / 1024.0,
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            rustc: rustc.unwrap_or_else(|_| "unknown".to_owned()),
            busy_before: read("/proc/loadavg").split(' ').next().unwrap_or_default().to_owned(),
            sync: sync_time(&folder.join("sync"))?,
        })
    }
}

/// The value behind the first such name.
fn value(text: &str, name: &str) -> String {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.trim_start().strip_prefix(':'));
    line.unwrap_or("unknown").trim().to_owned()
}

fn sync_time(path: &Path) -> Result<f64, Failure> {
    let mut file = fs::File::create(path).map_err(Failure::file(path))?;
    let mut times = Vec::with_capacity(SYNCS);
    for _ in 0..SYNCS {
        file.write_all(&[1; 4096]).map_err(Failure::file(path))?;
        let begin = Instant::now();
        file.sync_data().map_err(Failure::file(path))?;
        times.push(begin.elapsed().as_secs_f64() * 1e3);
    }
    fs::remove_file(path).map_err(Failure::file(path))?;
    Ok(median(times))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_by_name() {
        assert_eq!(value("a\t: b\nMemTotal:  12 kB\nMemTotal: 3", "MemTotal"), "12 kB");
        assert_eq!(value("", "MemTotal"), "unknown");
    }
}
