//! Memories: what a user wants agents to know from one session to the next.

use serde::{Deserialize, Serialize};

use crate::ids::{MemoryId, UserId};
use crate::time::Timestamp;

/// How many memories a user may have; a further one takes the place of the least relevant.
pub const MAX_MEMORIES: u32 = 200;

/// Longest memory, in characters.
pub const MAX_MEMORY_CHARS: usize = 5_000;

/// What a memory is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MemoryCategory {
    /// How the user likes things.
    Preference,
    /// How things are done.
    Workflow,
    /// What surrounds the work.
    Context,
    /// A project.
    Project,
    /// What was decided.
    Decision,
    /// Anything else.
    General,
}

impl MemoryCategory {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Preference, Self::Workflow, Self::Context, Self::Project, Self::Decision, Self::General];

    /// The category's name on the wire and in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Preference => "preference",
            Self::Workflow => "workflow",
            Self::Context => "context",
            Self::Project => "project",
            Self::Decision => "decision",
            Self::General => "general",
        }
    }

    /// The category of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|category| category.as_str() == name)
    }
}

/// How relevant a memory is: 0.0 to 2.0, in tenths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Relevance(u32);

impl Relevance {
    /// That of a new memory: 1.0.
    pub const NEW: Self = Self(10);

    /// The highest: 2.0.
    pub const MAX: Self = Self(20);

    /// What each use of a memory adds: 0.1.
    pub const USE: Self = Self(1);

    /// So many tenths, at most those of [`Relevance::MAX`].
    #[must_use]
    pub fn from_tenths(tenths: u32) -> Self {
        Self(tenths).min(Self::MAX)
    }

    /// Tenths.
    #[must_use]
    pub fn tenths(self) -> u32 {
        self.0
    }

    /// The number that people see, such as 1.1.
    #[must_use]
    pub fn as_f64(self) -> f64 {
        f64::from(self.0) / 10.0
    }

    /// The relevance after one more use.
    #[must_use]
    pub fn after_use(self) -> Self {
        Self::from_tenths(self.0.saturating_add(Self::USE.0))
    }
}

/// Something to remember.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    /// Its id.
    pub id: MemoryId,
    /// Whose it is.
    pub user: UserId,
    /// What it is about.
    pub category: MemoryCategory,
    /// What is remembered; 1 to [`MAX_MEMORY_CHARS`] characters.
    pub content: String,
    /// How relevant it is; it grows with each use.
    pub relevance: Relevance,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last used, or made.
    pub last_accessed_at: Timestamp,
}

impl Memory {
    /// The text that is searched of a memory with that category and content.
    #[must_use]
    pub fn searched_text(category: &str, content: &str) -> String {
        format!("{category} {content}")
    }

    /// The memory after it was used at `now`.
    #[must_use]
    pub fn used(self, now: Timestamp) -> Self {
        Self { relevance: self.relevance.after_use(), last_accessed_at: now, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relevance_grows_to_two() {
        let mut relevance = Relevance::NEW;
        let seen: Vec<f64> = (0..12)
            .map(|_| {
                relevance = relevance.after_use();
                relevance.as_f64()
            })
            .collect();
        assert_eq!(seen, [1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.7, 1.8, 1.9, 2.0, 2.0, 2.0]);
        assert_eq!(Relevance::from_tenths(u32::MAX), Relevance::MAX);
    }

    #[test]
    fn names_are_read_back() {
        for category in MemoryCategory::ALL {
            assert_eq!(MemoryCategory::from_name(category.as_str()), Some(category));
        }
        assert_eq!(MemoryCategory::from_name("secret"), None);
    }
}
