//! Operations on every surface that they are offered on: REST, JSON-RPC, MCP and the command line.

use std::io::Write as _;
use std::process::Stdio;

use portway_api::{Operation, Row, Surfaces};
use portway_domain::access::Permission;
use portway_services::Services;
use reqwest::{Method, RequestBuilder};
use schemars::SchemaGenerator;
use serde_json::{Map, Value, json};

use crate::harness::api::{Api, send};
use crate::harness::eventually;
use crate::harness::gateway::{Gateway, bare_command};
use crate::harness::session::Session;
use crate::mcp::alone;
use crate::sharing::{gateway_with, let_in, seen_by};
use crate::trials::Trials;

pub(crate) fn add(trials: &mut Trials) {
    trials.add("surfaces::every_operation_answers_alike_on_all", every_operation_answers_alike_on_all);
    trials.add("surfaces::a_session_from_the_command_line", a_session_from_the_command_line);
    trials.add("surfaces::shells_complete_operations", shells_complete_operations);
    trials.add("surfaces::a_batch_runs_a_session", a_batch_runs_a_session);
    trials.add("surfaces::a_key_counts_on_all_surfaces_together", a_key_counts_on_all_surfaces_together);
    trials.add("surfaces::every_change_is_made_once", every_change_is_made_once);
}

/// What became of a call: the code of its error, if it had one.
type Outcome = Result<Value, String>;

/// Who calls: nobody, a member who looks on at the session, one who does not, and the administrator, whose session it is.
const CALLERS: [&str; 4] = ["nobody", "viewer", "member", "admin"];

/// Somebody who calls at a gateway, perhaps without a key.
struct Caller {
    api: Api,
    has_key: bool,
    /// The idempotency key of all requests.
    once: Option<&'static str>,
}

impl Caller {
    fn admin(gateway: &Gateway) -> Self {
        Self { api: gateway.api(), has_key: true, once: None }
    }

    fn of(session: &Session, name: &str) -> Self {
        let api = match name {
            "nobody" | "admin" => session.api.clone(),
            member => seen_by(session, member).api,
        };
        Self { api, has_key: name != "nobody", once: None }
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = if self.has_key { self.api.request(method, path) } else { self.api.anonymous(method, path) };
        match self.once {
            Some(key) => request.header("idempotency-key", key),
            None => request,
        }
    }

    async fn over_rest(&self, row: &Row, input: &Map<String, Value>) -> Outcome {
        let mut rest = input.clone();
        let mut segment = |segment: &str| match segment.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
            Some(name) => rest.remove(name).unwrap().as_str().unwrap().to_owned(),
            None => segment.to_owned(),
        };
        let path = row.path.split('/').map(&mut segment).collect::<Vec<_>>().join("/");
        let method = Method::from_bytes(row.method.as_str().as_bytes()).unwrap();
        let request = if [Method::GET, Method::DELETE].contains(&method) {
            let query = rest.iter().map(|(name, value)| format!("{name}={}", value.to_string().trim_matches('"')));
            self.request(method, &format!("{path}?{}", query.collect::<Vec<_>>().join("&")))
        } else {
            self.request(method, &path).json(&rest)
        };
        let reply = send(request).await;
        let answer: Value = serde_json::from_str(&reply.text).unwrap_or_default();
        match answer["code"].as_str() {
            Some(code) if reply.status >= 400 => Err(code.to_owned()),
            _ => Ok(answer),
        }
    }

    async fn over_rpc(&self, row: &Row, input: &Map<String, Value>) -> Outcome {
        let call = json!({ "jsonrpc": "2.0", "id": "a", "method": row.name, "params": input });
        let mut answer = send(self.request(Method::POST, "/rpc").json(&call)).await.expect(200);
        assert_eq!((&answer["jsonrpc"], &answer["id"]), (&json!("2.0"), &json!("a")), "{answer}");
        match answer["error"]["data"]["code"].as_str() {
            Some(code) => Err(code.to_owned()),
            None => Ok(answer["result"].take()),
        }
    }

    async fn over_mcp(&self, row: &Row, input: &Map<String, Value>) -> Outcome {
        let params = json!({ "name": row.name.replace('.', "_"), "arguments": input });
        let reply = send(alone(self.request(Method::POST, "/mcp"), "tools/call", params)).await;
        let mut answer: Value = serde_json::from_str(&reply.text).unwrap_or_default();
        if reply.status == 401 {
            return Err(answer["code"].as_str().unwrap().to_owned());
        }
        let result = &mut answer["result"];
        assert_eq!((reply.status, &result["content"][0]["type"]), (200, &json!("text")), "{}", reply.text);
        match result["_meta"]["portway/error"]["code"].as_str() {
            Some(code) => Err(code.to_owned()),
            None => Ok(result["structuredContent"].take()),
        }
    }

    fn over_command_line(&self, row: &Row, input: &Map<String, Value>) -> Outcome {
        let ended = self.run(&[row.name, "--input", "-"], &Value::from(input.clone()).to_string());
        match ended.exit {
            0 => Ok(serde_json::from_str(&ended.stdout).unwrap_or_default()),
            4 => Err("UNAUTHORIZED".to_owned()),
            _ => Err(ended.code().to_owned()),
        }
    }

    /// Runs `portway api`, with that text on its standard input.
    fn run(&self, arguments: &[&str], stdin: &str) -> Ended {
        let nowhere = tempfile::tempdir().unwrap();
        let mut command = bare_command();
        command.arg("api").args(arguments).env("PORTWAY_DATA", nowhere.path());
        command.env("PORTWAY_SERVER", format!("http://{}", self.api.address()));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        if self.has_key {
            command.env("PORTWAY_KEY", self.api.key());
        }
        let mut child = command.spawn().unwrap();
        // One that does not read it may have ended.
        let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
        let output = child.wait_with_output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Ended { exit: output.status.code().unwrap(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }
}

/// How `portway api` ended.
#[derive(Debug)]
struct Ended {
    exit: i32,
    stdout: String,
    stderr: String,
}

impl Ended {
    /// The code of the error that it told.
    fn code(&self) -> &str {
        let (_, code) = self.stderr.trim_end().rsplit_once('(').unwrap_or_else(|| panic!("{self:?}"));
        code.trim_end_matches(')')
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|_| panic!("{self:?}"))
    }
}

/// Input that an operation takes, about that session.
fn input(operation: &Operation<Services>, session: &str) -> Map<String, Value> {
    let own = match operation.row().name {
        "api_keys.create" => json!({ "name": "a key" }),
        "api_keys.revoke" | "memories.delete" => json!({ "id": "unknown" }),
        "memories.create" => json!({ "content": "Tea, not coffee", "category": "preference" }),
        "messages.create" => json!({ "content": "/say hello" }),
        "participants.add" => json!({ "email": "nobody@localhost", "role": "viewer" }),
        "questions.answer" => json!({ "answer": true }),
        "search.messages" => json!({ "q": "hello" }),
        "sessions.bulk_delete" => json!({ "sessionIds": [session] }),
        "sessions.create" => json!({ "workspace": "w", "agent": "demo" }),
        "sessions.list" => json!({ "limit": 2, "ownership": "mine" }),
        "sessions.update" => json!({ "title": "Title" }),
        "share_links.create" => json!({ "role": "viewer" }),
        _ => json!({}),
    };
    let schema = operation.input_schema(&mut SchemaGenerator::default()).to_value();
    let named = |name: &str| operation.row().path.contains(&format!("{{{name}}}"));
    let names = schema["properties"].as_object().into_iter().flat_map(Map::keys);
    let of_path = names.filter(|name| named(name)).map(|name| {
        let value = if name == "id" { session } else { "unknown" };
        (name.clone(), json!(value))
    });
    let mut input: Map<String, Value> = of_path.collect();
    input.extend(own.as_object().unwrap().clone());
    input
}

/// A session that a viewer looks on at, and whose runner is there.
async fn session(gateway: &Gateway) -> Session {
    let session = gateway.api().demo_session().await;
    let_in(&session, "viewer", "viewer").await;
    eventually("the runner is there", async || {
        (session.detail().await["doStatus"]["runnerConnected"] == true).then_some(())
    })
    .await;
    session
}

/// What an answer consists of: ids and times differ.
fn names(outcome: &Outcome) -> Result<Vec<&str>, &str> {
    match outcome {
        Ok(answer) => Ok(answer.as_object().map_or_else(Vec::new, |all| all.keys().map(String::as_str).collect())),
        Err(code) => Err(code),
    }
}

const SURFACES: [(&str, Surfaces); 4] = [
    ("REST", Surfaces::REST),
    ("JSON-RPC", Surfaces::RPC),
    ("MCP", Surfaces::MCP),
    ("the command line", Surfaces::CLI),
];

async fn every_operation_answers_alike_on_all() {
    let gateway = gateway_with(&["viewer", "member"]).await;
    let table = portway_api::operations().unwrap();
    let mut compared = 0;
    for operation in table.iter() {
        compared += compare(&gateway, operation).await;
    }
    assert!(compared > 40 * CALLERS.len(), "{compared}");
}

/// Calls the operation on each surface, by each caller; answers how many outcomes were compared.
async fn compare(gateway: &Gateway, operation: &Operation<Services>) -> usize {
    let row = operation.row();
    let mut outcomes: [Vec<(&str, Outcome)>; CALLERS.len()] = Default::default();
    for (surface, offered) in SURFACES {
        if !operation.surfaces().contains(offered) {
            continue;
        }
        let session = session(gateway).await;
        let input = input(operation, &session.id);
        for (name, outcomes) in CALLERS.iter().zip(&mut outcomes) {
            let caller = Caller::of(&session, name);
            let outcome = match offered {
                Surfaces::REST => caller.over_rest(row, &input).await,
                Surfaces::RPC => caller.over_rpc(row, &input).await,
                Surfaces::MCP => caller.over_mcp(row, &input).await,
                _ => caller.over_command_line(row, &input),
            };
            if let Some(opened) = outcome.as_ref().ok().and_then(|answer| answer["session"]["id"].as_str())
                && row.name == "sessions.create"
            {
                Session::new(caller.api.clone(), opened).terminate().await;
            }
            outcomes.push((surface, outcome));
        }
        session.api.delete(&session.path("")).await;
    }
    for (caller, outcomes) in CALLERS.iter().zip(&outcomes) {
        let (first, expected) = &outcomes[0];
        for (surface, outcome) in outcomes {
            assert_eq!(names(expected), names(outcome), "{} by {caller} over {first} and {surface}", row.name);
            assert_ne!(names(outcome), Err("INTERNAL_ERROR"), "{} by {caller} over {surface}", row.name);
        }
        let is_public = row.permission == Permission::Public;
        assert_eq!(names(expected) == Err("UNAUTHORIZED"), *caller == "nobody" && !is_public, "{}", row.name);
    }
    outcomes.iter().filter(|outcomes| outcomes.len() + 1 >= SURFACES.len()).count()
}

async fn a_session_from_the_command_line() {
    let gateway = Gateway::start("").await;
    let caller = Caller::admin(&gateway);
    let opened = caller.run(&["sessions.create", "--workspace", "w", "--agent", "demo"], "").json();
    let id = opened["session"]["id"].as_str().unwrap();
    caller.run(&["messages.create", "--id", id, "--content", "/say one two"], "").json();
    let answered = async || {
        let messages = caller.run(&["messages.list", "--id", id], "").json();
        let answer = messages["messages"].as_array()?.iter().find(|message| message["role"] == "assistant")?.clone();
        (answer["content"] == "one two").then_some(())
    };
    eventually("the agent answers", answered).await;
    let table = caller.run(&["sessions.list", "--output", "table"], "");
    let mut lines = table.stdout.lines();
    assert!(lines.next().unwrap().starts_with("ID"), "{table:?}");
    assert!(lines.next().unwrap().starts_with(id), "{table:?}");
    assert_eq!(caller.run(&["sessions.terminate", "--id", id], "").json()["success"], true);
    for (arguments, exit) in [
        (&["sessions.get", "--id", "unknown"][..], 5),
        (&["sessions.create"], 2),
        (&["sessions.create", "--workspace", ""], 2),
        (&["sessions.nothing"], 2),
        (&["health"], 2),
    ] {
        let ended = caller.run(arguments, "");
        assert_eq!((ended.exit, ended.stdout.as_str()), (exit, ""), "{arguments:?}: {}", ended.stderr);
        assert!(!ended.stderr.is_empty());
    }
}

async fn shells_complete_operations() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let output = bare_command().args(["completions", shell]).output().unwrap();
        let script = String::from_utf8(output.stdout).unwrap();
        for word in ["sessions.list", "ownership", "idempotency-key", "doctor"] {
            assert!(output.status.success() && script.contains(word), "{word} in {shell}");
        }
    }
}

async fn a_batch_runs_a_session() {
    let gateway = Gateway::start("").await;
    let api = gateway.api();
    let session = api.demo_session().await;
    let call = |id: u32, method: &str, mut params: Value| {
        params["id"] = json!(session.id);
        json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })
    };
    let batch = json!([
        call(1, "sessions.update", json!({ "title": "From a batch" })),
        call(2, "sessions.get", json!({})),
        call(3, "messages.create", json!({ "content": "/say hello" })),
        call(4, "messages.list", json!({})),
        call(5, "sessions.update", json!({ "title": "" })),
    ]);
    let answers = api.post("/rpc", &batch).await.expect(200);
    let ids: Vec<&Value> = answers.as_array().unwrap().iter().map(|answer| &answer["id"]).collect();
    assert_eq!(ids, [1, 2, 3, 4, 5]);
    assert_eq!(answers[1]["result"]["session"]["title"], "From a batch");
    let said = &answers[2]["result"]["messageId"];
    assert_eq!(&answers[3]["result"]["messages"][0]["id"], said, "{answers}");
    assert_eq!(answers[4]["error"]["data"]["details"]["fields"][0]["field"], "title");
    session.terminate().await;
}

async fn a_key_counts_on_all_surfaces_together() {
    let gateway = Gateway::start("").await;
    let table = portway_api::operations().unwrap();
    let create = table.get("sessions.create").unwrap();
    let caller = Caller { once: Some("k1"), ..Caller::admin(&gateway) };
    let input = input(create, "");
    let opened = caller.over_rest(create.row(), &input).await.unwrap();
    assert_eq!(caller.over_rpc(create.row(), &input).await, Ok(opened.clone()));
    assert_eq!(caller.over_mcp(create.row(), &input).await, Ok(opened.clone()));
    let run = caller.run(&["sessions.create", "--idempotency-key", "k1"], &Value::from(input).to_string());
    assert_eq!(run.json(), opened);
    let other = Map::from_iter([("workspace".to_owned(), json!("another"))]);
    assert_eq!(caller.over_rpc(create.row(), &other).await, Err("IDEMPOTENCY_KEY_REUSED".to_owned()));
    let sessions = caller.api.get("/api/sessions").await.expect(200);
    assert_eq!(sessions["sessions"].as_array().unwrap().len(), 1);
}

async fn every_change_is_made_once() {
    let gateway = gateway_with(&["viewer"]).await;
    let table = portway_api::operations().unwrap();
    let mut repeated = 0;
    for operation in table.iter().filter(|operation| operation.is_idempotent_by_key()) {
        let row = operation.row();
        let session = session(&gateway).await;
        let mut input = input(operation, &session.id);
        let caller = Caller { once: Some(row.name), ..Caller::admin(&gateway) };
        let first = caller.over_rest(row, &input).await;
        let again = caller.over_rpc(row, &input).await;
        let is_secret = row.name == "api_keys.create";
        let expected = if is_secret { Err("CONFLICT".to_owned()) } else { first.clone() };
        assert_eq!(again, expected, "{}", row.name);
        if let Ok(answer) = &first {
            input.insert("more".to_owned(), json!(1));
            let other = caller.over_rpc(row, &input).await;
            assert_eq!(other, Err("IDEMPOTENCY_KEY_REUSED".to_owned()), "{}", row.name);
            repeated += 1;
            if row.name == "sessions.create" {
                Session::new(caller.api.clone(), answer["session"]["id"].as_str().unwrap()).terminate().await;
            }
        }
        session.api.delete(&session.path("")).await;
    }
    assert!(repeated > 15, "{repeated}");
}
