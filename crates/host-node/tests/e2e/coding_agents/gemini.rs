//! Gemini CLI.

use std::path::Path;

use serde_json::json;

use super::{AfterRefusal, CodingAgent};
use crate::fake_model::{self, FakeModel, ToolCall};
use crate::trials::Trials;

static GEMINI: CodingAgent = CodingAgent {
    preset: "gemini",
    program: "gemini/node_modules/.bin/gemini",
    variable: "PORTWAY_TEST_GEMINI",
    missing: "Gemini CLI is not installed: run `cargo xtask test`, or set PORTWAY_TEST_GEMINI",
    configure,
    shell,
    tells_output: false,
    after_refusal: AfterRefusal::GoesOn,
};

pub(super) fn add(trials: &mut Trials) {
    GEMINI.add_step(trials, "holds_a_conversation_beyond_a_restart", async |stage| {
        stage.holds_a_conversation().await;
        stage.goes_on_after_a_restart(begin_in_another_minute).await;
    });
}

fn configure(_: &Path, model: &FakeModel) -> Vec<(&'static str, String)> {
    vec![("GEMINI_API_KEY", fake_model::KEY.to_owned()), ("GOOGLE_GEMINI_BASE_URL", model.url())]
}

/// Gemini CLI names the file of a conversation by the minute, and when it loads one it begins such a file: within the
/// minute in which a conversation began it writes over it.
fn begin_in_another_minute(home: &Path) {
    for folder in std::fs::read_dir(home.join(".gemini/tmp")).unwrap() {
        let chats = std::fs::read_dir(folder.unwrap().path().join("chats")).into_iter().flatten();
        for chat in chats.map(Result::unwrap) {
            let name = chat.file_name().into_string().unwrap();
            let (_, id) = name.rsplit_once('-').unwrap();
            std::fs::rename(chat.path(), chat.path().with_file_name(format!("session-2000-01-01T00-00-{id}"))).unwrap();
        }
    }
}

fn shell(command: &str) -> ToolCall {
    ToolCall { name: "run_shell_command", arguments: json!({"command": command, "description": "the test wants it"}) }
}
