//! The list of tests.

use std::future::Future;

use libtest_mimic::Trial;

use crate::harness::agents::{Agent, example_agent};
use crate::harness::host::lacking;

/// Something that tests need and that may not be installed.
pub(crate) struct Component<Find> {
    /// Says that it is not installed, and what to do about it.
    pub(crate) missing: &'static str,
    /// Finds it.
    pub(crate) find: Find,
}

/// The tests, in the order in which they are started.
#[derive(Default)]
pub(crate) struct Trials {
    list: Vec<Trial>,
}

impl Trials {
    /// A test.
    pub(crate) fn add<F>(&mut self, name: &str, test: impl FnOnce() -> F + Send + 'static)
    where
        F: Future<Output = ()>,
    {
        let trial = Trial::test(name, move || {
            run(test());
            Ok(())
        });
        self.list.push(for_host(name, trial));
    }

    /// A test that every agent has to pass.
    pub(crate) fn add_for_agents<F>(&mut self, name: &str, test: impl Fn(Agent) -> F + Clone + Send + 'static)
    where
        F: Future<Output = ()>,
    {
        let example = test.clone();
        self.add_for_example_agent(name, example);
        self.add(&format!("{name}::demo"), move || test(Agent::Demo));
    }

    /// A test that needs the example agent.
    pub(crate) fn add_for_example_agent<F>(&mut self, name: &str, test: impl Fn(Agent) -> F + Send + 'static)
    where
        F: Future<Output = ()>,
    {
        let example = Component {
            missing: "the example agent is not installed: run `cargo xtask test`, or set PORTWAY_TEST_ACP_AGENT",
            find: example_agent,
        };
        self.add_for(example, &format!("{name}::example"), move |path| test(Agent::Example(path)));
    }

    /// A test that needs a component. Without it the test shows as ignored, or fails where components are required.
    pub(crate) fn add_for<C: Send + 'static>(
        &mut self,
        component: Component<impl FnOnce() -> Option<C>>,
        name: &str,
        test: impl AsyncFnOnce(C) + Send + 'static,
    ) {
        let found = (component.find)();
        let skipped = found.is_none() && !components_are_required();
        let kind = if skipped { format!("skipped: {}", component.missing) } else { String::new() };
        let trial = Trial::test(name, move || {
            run(test(found.ok_or(component.missing)?));
            Ok(())
        });
        self.list.push(for_host(name, trial.with_kind(kind).with_ignored_flag(skipped)));
    }

    pub(crate) fn into_list(self) -> Vec<Trial> {
        self.list
    }
}

/// A test that the host cannot pass shows as ignored.
fn for_host(name: &str, trial: Trial) -> Trial {
    match lacking(name) {
        Some(what) => trial.with_kind(format!("skipped: a Worker has not {what}")).with_ignored_flag(true),
        None => trial,
    }
}

fn components_are_required() -> bool {
    std::env::var("PORTWAY_REQUIRE_COMPONENTS").is_ok_and(|value| !matches!(value.as_str(), "" | "0" | "false"))
}

/// Each test has a runtime of its own; a panic goes through it and fails the test.
fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(test);
}
