//! What a gateway offers besides its operations.

use async_trait::async_trait;
use futures_util::stream::{self, BoxStream, StreamExt};
use serde_json::{Map, Value};

use super::client::McpClient;
use super::error::McpError;

/// Tools, resources and prompts besides those of the gateway itself, such as those of another server that it stands for.
/// Callers were let in before anything is asked of them.
#[async_trait]
pub trait McpFeatures: Send + Sync {
    /// What clients are told that there is, besides tools, resources, prompts and completions, which there always are.
    fn capabilities(&self) -> McpCapabilities {
        McpCapabilities::default()
    }

    /// All entries of a list, as the protocol has them.
    async fn list(&self, list: McpList, client: &McpClient) -> Vec<Value>;

    /// The result of a request, as the protocol has it; `None` if it is about nothing of these features.
    async fn answer(&self, request: &McpRequest, client: &McpClient) -> Option<Result<Value, McpError>>;

    /// What changes from now on, as far as that client is concerned. Read for as long as the client listens.
    fn changes(&self, client: &McpClient) -> BoxStream<'static, McpChange> {
        let _ = client;
        stream::pending().boxed()
    }
}

/// What clients may ask for besides what there always is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is declared by itself")]
pub struct McpCapabilities {
    /// Messages for a log are sent while a request is answered.
    pub logging: bool,
    /// Changes of a resource are told to those who subscribe to it.
    pub subscribe: bool,
    /// The list of tools changes, and that is told.
    pub tools_change: bool,
    /// The list of prompts changes, and that is told.
    pub prompts_change: bool,
    /// The list of resources changes, and that is told.
    pub resources_change: bool,
}

impl McpCapabilities {
    /// What either of both has.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            logging: self.logging || other.logging,
            subscribe: self.subscribe || other.subscribe,
            tools_change: self.tools_change || other.tools_change,
            prompts_change: self.prompts_change || other.prompts_change,
            resources_change: self.resources_change || other.resources_change,
        }
    }

    /// Whether there is anything to listen to.
    #[must_use]
    pub fn any_change(self) -> bool {
        self.subscribe || self.tools_change || self.prompts_change || self.resources_change
    }
}

/// A list that clients can ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum McpList {
    /// `tools/list`.
    Tools,
    /// `resources/list`.
    Resources,
    /// `resources/templates/list`.
    ResourceTemplates,
    /// `prompts/list`.
    Prompts,
}

impl McpList {
    /// The name of the list in its result.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tools => "tools",
            Self::Resources => "resources",
            Self::ResourceTemplates => "resourceTemplates",
            Self::Prompts => "prompts",
        }
    }
}

/// What a request is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum McpMethod {
    /// `tools/call`.
    CallTool,
    /// `resources/read`.
    ReadResource,
    /// `resources/subscribe`; only of clients with a session.
    Subscribe,
    /// `resources/unsubscribe`; only of clients with a session.
    Unsubscribe,
    /// `prompts/get`.
    GetPrompt,
    /// `completion/complete`.
    Complete,
}

/// A request of a client.
#[derive(Debug, Clone, PartialEq)]
pub struct McpRequest {
    /// What it is about.
    pub method: McpMethod,
    /// Its parameters, as they came.
    pub params: Map<String, Value>,
}

/// Something that changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum McpChange {
    /// The list of tools.
    Tools,
    /// The list of prompts.
    Prompts,
    /// The list of resources.
    Resources,
    /// The resource with that URI.
    Resource(String),
}
