//! Whether the sandbox backend is there and lets the gateway in.

use super::report::Report;
use crate::config::{Config, SandboxConfig};
use crate::remote_sandboxes;

const CHECK: &str = "sandboxes";

const ADVICE: &str = "sessions cannot work meanwhile; run portway doctor again afterwards";

pub(super) async fn check(report: &mut Report, config: &Config, sandbox: &SandboxConfig) {
    let gateway_url = match remote_sandboxes::gateway_url(config, sandbox, config.listen) {
        Ok(url) => url,
        Err(error) => {
            report.problem(CHECK, error.to_string(), "runners would never say hello");
            return;
        }
    };
    if gateway_url.is_local() && !sandbox.url.is_local() {
        let message = format!("runners of the backend are told to look for the gateway at {gateway_url}");
        report.problem(CHECK, message, "that is their own machine: name the gateway with sandbox_gateway_url");
    }
    let answer = match remote_sandboxes::connect(sandbox, gateway_url) {
        Ok(sandboxes) => sandboxes.check().await.map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    match answer {
        Ok(()) => report.fine(CHECK, format!("the backend at {} lets the gateway in", sandbox.url)),
        Err(error) => report.problem(CHECK, error, ADVICE),
    }
}
