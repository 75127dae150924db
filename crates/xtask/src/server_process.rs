//! The process of a server for the tests.

use std::process::{Child, Command, Stdio};

use crate::failure::Failure;

/// A shell that runs a server until its own standard input ends: when this is dropped, or when this program ends in
/// whatever way. The script must wait for the server before it ends, or the server outlives the drop for a moment.
pub(crate) struct ServerProcess(Child);

impl ServerProcess {
    pub(crate) fn start(shell: &mut Command) -> Result<Self, Failure> {
        let started = shell.stdin(Stdio::piped()).stdout(Stdio::null()).spawn();
        started.map(Self).map_err(|source| Failure::Start { program: "sh".to_owned(), source })
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.0.try_wait().is_ok_and(|end| end.is_some())
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        if let Err(error) = self.0.wait() {
            eprintln!("warning: a server of the tests cannot be waited for: {error}");
        }
    }
}
