//! The revisions of the protocol.

/// A revision that is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Revision {
    /// 2025-06-18.
    June2025,
    /// 2025-11-25.
    November2025,
    /// 2026-07-28.
    July2026,
}

impl Revision {
    /// All of them, the newest first.
    pub(crate) const ALL: [Self; 3] = [Self::July2026, Self::November2025, Self::June2025];

    /// What a client is offered that begins a session and asks for a revision that is not spoken.
    pub(crate) const OF_SESSIONS: Self = Self::November2025;

    pub(crate) fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|revision| revision.as_str() == text)
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::June2025 => "2025-06-18",
            Self::November2025 => "2025-11-25",
            Self::July2026 => "2026-07-28",
        }
    }

    /// Whether each request stands by itself.
    pub(crate) fn is_stateless(self) -> bool {
        self == Self::July2026
    }
}
