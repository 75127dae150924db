//! Codex over its ACP adapter.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;

use portway_protocol::message::FinishReason;
use serde_json::json;

use super::{AfterRefusal, CodingAgent, Installed, home};
use crate::fake_model::{self, Answer, FakeModel, Script, ToolCall};
use crate::trials::Trials;

static CODEX: CodingAgent = CodingAgent {
    preset: "codex",
    program: "codex/node_modules/.bin/codex-acp",
    variable: "PORTWAY_TEST_CODEX",
    missing: "Codex is not installed: run `cargo xtask test`, or set PORTWAY_TEST_CODEX",
    configure,
    shell,
    tells_output: true,
    after_refusal: AfterRefusal::Ends(FinishReason::Canceled),
};

pub(super) fn add(trials: &mut Trials) {
    CODEX.add_shared(trials);
    CODEX.add_step(trials, "uses_the_model_that_is_named", async |stage| stage.uses_the_model_that_is_named().await);
    CODEX.add(trials, "lists_its_own_sessions", lists_its_own_sessions);
    CODEX.add(trials, "tells_that_its_model_failed", tells_that_its_model_failed);
    CODEX.add(trials, "tells_that_its_model_is_out_of_order", tells_that_its_model_is_out_of_order);
}

fn configure(home: &Path, model: &FakeModel) -> Vec<(&'static str, String)> {
    let url = model.url();
    let config = format!(
        r#"
model = "fake-1"
model_provider = "fake"
approval_policy = "on-request"
sandbox_mode = "read-only"
check_for_update_on_startup = false

[model_providers.fake]
name = "Fake"
base_url = "{url}/v1"
env_key = "CODEX_API_KEY"
wire_api = "responses"
request_max_retries = 1
stream_max_retries = 1
"#
    );
    std::fs::write(home.join("config.toml"), config).unwrap();
    vec![
        ("CODEX_API_KEY", fake_model::KEY.to_owned()),
        ("CODEX_HOME", home.display().to_string()),
        ("INITIAL_AGENT_MODE", "read-only".to_owned()),
    ]
}

/// Outside of its own sandbox: that is what it asks the user about.
fn shell(command: &str) -> ToolCall {
    let arguments = json!({
        "cmd": command,
        "sandbox_permissions": "require_escalated",
        "justification": "the test wants it",
    });
    ToolCall { name: "exec_command", arguments }
}

async fn tells_that_its_model_failed(codex: Installed) {
    let script = [("Hello", vec![Answer::Failure("insufficient_quota")]), ("Again", vec![Answer::Text(&["Hello."])])];
    let mut stage = codex.start_with(Script::from(script)).await;
    let answer = stage.ask("Hello").await;
    assert_eq!(answer.finish(), Some(FinishReason::Error));
    let error = answer.error().unwrap_or_else(|| panic!("no error: {answer:#?}"));
    assert!(error.contains("Quota exceeded"), "{error}");
    assert!(stage.ask("Again").await.content.ends_with("Hello."), "the session goes on");
}

async fn tells_that_its_model_is_out_of_order(codex: Installed) {
    let script = [("Hello", vec![Answer::Refusal(500)]), ("Again", vec![Answer::Text(&["Hello."])])];
    let mut stage = codex.start_with(Script::from(script)).await;
    let answer = stage.ask("Hello").await;
    // Codex says so in prose and ends the turn as if all were well.
    assert_eq!(answer.finish(), Some(FinishReason::EndTurn));
    assert!(answer.content.contains("temporary errors"), "{}", answer.content);
    assert!(stage.model.asked("Hello").len() > 1, "it tries again");
    assert!(stage.ask("Again").await.content.ends_with("Hello."), "the session goes on");
}

/// It is a client of the gateway that it works for.
async fn lists_its_own_sessions(codex: Installed) {
    let call = ToolCall { name: "mcp__portway.sessions_list", arguments: json!({ "limit": 5 }) };
    let listed = vec![Answer::Call { text: "", call }, Answer::Text(&["There they are."])];
    let mut stage = codex.start_with(Script::from([("List your sessions", listed)])).await;
    let api = stage.gateway.api();
    let server = format!(
        "\n[mcp_servers.portway]\nurl = \"http://{}/mcp\"\nhttp_headers = {{ Authorization = \"Bearer {}\" }}\n",
        api.address(),
        api.key()
    );
    let mut config = File::options().append(true).open(home(&stage.gateway).join("config.toml")).unwrap();
    config.write_all(server.as_bytes()).unwrap();
    // Its configuration is read when it is started.
    stage.session.terminate().await;
    stage.session = api.session_with("codex").await;
    stage.socket = stage.session.socket().await;
    let answer = stage.ask("List your sessions").await;
    assert!(answer.content.ends_with("There they are."), "{answer:#?}");
    let asked = stage.model.asked("List your sessions");
    let output = asked.last().unwrap().tool_output.clone().unwrap();
    assert!(output.contains(&stage.session.id), "{output}");
}
