//! Memories: what the caller wants agents to know from one session to the next.

use garde::Validate;
use http::{Method, StatusCode};
use portway_domain::access::Permission;
use portway_domain::ids::MemoryId;
use portway_domain::memories::{Memory, MemoryCategory};
use portway_domain::search::{MAX_QUERY_CHARS, Query};
use portway_ports::memories::MemoryFilter;
use portway_services::error::Error;
use portway_services::memories::NewMemory;
use portway_services::{Context, Services};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Answer, SUCCESS, State, Success};
use crate::operation::Operation;

/// Memories when the caller does not say how many.
const DEFAULT_MEMORIES: u32 = 50;

const MEMORIES: &str = "/api/me/memories";

pub(super) fn rows() -> Vec<Operation<Services>> {
    vec![
        Operation::new("memories.list", Method::GET, MEMORIES, Permission::SignedIn)
            .summary("Look at one's memories")
            .describe(
                "The most relevant first. With `query`, those that have any of its words, the best first; it is written as \
                 that of `/api/search`.",
            )
            .handler(list),
        Operation::new("memories.create", Method::POST, MEMORIES, Permission::SignedIn)
            .summary("Remember something")
            .describe("There are 200 memories at most: the least relevant goes, and never the new one.")
            .status(StatusCode::CREATED)
            .keeps_result()
            .handler(create),
        Operation::new("memories.recall", Method::POST, "/api/me/memories/recall", Permission::SignedIn)
            .summary("Read memories to work with them")
            .describe("As looking at them, but each that is answered becomes more relevant by 0.1, up to 2.0.")
            .handler(recall),
        Operation::new("memories.delete", Method::DELETE, "/api/me/memories/{id}", Permission::SignedIn)
            .summary("Forget something")
            .describe("The memory is gone for good.")
            .handler(delete),
    ]
}

/// What a memory is about.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum CategoryName {
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

impl From<CategoryName> for MemoryCategory {
    fn from(name: CategoryName) -> Self {
        match name {
            CategoryName::Preference => Self::Preference,
            CategoryName::Workflow => Self::Workflow,
            CategoryName::Context => Self::Context,
            CategoryName::Project => Self::Project,
            CategoryName::Decision => Self::Decision,
            CategoryName::General => Self::General,
        }
    }
}

/// Which memories.
#[derive(Debug, Deserialize, JsonSchema, Validate)]
pub(crate) struct MemoryQuery {
    /// Only those of this category.
    #[garde(skip)]
    category: Option<CategoryName>,
    /// Only those that have any of these words.
    #[garde(length(chars, max = MAX_QUERY_CHARS))]
    query: Option<String>,
    /// Memories of the answer, brought to between 1 and 200; 50 if left out.
    #[garde(skip)]
    limit: Option<i64>,
}

impl From<MemoryQuery> for MemoryFilter {
    fn from(input: MemoryQuery) -> Self {
        let query = input.query.filter(|text| !text.trim().is_empty()).map(|text| Query::parse(&text));
        let limit = input.limit.map_or(DEFAULT_MEMORIES, |limit| u32::try_from(limit.max(0)).unwrap_or(u32::MAX));
        Self::new(input.category.map(Into::into), query, limit)
    }
}

/// One's memories.
#[derive(Debug, Serialize, JsonSchema)]
struct MemoryList {
    memories: Vec<MemoryView>,
}

/// A memory.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MemoryView {
    id: String,
    user_id: String,
    /// Always `default`.
    org_id: &'static str,
    /// `preference`, `workflow`, `context`, `project`, `decision` or `general`.
    category: &'static str,
    content: String,
    /// 0.0 to 2.0.
    relevance: f64,
    created_at: String,
    last_accessed_at: String,
}

impl From<Memory> for MemoryView {
    fn from(memory: Memory) -> Self {
        Self {
            id: memory.id.into(),
            user_id: memory.user.into(),
            org_id: "default",
            category: memory.category.as_str(),
            content: memory.content,
            relevance: memory.relevance.as_f64(),
            created_at: memory.created_at.to_string(),
            last_accessed_at: memory.last_accessed_at.to_string(),
        }
    }
}

async fn list(services: State, context: Context, input: MemoryQuery) -> Answer<MemoryList> {
    let memories = services.memories(&context, &input.into()).await?;
    Ok(MemoryList { memories: memories.into_iter().map(Into::into).collect() })
}

async fn recall(services: State, context: Context, input: MemoryQuery) -> Answer<MemoryList> {
    let memories = services.recall_memories(&context, &input.into()).await?;
    Ok(MemoryList { memories: memories.into_iter().map(Into::into).collect() })
}

/// Something to remember.
#[derive(Debug, Deserialize, JsonSchema, Validate)]
pub(crate) struct CreateMemory {
    #[garde(length(chars, min = 1, max = 5_000))]
    content: String,
    /// What it is about.
    #[garde(skip)]
    category: CategoryName,
}

/// The memory that was made.
#[derive(Debug, Serialize, JsonSchema)]
struct OnlyMemory {
    memory: MemoryView,
}

impl From<CreateMemory> for NewMemory {
    fn from(input: CreateMemory) -> Self {
        Self { category: input.category.into(), content: input.content }
    }
}

async fn create(services: State, context: Context, input: CreateMemory) -> Answer<OnlyMemory> {
    Ok(OnlyMemory { memory: services.remember(&context, input.into()).await?.into() })
}

/// A memory.
#[derive(Debug, Deserialize, JsonSchema, Validate)]
struct MemoryPath {
    /// The memory.
    #[garde(skip)]
    id: String,
}

async fn delete(services: State, context: Context, input: MemoryPath) -> Answer<Success> {
    let id = MemoryId::parse(input.id.as_str()).map_err(|_| Error::NotFound { resource: "Memory", id: input.id })?;
    services.forget_memory(&context, &id).await?;
    Ok(SUCCESS)
}
