//! Clients of the Model Context Protocol: over HTTP in both lifecycles, and on standard input and output.

use std::io::Write as _;
use std::process::Stdio;

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::harness::api::{Api, Reply, send};
use crate::harness::eventually;
use crate::harness::gateway::{Gateway, bare_command};
use crate::sharing::{gateway_with, seen_by};
use crate::trials::Trials;

pub(crate) fn add(trials: &mut Trials) {
    trials.add("mcp::a_model_has_an_agent_work_for_it", a_model_has_an_agent_work_for_it);
    trials.add("mcp::a_session_of_a_client_is_its_users_alone", a_session_of_a_client_is_its_users_alone);
    trials.add("mcp::a_session_of_a_client_outlives_the_gateway", a_session_of_a_client_outlives_the_gateway);
    trials.add("mcp::questions_are_answered_by_people", questions_are_answered_by_people);
    trials.add("mcp::standard_input_is_a_client_too", standard_input_is_a_client_too);
    trials.add("mcp::standard_input_needs_a_key", standard_input_needs_a_key);
}

/// A request that stands by itself.
pub(crate) fn alone(request: RequestBuilder, method: &str, params: Value) -> RequestBuilder {
    let message = lone(1, method, params);
    let mut request = request.header("accept", "application/json, text/event-stream");
    request = request.header("mcp-protocol-version", "2026-07-28").header("mcp-method", method);
    let named = ["name", "uri"].into_iter().find_map(|name| message["params"][name].as_str());
    if let Some(named) = named {
        request = request.header("mcp-name", named);
    }
    request.json(&message)
}

/// The message of such a request.
fn lone(id: u32, method: &str, mut params: Value) -> Value {
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })
}

/// The result of a request that stands by itself.
async fn result(api: &Api, method: &str, params: Value) -> Value {
    let mut answer = send(alone(api.request(Method::POST, "/mcp"), method, params)).await.expect(200);
    assert_eq!(answer["result"]["resultType"], "complete", "{answer}");
    answer["result"].take()
}

async fn call(api: &Api, tool: &str, arguments: Value) -> Value {
    let mut result = result(api, "tools/call", json!({ "name": tool, "arguments": arguments })).await;
    assert_eq!(result.get("isError"), None, "{result}");
    result["structuredContent"].take()
}

/// Begins a session; answers with its id.
async fn begin(api: &Api) -> String {
    let params =
        json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "c", "version": "1" } });
    let message = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params });
    let reply = send(api.request(Method::POST, "/mcp").json(&message)).await;
    assert_eq!(reply.expect(200)["result"]["serverInfo"]["name"], "portway");
    reply.header("mcp-session-id").to_owned()
}

async fn ping(api: &Api, session: &str) -> Reply {
    let message = json!({ "jsonrpc": "2.0", "id": 2, "method": "ping" });
    send(api.request(Method::POST, "/mcp").header("mcp-session-id", session).json(&message)).await
}

async fn a_model_has_an_agent_work_for_it() {
    let gateway = Gateway::start("").await;
    let api = gateway.api();
    let opened =
        call(&api, "sessions_create", json!({ "workspace": "w", "agent": "demo", "title": "By a model" })).await;
    let id = opened["session"]["id"].as_str().unwrap();
    call(&api, "messages_create", json!({ "id": id, "content": "/say one two" })).await;
    let listed = result(&api, "resources/list", json!({})).await;
    let resource = listed["resources"].as_array().unwrap().iter().find(|resource| resource["title"] == "By a model");
    let uri = resource.unwrap()["uri"].as_str().unwrap();
    let transcript = eventually("the agent has answered", async || {
        let read = result(&api, "resources/read", json!({ "uri": uri })).await;
        let text = read["contents"][0]["text"].as_str()?.to_owned();
        (text.contains("## assistant") && text.contains("Messages after these: ")).then_some(text)
    })
    .await;
    assert!(transcript.contains("/say one two") && transcript.contains("\n\none two\n"), "{transcript}");
    let (_, rest) = transcript.rsplit_once("Messages after these: ").unwrap();
    let read = result(&api, "resources/read", json!({ "uri": rest.trim() })).await;
    assert_eq!(read["contents"][0]["text"], "There are no messages.\n");
    let prompt = json!({ "name": "summarise_session", "arguments": { "session": id } });
    let prompt = result(&api, "prompts/get", prompt).await;
    assert!(prompt["messages"][1]["content"]["resource"]["text"].as_str().unwrap().contains("one two"));
    let argument = json!({ "name": "session", "value": &id[..8] });
    let of = json!({ "type": "ref/prompt", "name": "summarise_session" });
    let completed = result(&api, "completion/complete", json!({ "ref": of, "argument": argument })).await;
    assert_eq!(completed["completion"]["values"], json!([id]));
    let reference = result(&api, "resources/read", json!({ "uri": "portway://api/openapi.json" })).await;
    assert!(reference["contents"][0]["text"].as_str().unwrap().contains("\"sessions.create\""));
    let nothing = json!({ "uri": "portway://sessions/unknown/transcript" });
    let refused = send(alone(api.request(Method::POST, "/mcp"), "resources/read", nothing)).await.expect(200);
    assert_eq!(refused["error"]["code"], -32602);
    call(&api, "sessions_terminate", json!({ "id": id })).await;
}

async fn a_session_of_a_client_is_its_users_alone() {
    let gateway = gateway_with(&["viewer"]).await;
    let api = gateway.api();
    let session = begin(&api).await;
    assert_eq!(ping(&api, &session).await.expect(200)["result"], json!({}));
    let other = seen_by(&api.demo_session().await, "viewer").api;
    ping(&other, &session).await.refused(404, "NOT_FOUND");
    let end = async |api: &Api| send(api.request(Method::DELETE, "/mcp").header("mcp-session-id", &session)).await;
    assert_eq!((end(&other).await.status, end(&api).await.status), (404, 204));
    ping(&api, &session).await.refused(404, "NOT_FOUND");
    let unknown = api.with_key("sk_test_unknown000000000000000000000000");
    let reply = ping(&unknown, &session).await;
    reply.refused(401, "UNAUTHORIZED");
    assert!(reply.header("www-authenticate").contains("/.well-known/oauth-protected-resource/mcp"), "{reply:?}");
}

async fn a_session_of_a_client_outlives_the_gateway() {
    let mut gateway = Gateway::start("").await;
    let session = begin(&gateway.api()).await;
    gateway.restart().await;
    ping(&gateway.api(), &session).await.expect(200);
}

async fn questions_are_answered_by_people() {
    let gateway = Gateway::start("").await;
    let api = gateway.api();
    let tools = result(&api, "tools/list", json!({})).await;
    let tools = tools["tools"].as_array().unwrap();
    let has = |name: &str| tools.iter().any(|tool| tool["name"] == name);
    assert!(has("messages_create") && tools.len() > 35, "{} tools", tools.len());
    for name in ["questions_answer", "api_keys_create", "sessions_sandbox_token", "auth_logout"] {
        assert!(!has(name), "{name}");
        let params = json!({ "name": name, "arguments": {} });
        let refused = send(alone(api.request(Method::POST, "/mcp"), "tools/call", params)).await.expect(200);
        assert_eq!(refused["error"]["code"], -32602, "{name}");
    }
}

/// What `portway mcp` answers to those messages, in whatever order.
fn answers(api: &Api, messages: &[Value]) -> Vec<Value> {
    let nowhere = tempfile::tempdir().unwrap();
    let mut command = bare_command();
    command.arg("mcp").env("PORTWAY_DATA", nowhere.path()).env("PORTWAY_KEY", api.key());
    command.env("PORTWAY_SERVER", format!("http://{}", api.address()));
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    for message in messages {
        writeln!(input, "{message}").unwrap();
    }
    drop(input);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{:?}", output.status);
    String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

async fn standard_input_is_a_client_too() {
    let gateway = Gateway::start("").await;
    let api = gateway.api();
    let params =
        json!({ "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": { "name": "c", "version": "1" } });
    let listed = json!({ "name": "sessions_list", "arguments": { "limit": 1 } });
    let said = answers(
        &api,
        &[
            json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params }),
            json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }),
            json!({ "jsonrpc": "2.0", "id": "l", "method": "tools/call", "params": listed }),
            json!([]),
            lone(5, "tools/call", json!({ "name": "agents_list" })),
            lone(6, "nothing/there", json!({})),
        ],
    );
    let find = |id: Value| said.iter().find(|answer| answer["id"] == id).unwrap_or_else(|| panic!("{id}: {said:?}"));
    assert_eq!(find(json!(0))["result"]["protocolVersion"], "2025-06-18");
    assert_eq!(find(json!("l"))["result"]["structuredContent"]["sessions"], json!([]));
    assert_eq!(find(Value::Null)["error"]["code"], -32600);
    assert_eq!(find(json!(5))["result"]["resultType"], "complete");
    assert_eq!(find(json!(6))["error"]["code"], -32601);
    assert_eq!(said.len(), 5, "{said:?}");
}

async fn standard_input_needs_a_key() {
    let gateway = Gateway::start("").await;
    let api = gateway.api().with_key("sk_test_unknown000000000000000000000000");
    let said = answers(&api, &[lone(1, "tools/list", json!({}))]);
    assert!(said[0]["error"]["message"].as_str().unwrap().contains("PORTWAY_KEY"), "{said:?}");
}
