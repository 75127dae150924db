//! How a database file is opened.

use std::path::PathBuf;
use std::time::Duration;

/// Longest time to wait for a lock of another process.
const MAX_BUSY_TIMEOUT: Duration = Duration::from_secs(60);

/// How a database file is opened. The defaults suit one gateway process that owns the file.
#[derive(Debug, Clone)]
pub struct SqliteOptions {
    pub(crate) path: PathBuf,
    pub(crate) reader_threads: usize,
    pub(crate) thread_connections: usize,
    pub(crate) queue_length: usize,
    pub(crate) busy_timeout: Duration,
    pub(crate) maps_file: bool,
}

impl SqliteOptions {
    /// The file is created with mode 0600 when it does not exist; its folder has to exist.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        Self {
            path: path.into(),
            reader_threads: cores.clamp(2, 8),
            thread_connections: 64,
            queue_length: 1024,
            busy_timeout: Duration::from_secs(5),
            maps_file: true,
        }
    }

    /// Threads for searches and aggregates, 1 to 64. Default: one for each core, 2 to 8.
    #[must_use]
    pub fn reader_threads(mut self, threads: usize) -> Self {
        self.reader_threads = threads.clamp(1, 64);
        self
    }

    /// How many calling threads may keep a connection of their own; the bounded reads of further threads run on the
    /// reader threads. 0 to 1024, default 64.
    #[must_use]
    pub fn thread_connections(mut self, connections: usize) -> Self {
        self.thread_connections = connections.min(1024);
        self
    }

    /// How many writes, and how many unbounded reads, may wait; further callers wait until there is room.
    /// 1 to 65536, default 1024.
    #[must_use]
    pub fn queue_length(mut self, length: usize) -> Self {
        self.queue_length = length.clamp(1, 65_536);
        self
    }

    /// Whether the threads for searches and aggregates map up to 256 MiB of the file into memory, which is quick where the
    /// same pages are read again. Default: yes.
    #[must_use]
    pub fn map_file(mut self, maps: bool) -> Self {
        self.maps_file = maps;
        self
    }

    /// How long to wait for a lock that another process holds before the answer is
    /// [`SqlError::Unavailable`](portway_sql::driver::SqlError::Unavailable). At most 60 s, default 5 s.
    #[must_use]
    pub fn busy_timeout(mut self, timeout: Duration) -> Self {
        self.busy_timeout = timeout.min(MAX_BUSY_TIMEOUT);
        self
    }
}
