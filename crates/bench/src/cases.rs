//! The cases: what is asked of whom, and what it is held against.

use std::time::Duration;

use crate::client::{Connection, Request};
use crate::failure::Failure;
use crate::fan_out;
use crate::library;
use crate::load::{self, Load, Sample, median};
use crate::postgres::Calls;
use crate::report::{Bar, Detail, Report, Row, Unit};
use crate::server::{Program, Server};
use crate::world::{AccessLog, People, World};

/// Connections of the cases that measure processor time.
const CONNECTIONS: usize = 16;

/// Clients that call at the same time.
const CALLING_CLIENTS: usize = 32;

/// Clients that insert at the same time.
const INSERTING_CLIENTS: usize = 32;

/// Client sockets that are open and silent.
const SOCKETS: usize = 1_000;

/// Sockets that are opened and closed one after the other before the memory is looked at.
const FIRST_SOCKETS: usize = 200;

/// How long a server is left alone before its memory is looked at.
const REST: Duration = Duration::from_secs(1);

const KIB: f64 = 1024.0;
const MIB: f64 = 1024.0 * 1024.0;

/// How much is asked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Effort {
    /// How often each server takes its turn in a case.
    pub(crate) rounds: usize,
    /// How often a server is started to see how long that takes.
    pub(crate) starts: usize,
    /// Requests of one turn; cases that cost little ask for a multiple.
    pub(crate) requests: usize,
}

impl Effort {
    /// Enough to tell a few per cent apart.
    pub(crate) const FULL: Self = Self { rounds: 7, starts: 15, requests: 10_000 };
    /// Enough to see that everything works.
    pub(crate) const QUICK: Self = Self { rounds: 5, starts: 5, requests: 2_500 };
}

/// Cases that belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Group {
    /// How fast a process starts.
    Starts,
    /// Memory at rest.
    Rest,
    /// Memory of idle sockets.
    Sockets,
    /// One session that many watch.
    FanOut,
    /// The same for ten minutes, for its memory; in no document.
    Soak,
    /// Memory of ten times as many idle sockets; in no document.
    ManySockets,
    /// Reads next to the floor.
    Reads,
    /// JSON-RPC next to REST.
    Calls,
    /// Lists beside sessions of other people.
    Crowd,
    /// What the access log costs.
    Log,
    /// Durable inserts.
    Inserts,
    /// Prompts that are durable when they are accepted.
    Prompts,
    /// Searches.
    Searches,
    /// What the driver of Postgres costs.
    Driver,
    /// Searches on Postgres.
    PostgresSearches,
}

impl Group {
    /// What the document has.
    pub(crate) const OF_THE_DOCUMENT: &[Self] = &[
        Self::Starts,
        Self::Rest,
        Self::Sockets,
        Self::FanOut,
        Self::Reads,
        Self::Calls,
        Self::Crowd,
        Self::Log,
        Self::Inserts,
        Self::Prompts,
        Self::Searches,
        Self::Driver,
        Self::PostgresSearches,
    ];
}

/// Runs the cases of the groups.
pub(crate) async fn run(world: &World, effort: Effort, groups: &[Group]) -> Result<Report, Failure> {
    let mut report = Report::default();
    for group in groups {
        let mut bench = Bench { world, effort, report: &mut report };
        match group {
            Group::Starts => starts(world, effort, &mut report)?,
            Group::Rest => at_rest(world, &mut report).await?,
            Group::Sockets => sockets(world, "idle client socket, one of 1,000", SOCKETS, &mut report).await?,
            Group::ManySockets => {
                sockets(world, "idle client socket, one of 10,000", 10 * SOCKETS, &mut report).await?;
            }
            Group::FanOut => fan_out::beside_the_floor(world, effort, &mut report).await?,
            Group::Soak => fan_out::soak(world, effort, &mut report).await?,
            Group::Reads => bench.reads().await?,
            Group::Calls => bench.calls().await?,
            Group::Crowd => bench.crowd().await?,
            Group::Log => bench.access_log().await?,
            Group::Inserts => bench.inserts().await?,
            Group::Prompts => bench.prompts().await?,
            Group::Searches => bench.searches().await?,
            Group::Driver => bench.driver().await?,
            Group::PostgresSearches => bench.postgres_searches().await?,
        }
    }
    Ok(report)
}

/// The floor and the gateway on equal databases.
async fn pair(world: &World, people: People) -> Result<(Server, Server), Failure> {
    let floor = world.floor(people)?.start()?;
    let portway = world.portway(people, AccessLog::Off)?.start()?;
    same_answer(&world.list(), &floor, &portway).await?;
    // What a sandbox does that is on its way is nothing that the floor knows.
    if people != People::Waiting {
        same_answer(&world.one(), &floor, &portway).await?;
    }
    Ok((floor, portway))
}

/// Two servers that do not say the same cannot be compared.
async fn same_answer(request: &Request, floor: &Server, portway: &Server) -> Result<(), Failure> {
    let mut answers = Vec::new();
    for server in [floor, portway] {
        let mut connection = Connection::open(server.address).await?;
        let (status, body) = connection.fetch(&request.bytes(server.address)).await?;
        if status != 200 {
            return Err(Failure::Server(format!("{} answers with status {status}", server.name)));
        }
        answers.push(serde_json::from_slice::<serde_json::Value>(body)?);
    }
    if answers[0] == answers[1] {
        return Ok(());
    }
    Err(Failure::Server(format!(
        "the floor and Portway give different answers, so they cannot be compared:\n{}\n{}",
        answers[0], answers[1]
    )))
}

/// What the searches on one kind of database are called.
struct SearchCases {
    rare: &'static str,
    rare_beside: &'static str,
    common_beside: &'static str,
}

struct Bench<'a> {
    world: &'a World,
    effort: Effort,
    report: &'a mut Report,
}

impl Bench<'_> {
    /// Puts a load on each server in turn, round after round, and answers the medians in the order of the servers.
    async fn alternate(
        &mut self,
        case: &'static str,
        load: &Load,
        servers: [(&'static str, &Server); 2],
    ) -> Result<[Sample; 2], Failure> {
        self.alternate_loads(case, [load, load], servers).await
    }

    /// The same with a load for each server.
    async fn alternate_loads(
        &mut self,
        case: &'static str,
        loads: [&Load; 2],
        servers: [(&'static str, &Server); 2],
    ) -> Result<[Sample; 2], Failure> {
        let mut samples = [Vec::new(), Vec::new()];
        for round in 0..=self.effort.rounds {
            for (((_, server), load), samples) in servers.iter().zip(loads).zip(&mut samples) {
                let sample = load::run(server, load).await?;
                // The first round fills caches.
                if round > 0 {
                    samples.push(sample);
                }
            }
        }
        let medians = samples.map(|samples| Sample::median(&samples));
        for ((subject, _), sample) in servers.into_iter().zip(medians) {
            self.report.details.push(Detail { case, subject, sample });
        }
        Ok(medians)
    }

    fn load(&self, request: Request, times: usize) -> Load {
        Load { asked: vec![request], status: 200, connections: CONNECTIONS, requests: self.effort.requests * times }
    }

    fn cpu(&mut self, case: &'static str, against: &'static str, figures: [Sample; 2], bar: Bar) {
        self.report.rows.push(Row {
            case,
            unit: Unit::CpuMicros,
            against: Some((against, figures[0].cpu)),
            portway: figures[1].cpu,
            bar,
        });
    }

    async fn reads(&mut self) -> Result<(), Failure> {
        let (floor, portway) = pair(self.world, People::Alone).await?;
        let health = Request::get("/health");
        let cases = [
            ("list of 20 out of 1,000 sessions", self.world.list(), 1, Bar::RatioAtMost(1.25)),
            ("one session", self.world.one(), 1, Bar::RatioAtMost(1.6)),
            ("health", health, 10, Bar::Stated),
        ];
        for (case, request, times, bar) in cases {
            let load = self.load(request, times);
            let figures = self.alternate(case, &load, [("floor", &floor), ("Portway", &portway)]).await?;
            self.cpu(case, "floor", figures, bar);
        }
        floor.stop()?;
        portway.stop()
    }

    async fn calls(&mut self) -> Result<(), Failure> {
        let case = "one session by JSON-RPC, 32 clients";
        let portway = self.world.portway(People::Alone, AccessLog::Off)?.start()?;
        let load = |request| Load { connections: CALLING_CLIENTS, ..self.load(request, 5) };
        let (rest, rpc) = (load(self.world.one()), load(self.world.one_by_rpc()));
        let servers = [("Portway, REST", &portway), ("Portway, JSON-RPC", &portway)];
        let figures = self.alternate_loads(case, [&rest, &rpc], servers).await?;
        self.cpu(case, "REST", figures, Bar::RatioAtMost(1.1));
        self.report.rows.push(Row {
            case: "one session by JSON-RPC, 95 of 100 within",
            unit: Unit::Millis,
            against: Some(("REST", figures[0].p95)),
            portway: figures[1].p95,
            bar: Bar::ValueAtMost(5.0),
        });
        portway.stop()
    }

    async fn crowd(&mut self) -> Result<(), Failure> {
        let case = "list of 20, beside 20,000 sessions of other people";
        let portway = self.world.portway(People::Alone, AccessLog::Off)?.start()?;
        let crowded = self.world.portway(People::Crowded, AccessLog::Off)?.start()?;
        let load = self.load(self.world.list(), 1);
        let servers = [("Portway, without them", &portway), ("Portway, with them", &crowded)];
        let figures = self.alternate(case, &load, servers).await?;
        self.cpu(case, "Portway without them", figures, Bar::RatioAtMost(1.1));
        portway.stop()?;
        crowded.stop()
    }

    async fn access_log(&mut self) -> Result<(), Failure> {
        let case = "list of 20, with the access log";
        let portway = self.world.portway(People::Alone, AccessLog::Off)?.start()?;
        let logging = self.world.portway(People::Alone, AccessLog::On)?.start()?;
        let load = self.load(self.world.list(), 1);
        let servers = [("Portway, log off", &portway), ("Portway, log on", &logging)];
        let figures = self.alternate(case, &load, servers).await?;
        self.cpu(case, "Portway with the log off", figures, Bar::Stated);
        portway.stop()?;
        logging.stop()
    }

    async fn searches(&mut self) -> Result<(), Failure> {
        let alone = self.world.library(People::Alone).await?.start()?;
        let crowded = self.world.library(People::Crowded).await?.start()?;
        let cases = SearchCases {
            rare: "search for a rare word in 100,000 messages, 95 of 100 within",
            rare_beside: "search for a rare word, beside 200,000 messages of other people",
            common_beside: "search for a common word, beside 200,000 messages of other people",
        };
        self.search(&cases, [&alone, &crowded]).await?;
        alone.stop()?;
        crowded.stop()
    }

    /// Searches on a server without messages of other people, and on one with them.
    async fn search(&mut self, cases: &SearchCases, [alone, crowded]: [&Server; 2]) -> Result<(), Failure> {
        let world = self.world;
        let servers = [("Portway, without them", alone), ("Portway, with them", crowded)];
        let load = |word: &str, requests: usize| Load {
            asked: vec![world.search(word)],
            status: 200,
            connections: 1,
            requests,
        };
        let rare = load(library::RARE, self.effort.requests / 10);
        let [without, with] = self.alternate(cases.rare_beside, &rare, servers).await?;
        self.report.rows.push(Row {
            case: cases.rare,
            unit: Unit::Millis,
            against: None,
            portway: without.p95,
            bar: Bar::ValueAtMost(10.0),
        });
        self.half(cases.rare_beside, [without, with]);
        let common = load(library::COMMON, self.effort.requests / 200);
        let figures = self.alternate(cases.common_beside, &common, servers).await?;
        self.half(cases.common_beside, figures);
        Ok(())
    }

    /// The time of half the answers, since a database in another process has processor time of its own.
    fn half(&mut self, case: &'static str, [without, with]: [Sample; 2]) {
        self.report.rows.push(Row {
            case,
            unit: Unit::Millis,
            against: Some(("Portway without them", without.p50)),
            portway: with.p50,
            bar: Bar::RatioAtMost(1.2),
        });
    }

    async fn driver(&mut self) -> Result<(), Failure> {
        let Some(server) = self.world.postgres.clone() else {
            return Ok(());
        };
        let calls = self.effort.rounds * self.effort.requests;
        // A task runs on a thread of the runtime, as a request of the gateway does.
        let measured = tokio::spawn(async move { server.calls(calls).await });
        let [one, page] = measured.await.map_err(|error| Failure::Server(error.to_string()))??;
        let mut row = |case, calls: Calls, most| {
            self.report.rows.push(Row {
                case,
                unit: Unit::Micros,
                against: Some(("sqlx", calls.sqlx)),
                portway: calls.driver,
                bar: Bar::RatioAtMost(most),
            });
        };
        row("Postgres: one row by its key, a call", one, 1.1);
        row("Postgres: a page of 50 rows, a call", page, 1.2);
        Ok(())
    }

    async fn postgres_searches(&mut self) -> Result<(), Failure> {
        let Some(server) = self.world.postgres.clone() else {
            return Ok(());
        };
        let alone = self.world.library_on(&server, People::Alone).await?.start()?;
        let crowded = self.world.library_on(&server, People::Crowded).await?.start()?;
        let cases = SearchCases {
            rare: "Postgres: search for a rare word in 100,000 messages, 95 of 100 within",
            rare_beside: "Postgres: search for a rare word, beside 200,000 messages of other people",
            common_beside: "Postgres: search for a common word, beside 200,000 messages of other people",
        };
        self.search(&cases, [&alone, &crowded]).await?;
        alone.stop()?;
        crowded.stop()
    }

    async fn prompts(&mut self) -> Result<(), Failure> {
        let case = "durable prompt, 32 clients";
        let (floor_server, portway_server) = pair(self.world, People::Waiting).await?;
        // No two clients talk in one session.
        let asked = self.world.prompts(INSERTING_CLIENTS);
        let requests = self.effort.requests / 4;
        let load = Load { asked, status: 200, connections: INSERTING_CLIENTS, requests };
        let servers = [("floor", &floor_server), ("Portway", &portway_server)];
        let [floor, portway] = self.alternate(case, &load, servers).await?;
        let mut row = |case, unit, figures: [f64; 2]| {
            let [floor, portway] = figures;
            self.report.rows.push(Row { case, unit, against: Some(("floor", floor)), portway, bar: Bar::Stated });
        };
        row(case, Unit::PerSecond, [floor.per_second, portway.per_second]);
        row("durable prompt, 32 clients, 99 of 100 within", Unit::Millis, [floor.p99, portway.p99]);
        floor_server.stop()?;
        portway_server.stop()
    }

    async fn inserts(&mut self) -> Result<(), Failure> {
        let case = "durable insert, 32 clients";
        let (floor_server, portway_server) = pair(self.world, People::Alone).await?;
        let request =
            Request::post("/api/api-keys", r#"{"name":"a key of the benchmark"}"#).by(&self.world.seeded.token);
        let requests = self.effort.requests;
        let load = Load { asked: vec![request], status: 201, connections: INSERTING_CLIENTS, requests };
        let servers = [("floor", &floor_server), ("Portway", &portway_server)];
        let [floor, portway] = self.alternate(case, &load, servers).await?;
        let mut row = |case, unit, figures: [f64; 2], bar| {
            self.report.rows.push(Row { case, unit, against: Some(("floor", figures[0])), portway: figures[1], bar });
        };
        row(case, Unit::PerSecond, [floor.per_second, portway.per_second], Bar::RatioAtLeast(4.0));
        let late = "durable insert, 32 clients, 99 of 100 within";
        row(late, Unit::Millis, [floor.p99, portway.p99], Bar::RatioAtMost(1.0));
        floor_server.stop()?;
        portway_server.stop()
    }
}

fn starts(world: &World, effort: Effort, report: &mut Report) -> Result<(), Failure> {
    let floor = world.floor(People::Crowded)?;
    let portway = world.portway(People::Crowded, AccessLog::Off)?;
    let mut times = [Vec::new(), Vec::new()];
    let start = |program: &Program| -> Result<f64, Failure> {
        let server = program.start()?;
        let time = server.started_in.as_secs_f64() * 1e3;
        server.stop()?;
        Ok(time)
    };
    for _ in 0..effort.starts {
        for (program, times) in [&floor, &portway].into_iter().zip(&mut times) {
            times.push(start(program)?);
        }
    }
    let [floor, portway] = times.map(median);
    report.rows.push(Row {
        case: "start of the process to the first list",
        unit: Unit::Millis,
        against: Some(("floor", floor)),
        portway,
        bar: Bar::ValueAtMost(50.0),
    });
    Ok(())
}

async fn at_rest(world: &World, report: &mut Report) -> Result<(), Failure> {
    let floor = world.floor(People::Crowded)?.start()?;
    let portway = world.portway(People::Crowded, AccessLog::Off)?.start()?;
    tokio::time::sleep(REST).await;
    report.rows.push(Row {
        case: "memory at rest",
        unit: Unit::MebiBytes,
        against: Some(("floor", floor.resident_bytes()? / MIB)),
        portway: portway.resident_bytes()? / MIB,
        bar: Bar::ValueAtMost(20.0),
    });
    floor.stop()?;
    portway.stop()
}

async fn sockets(world: &World, case: &'static str, count: usize, report: &mut Report) -> Result<(), Failure> {
    check_open_files(count)?;
    let portway = world.portway(People::Alone, AccessLog::Off)?.start()?;
    let sessions = &world.seeded.sessions;
    let open = async |number: usize| -> Result<tokio::net::TcpStream, Failure> {
        let id = sessions.get(number % sessions.len()).map(|id| id.as_str()).unwrap_or_default();
        let request = Request::get(&format!("/api/sessions/{id}/ws?role=client")).by(&world.seeded.token).upgrade();
        Connection::open(portway.address).await?.into_socket(&request.bytes(portway.address)).await
    };
    for number in 0..FIRST_SOCKETS {
        drop(open(number).await?);
    }
    tokio::time::sleep(REST).await;
    let before = portway.resident_bytes()?;
    let mut sockets = Vec::with_capacity(count);
    for number in 0..count {
        sockets.push(open(number).await?);
    }
    tokio::time::sleep(REST).await;
    let each = (portway.resident_bytes()? - before) / count as f64;
    drop(sockets);
    report.rows.push(Row {
        case,
        unit: Unit::KibiBytes,
        against: None,
        portway: each / KIB,
        bar: Bar::ValueAtMost(8.0),
    });
    portway.stop()
}

/// Both ends of a socket are open files of a process each.
pub(crate) fn check_open_files(sockets: usize) -> Result<(), Failure> {
    let limits = std::fs::read_to_string("/proc/self/limits").map_err(Failure::io("reading the limits"))?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    let soft = line.and_then(|line| line.split_whitespace().next()?.parse::<usize>().ok());
    if soft.is_some_and(|soft| soft < sockets + 200) {
        return Err(Failure::Server("too few files may be open at once: say `ulimit -n 12000` first".into()));
    }
    Ok(())
}
