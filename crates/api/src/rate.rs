//! Rate classes: how much an operation costs, in words. The limits themselves are configuration.

/// The class whose limit an operation counts against.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum RateClass {
    /// Never limited: what probes and load balancers ask.
    Unlimited,
    /// Ordinary reads and writes.
    #[default]
    Standard,
    /// Starts or drives an agent.
    Agent,
    /// Starts or drives a workflow.
    Workflow,
    /// Signs in, or proves an identity.
    Login,
    /// Does much at once.
    Batch,
}

impl RateClass {
    /// The name of the class in configuration and in the published description.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unlimited => "unlimited",
            Self::Standard => "standard",
            Self::Agent => "agent",
            Self::Workflow => "workflow",
            Self::Login => "login",
            Self::Batch => "batch",
        }
    }
}
