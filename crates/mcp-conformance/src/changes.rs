//! What comes and goes in the lists, and those who are told.

use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::stream::{self, BoxStream, StreamExt};
use portway_api::McpChange;
use tokio::sync::broadcast::{self, error::RecvError};

/// Most changes that wait for a listener; one that is slower is told the latest.
const WAITING: usize = 16;

/// A tool and a prompt that come and go.
pub(crate) struct Changes {
    tool: AtomicBool,
    prompt: AtomicBool,
    told: broadcast::Sender<McpChange>,
}

impl Default for Changes {
    fn default() -> Self {
        Self { tool: AtomicBool::default(), prompt: AtomicBool::default(), told: broadcast::Sender::new(WAITING) }
    }
}

impl Changes {
    /// Whether the tool is there.
    pub(crate) fn has_tool(&self) -> bool {
        self.tool.load(Ordering::Relaxed)
    }

    /// Whether the prompt is there.
    pub(crate) fn has_prompt(&self) -> bool {
        self.prompt.load(Ordering::Relaxed)
    }

    /// Takes the tool away, or puts it back.
    pub(crate) fn toggle_tool(&self) {
        self.tool.fetch_xor(true, Ordering::Relaxed);
        self.tell(McpChange::Tools);
    }

    /// Takes the prompt away, or puts it back.
    pub(crate) fn toggle_prompt(&self) {
        self.prompt.fetch_xor(true, Ordering::Relaxed);
        self.tell(McpChange::Prompts);
    }

    /// All that changes from now on.
    pub(crate) fn listen(&self) -> BoxStream<'static, McpChange> {
        let next = async |mut told: broadcast::Receiver<McpChange>| loop {
            match told.recv().await {
                Ok(change) => return Some((change, told)),
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return None,
            }
        };
        stream::unfold(self.told.subscribe(), next).boxed()
    }

    fn tell(&self, change: McpChange) {
        // Nobody may be listening.
        let _ = self.told.send(change);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn whoever_listens_is_told_what_changes_from_then_on() {
        let changes = Changes::default();
        changes.toggle_prompt();
        let mut changed = changes.listen();
        let mut heard = || changed.next().now_or_never().flatten();
        changes.toggle_tool();
        assert_eq!(heard(), Some(McpChange::Tools));
        assert!(changes.has_tool() && changes.has_prompt());
        changes.toggle_prompt();
        assert_eq!(heard(), Some(McpChange::Prompts));
        assert!(!changes.has_prompt());
    }
}
