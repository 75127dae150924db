//! How far it is, on standard error.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use portway_sql::archive::Progress;

/// A terminal is not told more often.
const PAUSE: Duration = Duration::from_millis(100);

/// How wide the bar is.
const WIDTH: usize = 24;

/// A bar on a terminal; elsewhere a line when something has come to its end.
pub(super) struct Shown {
    is_terminal: bool,
    what: String,
    total: Option<u64>,
    done: u64,
    shown: Instant,
}

impl Shown {
    pub(super) fn new() -> Self {
        let is_terminal = std::io::stderr().is_terminal();
        Self { is_terminal, what: String::new(), total: None, done: 0, shown: Instant::now() }
    }

    fn draw(&mut self) {
        self.shown = Instant::now();
        let _ = write!(std::io::stderr().lock(), "\r\x1b[K{}", bar(&self.what, self.done, self.total));
    }

    fn end(&mut self) {
        if self.what.is_empty() {
            return;
        }
        let mut stderr = std::io::stderr().lock();
        let _ = match (self.is_terminal, self.done) {
            (true, _) => write!(stderr, "\r\x1b[K"),
            (false, 0) => Ok(()),
            (false, done) => writeln!(stderr, "{}: {done} rows", self.what),
        };
        self.what.clear();
    }
}

impl Progress for Shown {
    fn begin(&mut self, what: &str, total: Option<u64>) {
        self.end();
        what.clone_into(&mut self.what);
        (self.total, self.done) = (total, 0);
        if self.is_terminal {
            self.draw();
        }
    }

    fn advance(&mut self, rows: u64) {
        self.done += rows;
        if self.is_terminal && self.shown.elapsed() >= PAUSE {
            self.draw();
        }
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        self.end();
    }
}

fn bar(what: &str, done: u64, total: Option<u64>) -> String {
    let Some(total) = total.filter(|total| *total > 0) else {
        return format!("{what}: {done} rows");
    };
    let part = done.min(total) as f64 / total as f64;
    let full = (part * WIDTH as f64) as usize;
    format!("[{:<WIDTH$}] {:>3.0} % {what}: {done} of {total} rows", "#".repeat(full), part * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_as_long_as_its_part() {
        assert_eq!(bar("users", 7, None), "users: 7 rows");
        assert_eq!(bar("users", 0, Some(0)), "users: 0 rows");
        assert_eq!(bar("users", 1, Some(2)), "[############            ]  50 % users: 1 of 2 rows");
        assert_eq!(bar("users", 9, Some(2)), "[########################] 100 % users: 9 of 2 rows");
    }
}
