//! Makes the JavaScript side of a Worker: `portway-worker-bindgen <module.wasm> <folder>` writes `index.js` and
//! `index_bg.wasm` into the folder. Once that is optimized, `portway-worker-bindgen --rearrange <module.wasm>` puts alike
//! functions together, which lets it be compressed better.
//!
//! The rewriter must be of the same version as the `wasm-bindgen` that was compiled into the module. As both come from
//! one lock file, they are. It is a program of its own, and not a part of `xtask`, because it takes long to compile.
#![expect(clippy::print_stderr, reason = "a command line program talks to its user on the terminal")]

mod rearranged;

use std::error::Error;
use std::process::ExitCode;
use std::{env, fs};

use wasm_bindgen_cli_support::Bindgen;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [first, second] = &*arguments else {
        eprintln!(
            "usage: portway-worker-bindgen <module.wasm> <folder>\n       portway-worker-bindgen --rearrange <module.wasm>"
        );
        return ExitCode::FAILURE;
    };
    let done = if first == "--rearrange" { rearrange(second) } else { generate(first, second) };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn generate(module: &str, folder: &str) -> Result<(), Box<dyn Error>> {
    let mut bindgen = Bindgen::new();
    bindgen
        .input_path(module)
        .out_name("index")
        .typescript(false)
        // The module is imported, not instantiated by the caller.
        .module(true)?
        // After a panic the module is instantiated anew.
        .reset_state_function(true)
        .force_enable_abort_handler(true);
    bindgen.generate(folder)?;
    Ok(())
}

fn rearrange(module: &str) -> Result<(), Box<dyn Error>> {
    let rearranged = rearranged::rearranged(&fs::read(module)?)?;
    Ok(fs::write(module, rearranged)?)
}
