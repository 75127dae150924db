//! From the sources of a crate to the two files that are a Worker: `worker.js` and `index_bg.wasm`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{ESBUILD, TOOLS, versions};
use crate::dependency_rule::package_name;
use crate::failure::Failure;
use crate::npm::Packages;
use crate::process;
use crate::wasm::{self, TARGET};
use crate::workspace::{CHECKED, Workspace};

/// What the rewriter calls the module.
const MODULE: &str = "index_bg.wasm";

/// The script that starts it.
const SCRIPT: &str = "worker.js";

/// The entry point, which every Worker shares.
const ENTRY: &str = include_str!("entry.js");

const WASM_OPT: &str = "node_modules/binaryen/bin/wasm-opt";

/// What makes WebAssembly small.
const OPTIMIZER: Packages = Packages {
    name: "wasm-opt",
    manifests: "crates/xtask/worker/optimizer",
    folder: "worker-optimizer",
    files: &[WASM_OPT],
};

/// What makes a module that is uploaded compressed small. What else the optimizer knows makes functions shorter but less
/// alike, so that they take more room in the end: with all of it the gateway has 1.13 MB, and with this 0.98.
const PASSES: [&str; 9] = [
    "--strip-debug",
    "--strip-producers",
    "--remove-unused-module-elements",
    "--optimize-instructions",
    "--rse",
    "--code-folding",
    "--vacuum",
    "--duplicate-function-elimination",
    // The rewriter leaves the functions that are called most where this puts them.
    "--reorder-functions",
];

/// Features that workerd has. Naming them keeps the optimizer from using others.
const FEATURES: [&str; 7] = [
    "--enable-bulk-memory",
    "--enable-exception-handling",
    "--enable-multivalue",
    "--enable-mutable-globals",
    "--enable-nontrapping-float-to-int",
    "--enable-reference-types",
    "--enable-sign-ext",
];

/// The profile that compiles in the shortest time.
const DEV: &str = "dev";

/// A crate that is compiled to a Worker.
pub(super) struct Source {
    /// Its folder under `crates/`.
    pub(super) folder: &'static str,
    /// Its classes of Durable Objects.
    pub(super) classes: &'static [&'static str],
    /// Most bytes of its files together, compressed.
    pub(super) most_bytes: u64,
    /// Features of the crate.
    pub(super) features: &'static [&'static str],
}

/// Compiles a Worker quickly and answers with its folder.
pub(super) fn build_fast(workspace: &Workspace, source: &Source) -> Result<PathBuf, Failure> {
    build(workspace, source, DEV)
}

/// Compiles a Worker that many tests start: what takes longer here is saved there. Answers with its folder.
pub(super) fn build_for_tests(workspace: &Workspace, source: &Source) -> Result<PathBuf, Failure> {
    build(workspace, source, CHECKED)
}

fn build(workspace: &Workspace, source: &Source, profile: &str) -> Result<PathBuf, Failure> {
    let folder = rewritten(workspace, source, profile)?;
    bundle(workspace, source, &folder, false)?;
    Ok(folder)
}

/// A Worker as it is deployed.
pub(super) struct Deployable {
    pub(super) folder: PathBuf,
    bytes: u64,
    most_bytes: u64,
}

impl Deployable {
    /// Fails unless it is small enough.
    pub(super) fn check_size(&self) -> Result<(), Failure> {
        let Self { bytes, most_bytes, .. } = self;
        if bytes > most_bytes {
            let text = format!("the Worker has {bytes} bytes, compressed, and may have {most_bytes}");
            return Err(Failure::Environment(text));
        }
        Ok(())
    }
}

/// Compiles a Worker as small as it gets, and prints how small that is.
pub(super) fn build_small(workspace: &Workspace, source: &Source) -> Result<Deployable, Failure> {
    OPTIMIZER.install(workspace)?;
    let folder = rewritten(workspace, source, "worker")?;
    optimize(workspace, &folder.join(MODULE))?;
    bundle(workspace, source, &folder, true)?;
    let mut bytes = 0;
    for file in [MODULE, SCRIPT] {
        bytes += compressed(&folder.join(file))?;
    }
    Ok(Deployable { folder, bytes, most_bytes: source.most_bytes })
}

/// Compiles the crate and lets the rewriter make a module and its script of that.
fn rewritten(workspace: &Workspace, source: &Source, profile: &str) -> Result<PathBuf, Failure> {
    versions::check(workspace)?;
    wasm::ensure_standard_library(workspace)?;
    let package = package_name(source.folder);
    let mut build = process::cargo();
    build.current_dir(workspace.root()).args(["build", "--lib", "--target", TARGET, "--profile", profile]);
    process::run(build.args(["--package", &package, "--features", &source.features.join(",")]))?;

    let folder = workspace.target("worker").join(source.folder);
    empty(&folder)?;
    // Cargo calls the folder of this one profile otherwise.
    let output = if profile == DEV { "debug" } else { profile };
    let compiled = format!("{TARGET}/{output}/{}.wasm", package.replace('-', "_"));
    process::run(rewriter(workspace).arg(workspace.target(&compiled)).arg(&folder))?;
    Ok(folder)
}

fn rewriter(workspace: &Workspace) -> Command {
    let mut rewriter = process::cargo();
    rewriter.current_dir(workspace.root()).args(["run", "--quiet", "--package", "portway-worker-bindgen"]);
    rewriter.args(["--features", "rewriter", "--"]);
    rewriter
}

/// Makes one script of the entry point and what the rewriter wrote.
fn bundle(workspace: &Workspace, source: &Source, folder: &Path, minify: bool) -> Result<(), Failure> {
    let class = |class: &&str| format!("export const {class} = durable(\"{class}\");\n");
    let classes: String = source.classes.iter().map(class).collect();
    write(&folder.join("entry.js"), &format!("{ENTRY}{classes}"))?;
    let mut esbuild = Command::new("node");
    esbuild.current_dir(folder).arg(TOOLS.path(workspace, ESBUILD));
    esbuild.args(["entry.js", "--bundle", "--format=esm", "--log-level=warning"]);
    esbuild.arg(format!("--external:./{MODULE}")).arg(format!("--outfile={SCRIPT}"));
    if minify {
        esbuild.arg("--minify");
    }
    process::run(&mut esbuild)?;
    // workerd hands out compiled modules for the import of a file, without the newer word for that.
    let script = folder.join(SCRIPT);
    let text = fs::read_to_string(&script).map_err(Failure::file(&script))?;
    write(&script, &text.replace("import source ", "import "))
}

fn optimize(workspace: &Workspace, module: &Path) -> Result<(), Failure> {
    let mut wasm_opt = Command::new("node");
    wasm_opt.arg(OPTIMIZER.path(workspace, WASM_OPT)).args(PASSES);
    process::run(wasm_opt.args(FEATURES).arg(module).arg("-o").arg(module))?;
    process::run(rewriter(workspace).arg("--rearrange").arg(module))
}

/// Prints the size of a file, and answers with it as it is counted when a Worker is uploaded: compressed.
fn compressed(file: &Path) -> Result<u64, Failure> {
    process::run(Command::new("gzip").args(["--best", "--keep", "--force"]).arg(file))?;
    let length = |file: &Path| fs::metadata(file).map(|data| data.len()).map_err(Failure::file(file));
    let compressed = length(&file.with_added_extension("gz"))?;
    println!("{}: {} bytes, {compressed} compressed", file.display(), length(file)?);
    Ok(compressed)
}

fn empty(folder: &Path) -> Result<(), Failure> {
    if folder.is_dir() {
        fs::remove_dir_all(folder).map_err(Failure::file(folder))?;
    }
    fs::create_dir_all(folder).map_err(Failure::file(folder))
}

fn write(file: &Path, text: &str) -> Result<(), Failure> {
    fs::write(file, text).map_err(Failure::file(file))
}
