//! The surfaces on which an operation is offered.

/// A set of surfaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Surfaces(u8);

impl Surfaces {
    /// HTTP with JSON bodies.
    pub const REST: Self = Self(1);
    /// JSON-RPC 2.0.
    pub const RPC: Self = Self(1 << 1);
    /// Tools of the Model Context Protocol.
    pub const MCP: Self = Self(1 << 2);
    /// The command line.
    pub const CLI: Self = Self(1 << 3);
    /// Every surface.
    pub const ALL: Self = Self::REST.and(Self::RPC).and(Self::MCP).and(Self::CLI);

    /// Both sets together.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// This set without the surfaces of `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether every surface of `other` is in this set.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_add_and_subtract() {
        let set = Surfaces::REST.and(Surfaces::MCP);
        assert!(set.contains(Surfaces::MCP) && !set.contains(Surfaces::RPC));
        assert_eq!(Surfaces::ALL.without(set), Surfaces::RPC.and(Surfaces::CLI));
    }
}
