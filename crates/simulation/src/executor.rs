//! Tasks and time: whatever is ready is polled in an order that the seed decides, and time jumps to the next timer when
//! nothing is ready.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use portway_ports::system::Task;

use crate::random::Random;

/// Tasks that end together, such as those of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Group(u64);

impl Group {
    /// What belongs to the world and ends with it.
    pub(crate) const WORLD: Self = Self(0);
}

/// What a step of the executor was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    /// This task was polled.
    Polled(u64),
    /// This task panicked.
    Panicked(u64),
    /// Time went on.
    Waited,
    /// Nothing is left to happen before the given time.
    Done,
}

/// A single-threaded executor. Clones are the same one.
#[derive(Clone)]
pub(crate) struct Executor(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    ready: Arc<Mutex<BTreeSet<u64>>>,
}

struct State {
    now: u64,
    next: u64,
    random: Random,
    tasks: BTreeMap<u64, Slot>,
    timers: BTreeMap<(u64, u64), Waker>,
    dead: BTreeSet<Group>,
    is_closed: bool,
}

struct Slot {
    group: Group,
    /// Taken out while it is polled.
    task: Option<Task>,
    waker: Waker,
}

struct TaskWaker {
    id: u64,
    ready: Arc<Mutex<BTreeSet<u64>>>,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        lock(&self.ready).insert(self.id);
    }
}

/// Nothing that is locked here is left half changed by a panic.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Executor {
    pub(crate) fn new(random: Random) -> Self {
        let state = State {
            now: 0,
            next: 1,
            random,
            tasks: BTreeMap::new(),
            timers: BTreeMap::new(),
            dead: BTreeSet::new(),
            is_closed: false,
        };
        Self(Arc::new(Shared { state: Mutex::new(state), ready: Arc::default() }))
    }

    /// Microseconds since the beginning.
    pub(crate) fn now(&self) -> u64 {
        lock(&self.0.state).now
    }

    pub(crate) fn group(&self) -> Group {
        Group(lock(&self.0.state).number())
    }

    /// Starts a task; one of a group that ended is dropped.
    pub(crate) fn spawn(&self, group: Group, task: Task) {
        let mut state = lock(&self.0.state);
        if state.is_closed || state.dead.contains(&group) {
            drop(state);
            drop(task);
            return;
        }
        let id = state.number();
        let waker = Waker::from(Arc::new(TaskWaker { id, ready: self.0.ready.clone() }));
        state.tasks.insert(id, Slot { group, task: Some(task), waker });
        lock(&self.0.ready).insert(id);
    }

    /// Ends all tasks of a group where they stand.
    pub(crate) fn kill(&self, group: Group) {
        let mut state = lock(&self.0.state);
        state.dead.insert(group);
        let ids: Vec<u64> = state.tasks.iter().filter(|(_, slot)| slot.group == group).map(|(id, _)| *id).collect();
        let ended: Vec<Slot> = ids.iter().filter_map(|id| state.tasks.remove(id)).collect();
        drop(state);
        drop(ended);
    }

    /// Ends everything: tasks own the executor that owns them.
    pub(crate) fn close(&self) {
        let mut state = lock(&self.0.state);
        state.is_closed = true;
        let tasks = std::mem::take(&mut state.tasks);
        drop(state);
        drop(tasks);
        let timers = std::mem::take(&mut lock(&self.0.state).timers);
        drop(timers);
    }

    pub(crate) fn sleep(&self, span: Duration) -> Sleep {
        let at = self.now().saturating_add(u64::try_from(span.as_micros()).unwrap_or(u64::MAX));
        self.sleep_until(at)
    }

    pub(crate) fn sleep_until(&self, at: u64) -> Sleep {
        Sleep { executor: self.clone(), at, timer: None }
    }

    /// Polls one task, or lets time go on to the next timer, but not past `end`.
    pub(crate) fn step(&self, end: u64) -> Progress {
        let Some((id, mut task, waker)) = self.take_ready() else {
            return self.wait(end);
        };
        let polled = catch_unwind(AssertUnwindSafe(|| task.as_mut().poll(&mut Context::from_waker(&waker))));
        let mut state = lock(&self.0.state);
        match polled {
            Ok(Poll::Pending) => {
                // A task may have been ended while it was polled.
                if let Some(slot) = state.tasks.get_mut(&id) {
                    slot.task = Some(task);
                    return Progress::Polled(id);
                }
            }
            Ok(Poll::Ready(())) | Err(_) => drop(state.tasks.remove(&id)),
        }
        drop(state);
        drop(task);
        if polled.is_err() { Progress::Panicked(id) } else { Progress::Polled(id) }
    }

    fn take_ready(&self) -> Option<(u64, Task, Waker)> {
        let mut state = lock(&self.0.state);
        let mut ready = lock(&self.0.ready);
        loop {
            let place = state.random.place(ready.len());
            let id = *ready.iter().nth(place)?;
            ready.remove(&id);
            if let Some(slot) = state.tasks.get_mut(&id)
                && let Some(task) = slot.task.take()
            {
                return Some((id, task, slot.waker.clone()));
            }
        }
    }

    fn wait(&self, end: u64) -> Progress {
        let mut state = lock(&self.0.state);
        let Some(entry) = state.timers.first_entry().filter(|entry| entry.key().0 <= end) else {
            state.now = state.now.max(end);
            return Progress::Done;
        };
        let ((at, _), waker) = entry.remove_entry();
        state.now = state.now.max(at);
        drop(state);
        waker.wake();
        Progress::Waited
    }
}

impl State {
    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }
}

/// Ends at its time.
pub(crate) struct Sleep {
    executor: Executor,
    at: u64,
    timer: Option<u64>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let at = self.at;
        let executor = self.executor.clone();
        let mut state = lock(&executor.0.state);
        if state.now >= at {
            return Poll::Ready(());
        }
        let timer = *self.timer.get_or_insert_with(|| state.number());
        state.timers.insert((at, timer), context.waker().clone());
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(timer) = self.timer {
            let waker = lock(&self.executor.0.state).timers.remove(&(self.at, timer));
            drop(waker);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(seed: u64) -> Vec<u64> {
        let executor = Executor::new(Random::new(seed));
        let seen = Arc::new(Mutex::new(Vec::new()));
        for number in 0..10 {
            let (executor_of_task, seen) = (executor.clone(), seen.clone());
            executor.spawn(
                Group::WORLD,
                Box::pin(async move {
                    executor_of_task.sleep(Duration::from_secs(number % 2)).await;
                    lock(&seen).push(number);
                }),
            );
        }
        while executor.step(5_000_000) != Progress::Done {}
        assert_eq!(executor.now(), 5_000_000);
        executor.close();
        lock(&seen).clone()
    }

    #[test]
    fn the_seed_decides_the_order_and_time_is_kept() {
        let order = run(1);
        assert_eq!(order, run(1));
        assert!((2..20).any(|seed| run(seed) != order), "every seed has the same order");
        assert!(order[..5].iter().all(|number| number % 2 == 0), "{order:?}");
    }

    #[test]
    fn a_group_ends_as_a_whole_and_takes_nothing_more() {
        let executor = Executor::new(Random::new(1));
        let group = executor.group();
        let alive = Arc::new(());
        let spawn = || {
            let alive = alive.clone();
            executor.spawn(
                group,
                Box::pin(async move {
                    std::future::pending::<()>().await;
                    drop(alive);
                }),
            );
        };
        spawn();
        executor.step(0);
        assert_eq!(Arc::strong_count(&alive), 2);
        executor.kill(group);
        spawn();
        assert_eq!(Arc::strong_count(&alive), 1);
    }

    #[test]
    fn a_panic_is_told() {
        let executor = Executor::new(Random::new(1));
        executor.spawn(Group::WORLD, Box::pin(async { panic!("on purpose") }));
        assert!(matches!(executor.step(0), Progress::Panicked(_)));
    }
}
