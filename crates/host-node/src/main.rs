//! The binary `portway`.

use std::process::ExitCode;

fn main() -> ExitCode {
    portway::run_if_child().unwrap_or_else(portway::cli::main)
}
