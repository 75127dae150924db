//! Operations as tools, over the Model Context Protocol.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use axum::body::{Body, BodyDataStream};
use axum::response::Response;
use futures_util::stream::{BoxStream, StreamExt};
use portway_api::{
    ApiOptions, Ask, EndpointTable, McpCapabilities, McpChange, McpClient, McpError, McpFeatures, McpList, McpMethod,
    McpOptions, McpRequest, McpSessions, NoInput, Operation, OperationTable, Uncounted, router,
};
use portway_domain::access::{Permission, Role};
use portway_domain::mcp::{McpLogLevel, McpSession};
use portway_domain::time::Timestamp;
use portway_domain::tokens::TokenHash;
use portway_ports::system::Clock;
use portway_services::context::Context;
use portway_services::error::Error;
use portway_services::mcp_sessions::NewMcpSession;
use serde_json::{Map, Value, json};
use tokio::sync::{Notify, broadcast};
use tower::ServiceExt;

use crate::fixture::{Answer, Gateway, Script, TOKEN, options, request, signed_in};

const NEW: &str = "2026-07-28";

/// Sessions in memory, of one user.
#[derive(Default)]
struct Sessions(Mutex<HashMap<String, McpSession>>);

impl Sessions {
    fn admit(context: &Context) -> Result<Role, Error> {
        let is_ours = context.credential == Some(TokenHash::of(TOKEN));
        is_ours.then_some(Role::Member).ok_or(Error::Unauthorized)
    }
}

#[async_trait]
impl McpSessions for Sessions {
    async fn admit(&self, context: &Context) -> Result<Role, Error> {
        Self::admit(context)
    }

    async fn begin(&self, context: &Context, new: NewMcpSession) -> Result<McpSession, Error> {
        Self::admit(context)?;
        let NewMcpSession { revision, capabilities } = new;
        let session = McpSession { id: context.ids.clone().draw(), revision, capabilities, log_level: None };
        self.0.lock().unwrap().insert(session.id.as_str().to_owned(), session.clone());
        Ok(session)
    }

    async fn find(&self, context: &Context, id: &str) -> Result<Option<(McpSession, Role)>, Error> {
        let role = Self::admit(context)?;
        Ok(self.0.lock().unwrap().get(id).cloned().map(|session| (session, role)))
    }

    async fn set_log_level(&self, context: &Context, id: &str, level: McpLogLevel) -> Result<bool, Error> {
        Self::admit(context)?;
        Ok(self.0.lock().unwrap().get_mut(id).map(|session| session.log_level = Some(level)).is_some())
    }

    async fn end(&self, context: &Context, id: &str) -> Result<bool, Error> {
        Self::admit(context)?;
        Ok(self.0.lock().unwrap().remove(id).is_some())
    }
}

/// Tools that say something before they answer, and a resource that changes.
struct Chatty {
    changes: broadcast::Sender<McpChange>,
}

#[async_trait]
impl McpFeatures for Chatty {
    fn capabilities(&self) -> McpCapabilities {
        McpCapabilities { logging: true, subscribe: true, tools_change: true, ..McpCapabilities::default() }
    }

    async fn list(&self, list: McpList, _: &McpClient) -> Vec<Value> {
        let tool = |name: &str| json!({ "name": name, "inputSchema": { "type": "object" } });
        if list == McpList::Tools { ["talk", "ask", "panic"].map(tool).into() } else { Vec::new() }
    }

    async fn answer(&self, request: &McpRequest, client: &McpClient) -> Option<Result<Value, McpError>> {
        let text = |text: &str| Ok(json!({ "content": [{ "type": "text", "text": text }] }));
        match (request.method, request.params.get("name")?.as_str()?) {
            (McpMethod::CallTool, "talk") => {
                client.log(McpLogLevel::Info, &json!("begun"));
                client.progress(1.0, Some(2.0));
                Some(text("done"))
            }
            (McpMethod::CallTool, "ask") => {
                let params = json!({ "message": "Who?" });
                Some(match client.request("elicitation", "elicitation/create", params).await {
                    Ok(answer) => text(answer["content"]["name"].as_str().unwrap()),
                    Err(error) => Err(error),
                })
            }
            (McpMethod::CallTool, "panic") => panic!("the tool is on fire"),
            _ => None,
        }
    }

    fn changes(&self, _: &McpClient) -> BoxStream<'static, McpChange> {
        let receiver = self.changes.subscribe();
        futures_util::stream::unfold(receiver, async |mut receiver| Some((receiver.recv().await.ok()?, receiver)))
            .boxed()
    }
}

/// A clock whose sleepers wake when they are told to.
#[derive(Default)]
struct Alarm(Notify);

#[async_trait]
impl Clock for Alarm {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_771_927_200_000)
    }

    async fn sleep(&self, _: Duration) {
        self.0.notified().await;
    }
}

struct Fixture {
    gateway: Gateway,
    alarm: Arc<Alarm>,
    changes: broadcast::Sender<McpChange>,
}

impl Fixture {
    fn new() -> Self {
        Self::with(|options| options)
    }

    fn with(change: impl FnOnce(ApiOptions) -> ApiOptions) -> Self {
        let (changes, alarm) = (broadcast::Sender::new(8), Arc::<Alarm>::default());
        let features: Vec<Arc<dyn McpFeatures>> = vec![Arc::new(Chatty { changes: changes.clone() })];
        let mcp = Some(McpOptions { sessions: Arc::new(Sessions::default()), features });
        let clock: Arc<dyn Clock> = alarm.clone();
        Self { gateway: Gateway::with(change(ApiOptions { mcp, clock, ..options() })), alarm, changes }
    }

    /// A request of a client without a session.
    fn alone(method: &str, mut params: Value) -> (http::request::Builder, Value) {
        params["_meta"]["io.modelcontextprotocol/protocolVersion"] = NEW.into();
        params["_meta"]["io.modelcontextprotocol/clientCapabilities"] = json!({});
        let mut request = signed_in("POST", "/mcp").header("accept", "application/json, text/event-stream");
        request = request.header("mcp-protocol-version", NEW).header("mcp-method", method);
        if let Some(name) = params["name"].as_str().or(params["uri"].as_str()) {
            request = request.header("mcp-name", name);
        }
        (request, json!({ "jsonrpc": "2.0", "id": 7, "method": method, "params": params }))
    }

    async fn ask(&self, method: &str, params: Value) -> Answer {
        let (request, message) = Self::alone(method, params);
        self.gateway.send(request.body(Body::from(message.to_string())).unwrap()).await
    }

    async fn call(&self, tool: &str, arguments: Value) -> Value {
        let answer = self.ask("tools/call", json!({ "name": tool, "arguments": arguments })).await;
        assert_eq!(answer.status(), 200, "{}", answer.body);
        answer.json()["result"].take()
    }

    /// Begins a session of a client with that capability.
    async fn begin(&self, capability: &str) -> String {
        let params = json!({ "protocolVersion": "2025-11-25", "capabilities": { capability: {} } });
        let message = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params });
        let answer = self.gateway.call("POST", "/mcp", &message.to_string()).await;
        assert_eq!(answer.json()["result"]["protocolVersion"], "2025-11-25");
        answer.header("mcp-session-id").unwrap().to_owned()
    }

    fn in_session(session: &str, message: &Value) -> http::Request<Body> {
        let request = signed_in("POST", "/mcp").header("accept", "application/json, text/event-stream");
        request.header("mcp-session-id", session).body(Body::from(message.to_string())).unwrap()
    }

    async fn said(&self, session: &str, method: &str, params: Value) -> Answer {
        let message = json!({ "jsonrpc": "2.0", "id": 2, "method": method, "params": params });
        self.gateway.send(Self::in_session(session, &message)).await
    }
}

/// The messages of a body that is an event stream.
fn messages(body: &str) -> Vec<Value> {
    body.lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .map(|data| serde_json::from_str(data).unwrap())
        .collect()
}

/// A response whose body goes on.
struct Stream(BodyDataStream);

impl Stream {
    fn of(response: Response) -> Self {
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self(response.into_body().into_data_stream())
    }

    /// The next message, however many comments come before it.
    async fn next(&mut self) -> Option<Value> {
        loop {
            let piece = self.0.next().await?.unwrap();
            if let Some(message) = messages(str::from_utf8(&piece).unwrap()).pop() {
                return Some(message);
            }
        }
    }
}

#[tokio::test]
async fn strangers_are_told_how_to_get_in() {
    let Fixture { gateway, .. } = Fixture::new();
    let metadata = "http://localhost:8787/.well-known/oauth-protected-resource/mcp";
    for method in ["POST", "GET", "DELETE"] {
        for path in ["/mcp", "/mcp?token=sk_test_notes"] {
            let answer = gateway.send(request(method, path).body(Body::from("{}")).unwrap()).await;
            assert_eq!(answer.error().0, 401, "{method} {path}");
            let challenge = format!("Bearer resource_metadata=\"{metadata}\"");
            assert_eq!(answer.header("www-authenticate"), Some(challenge.as_str()));
        }
    }
    for path in ["/.well-known/oauth-protected-resource/mcp", "/.well-known/oauth-protected-resource"] {
        let answer = gateway.send(request("GET", path).body(Body::empty()).unwrap()).await.json();
        assert_eq!(answer["resource"], "http://localhost:8787/mcp");
    }
    let foreign = signed_in("GET", "/mcp").header("origin", "https://evil.example");
    assert_eq!(gateway.send(foreign.body(Body::empty()).unwrap()).await.status(), 403);
    for body in ["{}", r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25"}}"#] {
        let wrong =
            request("POST", "/mcp").header("authorization", "Bearer sk_test_wrong").body(Body::from(body)).unwrap();
        assert_eq!(gateway.send(wrong).await.status(), 401, "{body}");
    }
}

#[tokio::test]
async fn a_gateway_without_it_says_so() {
    let gateway = Gateway::new();
    assert_eq!(gateway.call("POST", "/mcp", "{}").await.error().0, 501);
}

#[tokio::test]
async fn tools_are_the_operations_that_are_offered() {
    let fixture = Fixture::new();
    let list = fixture.ask("tools/list", json!({})).await.json();
    let names: Vec<&str> =
        list["result"]["tools"].as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap()).collect();
    let expected = ["notes_list", "notes_edit", "notes_create", "notes_import", "notes_remove", "talk", "ask", "panic"];
    assert_eq!(names, expected);
    let remove = &list["result"]["tools"][4];
    assert_eq!((&remove["title"], &remove["annotations"]["destructiveHint"]), (&json!("Remove a note"), &json!(true)));
    assert_eq!(remove.get("outputSchema"), None);
    assert_eq!((&list["result"]["resultType"], &list["result"]["cacheScope"]), (&json!("complete"), &json!("private")));
}

#[tokio::test]
async fn a_call_gives_what_rest_gives() {
    let fixture = Fixture::new();
    let rest = fixture.gateway.call("GET", "/api/notes?limit=2", "").await;
    let result = fixture.call("notes_list", json!({ "limit": 2 })).await;
    assert_eq!((&result["structuredContent"], result.get("isError")), (&rest.json(), None));
    assert_eq!(result["content"], json!([{ "type": "text", "text": rest.body }]));
    let removed = fixture.call("notes_remove", json!({ "id": "n1" })).await;
    assert_eq!((&removed["content"][0]["text"], removed.get("structuredContent")), (&json!("Done."), None));
}

#[tokio::test]
async fn a_failure_is_a_result_with_its_code() {
    let fixture = Fixture::new();
    for (arguments, code) in [
        (json!({ "id": "absent" }), "NOT_FOUND"),
        (json!({ "id": "broken" }), "INTERNAL_ERROR"),
        (json!({ "id": "panics" }), "INTERNAL_ERROR"),
        (json!({ "id": 7 }), "VALIDATION_ERROR"),
    ] {
        let result = fixture.call("notes_remove", arguments).await;
        assert_eq!((&result["isError"], &result["_meta"]["portway/error"]["code"]), (&json!(true), &json!(code)));
        let text = result["content"][0]["text"].as_str().unwrap();
        assert!(text.starts_with(&format!("{code}: ")) && !text.contains("fire") && !text.contains("bites"), "{text}");
    }
    let unknown = fixture.ask("tools/call", json!({ "name": "notes_purge" })).await.json();
    assert_eq!(unknown["error"]["code"], -32602);
    let panicked = fixture.ask("tools/call", json!({ "name": "panic" })).await;
    assert_eq!((panicked.status(), panicked.body.contains("fire")), (500, false));
    fixture.gateway.state.revoked.store(true, std::sync::atomic::Ordering::Relaxed);
    assert_eq!(fixture.ask("tools/call", json!({ "name": "notes_list" })).await.status(), 401);
}

#[tokio::test]
async fn a_key_goes_with_a_call() {
    let fixture = Fixture::new();
    let arguments = json!({ "id": "n1", "title": "T" });
    let params = json!({ "name": "notes_edit", "arguments": arguments, "_meta": { "portway/idempotencyKey": "k1" } });
    fixture.ask("tools/call", params).await;
    let key = fixture.gateway.last_context().idempotency.unwrap();
    let rest = signed_in("PUT", "/api/notes/n1").header("idempotency-key", "k1").body(Body::from(r#"{"title":"T"}"#));
    fixture.gateway.send(rest.unwrap()).await;
    assert_eq!(fixture.gateway.last_context().idempotency, Some(key));
}

#[tokio::test]
async fn what_another_instance_has_it_answers() {
    let answers = [
        r#"{"jsonrpc":"2.0","id":1,"result":{"id":"far"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32004,"data":{"code":"NOT_FOUND","error":"gone"}}}"#,
    ];
    let left = Arc::new(Mutex::new(answers.to_vec()));
    let asked: Arc<Mutex<Vec<http::Request<String>>>> = Arc::default();
    let (calls, answers) = (asked.clone(), left.clone());
    let elsewhere = move |_: &http::Method, path: &str| -> Option<Ask> {
        let (calls, answers) = (calls.clone(), answers.clone());
        let ask = move |request| -> futures_util::future::BoxFuture<'static, Option<http::Response<bytes::Bytes>>> {
            calls.lock().unwrap().push(request);
            let answer = http::Response::new(answers.lock().unwrap().remove(0).into());
            Box::pin(std::future::ready(Some(answer)))
        };
        (path == "/api/notes/far").then(|| Box::new(ask) as Ask)
    };
    let fixture = Fixture::with(|options| ApiOptions { elsewhere: Some(Arc::new(elsewhere)), ..options });
    let far = fixture.call("notes_edit", json!({ "id": "far" })).await;
    assert_eq!(far["structuredContent"], json!({ "id": "far" }));
    let request = asked.lock().unwrap().pop().unwrap();
    assert_eq!((request.method().as_str(), request.uri().path()), ("POST", "/rpc"));
    assert!(request.extensions().get::<Uncounted>().is_some(), "it was counted here");
    let call: Value = serde_json::from_str(request.body()).unwrap();
    assert_eq!((&call["method"], &call["params"]), (&json!("notes.edit"), &json!({ "id": "far" })));
    let gone = fixture.call("notes_edit", json!({ "id": "far" })).await;
    assert_eq!(gone["content"][0]["text"], "NOT_FOUND: gone");
}

#[tokio::test]
async fn what_is_said_before_an_answer_comes_before_it() {
    let fixture = Fixture::new();
    let params =
        json!({ "name": "talk", "_meta": { "progressToken": "p", "io.modelcontextprotocol/logLevel": "info" } });
    let answer = fixture.ask("tools/call", params).await;
    assert_eq!(answer.header("content-type"), Some("text/event-stream"));
    let said = messages(&answer.body);
    let methods: Vec<Option<&str>> = said.iter().map(|message| message["method"].as_str()).collect();
    assert_eq!(methods, [Some("notifications/message"), Some("notifications/progress"), None]);
    assert_eq!(said[1]["params"], json!({ "progressToken": "p", "progress": 1.0, "total": 2.0 }));
    assert_eq!(said[2]["result"]["content"][0]["text"], "done");
    // Whoever does not ask for it, or cannot take it, gets the answer alone.
    let silent = fixture.ask("tools/call", json!({ "name": "talk" })).await;
    assert_eq!(silent.json()["result"]["content"][0]["text"], "done");
    let (mut request, message) =
        Fixture::alone("tools/call", json!({ "name": "talk", "_meta": { "progressToken": 1 } }));
    request.headers_mut().unwrap().insert("accept", "application/json".parse().unwrap());
    let plain = fixture.gateway.send(request.body(Body::from(message.to_string())).unwrap()).await;
    assert_eq!(plain.json()["result"]["content"][0]["text"], "done");
}

/// A gateway of one operation, which takes until it is told that it is done.
struct Slow {
    gate: Arc<Notify>,
    alarm: Arc<Alarm>,
    router: axum::Router,
}

impl Slow {
    fn new() -> Self {
        let (gate, alarm) = (Arc::<Notify>::default(), Arc::<Alarm>::default());
        let wait = async |gate: Arc<Notify>, _: Context, _: NoInput| {
            gate.notified().await;
            Ok::<_, Error>(true)
        };
        let slow = Operation::new("slow.wait", http::Method::POST, "/api/slow", Permission::SignedIn);
        let slow = slow.handler(move |gate, context, input| Box::pin(wait(gate, context, input)));
        let mcp = Some(McpOptions { sessions: Arc::new(Sessions::default()), features: Vec::new() });
        let clock: Arc<dyn Clock> = alarm.clone();
        let options = ApiOptions { mcp, clock, ..options() };
        let (operations, endpoints) = (OperationTable::new([slow]).unwrap(), EndpointTable::new([]).unwrap());
        let router = router(operations, endpoints, gate.clone(), options, Arc::<Script>::default()).unwrap();
        Self { gate, alarm, router }
    }
}

#[tokio::test]
async fn a_call_that_takes_long_says_that_it_goes_on() {
    let Slow { gate, alarm, router } = Slow::new();
    let params = json!({ "name": "slow_wait", "_meta": { "progressToken": "p" } });
    let (request, message) = Fixture::alone("tools/call", params);
    let request = request.body(Body::from(message.to_string())).unwrap();
    // One second passes, and another one.
    alarm.0.notify_one();
    let mut stream = Stream::of(router.oneshot(request).await.unwrap());
    for seconds in [1.0, 2.0] {
        let progress = stream.next().await.unwrap();
        assert_eq!(progress["params"], json!({ "progressToken": "p", "progress": seconds }));
        alarm.0.notify_one();
    }
    gate.notify_one();
    let last = loop {
        let message = stream.next().await.unwrap();
        if message["method"] != "notifications/progress" {
            break message;
        }
    };
    assert_eq!(last["result"]["content"][0]["text"], "true");
}

#[tokio::test]
async fn a_session_is_begun_and_ended() {
    let fixture = Fixture::new();
    let session = fixture.begin("roots").await;
    let list = fixture.said(&session, "tools/list", json!({})).await.json();
    assert_eq!(list["result"].as_object().unwrap().keys().collect::<Vec<_>>(), ["tools"]);
    assert_eq!(fixture.said(&session, "ping", json!({})).await.json()["result"], json!({}));
    assert_eq!(fixture.said(&session, "server/discover", json!({})).await.json()["error"]["code"], -32601);
    let initialized = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    assert_eq!(fixture.gateway.send(Fixture::in_session(&session, &initialized)).await.status(), 202);
    assert_eq!(fixture.said("another", "ping", json!({})).await.status(), 404);
    assert_eq!(fixture.gateway.call("POST", "/mcp", &initialized.to_string()).await.status(), 400);
    let end = || signed_in("DELETE", "/mcp").header("mcp-session-id", session.clone()).body(Body::empty()).unwrap();
    assert_eq!(fixture.gateway.send(end()).await.status(), 204);
    assert_eq!(fixture.gateway.send(end()).await.status(), 404);
    assert_eq!(fixture.said(&session, "ping", json!({})).await.status(), 404);
}

#[tokio::test]
async fn a_session_says_which_messages_its_log_gets() {
    let fixture = Fixture::new();
    let session = fixture.begin("roots").await;
    let talk = async || messages(&fixture.said(&session, "tools/call", json!({ "name": "talk" })).await.body).len();
    assert_eq!(talk().await, 2);
    assert_eq!(
        fixture.said(&session, "logging/setLevel", json!({ "level": "error" })).await.json()["result"],
        json!({})
    );
    assert_eq!(talk().await, 0, "the answer comes by itself");
    let bad = fixture.said(&session, "logging/setLevel", json!({ "level": "loud" })).await.json();
    assert_eq!(bad["error"]["code"], -32602);
}

#[tokio::test]
async fn a_client_is_asked_and_answers() {
    let fixture = Fixture::new();
    let session = fixture.begin("elicitation").await;
    let call = json!({ "jsonrpc": "2.0", "id": "c", "method": "tools/call", "params": { "name": "ask" } });
    let mut stream = Stream::of(fixture.gateway.open(Fixture::in_session(&session, &call)).await);
    let asked = stream.next().await.unwrap();
    assert_eq!((&asked["method"], &asked["params"]["message"]), (&json!("elicitation/create"), &json!("Who?")));
    let answer = json!({ "jsonrpc": "2.0", "id": asked["id"], "result": { "content": { "name": "Ann" } } });
    let other = fixture.begin("elicitation").await;
    for teller in [&other, &session] {
        assert_eq!(fixture.gateway.send(Fixture::in_session(teller, &answer)).await.status(), 202);
    }
    let answered = stream.next().await.unwrap();
    assert_eq!((&answered["id"], &answered["result"]["content"][0]["text"]), (&json!("c"), &json!("Ann")));
    assert_eq!(stream.next().await, None);
    // It is not asked for what it does not know, and not forever.
    let without = fixture.begin("roots").await;
    let refused = fixture.gateway.send(Fixture::in_session(&without, &call)).await.json();
    assert_eq!(refused["error"]["code"], -32021);
    let mut stream = Stream::of(fixture.gateway.open(Fixture::in_session(&session, &call)).await);
    stream.next().await.unwrap();
    fixture.alarm.0.notify_waiters();
    fixture.alarm.0.notify_one();
    assert_eq!(stream.next().await.unwrap()["error"]["code"], -32603);
}

#[tokio::test]
async fn who_listens_hears_what_was_asked_for() {
    let fixture = Fixture::new();
    let wanted = json!({ "notifications": { "toolsListChanged": true, "resourceSubscriptions": ["test://a"] } });
    let (request, message) = Fixture::alone("subscriptions/listen", wanted.clone());
    let mut stream = Stream::of(fixture.gateway.open(request.body(Body::from(message.to_string())).unwrap()).await);
    let first = stream.next().await.unwrap();
    assert_eq!(first["method"], "notifications/subscriptions/acknowledged");
    assert_eq!(first["params"]["notifications"], wanted["notifications"]);
    for change in [
        McpChange::Prompts,
        McpChange::Resource("test://b".into()),
        McpChange::Resource("test://a".into()),
        McpChange::Tools,
    ] {
        fixture.changes.send(change).unwrap();
    }
    let updated = stream.next().await.unwrap();
    assert_eq!(
        (&updated["method"], &updated["params"]["uri"]),
        (&json!("notifications/resources/updated"), &json!("test://a"))
    );
    let changed = stream.next().await.unwrap();
    assert_eq!(changed["method"], "notifications/tools/list_changed");
    assert_eq!(changed["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"], 7);
}

#[tokio::test]
async fn a_session_hears_what_changes() {
    let fixture = Fixture::new();
    let session = fixture.begin("roots").await;
    let listen = signed_in("GET", "/mcp").header("mcp-session-id", session).body(Body::empty()).unwrap();
    let mut stream = Stream::of(fixture.gateway.open(listen).await);
    fixture.changes.send(McpChange::Tools).unwrap();
    assert_eq!(stream.next().await.unwrap()["method"], "notifications/tools/list_changed");
}

#[tokio::test]
async fn what_is_no_message_is_told_so() {
    let fixture = Fixture::new();
    for (body, code) in [("{", -32700), ("[]", -32600), (r#"{"jsonrpc":"2.0"}"#, -32600), ("1", -32600)] {
        let answer = fixture.gateway.call("POST", "/mcp", body).await;
        assert_eq!((answer.status(), &answer.json()["error"]["code"]), (400, &json!(code)), "{body}");
    }
    let (request, mut message) = Fixture::alone("tools/list", json!({}));
    message["method"] = json!("prompts/list");
    let answer = fixture.gateway.send(request.body(Body::from(message.to_string())).unwrap()).await;
    assert_eq!((answer.status(), &answer.json()["error"]["code"]), (400, &json!(-32020)));
    let unknown = fixture.ask("initialize", json!({})).await;
    assert_eq!((unknown.status(), &unknown.json()["error"]["code"]), (404, &json!(-32601)));
    let resource = fixture.ask("resources/read", json!({ "uri": "test://a" })).await.json();
    assert_eq!((&resource["error"]["code"], &resource["error"]["data"]["uri"]), (&json!(-32602), &json!("test://a")));
    let paged = fixture.ask("tools/list", json!({ "cursor": "next" })).await.json();
    assert_eq!(paged["error"]["code"], -32602);
    let none: Map<String, Value> = Map::new();
    let bad = fixture.ask("tools/call", json!({ "name": "notes_list", "arguments": [none] })).await.json();
    assert_eq!(bad["error"]["code"], -32602);
}
