//! The examples, run as a reader runs them: where they are, and copied into a crate outside the workspace.
#![cfg(test)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// Longer than an example takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// The folder of the build that this test is of, such as `target/debug`.
fn build_folder() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.parent().and_then(Path::parent).unwrap().to_owned()
}

fn example(name: &str) -> PathBuf {
    let path = build_folder().join("examples").join(name);
    assert!(path.exists(), "{} is not there: run `cargo build --examples` first", path.display());
    path
}

/// A folder to run an example in: what it leaves behind shows.
struct Scene {
    folder: TempDir,
}

impl Scene {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn run(&self, command: &mut Command) -> Output {
        let path = self.folder.path();
        command.current_dir(path).env("TMPDIR", path).env("HOME", path);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let end = Instant::now() + PATIENCE;
        while child.try_wait().unwrap().is_none() {
            if Instant::now() > end {
                child.kill().unwrap();
                panic!("it does not end: {:?}", child.wait_with_output());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        child.wait_with_output().unwrap()
    }

    fn assert_nothing_left(&self) {
        let files: Vec<_> = fs::read_dir(self.folder.path()).unwrap().flatten().map(|file| file.path()).collect();
        assert!(files.is_empty(), "left behind: {files:?}");
        assert_eq!(self.processes(), Vec::<String>::new());
    }

    /// Command lines of the processes that the example started and that are still there; all of them inherit the name of
    /// the folder.
    fn processes(&self) -> Vec<String> {
        let mark = self.folder.path().to_str().unwrap();
        let marked = |folder: &Path| {
            let environment = fs::read(folder.join("environ")).unwrap_or_default();
            String::from_utf8_lossy(&environment).contains(mark)
        };
        let folders = fs::read_dir("/proc").into_iter().flatten().flatten().map(|entry| entry.path());
        let command = |folder: PathBuf| fs::read_to_string(folder.join("cmdline")).unwrap_or_default();
        folders.filter(|folder| marked(folder)).map(command).collect()
    }
}

fn assert_printed(output: &Output, expected: &str) {
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(printed, expected, "{output:?}");
}

const EMBED_PRINTS: &str = "GET /hello: hello from the application\nthe demo agent: streamed by an embedded gateway\n";

const IN_MEMORY_PRINTS: &str = "user: How many letters has Portway?\nassistant: You said 29 characters.\n\
                                user: And now?\nassistant: You said 8 characters.\n";

#[test]
fn a_gateway_lives_in_another_application() {
    let scene = Scene::new();
    assert_printed(&scene.run(&mut Command::new(example("embed"))), EMBED_PRINTS);
    scene.assert_nothing_left();
}

#[test]
fn a_session_needs_no_disk() {
    let scene = Scene::new();
    // The first byte that is written to a file kills the process.
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -f 0; exec \"$0\""]).arg(example("in_memory"));
    assert_printed(&scene.run(&mut command), IN_MEMORY_PRINTS);
    scene.assert_nothing_left();
}

#[test]
#[ignore = "builds the shared crates once more; `cargo xtask test` runs it"]
fn the_examples_work_outside_the_workspace() {
    let outside = tempfile::tempdir().unwrap();
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let workspace = package.parent().and_then(Path::parent).unwrap();
    fs::create_dir_all(outside.path().join("src/bin")).unwrap();
    for name in ["embed", "in_memory"] {
        let copy = outside.path().join(format!("src/bin/outside_{name}.rs"));
        fs::copy(package.join(format!("examples/{name}.rs")), copy).unwrap();
    }
    fs::write(outside.path().join("Cargo.toml"), manifest(package, &profiles(workspace))).unwrap();
    // The same versions as in the workspace, all of which are on this machine.
    fs::copy(workspace.join("Cargo.lock"), outside.path().join("Cargo.lock")).unwrap();

    let target = build_folder().parent().unwrap().to_owned();
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build.args(["build", "--offline", "--bins", "--target-dir"]).arg(&target).current_dir(outside.path());
    let built = build.output().unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));

    for (name, prints) in [("embed", EMBED_PRINTS), ("in_memory", IN_MEMORY_PRINTS)] {
        let scene = Scene::new();
        let mut program = Command::new(target.join("debug").join(format!("outside_{name}")));
        assert_printed(&scene.run(&mut program), prints);
        scene.assert_nothing_left();
    }
}

/// What somebody writes who uses Portway by its path. No feature is named that Portway does not use itself, so that
/// nothing is built twice.
fn manifest(package: &Path, profiles: &str) -> String {
    let package = package.display();
    format!(
        r#"
[package]
name = "outside"
edition = "2024"

[workspace]

[dependencies]
async-trait = "*"
axum = {{ version = "*", default-features = false, features = ["http1", "tokio"] }}
futures-util = {{ version = "*", default-features = false, features = ["sink"] }}
portway-host-node = {{ path = "{package}" }}
serde_json = "*"
tempfile = "*"
tokio = {{ version = "*", features = ["macros", "net", "rt-multi-thread", "sync"] }}
tokio-tungstenite = {{ version = "*", default-features = false, features = ["connect"] }}
tower = {{ version = "*", default-features = false, features = ["util"] }}

{profiles}
"#
    )
}

/// The profiles of the workspace: with others, everything would be built anew.
fn profiles(workspace: &Path) -> String {
    let manifest = fs::read_to_string(workspace.join("Cargo.toml")).unwrap();
    manifest.find("[profile.").map_or_else(String::new, |start| manifest[start..].to_owned())
}
