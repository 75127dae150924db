//! Memories: what a user wants agents to know from one session to the next.

use portway_domain::ids::MemoryId;
use portway_domain::memories::{MAX_MEMORIES, MAX_MEMORY_CHARS, Memory, MemoryCategory, Relevance};
use portway_ports::StoreError;
use portway_ports::commit::{ChangeSet, Commit, Write};
use portway_ports::memories::{MemoryFilter, Remembering};

use crate::error::Error;
use crate::steps::{MAX_ATTEMPTS, contended};
use crate::{Context, Services};

/// Something to remember.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewMemory {
    /// What it is about.
    pub category: MemoryCategory,
    /// What is to be remembered.
    pub content: String,
}

impl Services {
    /// The caller's memories, to look at.
    ///
    /// # Errors
    /// [`Error::Unauthorized`] without a valid token.
    pub async fn memories(&self, context: &Context, filter: &MemoryFilter) -> Result<Vec<Memory>, Error> {
        let seen = self.ports.store.memories(context.token()?, filter).await?;
        context.admit(seen.caller)?;
        Ok(seen.value)
    }

    /// The caller's memories, to work with: each that is answered has been used, and is more relevant from then on.
    ///
    /// # Errors
    /// [`Error::Unauthorized`] without a valid token.
    pub async fn recall_memories(&self, context: &Context, filter: &MemoryFilter) -> Result<Vec<Memory>, Error> {
        let seen = self.ports.store.memories(context.token()?, filter).await?;
        let principal = context.admit(seen.caller)?;
        if seen.value.is_empty() {
            return Ok(Vec::new());
        }
        let ids = seen.value.iter().map(|memory| memory.id.clone()).collect();
        let used = Write::UseMemories { user: principal.user, ids, at: context.now };
        self.commit(ChangeSet::new().with(used)).await?;
        Ok(seen.value.into_iter().map(|memory| memory.used(context.now)).collect())
    }

    /// Remembers something. Where there are [`MAX_MEMORIES`] already, the least relevant goes; of equally relevant ones
    /// the one that was used longest ago.
    ///
    /// # Errors
    /// [`Error::Invalid`] for an empty or too long content; [`Error::Unauthorized`] without a valid token.
    pub async fn remember(&self, context: &Context, new: NewMemory) -> Result<Memory, Error> {
        check_content(&new.content)?;
        let mut ids = context.ids.clone();
        let id: MemoryId = ids.draw();
        for _ in 0..MAX_ATTEMPTS {
            let seen = self.ports.store.remembering(context.token()?, context.key(), context.now).await?;
            context.admit(seen.caller)?;
            let state = seen.value.ok_or_else(|| Error::Internal("a caller without a user row".to_owned()))?;
            if let Some(earlier) = context.replay::<Memory>(state.remembered.as_ref())? {
                return Ok(earlier);
            }
            let memory = Memory {
                id: id.clone(),
                user: state.user.id.clone(),
                category: new.category,
                content: new.content.clone(),
                relevance: Relevance::NEW,
                created_at: context.now,
                last_accessed_at: context.now,
            };
            let mut set = with_room(state, memory.clone());
            if let Some(remember) = context.remember(&memory.user, &memory)? {
                set.push(remember);
            }
            match self.commit(set).await {
                Ok(Commit::Done) => return Ok(memory),
                // The row of an attempt whose outcome is unknown has the same id.
                Ok(Commit::Conflict { .. }) | Err(StoreError::Unknown(_)) => {
                    let all = self.memories(context, &MemoryFilter::new(None, None, MAX_MEMORIES)).await?;
                    if let Some(written) = all.into_iter().find(|memory| memory.id == id) {
                        return Ok(written);
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(contended())
    }

    /// Forgets one of the caller's memories.
    ///
    /// # Errors
    /// [`Error::NotFound`] when the caller has no such memory.
    pub async fn forget_memory(&self, context: &Context, id: &MemoryId) -> Result<(), Error> {
        let principal = self.principal(context).await?;
        let remove = Write::RemoveMemory { id: id.clone(), user: principal.user };
        match self.commit(ChangeSet::new().with(remove)).await? {
            Commit::Done => Ok(()),
            Commit::Conflict { .. } => Err(Error::NotFound { resource: "Memory", id: id.to_string() }),
        }
    }
}

pub(crate) fn check_content(content: &str) -> Result<(), Error> {
    let length = content.chars().count();
    if (1..=MAX_MEMORY_CHARS).contains(&length) {
        return Ok(());
    }
    Err(Error::Invalid {
        field: "content".to_owned(),
        message: format!("expected 1 to {MAX_MEMORY_CHARS} characters, got {length}"),
    })
}

/// Adds a memory, and removes as many as would be too many with it. The user's version owns the number, so two that add
/// at once see each other.
pub(crate) fn with_room(state: Remembering, memory: Memory) -> ChangeSet {
    let excess = state.count.saturating_add(1).saturating_sub(MAX_MEMORIES);
    let mut set = ChangeSet::new()
        .with(Write::BumpUser { id: state.user.id.clone(), version: state.user.version })
        .with(Write::AddMemory(memory));
    for id in state.least_relevant.into_iter().take(usize::try_from(excess).unwrap_or(usize::MAX)) {
        set.push(Write::RemoveMemory { id, user: state.user.id.clone() });
    }
    set
}
