//! What a client is shown in the place of hints that were lost.
//!
//! Between gateways hints may be lost. Then the state is sent anew, and what those hints would have told is never told.

use portway_protocol::server::{InitData, ServerFrame};

/// The newest state that took the place of lost hints, as long as it may have been told instead of what is waited for.
#[derive(Debug, Default)]
pub(crate) struct Replacement {
    shown: Option<InitData>,
    /// Questions that wait follow an `init`, and the answer to a ping follows them: so many are due.
    pongs: usize,
}

impl Replacement {
    /// Takes a frame over that came after the first; answers whether a ping is to be sent.
    pub(crate) fn apply(&mut self, frame: &ServerFrame) -> bool {
        match frame {
            ServerFrame::Init { data, .. } => {
                self.shown = Some(data.clone());
                self.pongs += 1;
                return true;
            }
            ServerFrame::Pong {} => self.pongs = self.pongs.saturating_sub(1),
            _ => {}
        }
        false
    }

    /// The state, once all of it has come.
    pub(crate) fn shown(&self) -> Option<&InitData> {
        self.shown.as_ref().filter(|_| self.pongs == 0)
    }

    /// Something was done or told after it, so what is waited for from now on is not part of it.
    pub(crate) fn is_past(&mut self) {
        self.shown = None;
    }
}
