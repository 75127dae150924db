//! What runners call things that they do not name by the rule for ids.

use serde::{Deserialize, Serialize};

use super::{MAX_OPEN_QUESTIONS, Step};

/// Most names that a turn keeps: those of its open questions and of the message that is written.
const MAX_NAMES: usize = MAX_OPEN_QUESTIONS + 1;

/// Longest name that is kept, in bytes.
const MAX_NAME_BYTES: usize = 256;

/// How a runner calls a message or a question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunnerName {
    /// The id that everybody else knows.
    pub id: String,
    /// What the runner calls it.
    pub name: String,
}

impl Step<'_> {
    /// Keeps a name until the turn ends, or until newer ones need its room. One that is too long is good for the present
    /// connection only.
    pub(super) fn named(&mut self, name: RunnerName) {
        let Some(turn) = self.engine.turn.as_mut() else {
            return;
        };
        if name.id.len().max(name.name.len()) > MAX_NAME_BYTES || name.name.contains('\0') {
            return;
        }
        turn.names.retain(|known| known.id != name.id);
        if turn.names.len() >= MAX_NAMES {
            turn.names.remove(0);
        }
        turn.names.push(name);
    }
}
