//! What the conformance suite of the Model Context Protocol asks a server for: tools, prompts and resources that only tests
//! need.
//!
//! The suite judges the gateway that they are mounted in: its endpoint, who is let in there, and its limits. The binary of
//! this crate is the native gateway with them; the Worker of the tests has them too.

mod changes;
mod content;
mod dialogue;
mod dialogues;
mod input;
mod prompts;
mod resources;
mod state;
mod tools;

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use portway_api::{McpCapabilities, McpChange, McpClient, McpError, McpFeatures, McpList, McpMethod, McpRequest};
use portway_ports::system::{Clock, Entropy};
use serde_json::{Value, json};

use self::changes::Changes;
use self::state::StateKey;

/// All of it, under the names that the suite asks for.
pub struct Fixtures {
    clock: Arc<dyn Clock>,
    states: StateKey,
    changes: Changes,
}

impl Fixtures {
    /// Ready to be mounted. What they change, and the states that they give out, are known to these alone.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, entropy: &dyn Entropy) -> Self {
        Self { clock, states: StateKey::new(entropy.draw()), changes: Changes::default() }
    }
}

#[async_trait]
impl McpFeatures for Fixtures {
    fn capabilities(&self) -> McpCapabilities {
        McpCapabilities {
            logging: true,
            subscribe: true,
            tools_change: true,
            prompts_change: true,
            resources_change: false,
        }
    }

    async fn list(&self, list: McpList, _client: &McpClient) -> Vec<Value> {
        match list {
            McpList::Tools => self.tools(),
            McpList::Prompts => self.prompts(),
            McpList::Resources => resources::all(),
            McpList::ResourceTemplates => resources::templates(),
        }
    }

    async fn answer(&self, request: &McpRequest, client: &McpClient) -> Option<Result<Value, McpError>> {
        let params = &request.params;
        match request.method {
            McpMethod::CallTool => self.call(params, client).await,
            McpMethod::GetPrompt => self.prompt(params, client).await,
            McpMethod::ReadResource => resources::read(params).map(Ok),
            McpMethod::Subscribe | McpMethod::Unsubscribe => resources::read(params).map(|_| Ok(json!({}))),
            McpMethod::Complete => prompts::complete(params).map(Ok),
        }
    }

    fn changes(&self, _client: &McpClient) -> BoxStream<'static, McpChange> {
        self.changes.listen()
    }
}
