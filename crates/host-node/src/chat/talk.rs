//! The conversation: what comes from the gateway, from the user and from the clock, one thing after the other.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use portway_protocol::client::ClientFrame;

use super::input::{Interrupts, Lines, Meaning, Presses, Said, Typed};
use super::outbox::{Outbox, Posted};
use super::screen::{Print, Screen, Tone};
use super::socket::{Socket, SocketEvent};
use crate::client::exit::Exit;

/// How long a single prompt waits for a gateway that went away.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

const HELP: &str = "\
/help   this text
/abort  end the turn (or Ctrl-C)
/end    end the session and leave
/quit   leave; the session goes on (or Ctrl-D, or Ctrl-C when nothing goes on)
A line that ends with \\ goes on with the next one. Other commands go to the agent.
Ctrl-R shows again what you have typed so far, when other text came in between.";

/// How the conversation goes.
#[derive(Debug, Clone, Default)]
pub(super) struct Plan {
    /// What is said first.
    pub(super) prompt: Option<String>,
    /// Whether to leave at the end of the first turn.
    pub(super) once: bool,
    /// Whether asides go to the standard error.
    pub(super) split: bool,
    /// Whether to read lines of the user.
    pub(super) typed: bool,
}

/// What is to become of the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It goes on.
    GoesOn,
    /// The user wants it ended.
    Unwanted,
    /// It takes nothing more.
    Over,
}

/// How a conversation was left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Left {
    /// How the program ends.
    pub(super) exit: Exit,
    /// And the session.
    pub(super) session: Fate,
}

/// A conversation.
pub(super) struct Talk {
    plan: Plan,
    screen: Screen,
    socket: Socket,
    outbox: Outbox,
    interrupts: Interrupts,
    sent: bool,
    unwanted: bool,
    lost_since: Option<Instant>,
}

impl Talk {
    pub(super) fn new(plan: Plan, screen: Screen, socket: Socket, outbox: Outbox) -> Self {
        let interrupts = Interrupts::default();
        Self { plan, screen, socket, outbox, interrupts, sent: false, unwanted: false, lost_since: None }
    }

    /// Talks until the end.
    pub(super) async fn run(mut self) -> Left {
        let mut presses = Presses::listen();
        let mut lines = self.plan.typed.then(Lines::of_stdin);
        let exit = loop {
            self.screen.settle();
            if self.write().is_err() {
                break Exit::Failed;
            }
            let patience = self.patience_left();
            let exit = tokio::select! {
                event = self.socket.next() => self.event(event),
                posted = self.outbox.next() => self.posted(posted),
                typed = next_line(&mut lines) => self.typed(typed),
                () = presses.next() => self.pressed(),
                () = run_out(patience) => self.give_up(),
            };
            if let Some(exit) = exit.or_else(|| self.step()) {
                break exit;
            }
        };
        self.screen.finish();
        // There is nobody left to tell when this fails.
        let _ = self.write();
        let session = self.fate();
        self.socket.close().await;
        Left { exit, session }
    }

    fn fate(&self) -> Fate {
        match self.screen.ended() {
            Some(_) => Fate::Over,
            None if self.unwanted => Fate::Unwanted,
            None => Fate::GoesOn,
        }
    }

    fn event(&mut self, event: Option<SocketEvent>) -> Option<Exit> {
        match event {
            Some(SocketEvent::Frame(frame)) => {
                self.screen.frame(*frame);
                if self.screen.has_begun() {
                    self.lost_since = None;
                }
                None
            }
            Some(SocketEvent::Unreadable(detail)) => {
                self.screen.notice(Tone::Bad, &format!("✗ a frame of the gateway cannot be read: {detail}"));
                None
            }
            Some(SocketEvent::Lost) => {
                self.lost_since.get_or_insert_with(Instant::now);
                self.screen.connection_lost();
                None
            }
            Some(SocketEvent::Refused(error)) => {
                self.screen.notice(Tone::Bad, &format!("✗ {error}"));
                Some(error.exit())
            }
            None => Some(Exit::Failed),
        }
    }

    fn posted(&mut self, posted: Option<Posted>) -> Option<Exit> {
        let Posted { content, result } = posted?;
        match result {
            Ok(id) => {
                self.screen.accepted(&id, &content);
                None
            }
            Err(error) => {
                self.screen.refused(&content, &error.to_string());
                let hopeless = self.plan.once || error.exit() == Exit::BadKey;
                hopeless.then(|| error.exit())
            }
        }
    }

    fn typed(&mut self, typed: Typed) -> Option<Exit> {
        self.screen.entered();
        match typed {
            Typed::Line(line) => self.said(Said::parse(&line)),
            Typed::TooLong => {
                self.screen.notice(Tone::Bad, "✗ that is too long for a prompt");
                None
            }
            Typed::End => {
                self.screen.notice(Tone::Plain, "");
                Some(self.walked_out())
            }
        }
    }

    fn said(&mut self, said: Said) -> Option<Exit> {
        match said {
            Said::Nothing => {}
            Said::Text(line) if self.screen.is_asking() => self.screen.answer_line(&line),
            Said::Text(_) if self.plan.once => {}
            Said::Text(content) => self.send(&content),
            Said::Abort => self.abort(),
            Said::Help => self.screen.notice(Tone::Plain, HELP),
            Said::End => {
                self.unwanted = true;
                return Some(self.walked_out());
            }
            Said::Quit => return Some(self.walked_out()),
        }
        None
    }

    fn pressed(&mut self) -> Option<Exit> {
        match self.interrupts.press(Instant::now(), self.screen.is_working() || self.screen.is_asking()) {
            Meaning::Abort => {
                self.screen.notice(Tone::Dim, "aborting… (Ctrl-C again leaves)");
                self.abort();
                None
            }
            Meaning::Leave => Some(self.walked_out()),
        }
    }

    /// The user leaves; a single prompt has no answer then.
    fn walked_out(&self) -> Exit {
        if self.plan.once { Exit::Failed } else { Exit::Done }
    }

    /// What follows from the state of the conversation.
    fn step(&mut self) -> Option<Exit> {
        if self.screen.take_resync() {
            self.socket.renew();
        }
        for frame in self.screen.take_frames() {
            self.transmit(frame);
        }
        if self.screen.ended().is_some() {
            return Some(Exit::Failed);
        }
        if self.screen.has_begun() && !self.sent {
            self.sent = true;
            if let Some(prompt) = self.plan.prompt.take() {
                self.send(&prompt);
            }
        }
        let over = self.plan.once && self.sent && !self.screen.is_working();
        over.then(|| if self.screen.has_failed() { Exit::Failed } else { Exit::Done })
    }

    fn send(&mut self, content: &str) {
        self.screen.sending(content);
        if !self.outbox.send(content) {
            self.screen.refused(content, "too many prompts wait to be sent");
        }
    }

    fn abort(&mut self) {
        self.screen.aborting();
        self.transmit(ClientFrame::ABORT);
    }

    fn transmit(&mut self, frame: ClientFrame) {
        if !self.socket.send(frame) {
            self.screen.notice(Tone::Bad, "✗ not sent: too much waits to be sent");
        }
    }

    fn patience_left(&self) -> Option<Duration> {
        let lost_since = self.lost_since.filter(|_| self.plan.once)?;
        Some(PATIENCE.saturating_sub(lost_since.elapsed()))
    }

    fn give_up(&mut self) -> Option<Exit> {
        self.screen.notice(Tone::Bad, "✗ the gateway did not come back");
        Some(Exit::Unreachable)
    }

    fn write(&mut self) -> io::Result<()> {
        let prints = self.screen.take_prints();
        if prints.is_empty() {
            return Ok(());
        }
        let (mut out, mut err) = (io::stdout().lock(), io::stderr().lock());
        for print in &prints {
            match print {
                Print::Answer(text) => out.write_all(text.as_bytes())?,
                Print::Aside(text) if self.plan.split => {
                    out.flush()?;
                    err.write_all(text.as_bytes())?;
                }
                Print::Aside(text) => out.write_all(text.as_bytes())?,
            }
        }
        out.flush()?;
        err.flush()
    }
}

async fn next_line(lines: &mut Option<Lines>) -> Typed {
    match lines {
        Some(lines) => lines.next().await,
        None => std::future::pending().await,
    }
}

async fn run_out(left: Option<Duration>) {
    match left {
        Some(left) => tokio::time::sleep(left).await,
        None => std::future::pending().await,
    }
}
