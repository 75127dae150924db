//! One session that many watch: what it costs to tell all of them, and how long it takes, while one does not read.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::cases::{Effort, check_open_files};
use crate::client::{Connection, Request};
use crate::failure::Failure;
use crate::load::{Sample, percentile};
use crate::report::{Bar, Detail, Report, Row, Unit};
use crate::server::Server;
use crate::world::{AccessLog, People, World};

/// Sockets that read.
const READERS: usize = 500;

/// How long the memory is looked at, after the first minute.
const SOAK: Duration = Duration::from_secs(540);
const WARM_UP: Duration = Duration::from_secs(60);

const MIB: f64 = 1024.0 * 1024.0;

/// What a title frame has in front of its number.
const MARK: &[u8] = br#""title":"no. "#;

/// Who watches a session of a server.
struct Audience {
    heard: Arc<Heard>,
    readers: JoinSet<()>,
    /// Never read.
    _stalled: TcpStream,
    renames: Connection,
    path: String,
    token: String,
    sent: usize,
}

/// What came to the readers.
#[derive(Default)]
struct Heard {
    sent_at: Mutex<Vec<Instant>>,
    delays: Mutex<Vec<Duration>>,
    count: AtomicUsize,
    changed: Notify,
}

impl Heard {
    /// A reader got the frame of that number.
    fn note(&self, number: usize) {
        let at = Instant::now();
        let sent = self.sent_at.lock().unwrap_or_else(PoisonError::into_inner).get(number).copied();
        if let Some(sent) = sent {
            self.delays.lock().unwrap_or_else(PoisonError::into_inner).push(at - sent);
        }
        self.count.fetch_add(1, Ordering::Relaxed);
        self.changed.notify_one();
    }

    async fn wait_for(&self, count: usize) -> Result<(), Failure> {
        let all = async {
            while self.count.load(Ordering::Relaxed) < count {
                self.changed.notified().await;
            }
        };
        let late = |_| Failure::Server("not everybody who watches was told".into());
        tokio::time::timeout(Duration::from_secs(30), all).await.map_err(late)
    }
}

impl Audience {
    async fn open(world: &World, server: &Server) -> Result<Self, Failure> {
        let id = world.seeded.sessions.first().map(|id| id.as_str()).unwrap_or_default();
        let token = world.seeded.token.clone();
        let watch = Request::get(&format!("/api/sessions/{id}/ws?role=client")).by(&token).upgrade();
        let watch = watch.bytes(server.address);
        let (heard, mut readers) = (Arc::new(Heard::default()), JoinSet::new());
        let stalled = Connection::open(server.address).await?.into_socket(&watch).await?;
        for _ in 0..READERS {
            let socket = Connection::open(server.address).await?.into_socket(&watch).await?;
            readers.spawn(read(socket, heard.clone()));
        }
        let renames = Connection::open(server.address).await?;
        let path = format!("/api/sessions/{id}");
        Ok(Self { heard, readers, _stalled: stalled, renames, path, token, sent: 0 })
    }

    /// Gives the session another title, and waits until everybody knows.
    async fn rename(&mut self, server: &Server) -> Result<(), Failure> {
        // Almost as long as titles may be.
        let body = format!(r#"{{"title":"no. {} {:x<180}"}}"#, self.sent, "");
        let request = Request::patch(&self.path, &body).by(&self.token).bytes(server.address);
        self.heard.sent_at.lock().unwrap_or_else(PoisonError::into_inner).push(Instant::now());
        self.sent += 1;
        let status = self.renames.send(&request).await?;
        if status != 200 {
            return Err(Failure::Server(format!("a title was refused with status {status}")));
        }
        self.heard.wait_for(self.sent * READERS).await
    }

    /// What so many titles cost for each reader who is told.
    async fn round(&mut self, server: &Server, renames: usize) -> Result<Sample, Failure> {
        self.heard.delays.lock().unwrap_or_else(PoisonError::into_inner).clear();
        let (cpu, begin) = (server.cpu_seconds()?, Instant::now());
        for _ in 0..renames {
            self.rename(server).await?;
        }
        let (cpu, elapsed) = (server.cpu_seconds()? - cpu, begin.elapsed().as_secs_f64());
        let mut delays = std::mem::take(&mut *self.heard.delays.lock().unwrap_or_else(PoisonError::into_inner));
        delays.sort_unstable();
        let count = delays.len() as f64;
        Ok(Sample {
            cpu: cpu * 1e6 / count,
            per_second: count / elapsed,
            p50: percentile(&delays, 50),
            p95: percentile(&delays, 95),
            p99: percentile(&delays, 99),
        })
    }
}

/// Reads to the end and notes the titles.
async fn read(mut socket: TcpStream, heard: Arc<Heard>) {
    let mut buffer = Vec::with_capacity(4 * 1024);
    while let Ok(1..) = socket.read_buf(&mut buffer).await {
        let mut rest = buffer.as_slice();
        while let Some(place) = rest.windows(MARK.len()).position(|window| window == MARK) {
            let digits = &rest[place + MARK.len()..];
            let Some(end) = digits.iter().position(|byte| !byte.is_ascii_digit()) else {
                break;
            };
            let number = str::from_utf8(&digits[..end]).ok().and_then(|digits| digits.parse().ok());
            number.into_iter().for_each(|number| heard.note(number));
            rest = &digits[end..];
        }
        // What may be the beginning of a mark stays.
        let keep = rest.len().min(MARK.len() + 20);
        let from = buffer.len() - keep;
        buffer.drain(..from);
    }
}

/// The gateway and the floor, which sends the same frames from one broadcast channel.
pub(crate) async fn beside_the_floor(world: &World, effort: Effort, report: &mut Report) -> Result<(), Failure> {
    check_open_files(2 * READERS)?;
    let case = "a title to 500 readers, each";
    let floor = world.floor(People::Alone)?.start()?;
    let portway = world.portway(People::Alone, AccessLog::Off)?.start()?;
    let servers = [("floor", &floor), ("Portway", &portway)];
    let mut audiences = [Audience::open(world, &floor).await?, Audience::open(world, &portway).await?];
    let mut samples = [Vec::new(), Vec::new()];
    for round in 0..=effort.rounds {
        for (((_, server), audience), samples) in servers.iter().zip(&mut audiences).zip(&mut samples) {
            let sample = audience.round(server, effort.requests / 40).await?;
            // The first round fills caches.
            if round > 0 {
                samples.push(sample);
            }
        }
    }
    let medians = samples.map(|samples| Sample::median(&samples));
    for ((subject, _), sample) in servers.into_iter().zip(medians) {
        report.details.push(Detail { case, subject, sample });
    }
    let [beside, own] = medians;
    let (unit, bar) = (Unit::CpuMicros, Bar::RatioAtMost(1.2));
    report.rows.push(Row { case, unit, against: Some(("floor", beside.cpu)), portway: own.cpu, bar });
    report.rows.push(Row {
        case: "a title to 500 readers, 99 of 100 within",
        unit: Unit::Millis,
        against: Some(("floor", beside.p99)),
        portway: own.p99,
        bar: Bar::Stated,
    });
    drop(audiences);
    floor.stop()?;
    portway.stop()
}

/// The memory of the gateway after ten minutes beside that after one.
pub(crate) async fn soak(world: &World, effort: Effort, report: &mut Report) -> Result<(), Failure> {
    check_open_files(READERS)?;
    let portway = world.portway(People::Alone, AccessLog::Off)?.start()?;
    let mut audience = Audience::open(world, &portway).await?;
    let mut talk = async |span: Duration| -> Result<Vec<f64>, Failure> {
        let (begin, mut memory) = (Instant::now(), Vec::new());
        while begin.elapsed() < span {
            audience.round(&portway, effort.requests / 40).await?;
            memory.push(portway.resident_bytes()? / MIB);
        }
        Ok(memory)
    };
    let first = talk(WARM_UP).await?;
    let later = talk(SOAK).await?;
    let most = |memory: Vec<f64>| memory.into_iter().fold(0.0, f64::max);
    report.rows.push(Row {
        case: "most memory, 500 readers and one who does not read, ten minutes",
        unit: Unit::MebiBytes,
        against: Some(("Portway in the first minute", most(first))),
        portway: most(later),
        bar: Bar::RatioAtMost(1.1),
    });
    audience.readers.abort_all();
    portway.stop()
}
