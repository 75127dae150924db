//! Goose.

use std::path::Path;

use serde_json::json;

use super::{AfterRefusal, CodingAgent};
use crate::fake_model::{self, FakeModel, ToolCall};
use crate::trials::Trials;

static GOOSE: CodingAgent = CodingAgent {
    preset: "goose",
    program: "goose/node_modules/@aaif/goose-binary-linux-x64/bin/goose",
    variable: "PORTWAY_TEST_GOOSE",
    missing: "Goose is not installed: run `cargo xtask test`, or set PORTWAY_TEST_GOOSE",
    configure,
    shell,
    tells_output: true,
    after_refusal: AfterRefusal::GoesOn,
};

pub(super) fn add(trials: &mut Trials) {
    GOOSE.add_shared(trials);
}

fn configure(_: &Path, model: &FakeModel) -> Vec<(&'static str, String)> {
    vec![
        ("GOOSE_MODEL", "fake-1".to_owned()),
        ("GOOSE_PROVIDER", "openai".to_owned()),
        ("OPENAI_API_KEY", fake_model::KEY.to_owned()),
        ("OPENAI_HOST", model.url()),
    ]
}

fn shell(command: &str) -> ToolCall {
    ToolCall { name: "shell", arguments: json!({"command": command, "description": "the test wants it"}) }
}
