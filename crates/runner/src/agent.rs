//! The agent's process: starting it in a process group of its own, its three streams, and its end.

use std::io;
use std::process::{ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::config::Config;
use crate::descendants::Awaited;
use crate::lines::{LineReader, MAX_LINE};

/// How much of stderr is kept for error messages.
const STDERR_TAIL: usize = 4 * 1024;

/// What may wait for an agent that does not read, in bytes.
const MAX_INPUT: usize = 64 * 1024 * 1024;

/// How long output may keep coming after the process has ended, or the process after its output has.
const DRAIN: Duration = Duration::from_millis(500);

/// A running agent. Dropping it ends the process group.
pub(crate) struct Agent {
    input: mpsc::UnboundedSender<Vec<u8>>,
    waiting: Arc<AtomicUsize>,
    output: mpsc::Receiver<Output>,
    stderr: Arc<Mutex<Tail>>,
    stop: Option<oneshot::Sender<()>>,
}

/// What an agent does on its own.
pub(crate) enum Output {
    /// It wrote a line.
    Line(Vec<u8>),
    /// It is gone, for this reason. Nothing follows.
    Ended(String),
}

/// The agent does not read what it is sent.
#[derive(Debug, thiserror::Error)]
#[error("it does not read its input")]
pub(crate) struct Stalled;

impl Agent {
    /// Starts the agent's program in the workspace.
    ///
    /// # Errors
    /// What is wrong and what to do about it, for people.
    pub(crate) fn spawn(config: &Config) -> Result<Self, String> {
        let Some((program, arguments)) = config.agent.command.split_first() else {
            return Err("The agent's command is empty; check [agents.NAME].command.".to_owned());
        };
        if !config.workspace.is_dir() {
            return Err(format!("The workspace {} is not there.", config.workspace.display()));
        }
        let mut child = Command::new(program)
            .args(arguments)
            .env_clear()
            .envs(&config.base_env)
            .envs(&config.agent.env)
            .current_dir(&config.workspace)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| not_started(program, &error))?;
        let (Some(stdin), Some(stdout), Some(stderr)) = (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err("The agent's streams cannot be opened.".to_owned());
        };

        let waiting = Arc::new(AtomicUsize::new(0));
        let (input, input_receiver) = mpsc::unbounded_channel();
        tokio::spawn(feed(stdin, input_receiver, Arc::clone(&waiting)));
        let tail = Arc::new(Mutex::new(Tail::default()));
        let last_words = tokio::spawn(keep_tail(stderr, Arc::clone(&tail)));
        // Two lines: reading stops soon after the driver does.
        let (output_sender, output) = mpsc::channel(2);
        let (stop, stop_receiver) = oneshot::channel();
        let group = child.id().and_then(|id| i32::try_from(id).ok());
        let supervisor = Supervisor {
            group,
            _awaited: group.map(Awaited::new),
            child,
            output: output_sender,
            last_words,
            grace: config.timing.grace,
        };
        tokio::spawn(supervisor.run(stdout, stop_receiver));
        Ok(Self { input, waiting, output, stderr: tail, stop: Some(stop) })
    }

    /// Puts a line on its way to the agent.
    pub(crate) fn send(&self, mut line: String) -> Result<(), Stalled> {
        line.push('\n');
        if self.waiting.load(Ordering::Relaxed) > MAX_INPUT {
            return Err(Stalled);
        }
        self.waiting.fetch_add(line.len(), Ordering::Relaxed);
        // A closed pipe belongs to an agent that is about to be reported as ended.
        let _ = self.input.send(line.into_bytes());
        Ok(())
    }

    /// What it does next. A call that is dropped before it is ready loses nothing.
    pub(crate) async fn next(&mut self) -> Output {
        self.output.recv().await.unwrap_or_else(|| Output::Ended("it was ended".to_owned()))
    }

    /// Begins to end the process group: SIGTERM, a grace, SIGKILL. [`Output::Ended`] tells when it is gone.
    pub(crate) fn stop(&mut self) {
        self.stop = None;
    }

    /// Ends the process group and waits until it is gone.
    pub(crate) async fn end(mut self) {
        self.stop();
        while let Output::Line(_) = self.next().await {}
    }

    /// The last of what it wrote to stderr.
    pub(crate) fn stderr_tail(&self) -> String {
        self.stderr.lock().unwrap_or_else(PoisonError::into_inner).text()
    }
}

fn not_started(program: &str, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => format!(
            "command not found: {program}; check [agents.NAME].command and that the program is installed where the sandbox runs."
        ),
        io::ErrorKind::PermissionDenied => {
            format!("{program} may not be run: {error}; check [agents.NAME].command.")
        }
        _ => format!("{program} cannot be started: {error}; check [agents.NAME].command."),
    }
}

async fn feed(mut stdin: ChildStdin, mut lines: mpsc::UnboundedReceiver<Vec<u8>>, waiting: Arc<AtomicUsize>) {
    while let Some(line) = lines.recv().await {
        if stdin.write_all(&line).await.is_err() || stdin.flush().await.is_err() {
            return;
        }
        waiting.fetch_sub(line.len(), Ordering::Relaxed);
    }
}

async fn keep_tail(mut stderr: ChildStderr, tail: Arc<Mutex<Tail>>) {
    let mut buffer = [0; 1024];
    while let Ok(count @ 1..) = stderr.read(&mut buffer).await {
        tail.lock().unwrap_or_else(PoisonError::into_inner).add(buffer.get(..count).unwrap_or_default());
    }
}

/// The task that waits for the end of the process and cleans up after it.
struct Supervisor {
    child: Child,
    group: Option<i32>,
    _awaited: Option<Awaited>,
    output: mpsc::Sender<Output>,
    last_words: JoinHandle<()>,
    grace: Duration,
}

impl Supervisor {
    /// Passes lines on until there are no more, then sees to it that nothing of the process group is left.
    async fn run(mut self, stdout: ChildStdout, mut stop: oneshot::Receiver<()>) {
        let reason = tokio::select! {
            biased;
            _ = &mut stop => None,
            reason = self.pass_lines(stdout) => reason,
        };
        let status = self.terminate().await;
        let reason = reason.unwrap_or_else(|| status.map_or_else(|| "gone".to_owned(), describe));
        // What it wrote last is wanted for the report of its end.
        let _ = timeout(DRAIN, self.last_words).await;
        // Nobody listens after a stop whose caller is gone.
        let _ = self.output.send(Output::Ended(reason)).await;
    }

    /// Ready when the agent is at its end; with a reason if that is not its exit status.
    async fn pass_lines(&mut self, stdout: ChildStdout) -> Option<String> {
        let mut lines = LineReader::new(stdout, MAX_LINE);
        let mut exited = false;
        loop {
            let line = tokio::select! {
                biased;
                line = lines.next() => line,
                _ = self.child.wait(), if !exited => {
                    exited = true;
                    continue;
                }
                // A child of the agent may hold the pipe open.
                () = tokio::time::sleep(DRAIN), if exited => return None,
            };
            match line {
                Ok(Some(line)) => self.output.send(Output::Line(line)).await.ok()?,
                Ok(None) => {
                    return if exited || timeout(DRAIN, self.child.wait()).await.is_ok() {
                        None
                    } else {
                        Some("it closed its output".to_owned())
                    };
                }
                Err(error) => return Some(error.to_string()),
            }
        }
    }

    /// SIGTERM to the group unless the agent has ended, SIGKILL to what is left of it.
    async fn terminate(&mut self) -> Option<ExitStatus> {
        if let Ok(None) = self.child.try_wait() {
            self.signal(Signal::SIGTERM);
        }
        let status = timeout(self.grace, self.child.wait()).await;
        self.signal(Signal::SIGKILL);
        match status {
            Ok(status) => status.ok(),
            Err(_) => self.child.wait().await.ok(),
        }
    }

    fn signal(&self, signal: Signal) {
        if let Some(group) = self.group {
            // There may be nobody left.
            let _ = killpg(Pid::from_raw(group), signal);
        }
    }
}

fn describe(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => match Signal::try_from(signal) {
            Ok(signal) => format!("killed by {signal}"),
            Err(_) => format!("killed by signal {signal}"),
        },
        (None, None) => status.to_string(),
    }
}

/// The end of a byte stream.
#[derive(Default)]
struct Tail {
    bytes: Vec<u8>,
}

impl Tail {
    fn add(&mut self, more: &[u8]) {
        self.bytes.extend_from_slice(more);
        let excess = self.bytes.len().saturating_sub(STDERR_TAIL);
        self.bytes.drain(..excess);
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).trim().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tail_keeps_the_end() {
        let mut tail = Tail::default();
        tail.add(&vec![b'a'; 2 * STDERR_TAIL]);
        tail.add(b"the end\n");
        let text = tail.text();
        assert!(text.ends_with("the end") && text.len() < STDERR_TAIL);
    }
}
