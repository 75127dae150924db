//! Who takes part besides the owner. Also sessions that have ended are shared: there is something to read.

use super::{Actor, Change, Notice, Refusal, Step};
use crate::ids::UserId;
use crate::sharing::{MAX_PARTICIPANTS, Participant, ParticipantRole};

impl Step<'_> {
    pub(super) fn participant_set(&mut self, who: &Actor, role: ParticipantRole, by: &Actor) -> Result<(), Refusal> {
        if who.user == self.engine.owner {
            return Err(Refusal::OwnerTakesPart);
        }
        let participants = &mut self.engine.participants;
        let before = participants.get(&who.user).copied();
        if before.is_none() && participants.len() >= MAX_PARTICIPANTS {
            return Err(Refusal::TooManyParticipants);
        }
        if before == Some(role) {
            return Ok(());
        }
        participants.insert(who.user.clone(), role);
        let seq = self.next_seq();
        self.effects.changes.push(Change::ParticipantSet(Participant {
            user: who.user.clone(),
            role,
            added_by: by.user.clone(),
            created_at: self.now,
            seq,
        }));
        let summary = format!("{} takes part as {}", who.name, role.as_str());
        self.audit("participant.added", &summary, Some(by.user.clone()));
        Ok(())
    }

    /// Somebody who does not take part is gone already.
    pub(super) fn participant_removed(&mut self, user: &UserId, by: &Actor) {
        if self.engine.participants.remove(user).is_none() {
            return;
        }
        self.effects.changes.push(Change::ParticipantRemoved { user: user.clone() });
        let summary = if by.user == *user { "A participant left" } else { "A participant was removed" };
        self.audit("participant.removed", summary, Some(by.user.clone()));
        self.notice(Notice::AccessWithdrawn { user: user.clone() });
    }

    pub(super) fn share_link_made(&mut self, role: ParticipantRole, by: &Actor) {
        let summary = format!("A share link lets people in as {}", role.as_str());
        self.audit("share_link.created", &summary, Some(by.user.clone()));
    }
}
