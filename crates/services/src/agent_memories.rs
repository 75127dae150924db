//! What an agent remembers, recalls and forgets for the owner of its session.

use portway_domain::ids::{MemoryId, SessionId, UserId};
use portway_domain::memories::{MAX_MEMORIES, Memory, Relevance};
use portway_ports::StoreError;
use portway_ports::commit::{ChangeSet, Commit, Write};
use portway_ports::memories::MemoryFilter;

use crate::Services;
use crate::error::Error;
use crate::memories::{NewMemory, check_content, with_room};
use crate::steps::{MAX_ATTEMPTS, contended, session_not_found};

impl Services {
    /// The memories of the session's owner, to work with: each that is answered is more relevant from then on.
    ///
    /// # Errors
    /// The store's failure.
    pub async fn recall_for(&self, session: &SessionId, filter: &MemoryFilter) -> Result<Vec<Memory>, Error> {
        let user = self.owner_of(session).await?;
        let found = self.ports.store.memories_of(&user, filter).await?;
        if found.is_empty() {
            return Ok(found);
        }
        let (ids, at) = (found.iter().map(|memory| memory.id.clone()).collect(), self.ports.clock.now());
        self.commit(ChangeSet::new().with(Write::UseMemories { user, ids, at })).await?;
        Ok(found.into_iter().map(|memory| memory.used(at)).collect())
    }

    /// Remembers something for the session's owner, as [`Services::remember`] does.
    ///
    /// # Errors
    /// [`Error::Invalid`] for an empty or too long content.
    pub async fn remember_for(&self, session: &SessionId, new: NewMemory) -> Result<Memory, Error> {
        check_content(&new.content)?;
        let user = self.owner_of(session).await?;
        let mut moment = self.moment();
        let memory = Memory {
            id: moment.ids.draw(),
            user: user.clone(),
            category: new.category,
            content: new.content,
            relevance: Relevance::NEW,
            created_at: moment.now,
            last_accessed_at: moment.now,
        };
        for _ in 0..MAX_ATTEMPTS {
            let state = self.ports.store.remembering_of(&user).await?;
            let state = state.ok_or_else(|| session_not_found(session.as_str()))?;
            match self.commit(with_room(state, memory.clone())).await {
                Ok(Commit::Done) => return Ok(memory),
                // The row of an attempt whose outcome is unknown has the same id.
                Ok(Commit::Conflict { .. }) | Err(StoreError::Unknown(_)) => {
                    let all = MemoryFilter::new(None, None, MAX_MEMORIES);
                    let all = self.ports.store.memories_of(&user, &all).await?;
                    if let Some(written) = all.into_iter().find(|written| written.id == memory.id) {
                        return Ok(written);
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(contended())
    }

    /// Forgets a memory of the session's owner.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no such memory.
    pub async fn forget_for(&self, session: &SessionId, id: &MemoryId) -> Result<(), Error> {
        let user = self.owner_of(session).await?;
        match self.commit(ChangeSet::new().with(Write::RemoveMemory { id: id.clone(), user })).await? {
            Commit::Done => Ok(()),
            Commit::Conflict { .. } => Err(Error::NotFound { resource: "Memory", id: id.to_string() }),
        }
    }

    /// Who a request of a session's agent is made for.
    async fn owner_of(&self, session: &SessionId) -> Result<UserId, Error> {
        let found = self.ports.store.engine(session).await?;
        Ok(found.ok_or_else(|| session_not_found(session.as_str()))?.1.value.owner)
    }
}
