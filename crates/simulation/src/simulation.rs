//! What everybody in a simulated world shares: time, chance, the trace, and what is known of everything that was said.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::executor::{Executor, Group, Sleep, lock};
use crate::ledger::Ledger;
use crate::oracle::Oracle;
use crate::plan::Plan;
use crate::random::Random;
use crate::trace::Trace;

/// One run.
pub(crate) struct Simulation {
    pub(crate) executor: Executor,
    pub(crate) plan: Plan,
    pub(crate) ledger: Mutex<Ledger>,
    oracle: Mutex<Oracle>,
    random: Mutex<Random>,
    trace: Mutex<Trace>,
    violation: Mutex<Option<String>>,
    is_calm: AtomicBool,
}

impl Simulation {
    pub(crate) fn new(plan: Plan, mut random: Random, oracle: Oracle, trace: Trace) -> Arc<Self> {
        Arc::new(Self {
            executor: Executor::new(Random::new(random.next())),
            plan,
            ledger: Mutex::default(),
            oracle: Mutex::new(oracle),
            random: Mutex::new(random),
            trace: Mutex::new(trace),
            violation: Mutex::default(),
            is_calm: AtomicBool::new(false),
        })
    }

    pub(crate) fn now(&self) -> u64 {
        self.executor.now()
    }

    pub(crate) fn spawn(&self, group: Group, task: impl Future<Output = ()> + Send + 'static) {
        self.executor.spawn(group, Box::pin(task));
    }

    pub(crate) fn sleep(&self, span: Duration) -> Sleep {
        self.executor.sleep(span)
    }

    /// Waits for a span between two numbers of milliseconds.
    pub(crate) fn pause(&self, least: u64, most: u64) -> Sleep {
        let span = self.draw(|random| random.span(least, most));
        self.sleep(span)
    }

    pub(crate) fn draw<T>(&self, draw: impl FnOnce(&mut Random) -> T) -> T {
        draw(&mut lock(&self.random))
    }

    /// Whether a fault strikes that does so often in a thousand. None does once the world is calm.
    pub(crate) fn strikes(&self, per_mille: u64) -> bool {
        self.draw(|random| random.chance(per_mille)) && !self.is_calm()
    }

    /// From now on nothing fails by itself.
    pub(crate) fn calm(&self) {
        self.is_calm.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_calm(&self) -> bool {
        self.is_calm.load(Ordering::Relaxed)
    }

    pub(crate) fn note(&self, text: fmt::Arguments<'_>) {
        lock(&self.trace).note(self.executor.now(), &text.to_string());
    }

    pub(crate) fn count(&self, number: u64) {
        lock(&self.trace).count(number);
    }

    /// Something is as it must not be. The first such finding counts.
    pub(crate) fn violated(&self, text: fmt::Arguments<'_>) {
        self.note(format_args!("VIOLATION {text}"));
        lock(&self.violation).get_or_insert_with(|| text.to_string());
    }

    pub(crate) fn violation(&self) -> Option<String> {
        lock(&self.violation).clone()
    }

    pub(crate) fn ledger<T>(&self, use_it: impl FnOnce(&mut Ledger) -> T) -> T {
        use_it(&mut lock(&self.ledger))
    }

    pub(crate) fn oracle<T>(&self, use_it: impl FnOnce(&mut Oracle) -> T) -> T {
        use_it(&mut lock(&self.oracle))
    }

    /// The database was written.
    pub(crate) fn wrote(&self) {
        let findings = lock(&self.oracle).look(&mut lock(&self.ledger));
        for finding in findings {
            self.violated(format_args!("{finding}"));
        }
    }

    pub(crate) fn trace(&self) -> (u64, Vec<String>) {
        let trace = lock(&self.trace);
        (trace.digest(), trace.lines())
    }
}
