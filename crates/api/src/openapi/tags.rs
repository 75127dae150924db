//! The groups that operations stand in.

use serde_json::{Value, json};

/// Every group of the product, and what it is about.
const DESCRIPTIONS: [(&str, &str); 16] = [
    ("health", "Probes."),
    ("auth", "The caller."),
    ("api_keys", "Keys for programs."),
    ("agents", "What can work in a session."),
    ("sessions", "An agent and its sandbox."),
    ("participants", "Who else takes part in a session."),
    ("share_links", "Links to join a session."),
    ("messages", "The transcript of a session."),
    ("prompts", "Prompts that wait."),
    ("questions", "What an agent asks."),
    ("search", "Finding messages."),
    ("memories", "What agents should remember."),
    ("attachments", "What goes with messages."),
    ("events", "What happens in all of one's sessions."),
    ("mcp", "The Model Context Protocol."),
    ("system", "The gateway itself."),
];

/// The tag object of a group.
pub(super) fn object(name: &str) -> Value {
    match DESCRIPTIONS.iter().find(|(known, _)| *known == name) {
        Some((_, description)) => json!({ "name": name, "description": description }),
        None => json!({ "name": name }),
    }
}
