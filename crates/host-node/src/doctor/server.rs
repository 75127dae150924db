//! Whether a gateway runs on the folder, and can do its work.

use std::fs::{OpenOptions, TryLockError};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use super::report::Report;
use crate::data_folder;
use crate::gateway::reachable;

const CHECK: &str = "gateway";

/// How long a gateway may take to say whether it is ready.
const PATIENCE: Duration = Duration::from_secs(5);

/// Whether a gateway uses the folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Server {
    Running,
    Absent,
}

pub(super) async fn check(report: &mut Report, data: &Path, listen: Option<SocketAddr>) -> Server {
    if !is_locked(data) {
        report.fine(CHECK, "none runs on this folder");
        return Server::Absent;
    }
    let Some(listen) = listen else {
        report.note(CHECK, "one runs on this folder", "correct the configuration to have it asked whether it is ready");
        return Server::Running;
    };
    let url = format!("http://{}/ready", reachable(listen));
    match ready(&url).await {
        Ok(200) => report.fine(CHECK, format!("one runs on this folder and is ready at {listen}")),
        Ok(status) => {
            let advice = "look into its log: it says what its database lacks";
            report.problem(CHECK, format!("one runs on this folder but {url} answers with status {status}"), advice);
        }
        Err(error) => {
            let message = format!("one runs on this folder but {url} does not answer: {error}");
            report.problem(CHECK, message, "say where it listens with --listen, or stop it and start it again");
        }
    }
    Server::Running
}

/// The lock is shared for a moment here, which keeps nobody out who only looks, too.
fn is_locked(data: &Path) -> bool {
    let Ok(lock) = OpenOptions::new().read(true).open(data_folder::lock_in(data)) else {
        return false;
    };
    matches!(lock.try_lock_shared(), Err(TryLockError::WouldBlock))
}

async fn ready(url: &str) -> Result<u16, reqwest::Error> {
    let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build()?;
    Ok(client.get(url).send().await.map_err(reqwest::Error::without_url)?.status().as_u16())
}
