//! `cargo xtask test`: every check and every test, in the order in which they fail soonest.

use std::env;
use std::process::Command;
use std::time::{Duration, Instant};

use cargo_metadata::TargetKind;

use crate::agents::{TEST_AGENTS, Variables};
use crate::failure::Failure;
use crate::postgres::{self, PostgresServer};
use crate::redis::{self, RedisServer};
use crate::simulate::Seeds;
use crate::workspace::{Workspace, folder};
use crate::{dependency_rule, fuzz, mcp, openapi, process, simulate, tidy, wasm, worker};

/// The crate whose integration tests are the end-to-end tests.
const END_TO_END: &str = "host-node";

/// Runs all stages, or only the quick ones, and stops at the first that fails.
pub(crate) fn run(workspace: &Workspace, fast: bool) -> Result<(), Failure> {
    let mut stages = Stages::default();
    let cargo = |arguments: &[&str]| process::run(cargo(workspace).args(arguments));
    stages.run("format", || cargo(&["fmt", "--all", "--check"]))?;
    stages.run("dependency rule", || dependency_rule::run(workspace))?;
    stages.run("tidy", || tidy::run(workspace))?;
    stages.run("clippy", || cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))?;
    if fast {
        let servers = stages.run("test servers", || Servers::start(false))?;
        stages.run("tests (without end-to-end)", || fast_tests(workspace, &servers))?;
    } else {
        stages.run("wasm check", || wasm::run(workspace))?;
        stages.run("docs", || docs(workspace))?;
        // With the tests, so that one set of features serves both.
        stages.run("build", || cargo(&["build", "--workspace", "--bins", "--tests"]))?;
        let agents = stages.run("test agents", || test_agents(workspace))?;
        let servers = stages.run("test servers", || Servers::start(true))?;
        stages.run("tests", || all_tests(workspace, &agents, &servers))?;
        if servers.postgres.is_some() {
            stages.run("end-to-end on Postgres", || end_to_end_on_postgres(workspace, &agents, &servers, 1))?;
            stages.run("two gateways on Postgres", || end_to_end_on_postgres(workspace, &agents, &servers, 2))?;
        }
        stages.run("published description", || {
            if openapi_tools(workspace)? { openapi::check(workspace) } else { Ok(()) }
        })?;
        stages.run("Model Context Protocol", || if mcp_tools(workspace)? { mcp::check(workspace) } else { Ok(()) })?;
        stages.run("port suites on D1, R2 and Durable Objects", || {
            if worker_tools(workspace)? { worker::test(workspace, None) } else { Ok(()) }
        })?;
        stages.run("end-to-end in workerd", || {
            if worker_tools(workspace)? { worker::end_to_end(workspace, None, &agents) } else { Ok(()) }
        })?;
        stages.run("Model Context Protocol in workerd", || {
            if worker_tools(workspace)? && mcp_tools(workspace)? { mcp::check_worker(workspace) } else { Ok(()) }
        })?;
        stages.run("size of the Worker", || {
            if worker_tools(workspace)? { worker::check_size(workspace) } else { Ok(()) }
        })?;
        stages.run("simulation", || simulate::run(workspace, Seeds::Range { from: 0, count: simulation_seeds() }))?;
        stages.run("fuzz", || fuzz::run(workspace, fuzz_seconds()))?;
        stages.run("examples outside the workspace", || {
            cargo(&["test", "--workspace", "--test", "examples", "--", "--ignored"])
        })?;
    }
    stages.print_summary();
    Ok(())
}

fn cargo(workspace: &Workspace) -> Command {
    let mut cargo = process::cargo();
    cargo.current_dir(workspace.root());
    cargo
}

fn docs(workspace: &Workspace) -> Result<(), Failure> {
    process::run(cargo(workspace).args(["doc", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings"))
}

fn all_tests(workspace: &Workspace, agents: &Variables, servers: &Servers) -> Result<(), Failure> {
    process::run(test_command(workspace, agents).envs(servers.locations()))
}

/// The end-to-end tests once more, with every gateway's database on the server; with two gateways on each database, those
/// of them that are about sessions.
fn end_to_end_on_postgres(
    workspace: &Workspace,
    agents: &Variables,
    servers: &Servers,
    gateways: u8,
) -> Result<(), Failure> {
    let mut command = test_command(workspace, agents);
    command.args(["--test", "e2e"]).envs(servers.locations()).env("PORTWAY_TEST_DATABASE", "postgres");
    command.env("PORTWAY_TEST_GATEWAYS", gateways.to_string());
    process::run(&mut command)
}

pub(crate) fn test_command(workspace: &Workspace, agents: &Variables) -> Command {
    let mut command = cargo(workspace);
    command.args(["test", "--workspace"]);
    command.envs(agents.iter().map(|(name, path)| (name, path)));
    if is_ci() {
        command.env("PORTWAY_REQUIRE_COMPONENTS", "1");
    }
    command
}

/// The unit tests of all crates and the integration tests of all but the host.
fn fast_tests(workspace: &Workspace, servers: &Servers) -> Result<(), Failure> {
    let mut command = cargo(workspace);
    command.args(["test", "--workspace", "--lib", "--bins"]).envs(servers.locations());
    for package in workspace.packages() {
        if folder(package) == END_TO_END {
            continue;
        }
        for target in &package.targets {
            if target.kind.contains(&TargetKind::Test) {
                command.args(["--test", &target.name]);
            }
        }
    }
    process::run(&mut command)
}

/// Where the agents of the tests are. Without npm or its registry the tests that need an agent say that they skip; continuous integration has no such excuse.
pub(crate) fn test_agents(workspace: &Workspace) -> Result<Variables, Failure> {
    let mut variables = Variables::new();
    for agent in &TEST_AGENTS {
        match agent.install(workspace) {
            Ok(files) => variables.extend(files),
            Err(failure) if is_ci() => return Err(failure),
            Err(failure) => {
                eprintln!("warning: {failure}\nwarning: tests that need {} will SKIP", agent.name());
            }
        }
    }
    Ok(variables)
}

/// The servers that tests need, as far as there are any.
pub(crate) struct Servers {
    postgres: Option<PostgresServer>,
    redis: Option<RedisServer>,
}

impl Servers {
    /// Starts those that the environment does not name. `install`: get their programs first if there are none.
    pub(crate) fn start(install: bool) -> Result<Self, Failure> {
        Ok(Self { postgres: test_server(install)?, redis: excused("Redis", RedisServer::start(install))? })
    }

    /// Tells the tests where they are.
    pub(crate) fn locations(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let postgres = self.postgres.as_ref().map(|server| (postgres::VARIABLE, server.url()));
        postgres.into_iter().chain(self.redis.as_ref().map(|server| (redis::VARIABLE, server.url())))
    }
}

/// The Postgres server, if there is one.
pub(crate) fn test_server(install: bool) -> Result<Option<PostgresServer>, Failure> {
    excused("Postgres", PostgresServer::start(install))
}

/// Without a server the tests that need it say that they skip; continuous integration has no such excuse.
fn excused<T>(name: &str, server: Result<T, Failure>) -> Result<Option<T>, Failure> {
    match server {
        Ok(server) => Ok(Some(server)),
        Err(failure) if is_ci() => Err(failure),
        Err(failure) => {
            eprintln!("warning: {failure}\nwarning: tests that need {name} will SKIP");
            Ok(None)
        }
    }
}

/// Whether there is what runs a Worker. Without npm or its registry the trials of one say that they skip; continuous
/// integration has no such excuse.
pub(crate) fn worker_tools(workspace: &Workspace) -> Result<bool, Failure> {
    match worker::install(workspace) {
        Ok(()) => Ok(true),
        Err(failure) if is_ci() => Err(failure),
        Err(failure) => {
            eprintln!("warning: {failure}\nwarning: the tests of Workers will SKIP");
            Ok(false)
        }
    }
}

/// Whether there is what checks the published description. Without Python, npm or their registries nothing does; continuous
/// integration has no such excuse.
fn openapi_tools(workspace: &Workspace) -> Result<bool, Failure> {
    match openapi::install(workspace) {
        Ok(()) => Ok(true),
        Err(failure) if is_ci() => Err(failure),
        Err(failure) => {
            eprintln!("warning: {failure}\nwarning: the published description is NOT CHECKED");
            Ok(false)
        }
    }
}

/// Whether there is what checks the Model Context Protocol. Without Python, npm or their registries nothing does; continuous
/// integration has no such excuse.
fn mcp_tools(workspace: &Workspace) -> Result<bool, Failure> {
    match mcp::install(workspace) {
        Ok(()) => Ok(true),
        Err(failure) if is_ci() => Err(failure),
        Err(failure) => {
            eprintln!("warning: {failure}\nwarning: the Model Context Protocol is NOT CHECKED");
            Ok(false)
        }
    }
}

/// Whether nothing may be left out.
pub(crate) fn is_ci() -> bool {
    env::var("CI").is_ok_and(|value| says_yes(&value))
}

/// How long each target is fed: a minute in continuous integration, a moment elsewhere.
fn fuzz_seconds() -> u64 {
    let chosen = env::var("PORTWAY_FUZZ_SECONDS").ok().and_then(|text| text.parse().ok());
    chosen.unwrap_or(if is_ci() { 60 } else { 3 })
}

/// How many worlds are simulated, always the same ones: all in continuous integration, some elsewhere.
fn simulation_seeds() -> u64 {
    if is_ci() { simulate::SEEDS } else { simulate::SEEDS / 10 }
}

fn says_yes(value: &str) -> bool {
    !matches!(value, "" | "0" | "false")
}

/// What ran, and how long it took.
#[derive(Default)]
struct Stages {
    finished: Vec<(&'static str, Duration)>,
}

impl Stages {
    fn run<T>(&mut self, name: &'static str, stage: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
        println!("\n==> {name}");
        let start = Instant::now();
        let result = stage();
        let duration = start.elapsed();
        let outcome = if result.is_ok() { "passed" } else { "FAILED" };
        println!("==> {name}: {outcome} after {:.1} s", duration.as_secs_f64());
        self.finished.push((name, duration));
        result
    }

    fn print_summary(&self) {
        println!("\nAll stages passed:");
        for (name, duration) in &self.finished {
            println!("{:>8.1} s  {name}", duration.as_secs_f64());
        }
        let total: Duration = self.finished.iter().map(|(_, duration)| *duration).sum();
        println!("{:>8.1} s  in total", total.as_secs_f64());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_stage_fails_and_is_counted() {
        let mut stages = Stages::default();
        assert_eq!(stages.run("first", || Ok(7)).unwrap(), 7);
        let failed = stages.run("second", || Err::<(), _>(Failure::Environment("broken".to_owned())));
        assert_eq!(failed.unwrap_err().to_string(), "broken");
        assert_eq!(stages.finished.len(), 2);
    }

    #[test]
    fn ci_can_be_switched_off_by_value() {
        assert!(says_yes("true"));
        assert!(says_yes("1"));
        assert!(!says_yes(""));
        assert!(!says_yes("false"));
        assert!(!says_yes("0"));
    }
}
