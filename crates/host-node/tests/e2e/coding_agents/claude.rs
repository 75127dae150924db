//! Claude Code.

use std::path::Path;

use serde_json::json;

use super::{AfterRefusal, CodingAgent};
use crate::fake_model::{self, FakeModel, ToolCall};
use crate::trials::Trials;

static CLAUDE: CodingAgent = CodingAgent {
    preset: "claude",
    program: "claude/node_modules/.bin/claude-agent-acp",
    variable: "PORTWAY_TEST_CLAUDE",
    missing: "Claude Code is not installed: run `cargo xtask test`, or set PORTWAY_TEST_CLAUDE",
    configure,
    shell,
    tells_output: true,
    after_refusal: AfterRefusal::GoesOn,
};

pub(super) fn add(trials: &mut Trials) {
    CLAUDE.add_step(trials, "holds_a_conversation_beyond_a_restart", async |stage| {
        stage.holds_a_conversation().await;
        stage.goes_on_after_a_restart(|_| ()).await;
    });
}

fn configure(_: &Path, model: &FakeModel) -> Vec<(&'static str, String)> {
    vec![("ANTHROPIC_API_KEY", fake_model::KEY.to_owned()), ("ANTHROPIC_BASE_URL", model.url())]
}

fn shell(command: &str) -> ToolCall {
    ToolCall { name: "Bash", arguments: json!({"command": command, "description": "the test wants it"}) }
}
