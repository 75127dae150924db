//! `portway chat`: talks to an agent in the terminal, over the public API.
//!
//! A session that was opened for a single prompt is ended after it, unless the user wants to keep it. Any other one
//! goes on until somebody says `/end`.

mod activity;
mod api;
mod backoff;
mod input;
mod outbox;
mod questions;
mod quota;
mod screen;
mod socket;
mod talk;

use std::io::{IsTerminal, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use portway_adapters_system::SystemClock;
use portway_domain::ids::SessionId;
use portway_ports::system::Clock as _;

use self::api::{Api, NewSession};
use self::outbox::Outbox;
use self::questions::Policy;
use self::screen::{Manner, Screen, Style};
use self::socket::Socket;
use self::talk::{Fate, PATIENCE, Plan, Talk};
use crate::client::error::ApiError;
use crate::client::exit::Exit;
use crate::client::{ConnectError, Connection, GatewayArgs};
use crate::terminal_text::clean;

/// Name of a workspace that is no folder.
const WORKSPACE: &str = "chat";

/// Most characters of a workspace's name.
const MAX_WORKSPACE: usize = 100;

/// Arguments of `portway chat`.
#[derive(Debug, Clone, Args)]
pub struct ChatArgs {
    /// What to tell the agent. Without a terminal, or with --once, its answer is all that follows
    #[arg(value_name = "PROMPT")]
    pub prompt: Option<String>,
    /// The configured agent to talk to; the gateway's default if absent
    #[arg(long, value_name = "NAME", conflicts_with = "session")]
    pub agent: Option<String>,
    /// A session to join, instead of a new one
    #[arg(long, value_name = "ID")]
    pub session: Option<String>,
    /// A folder of this machine for the agent to work in; one of its own if absent
    #[arg(long, value_name = "PATH", conflicts_with = "session")]
    pub dir: Option<PathBuf>,
    /// The gateway.
    #[command(flatten)]
    pub gateway: GatewayArgs,
    /// Leave after the answer to one prompt: PROMPT, or else all of the standard input. Ends the session it opened
    #[arg(long)]
    pub once: bool,
    /// Keep the session that was opened for one prompt, and tell how to come back
    #[arg(long)]
    pub keep: bool,
    /// Allow, once each, whatever the agent asks to do
    #[arg(long, conflicts_with = "no")]
    pub yes: bool,
    /// Refuse whatever the agent asks to do
    #[arg(long)]
    pub no: bool,
}

/// Why a chat did not begin.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Api(#[from] ApiError),
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error("{error}\n{advice}")]
    Quota { error: ApiError, advice: String },
    #[error("{0}")]
    Usage(String),
}

impl Failure {
    fn exit(&self) -> Exit {
        match self {
            Self::Api(error) | Self::Quota { error, .. } => error.exit(),
            Self::Connect(error) => error.exit(),
            Self::Usage(_) => Exit::Usage,
        }
    }
}

/// Which of the standard streams are terminals.
#[derive(Debug, Clone, Copy)]
struct Terminals {
    stdin: bool,
    stdout: bool,
    stderr: bool,
}

/// Runs the chat to its end. The exit code is 0 when it went well, 1 when the turn or the session failed, 2 for
/// arguments that cannot be followed, 3 when no gateway answers, and 4 when the gateway does not take the key.
pub async fn run(args: ChatArgs) -> ExitCode {
    let terminals = Terminals {
        stdin: std::io::stdin().is_terminal(),
        stdout: std::io::stdout().is_terminal(),
        stderr: std::io::stderr().is_terminal(),
    };
    let exit = match chat(args, terminals).await {
        Ok(exit) => exit,
        Err(failure) => {
            report(&failure.to_string());
            failure.exit()
        }
    };
    exit.into()
}

async fn chat(args: ChatArgs, terminals: Terminals) -> Result<Exit, Failure> {
    let (plan, manner) = arrange(&args, terminals)?;
    let api = Api::new(Connection::find(&args.gateway).await?);
    let session = match &args.session {
        Some(id) => {
            let id = SessionId::parse(id).map_err(|error| Failure::Usage(format!("--session {id}: {error}")))?;
            api.join(&id).await?;
            id
        }
        None => open(&api, &new_session(&args)?).await?,
    };
    let hint = if plan.once { "" } else { " (/help explains)" };
    report(&format!("session {session}{hint}"));
    let socket = Socket::open(&api, &session);
    let outbox = Outbox::new(api.clone(), session.clone(), plan.once.then_some(PATIENCE));
    let once = plan.once;
    let left = Talk::new(plan, Screen::new(manner), socket, outbox).run().await;
    let passing = once && args.session.is_none() && !args.keep;
    match left.session {
        Fate::Unwanted => match end(&api, &session).await {
            Ok(()) => report("The session has ended"),
            Err(exit) => return Ok(exit),
        },
        // The exit is that of the answer, whatever becomes of the session.
        _ if passing => _ = end(&api, &session).await,
        Fate::GoesOn if !once || args.keep => {
            report(&format!("Come back with `portway chat --session {session}`; /end there ends the session"));
        }
        Fate::GoesOn | Fate::Over => {}
    }
    Ok(left.exit)
}

/// Opens a session, or says how to make room for one.
async fn open(api: &Api, new: &NewSession) -> Result<SessionId, Failure> {
    match api.open(new).await {
        Err(error) if error.is_quota() => {
            // The advice is good without the list, too.
            let active = api.active_sessions().await.unwrap_or_default();
            Err(Failure::Quota { error, advice: quota::advice(&active, SystemClock::default().now()) })
        }
        opened => Ok(opened?),
    }
}

/// Ends a session; says so and tells the exit when that fails.
async fn end(api: &Api, session: &SessionId) -> Result<(), Exit> {
    api.terminate(session).await.map_err(|error| {
        report(&format!("warning: the session was not ended: {error}"));
        report(&format!("End it with /end in `portway chat --session {session}`"));
        error.exit()
    })
}

/// How the conversation goes, and how it looks.
fn arrange(args: &ChatArgs, terminals: Terminals) -> Result<(Plan, Manner), Failure> {
    let once = args.once || !terminals.stdin || (args.prompt.is_some() && !terminals.stdout);
    let prompt = match &args.prompt {
        Some(prompt) => Some(prompt.clone()),
        None if !once => None,
        None if terminals.stdin => {
            return Err(Failure::Usage("--once needs a PROMPT, or a text on the standard input".to_owned()));
        }
        None => Some(
            input::read_all(std::io::stdin())
                .ok_or_else(|| Failure::Usage("The standard input is no text, or too long for a prompt".to_owned()))?,
        ),
    };
    if prompt.as_ref().is_some_and(|prompt| prompt.trim().is_empty()) {
        return Err(Failure::Usage("The prompt is empty".to_owned()));
    }
    let split = once || !terminals.stdout;
    let asides = if split { terminals.stderr } else { terminals.stdout };
    let policy = match (args.yes, args.no) {
        (true, _) => Some(Policy::Allow),
        (_, true) => Some(Policy::Refuse),
        _ => (!terminals.stdin || !asides).then_some(Policy::Refuse),
    };
    let typed = terminals.stdin && (!once || policy.is_none());
    let manner = Manner { style: style(asides), once, policy, typed };
    Ok((Plan { prompt, once, split, typed }, manner))
}

fn style(terminal: bool) -> Style {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let dumb = set("TERM").is_some_and(|term| term == "dumb");
    Style { colour: terminal && !dumb && set("NO_COLOR").is_none() }
}

fn new_session(args: &ChatArgs) -> Result<NewSession, Failure> {
    let directory = args.dir.as_deref().map(directory).transpose()?;
    let workspace = directory.as_deref().and_then(workspace).unwrap_or_else(|| WORKSPACE.to_owned());
    Ok(NewSession { workspace, agent: args.agent.clone(), directory })
}

/// The folder's one absolute name.
fn directory(path: &Path) -> Result<String, Failure> {
    let refuse = |why: &dyn std::fmt::Display| Failure::Usage(format!("--dir {}: {why}", path.display()));
    let folder = path.canonicalize().map_err(|error| refuse(&error))?;
    if !folder.is_dir() {
        return Err(refuse(&"this is no folder"));
    }
    folder.into_os_string().into_string().map_err(|_| refuse(&"its name is no Unicode text"))
}

fn workspace(directory: &str) -> Option<String> {
    let name = Path::new(directory).file_name()?.to_str()?;
    Some(name.chars().take(MAX_WORKSPACE).collect())
}

/// Says something before or after the conversation. There is nobody to tell when that fails.
fn report(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{}", clean(text));
}

#[cfg(test)]
mod tests;
