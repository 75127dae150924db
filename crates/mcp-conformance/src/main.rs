//! The program `portway` with what the conformance suite asks for.

use std::process::ExitCode;
use std::sync::Arc;

use portway::GatewayBuilder;
use portway_adapters_system::{SystemClock, SystemEntropy};
use portway_mcp_conformance::Fixtures;

fn main() -> ExitCode {
    let fixtures = || Arc::new(Fixtures::new(Arc::new(SystemClock::new()), &SystemEntropy));
    let with_fixtures = |builder: GatewayBuilder| builder.mcp_features(fixtures());
    portway::run_if_child().unwrap_or_else(|| portway::cli::main_with(with_fixtures))
}
