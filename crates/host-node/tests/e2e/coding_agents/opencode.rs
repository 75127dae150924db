//! OpenCode.

use std::path::Path;

use portway_protocol::message::FinishReason;
use serde_json::json;

use super::{AfterRefusal, CodingAgent};
use crate::fake_model::{self, FakeModel, ToolCall};
use crate::trials::Trials;

static OPENCODE: CodingAgent = CodingAgent {
    preset: "opencode",
    program: "opencode/node_modules/opencode-linux-x64-baseline/bin/opencode",
    variable: "PORTWAY_TEST_OPENCODE",
    missing: "OpenCode is not installed: run `cargo xtask test`, or set PORTWAY_TEST_OPENCODE",
    configure,
    shell,
    tells_output: true,
    after_refusal: AfterRefusal::Ends(FinishReason::EndTurn),
};

pub(super) fn add(trials: &mut Trials) {
    OPENCODE.add_step(trials, "holds_a_conversation", async |stage| stage.holds_a_conversation().await);
}

/// It takes the address of a model server only from a file.
fn configure(home: &Path, model: &FakeModel) -> Vec<(&'static str, String)> {
    let file = home.join("opencode.json");
    let provider = json!({"options": {"baseURL": format!("{}/v1", model.url())}});
    let config = json!({"model": "anthropic/claude-sonnet-4-5", "provider": {"anthropic": provider}});
    std::fs::write(&file, config.to_string()).unwrap();
    vec![("ANTHROPIC_API_KEY", fake_model::KEY.to_owned()), ("OPENCODE_CONFIG", file.display().to_string())]
}

fn shell(command: &str) -> ToolCall {
    ToolCall { name: "bash", arguments: json!({"command": command, "description": "the test wants it"}) }
}
