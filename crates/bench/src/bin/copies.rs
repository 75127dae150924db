//! Copies a large database from SQLite to Postgres and back, kills the first copy in its middle, and prints how long each
//! step took, how much memory it held at most, and the digests of what was there.
#![expect(clippy::print_stdout, reason = "its output is its result")]

use std::fs;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use clap::Parser;
use portway_adapters_sqlite::{SqliteDatabase, SqliteOptions};
use portway_domain::engine::Engine;
use portway_domain::ids::{SessionId, UserId};
use portway_domain::sessions::QueueMode;
use portway_domain::time::Timestamp;
use portway_sql::migrations::SQLITE;

/// Between two looks at the memory of a program.
const LOOK: Duration = Duration::from_millis(20);

/// The table in whose middle, or soon behind it, the first copy is killed.
const KILLED_BEHIND: &str = "messages";

#[derive(Debug, Parser)]
struct Arguments {
    /// The program `portway`
    #[arg(long)]
    portway: PathBuf,
    /// An empty database of a Postgres server
    #[arg(long)]
    postgres: String,
    /// A folder for the databases; it is emptied
    #[arg(long)]
    scratch: PathBuf,
    /// Rows of all tables together
    #[arg(long, default_value_t = 1_000_000)]
    rows: u64,
}

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("the database cannot be filled: {0}")]
    Seed(String),
    #[error("{step} failed: {output}")]
    Step { step: &'static str, output: String },
    #[error("the databases do not hold the same: {0:?}")]
    Differs(Vec<String>),
}

/// What a step took.
struct Measured {
    step: &'static str,
    seconds: f64,
    peak_mib: f64,
    /// None for a step that was killed.
    digest: Option<String>,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            println!("error: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), Failure> {
    match fs::remove_dir_all(&arguments.scratch) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
        _ => fs::create_dir_all(&arguments.scratch)?,
    }
    let file = |name: &str| arguments.scratch.join(name);
    let [original, returned] = ["original.db", "returned.db"].map(file);
    let began = Instant::now();
    seed(&original, arguments.rows)?;
    println!("{} rows were made in {:.0} s", arguments.rows, began.elapsed().as_secs_f64());
    let [from, back] = [&original, &returned].map(|path| format!("sqlite://{}", path.display()));
    let backup = file("original.portway").display().to_string();
    let program = Program(&arguments.portway);
    let there = ["db", "copy", "--from", &from, "--to", &arguments.postgres];
    let measured = [
        program.run("backup of SQLite", &["db", "backup", &backup, "--database", &from])?,
        program.kill("SQLite to Postgres, killed", &there)?,
        program.run("SQLite to Postgres, resumed", &there)?,
        program.run("Postgres to SQLite", &["db", "copy", "--from", &arguments.postgres, "--to", &back])?,
        program.run("verification of the backup", &["db", "verify", &backup])?,
    ];
    print(&measured);
    let digests: Vec<String> = measured.into_iter().filter_map(|measured| measured.digest).collect();
    if digests.windows(2).all(|pair| pair[0] == pair[1]) { Ok(()) } else { Err(Failure::Differs(digests)) }
}

fn print(measured: &[Measured]) {
    println!("\n| step | time | peak memory | digest |\n|---|---|---|---|");
    for Measured { step, seconds, peak_mib, digest } in measured {
        let digest = digest.as_deref().map_or("killed", |digest| &digest[..digest.len().min(16)]);
        println!("| {step} | {seconds:.1} s | {peak_mib:.0} MiB | {digest} |");
    }
}

/// The program that is measured.
struct Program<'a>(&'a Path);

impl Program<'_> {
    fn start(&self, arguments: &[&str]) -> Result<Child, Failure> {
        let mut command = Command::new(self.0);
        command.args(arguments).env_remove("DATABASE_URL").stdout(Stdio::piped()).stderr(Stdio::piped());
        Ok(command.spawn()?)
    }

    /// Runs to the end.
    fn run(&self, step: &'static str, arguments: &[&str]) -> Result<Measured, Failure> {
        let began = Instant::now();
        let child = self.start(arguments)?;
        let watched = watch(child.id());
        let output = child.wait_with_output()?;
        let seconds = began.elapsed().as_secs_f64();
        let peak_mib = watched.join().unwrap_or_default();
        let [stdout, stderr] = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
        if !output.status.success() {
            return Err(Failure::Step { step, output: stderr });
        }
        let digest = stdout.trim().rsplit(' ').next().map(str::to_owned);
        Ok(Measured { step, seconds, peak_mib, digest })
    }

    /// Kills it once it says that it is through with a table.
    fn kill(&self, step: &'static str, arguments: &[&str]) -> Result<Measured, Failure> {
        let began = Instant::now();
        let mut child = self.start(arguments)?;
        let watched = watch(child.id());
        let mut output = String::new();
        let mut lines = child.stderr.take().map(BufReader::new).into_iter().flat_map(BufRead::lines);
        let is_there = lines.any(|line| {
            let line = line.unwrap_or_default();
            output.push_str(&line);
            line.starts_with(&format!("{KILLED_BEHIND}: "))
        });
        child.kill()?;
        child.wait()?;
        let peak_mib = watched.join().unwrap_or_default();
        if !is_there {
            return Err(Failure::Step { step, output });
        }
        Ok(Measured { step, seconds: began.elapsed().as_secs_f64(), peak_mib, digest: None })
    }
}

/// The most memory that a process holds until its end, in MiB.
fn watch(process: u32) -> thread::JoinHandle<f64> {
    thread::spawn(move || {
        let mut peak = 0.0;
        while let Ok(status) = fs::read_to_string(format!("/proc/{process}/status")) {
            let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            let Some(kib) = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok()) else {
                break;
            };
            peak = kib / 1024.0;
            thread::sleep(LOOK);
        }
        peak
    })
}

/// Makes a database with so many rows, of which two fifths are messages and two fifths are in the index.
fn seed(path: &Path, rows: u64) -> Result<(), Failure> {
    let failed = |error: &dyn std::fmt::Display| Failure::Seed(error.to_string());
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    runtime.block_on(async {
        let database = SqliteDatabase::open(&SqliteOptions::new(path)).map_err(|error| failed(&error))?;
        database.migrate(SQLITE).await.map_err(|error| failed(&error))?;
        database.close();
        Ok::<(), Failure>(())
    })?;
    let database = rusqlite::Connection::open(path).map_err(|error| failed(&error))?;
    fill(&database, rows).map_err(|error| failed(&error))
}

fn fill(database: &rusqlite::Connection, rows: u64) -> rusqlite::Result<()> {
    let (users, sessions) = (rows / 10_000 + 1, rows / 2_000 + 1);
    let (messages, memories) = (rows * 2 / 5, rows / 50);
    let audited = rows.saturating_sub(2 * users + 2 * sessions + 2 * messages + memories);
    let now = Timestamp::from_millis(1_795_000_000_000);
    let ids = (SessionId::parse("s0"), UserId::parse("u0"));
    let engine = match ids {
        (Ok(session), Ok(user)) => Engine::new(session, user, QueueMode::Followup, now),
        _ => return Err(rusqlite::Error::InvalidQuery),
    };
    let engine = serde_json::to_string(&engine).map_err(|_| rusqlite::Error::InvalidQuery)?;
    let numbers = |count: u64| {
        format!("WITH RECURSIVE numbers (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < {count})")
    };
    let words = "substr('the quick brown fox jumps over the lazy dog while nobody looks at the moon and all sleep well', 1 + n % 40)";
    database.execute_batch(&format!(
        "BEGIN;
         {0} INSERT INTO users SELECT 'u' || n, n || '@example.org', NULL, NULL, NULL, NULL, 'member', 1, 900, '[\"a\",\"b\"]',
             'followup', 3, 1, n, n FROM numbers;
         INSERT INTO search_scopes (user_id) SELECT id FROM users;
         {1} INSERT INTO sessions SELECT 's' || n, 'u' || (n % {users}), 'work', 'hibernated', 'Session ' || n, 'demo', NULL, NULL,
             NULL, n, n FROM numbers;
         INSERT INTO engines (session_id, state, generation, has_sandbox, version) SELECT id, '{engine}', 0, 0, 1 FROM sessions;
         {2} INSERT INTO messages SELECT 's' || (n % {sessions}), 'm' || n, n, n, iif(n / {sessions} % 2, 'user', 'assistant'),
             n || ' ' || {words}, json_array(json_object('type', 'text', 'text', n || ' ' || {words})), NULL, NULL, NULL, NULL, 0,
             1795000000000000 + n FROM numbers;
         INSERT INTO message_words (session_id, message_id, scope)
             SELECT m.session_id, m.id, c.number FROM messages m JOIN sessions s ON s.id = m.session_id
             JOIN search_scopes c ON c.user_id = s.owner_id ORDER BY m.rowid;
         {3} INSERT INTO memories (id, user_id, category, content, relevance, created_at, last_accessed_at, scope, words)
             SELECT 'x' || n, c.user_id, 'general', n || ' ' || {words}, 10, n, n, c.number, ''
             FROM numbers JOIN search_scopes c ON c.number = 1 + n % {users};
         {4} INSERT INTO audit_log SELECT 's' || (n % {sessions}), n, 'a' || n, 'user.prompt', {words}, NULL,
             1795000000000000 + n FROM numbers;
         COMMIT;",
        numbers(users), numbers(sessions), numbers(messages), numbers(memories), numbers(audited)
    ))
}
