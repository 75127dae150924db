//! What the deployment of a Worker looks at: its configuration, its size, and how long it takes to start.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde::Deserialize;

use crate::failure::Failure;
use crate::npm::Packages;
use crate::process;
use crate::workspace::Workspace;

/// How the gateway is deployed.
const CONFIGURATION: &str = "crates/host-wasm/wrangler.jsonc";

/// Most milliseconds that the Worker may compute when it starts. Cloudflare refuses one that takes a second, on machines
/// that may be slower than this one.
const MOST_MILLIS: f64 = 400.0;

const WRANGLER: &str = "node_modules/wrangler/bin/wrangler.js";

/// Where the Node is that wrangler needs, on machines that npm has one for.
const NODE: &str = "node_modules/.bin/node";

const TOOLS: Packages = Packages {
    name: "wrangler",
    manifests: "crates/xtask/worker/deployment",
    folder: "worker-deployment",
    files: &[WRANGLER],
};

/// A CPU profile as V8 writes it. Times are microseconds.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Profile {
    nodes: Vec<Node>,
    samples: Vec<u64>,
    time_deltas: Vec<i64>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Node {
    id: u64,
    call_frame: CallFrame,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct CallFrame {
    function_name: String,
}

/// Has wrangler do all of a deployment but the upload, and fails if the Worker takes too long to start.
pub(super) fn check(workspace: &Workspace) -> Result<(), Failure> {
    TOOLS.install(workspace)?;
    let folder = workspace.target("worker/deployment");
    fs::create_dir_all(&folder).map_err(Failure::file(&folder))?;
    let (bundle, profile) = (folder.join("worker.bundle"), folder.join("startup.cpuprofile"));
    let mut deploy = wrangler(workspace);
    deploy.args(["deploy", "--dry-run", "--config", CONFIGURATION, "--outfile"]).arg(&bundle);
    process::run(&mut deploy)?;
    let mut start = wrangler(workspace);
    process::output(start.args(["check", "startup", "--worker"]).arg(&bundle).arg("--outfile").arg(&profile))?;
    let millis = Profile::read(&profile)?.busy_millis();
    println!("to start, the Worker computes {millis:.0} ms on this machine, and may {MOST_MILLIS:.0}");
    if millis > MOST_MILLIS {
        let text = format!("the Worker takes too long to start: {} shows where", profile.display());
        return Err(Failure::Environment(text));
    }
    Ok(())
}

fn wrangler(workspace: &Workspace) -> Command {
    let node = TOOLS.path(workspace, NODE);
    let mut wrangler = if node.exists() { Command::new(node) } else { Command::new("node") };
    wrangler.current_dir(workspace.root()).arg(TOOLS.path(workspace, WRANGLER));
    // It asks nothing then, and tells nobody.
    wrangler.env("CI", "1").env("WRANGLER_SEND_METRICS", "false");
    wrangler
}

impl Profile {
    fn read(file: &Path) -> Result<Self, Failure> {
        let text = fs::read_to_string(file).map_err(Failure::file(file))?;
        serde_json::from_str(&text)
            .map_err(|error| Failure::Format { path: file.to_owned(), message: error.to_string() })
    }

    fn busy_millis(&self) -> f64 {
        let is_idle = |sample: u64| {
            let node = self.nodes.iter().find(|node| node.id == sample);
            node.is_some_and(|node| node.call_frame.function_name == "(idle)")
        };
        let spans = self.samples.iter().zip(&self.time_deltas).filter(|(sample, _)| !is_idle(**sample));
        spans.map(|(_, micros)| *micros as f64).sum::<f64>() / 1_000.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_tells_how_long_it_computed() {
        let text = r#"{"nodes": [{"id": 1, "callFrame": {"functionName": "(idle)"}}, {"id": 2, "callFrame": {"functionName": "f"}}],
            "startTime": 0, "endTime": 9000, "samples": [1, 2, 1, 2], "timeDeltas": [3000, 1500, 2000, 2500]}"#;
        let profile: Profile = serde_json::from_str(text).unwrap();
        assert!((profile.busy_millis() - 4.0).abs() < 1e-9, "{profile:?}");
    }
}
