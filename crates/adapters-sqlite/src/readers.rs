//! Connections that only read: one for each calling thread, and a few threads for what takes long.
//!
//! Handing a key lookup to another thread costs more than the lookup. So bounded reads run where they are asked for,
//! on a connection that stays with the thread. Whatever may take long would block an async worker thread and goes to
//! threads of its own.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use portway_sql::driver::{Cost, Read, SqlError};
use portway_sql::row::Row;
use tokio::sync::oneshot;

use crate::connection::Connection;
use crate::error::{OpenError, closed};
use crate::options::SqliteOptions;
use crate::queue::Queue;
use crate::snapshot::OpenRead;

/// Most databases for which one thread keeps a connection.
const DATABASES_PER_THREAD: usize = 8;

static NEXT_ID: AtomicU64 = AtomicU64::new(0);

thread_local! {
    static CONNECTIONS: RefCell<Vec<(u64, Arc<Slot>)>> = const { RefCell::new(Vec::new()) };
}

type Answer = Result<Vec<Vec<Row>>, SqlError>;

/// The place of one thread's connection. The thread keeps it alive, the database can empty it.
struct Slot(Mutex<Option<Connection>>);

impl Slot {
    fn lock(&self) -> MutexGuard<'_, Option<Connection>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Job {
    read: Read,
    reply: oneshot::Sender<Answer>,
}

/// The readers of one database file.
pub(crate) struct Readers {
    id: u64,
    path: PathBuf,
    busy_timeout: Duration,
    maps_file: bool,
    limit: usize,
    /// The connections of calling threads; `None` when the database is closed.
    slots: Mutex<Option<Vec<Weak<Slot>>>>,
    queue: Arc<Queue<Job>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Readers {
    pub(crate) fn start(options: &SqliteOptions) -> Result<Self, OpenError> {
        let readers = Self {
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            path: options.path.clone(),
            busy_timeout: options.busy_timeout,
            maps_file: options.maps_file,
            limit: options.thread_connections,
            slots: Mutex::new(Some(Vec::new())),
            queue: Arc::new(Queue::new(options.queue_length)),
            threads: Mutex::new(Vec::with_capacity(options.reader_threads)),
        };
        match readers.start_threads(options.reader_threads) {
            Ok(()) => Ok(readers),
            Err(error) => {
                readers.close();
                Err(error)
            }
        }
    }

    fn start_threads(&self, count: usize) -> Result<(), OpenError> {
        for number in 0..count {
            let connection = self.connect()?;
            if self.maps_file {
                connection.map(&self.path)?;
            }
            let queue = self.queue.clone();
            let thread = thread::Builder::new()
                .name(format!("sqlite-reader-{number}"))
                .spawn(move || serve(&connection, &queue))
                .map_err(OpenError::Thread)?;
            self.lock_threads().push(thread);
        }
        Ok(())
    }

    pub(crate) async fn read(&self, read: Read) -> Answer {
        if read.cost == Cost::Bounded
            && let Some(answer) = self.read_here(&read)
        {
            return answer;
        }
        let (reply, answer) = oneshot::channel();
        if !self.queue.push(Job { read, reply }).await {
            return Err(closed());
        }
        answer.await.unwrap_or_else(|_| Err(SqlError::Unavailable("the reader thread ended".into())))
    }

    /// Reads on the calling thread; `None` when it may not have a connection of its own.
    fn read_here(&self, read: &Read) -> Option<Answer> {
        CONNECTIONS
            .try_with(|connections| {
                let mut connections = connections.try_borrow_mut().ok()?;
                let known = connections.iter().position(|(id, _)| *id == self.id);
                let index = match known {
                    Some(index) => index,
                    None => match self.open(&mut connections) {
                        Ok(Some(index)) => index,
                        Ok(None) => return None,
                        Err(error) => return Some(Err(error)),
                    },
                };
                let (_, slot) = connections.get(index)?;
                Some(match slot.lock().as_ref() {
                    Some(connection) => connection.read(read),
                    None => Err(closed()),
                })
            })
            .ok()
            .flatten()
    }

    /// Gives the calling thread a connection; `None` when there are enough already.
    fn open(&self, connections: &mut Vec<(u64, Arc<Slot>)>) -> Result<Option<usize>, SqlError> {
        let mut slots = self.lock_slots();
        let slots = slots.as_mut().ok_or_else(closed)?;
        slots.retain(|slot| slot.strong_count() > 0);
        if slots.len() >= self.limit {
            return Ok(None);
        }
        let connection = self.connect().map_err(|error| SqlError::Unavailable(error.to_string()))?;
        connections.retain(|(_, slot)| slot.lock().is_some());
        if connections.len() >= DATABASES_PER_THREAD {
            connections.remove(0);
        }
        let slot = Arc::new(Slot(Mutex::new(Some(connection))));
        slots.push(Arc::downgrade(&slot));
        connections.push((self.id, slot));
        Ok(Some(connections.len() - 1))
    }

    /// A connection that goes on seeing what there is now.
    pub(crate) fn snapshot(&self) -> Result<OpenRead, SqlError> {
        if self.lock_slots().is_none() {
            return Err(closed());
        }
        let connection = self.connect().map_err(|error| SqlError::Unavailable(error.to_string()))?;
        OpenRead::begin(connection)
    }

    fn connect(&self) -> Result<Connection, OpenError> {
        Connection::reader(&self.path, self.busy_timeout)
    }

    /// Finishes what was accepted, closes every connection and ends the threads.
    pub(crate) fn close(&self) {
        let slots = self.lock_slots().take().unwrap_or_default();
        for slot in slots.iter().filter_map(Weak::upgrade) {
            drop(slot.lock().take());
        }
        self.queue.close();
        let threads = std::mem::take(&mut *self.lock_threads());
        for thread in threads {
            if thread.join().is_err() {
                tracing::error!("a reader thread had panicked");
            }
        }
    }

    fn lock_slots(&self) -> MutexGuard<'_, Option<Vec<Weak<Slot>>>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_threads(&self) -> MutexGuard<'_, Vec<JoinHandle<()>>> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn serve(connection: &Connection, queue: &Queue<Job>) {
    loop {
        let jobs = queue.take(1);
        if jobs.is_empty() {
            return;
        }
        // A caller that went away while it waited needs no answer.
        for job in jobs.into_iter().filter(|job| !job.reply.is_closed()) {
            let answer = catch_unwind(AssertUnwindSafe(|| connection.read(&job.read)));
            let _ = job.reply.send(answer.unwrap_or_else(|_| Err(SqlError::Unavailable("the read panicked".into()))));
        }
    }
}
