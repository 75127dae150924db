//! What the user types, and Ctrl-C.

use std::io::{BufRead, BufReader, Read};
use std::time::{Duration, Instant};

use portway_domain::messages::MAX_PROMPT_CHARS;
use tokio::sync::mpsc;

/// Longest input, in bytes: no longer text can be a prompt.
const MAX_INPUT: usize = MAX_PROMPT_CHARS * 4;

/// Lines that wait to be read.
const MAX_WAITING: usize = 16;

/// A second Ctrl-C within this time leaves.
const TWICE: Duration = Duration::from_secs(2);

/// What a line of input asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Said {
    /// Nothing.
    Nothing,
    /// To tell the agent this, or to answer its question with it.
    Text(String),
    /// To leave.
    Quit,
    /// To end the session and leave.
    End,
    /// To end the turn.
    Abort,
    /// To explain.
    Help,
}

impl Said {
    /// What a line asks for. Commands that are not ours are the agent's.
    pub(super) fn parse(line: &str) -> Self {
        match line.trim() {
            "" => Self::Nothing,
            "/quit" | "/exit" => Self::Quit,
            "/end" => Self::End,
            "/abort" => Self::Abort,
            "/help" => Self::Help,
            text => Self::Text(text.to_owned()),
        }
    }
}

/// What came from the standard input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Typed {
    /// A line; several when all but the last one ended with a backslash.
    Line(String),
    /// A line that is longer than any prompt may be.
    TooLong,
    /// Nothing follows.
    End,
}

/// Lines of the standard input.
///
/// They are read on a thread of their own that nobody waits for: a read of a terminal cannot be interrupted, and would
/// hold up the end of the program.
#[derive(Debug)]
pub(super) struct Lines(mpsc::Receiver<Typed>);

impl Lines {
    /// Begins to read.
    pub(super) fn of_stdin() -> Self {
        let (sender, lines) = mpsc::channel(MAX_WAITING);
        std::thread::spawn(move || {
            let mut reader = BufReader::new(std::io::stdin());
            loop {
                let typed = read_entry(&mut reader);
                let ended = typed == Typed::End;
                if sender.blocking_send(typed).is_err() || ended {
                    return;
                }
            }
        });
        Self(lines)
    }

    /// The next line. Cancel-safe.
    pub(super) async fn next(&mut self) -> Typed {
        self.0.recv().await.unwrap_or(Typed::End)
    }
}

/// All of the standard input; `None` when it is too long, or no text.
pub(super) fn read_all(reader: impl Read) -> Option<String> {
    let mut text = String::new();
    reader.take(MAX_INPUT as u64 + 1).read_to_string(&mut text).ok()?;
    (text.len() <= MAX_INPUT).then_some(text)
}

/// A line, together with those that it says go with it.
fn read_entry(reader: &mut impl BufRead) -> Typed {
    let mut entry = String::new();
    loop {
        let line = match read_line(reader) {
            Typed::Line(line) => line,
            Typed::End if !entry.is_empty() => return Typed::Line(entry),
            other => return other,
        };
        match line.strip_suffix('\\') {
            Some(more) => {
                entry.push_str(more);
                entry.push('\n');
            }
            None => {
                entry.push_str(&line);
                return if entry.len() > MAX_INPUT { Typed::TooLong } else { Typed::Line(entry) };
            }
        }
        if entry.len() > MAX_INPUT {
            return Typed::TooLong;
        }
    }
}

fn read_line(reader: &mut impl BufRead) -> Typed {
    let mut line = Vec::new();
    let mut too_long = false;
    loop {
        let read = reader.by_ref().take(MAX_INPUT as u64 + 1).read_until(b'\n', &mut line);
        let complete = line.last() == Some(&b'\n');
        match read {
            Err(_) => return Typed::End,
            Ok(0) if line.is_empty() && !too_long => return Typed::End,
            Ok(read) if complete || read == 0 => break,
            Ok(_) if line.len() <= MAX_INPUT => {}
            Ok(_) => {
                too_long = true;
                line.clear();
            }
        }
    }
    if too_long {
        return Typed::TooLong;
    }
    Typed::Line(String::from_utf8_lossy(&line).trim_end_matches(['\n', '\r']).to_owned())
}

/// Presses of Ctrl-C. None is missed, and none ends the program by itself any more.
#[derive(Debug)]
pub(super) struct Presses(mpsc::Receiver<()>);

impl Presses {
    /// Begins to listen.
    pub(super) fn listen() -> Self {
        let (sender, presses) = mpsc::channel(1);
        tokio::spawn(async move {
            while tokio::signal::ctrl_c().await.is_ok() {
                if sender.send(()).await.is_err() {
                    return;
                }
            }
        });
        Self(presses)
    }

    /// The next press. Cancel-safe. Never ends where the system has no such signal.
    pub(super) async fn next(&mut self) {
        if self.0.recv().await.is_none() {
            std::future::pending::<()>().await;
        }
    }
}

/// What a press of Ctrl-C means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// End the turn.
    Abort,
    /// Leave.
    Leave,
}

/// Tells a first Ctrl-C from a second one.
#[derive(Debug, Default)]
pub(super) struct Interrupts {
    last: Option<Instant>,
}

impl Interrupts {
    /// What a press at this time means.
    pub(super) fn press(&mut self, now: Instant, working: bool) -> Meaning {
        let again = self.last.is_some_and(|last| now.duration_since(last) < TWICE);
        self.last = Some(now);
        if working && !again { Meaning::Abort } else { Meaning::Leave }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_told_from_prompts() {
        assert_eq!(Said::parse("  "), Said::Nothing);
        assert_eq!(Said::parse(" /quit\n"), Said::Quit);
        assert_eq!(Said::parse("/end "), Said::End);
        assert_eq!(Said::parse("/abort"), Said::Abort);
        assert_eq!(Said::parse("/help"), Said::Help);
        assert_eq!(Said::parse("/compact"), Said::Text("/compact".to_owned()));
        assert_eq!(Said::parse("/quit it"), Said::Text("/quit it".to_owned()));
    }

    #[test]
    fn a_second_ctrl_c_leaves() {
        let start = Instant::now();
        let mut interrupts = Interrupts::default();
        assert_eq!(interrupts.press(start, true), Meaning::Abort);
        assert_eq!(interrupts.press(start + Duration::from_secs(3), true), Meaning::Abort);
        assert_eq!(interrupts.press(start + Duration::from_secs(4), true), Meaning::Leave);
        assert_eq!(Interrupts::default().press(start, false), Meaning::Leave);
    }

    #[test]
    fn a_backslash_goes_on() {
        let mut input = "one\\\ntwo\r\nthree\nrest\\".as_bytes();
        let mut entries = Vec::new();
        loop {
            match read_entry(&mut input) {
                Typed::Line(line) => entries.push(line),
                other => break assert_eq!(other, Typed::End),
            }
        }
        assert_eq!(entries, ["one\ntwo", "three", "rest\n"]);
    }

    #[test]
    fn endless_lines_are_refused() {
        let long = "x".repeat(MAX_INPUT * 2 + 5);
        let text = format!("{long}\nshort\n{}", "y".repeat(MAX_INPUT));
        let mut input = text.as_bytes();
        assert_eq!(read_entry(&mut input), Typed::TooLong);
        assert_eq!(read_entry(&mut input), Typed::Line("short".to_owned()));
        assert!(matches!(read_entry(&mut input), Typed::Line(line) if line.len() == MAX_INPUT));
        assert_eq!(read_entry(&mut input), Typed::End);
        assert_eq!(read_all(long.as_bytes()), None);
        assert_eq!(read_all("hi".as_bytes()).as_deref(), Some("hi"));
        assert_eq!(read_all([0xff_u8].as_slice()), None);
    }
}
