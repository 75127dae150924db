//! The results as a document.

use std::fmt::Write as _;

use crate::load::Sample;
use crate::machine::Machine;

/// What was measured.
#[derive(Default)]
pub(crate) struct Report {
    pub(crate) rows: Vec<Row>,
    pub(crate) details: Vec<Detail>,
}

/// One figure of the gateway, and what it is held against.
pub(crate) struct Row {
    pub(crate) case: &'static str,
    pub(crate) unit: Unit,
    /// What the ratio is formed with: its name and its figure.
    pub(crate) against: Option<(&'static str, f64)>,
    pub(crate) portway: f64,
    pub(crate) bar: Bar,
}

/// Everything that was measured of one server in one case.
pub(crate) struct Detail {
    pub(crate) case: &'static str,
    pub(crate) subject: &'static str,
    pub(crate) sample: Sample,
}

/// What a figure counts.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Unit {
    CpuMicros,
    PerSecond,
    Micros,
    Millis,
    MebiBytes,
    KibiBytes,
}

impl Unit {
    fn show(self, value: f64) -> String {
        match self {
            Self::CpuMicros => format!("{value:.1} µs of CPU"),
            Self::PerSecond => format!("{value:.0} a second"),
            Self::Micros => format!("{value:.1} µs"),
            Self::Millis => format!("{value:.2} ms"),
            Self::MebiBytes => format!("{value:.1} MiB"),
            Self::KibiBytes => format!("{value:.1} KiB"),
        }
    }
}

/// What a figure has to keep to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Bar {
    /// No bar: the figure is stated.
    Stated,
    RatioAtMost(f64),
    RatioAtLeast(f64),
    ValueAtMost(f64),
}

impl Row {
    fn ratio(&self) -> Option<f64> {
        self.against.map(|(_, figure)| self.portway / figure)
    }

    fn bar(&self) -> String {
        match self.bar {
            Bar::Stated => "stated".to_owned(),
            Bar::RatioAtMost(most) => format!("at most {most} x"),
            Bar::RatioAtLeast(least) => format!("at least {least} x"),
            Bar::ValueAtMost(most) => format!("at most {}", self.unit.show(most)),
        }
    }

    /// Whether the bar is kept; `None` without one.
    fn holds(&self) -> Option<bool> {
        match self.bar {
            Bar::Stated => None,
            Bar::RatioAtMost(most) => Some(self.ratio().is_some_and(|ratio| ratio <= most)),
            Bar::RatioAtLeast(least) => Some(self.ratio().is_some_and(|ratio| ratio >= least)),
            Bar::ValueAtMost(most) => Some(self.portway <= most),
        }
    }

    fn line(&self) -> String {
        let against = self.against.map_or("", |(name, _)| name);
        let figure = self.against.map_or(String::new(), |(_, figure)| self.unit.show(figure));
        let ratio = self.ratio().map_or(String::new(), |ratio| format!("{ratio:.2}"));
        let result = match self.holds() {
            None => "",
            Some(true) => "pass",
            Some(false) => "**fail**",
        };
        let portway = self.unit.show(self.portway);
        format!("| {} | {against} | {figure} | {portway} | {ratio} | {} | {result} |", self.case, self.bar())
    }
}

impl Report {
    /// How many figures miss their bar.
    pub(crate) fn missed(&self) -> usize {
        self.rows.iter().filter(|row| row.holds() == Some(false)).count()
    }

    /// The document.
    pub(crate) fn document(&self, machine: &Machine, quick: bool) -> String {
        let mut text = String::from(INTRODUCTION);
        if quick {
            text.push_str(QUICK);
        }
        text.push_str(&self.tables());
        text.push_str(&facts(machine));
        text.push_str(NOTES);
        text
    }

    /// The figures.
    pub(crate) fn tables(&self) -> String {
        let mut text =
            String::from("\n## Results\n\n| case | held against | its figure | Portway | ratio | bar | result |\n");
        text.push_str("|---|---|---|---|---|---|---|\n");
        for row in &self.rows {
            text.push_str(&row.line());
            text.push('\n');
        }
        text.push_str("\nAll that was measured under load, medians of the rounds:\n\n");
        text.push_str("| case | server | CPU per request | requests per second | half within | 99 of 100 within |\n");
        text.push_str("|---|---|---|---|---|---|\n");
        for Detail { case, subject, sample } in &self.details {
            let Sample { cpu, per_second, p50, p99, .. } = sample;
            let _ =
                writeln!(text, "| {case} | {subject} | {cpu:.1} µs | {per_second:.0} | {p50:.2} ms | {p99:.2} ms |");
        }
        text
    }
}

fn facts(machine: &Machine) -> String {
    let Machine { processor, cores, memory_gib, kernel, rustc, busy_before, sync } = machine;
    format!(
        "\n## The machine\n\n| | |\n|---|---|\n| processor | {processor} |\n| cores | {cores} |\n| memory | \
         {memory_gib:.0} GiB |\n| kernel | Linux {kernel} |\n| compiler | {rustc}, release profile of the workspace |\n\
         | 4 KiB to the disk (fdatasync) | {sync:.3} ms |\n| load of the machine before the run | {busy_before} |\n"
    )
}

const INTRODUCTION: &str = "\
# Benchmarks

Portway next to a bare server that gives the same answers from the same database. Both run on one machine, in one run,
taking turns, so what counts is the ratio; times alone say more about the machine than about the program.

This page is written by `cargo xtask bench`. Run it on a machine that does nothing else. `cargo xtask bench --quick`
asks less and does not tell small differences apart.
";

const QUICK: &str =
    "\n**This is the result of a quick run: good for seeing that everything works, and for nothing else.**\n";

const NOTES: &str = "
## What is compared

* The **floor** is `crates/bench/src/floor`: axum, rusqlite with prepared statements, nothing else. It finds the caller
  by the SHA-256 hash of the bearer token and answers with the same JSON; the run ends with an error when the answers
  differ. It has no access log, limits, request ids, security headers, checks of host and origin, or graceful end. It is
  not made slow: its connections keep SQLite from compiling a statement anew for each bound value (`ENABLE_QPSG`), which
  alone halves the cost of its reads. Its memory is handed out by the C library, that of Portway by mimalloc.
* **Portway** is the normal release binary `portway serve`, asked over its public API, with the access log off except
  where the case says otherwise. With the log on, the lines are JSON and go to a file.
* Each has its own copy of one database, made by the gateway's own schema and statements: one user with 1,000 sessions,
  one of which has a transcript of 20 messages, and in one copy 20,000 sessions of 100 other users.
* Reads: 16 connections that are kept, one request at a time on each. *CPU per request* is the user and system time of
  the server's process over the requests of a round, from `/proc`; the time of the driver is not in it. But the driver
  runs on the same cores, so requests per second and times are those of a machine that is shared with it.
* *Durable insert* is `POST /api/api-keys`. On both sides it looks the caller up, makes a secret, adds one row to one
  table with three indexes, and answers when the row is on disk (write-ahead log, `synchronous = FULL`). On both sides
  new keys are neighbours in all three indexes, since their hashes begin with the time. The floor commits each row
  alone, one after the other; Portway commits together what waits at the moment.
* *Durable prompt* is `POST /api/sessions/{id}/messages` in 992 sessions whose sandbox is on its way, so that prompts
  wait. The floor looks the caller and the session up, adds one row to one table and sets a time in another, and answers
  when that is on disk. Portway does that and keeps the state of the session's engine with its queue, two entries of the
  audit log and the words for the search, all in one commit, and tells those who watch.
* *Search* is `GET /api/search` for one word, one request after the other on one connection, in 100,000 messages of the
  user with 40 words each; in one database there are 200,000 messages of 20 other users between them. The rare word is
  in ten of the user's messages, the common one in every second.
* *Postgres*: a server on the same machine that does not wait for its disk, asked over one connection, one call after
  the other. **sqlx** alone sends the same prepared statement and decodes the same columns as the driver. Searches ask
  the gateway on copies of the databases with 100,000 and 300,000 messages.
* Every case has a first round that is not counted; then the servers take turns. The figures are medians of the rounds,
  and the ratio is that of the medians.
* *Start* is from the start of the process to the head of its first answer, a list of 20, on the database with 21,000
  sessions; the files are in the page cache. *Memory* is what is resident, pages of the program and of the database
  included, a second after that answer.
* *Idle client socket*: 1,000 sockets on 1,000 sessions, each sent its initial state; the growth of resident memory
  divided by 1,000, after 200 sockets were opened and closed one by one.
* *A title to 500 readers*: a session is renamed with `PATCH /api/sessions/{id}` again and again, each time when all 500
  sockets have the frame of the time before; one more socket is never read. The processor time is divided by the frames
  that arrived, and the time is from the request to the arrival. The floor writes the title durably as well and sends
  the same frame through one broadcast channel of tokio.

## What this does not show

* Agents: a turn costs as much as its agent.
* Other machines, disks and databases. The advantage of committing together grows with the time that a disk needs and
  with the number of clients; on a disk that answers at once it is gone.
* Many users: all requests come from one.
";

#[cfg(test)]
mod tests {
    use super::*;

    fn row(portway: f64, bar: Bar) -> Row {
        Row { case: "a case", unit: Unit::Millis, against: Some(("floor", 2.0)), portway, bar }
    }

    #[test]
    fn bars_are_kept_or_missed() {
        assert_eq!(row(2.5, Bar::RatioAtMost(1.25)).holds(), Some(true));
        assert_eq!(row(2.6, Bar::RatioAtMost(1.25)).holds(), Some(false));
        assert_eq!(row(7.9, Bar::RatioAtLeast(4.0)).holds(), Some(false));
        assert_eq!(row(8.0, Bar::RatioAtLeast(4.0)).holds(), Some(true));
        assert_eq!(row(8.0, Bar::ValueAtMost(7.0)).holds(), Some(false));
        assert_eq!(row(8.0, Bar::Stated).holds(), None);
    }

    #[test]
    fn a_row_has_all_columns() {
        let line = row(3.0, Bar::RatioAtMost(1.25)).line();
        assert_eq!(line, "| a case | floor | 2.00 ms | 3.00 ms | 1.50 | at most 1.25 x | **fail** |");
        let alone = Row { against: None, ..row(3.0, Bar::ValueAtMost(50.0)) }.line();
        assert_eq!(alone, "| a case |  |  | 3.00 ms |  | at most 50.00 ms | pass |");
    }
}
