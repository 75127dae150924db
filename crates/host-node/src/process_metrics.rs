//! What the operating system says about this process.

use std::time::{SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use portway_api::{Metric, MetricsSource};

/// Memory and start of this process. On systems without `/proc` there is only the time at which this was made.
pub(crate) struct ProcessMetrics {
    started_seconds: f64,
}

impl ProcessMetrics {
    pub(crate) fn new() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { started_seconds: now.as_secs_f64() }
    }
}

#[async_trait]
impl MetricsSource for ProcessMetrics {
    async fn metrics(&self) -> Vec<Metric> {
        let started =
            Metric::gauge("process_start_time", "When the process started, since the epoch", self.started_seconds);
        let memory = resident_bytes().map(|bytes| {
            Metric::gauge("process_resident_memory", "Memory of the process that is in use", bytes).in_unit("bytes")
        });
        memory.into_iter().chain([started.in_unit("seconds")]).collect()
    }
}

/// `/proc` knows no unit but kibibytes here.
fn resident_bytes() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn memory_and_start_are_told() {
        let metrics = ProcessMetrics::new().metrics().await;
        let value = |name: &str| metrics.iter().find(|metric| metric.name == name).map(|metric| metric.values[0].1);
        assert!(value("process_start_time").is_some_and(|seconds| seconds > 1.7e9));
        assert!(value("process_resident_memory").is_some_and(|bytes| bytes > 1e6 && bytes < 1e12));
    }
}
