//! What sockets tell, as server-sent events.

use reqwest::{Method, Response};
use serde_json::{Value, json};

use crate::harness::api::{Api, send};
use crate::harness::gateway::Gateway;
use crate::harness::session::Session;
use crate::harness::{PATIENCE, eventually};
use crate::trials::Trials;

pub(crate) fn add(trials: &mut Trials) {
    trials.add("event_streams::of_a_session", of_a_session);
    trials.add("event_streams::go_on_where_they_ended", go_on_where_they_ended);
    trials.add("event_streams::end_with_the_access", end_with_the_access);
    trials.add("event_streams::of_everything", of_everything);
}

/// What needs the gateway that it stops to be the one with the stream.
pub(crate) fn add_alone(trials: &mut Trials) {
    trials.add("event_streams::end_when_the_gateway_stops", end_when_the_gateway_stops);
}

/// A stream that is being read.
struct Stream {
    response: Response,
    text: String,
}

/// An event that came.
#[derive(Debug)]
struct Event {
    name: String,
    id: Option<u64>,
    data: Value,
}

impl Stream {
    async fn open(api: &Api, path: &str, last: Option<u64>) -> Self {
        let mut request = api.request(Method::GET, path);
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { response, text: String::new() }
    }

    async fn of(session: &Session, last: Option<u64>) -> Self {
        Self::open(&session.api, &session.path("/events"), last).await
    }

    /// The next event; `None` at the end.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let event = (!event.starts_with(':')).then(|| parse(event));
                self.text = rest.to_owned();
                match event {
                    Some(event) => return Some(event),
                    None => continue,
                }
            }
            let chunk = tokio::time::timeout(PATIENCE, self.response.chunk()).await.expect("something comes");
            self.text.push_str(str::from_utf8(&chunk.unwrap()?).unwrap());
        }
    }

    async fn until(&mut self, wanted: impl Fn(&Event) -> bool) -> Event {
        loop {
            let event = self.next().await.expect("the stream goes on");
            if wanted(&event) {
                return event;
            }
        }
    }
}

fn parse(text: &str) -> Event {
    let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    Event {
        name: field("event").unwrap().to_owned(),
        id: field("id").map(|id| id.parse().unwrap()),
        data: serde_json::from_str(field("data").unwrap()).unwrap(),
    }
}

/// Whoever was told too late is told how it is now.
fn ends_turn(event: &Event) -> bool {
    matches!(event.name.as_str(), "status" | "resumed") && event.data["data"]["runnerBusy"] == false
}

async fn of_a_session() {
    let gateway = Gateway::start("").await;
    let session = gateway.api().demo_session().await;
    let mut stream = Stream::of(&session, None).await;
    let first = stream.next().await.unwrap();
    assert_eq!((first.name.as_str(), &first.data), ("connected", &json!({"sessionId": session.id})));
    let init = stream.next().await.unwrap();
    assert_eq!((init.name.as_str(), &init.data["session"]["id"]), ("init", &json!(session.id)));
    assert_eq!(init.id, init.data["seq"].as_u64());
    let prompt = session.prompt("/say hello there").await;
    let said = stream.until(|event| event.name == "message" && event.data["data"]["role"] == "user").await;
    assert_eq!(said.data["data"]["id"], prompt);
    stream.until(|event| event.name == "chunk").await;
    let ended = stream.until(ends_turn).await;
    assert!(ended.id > init.id, "{ended:?}");
    // Whoever listens is there.
    assert_eq!(session.detail().await["doStatus"]["connectedClients"], 1);
    drop(stream);
    eventually("nobody is there", async || (session.detail().await["doStatus"]["connectedClients"] == 0).then_some(()))
        .await;
    session.terminate().await;
}

async fn go_on_where_they_ended() {
    let gateway = Gateway::start("").await;
    let session = gateway.api().demo_session().await;
    let mut stream = Stream::of(&session, None).await;
    session.prompt("/say one").await;
    let ended = stream.until(ends_turn).await;
    drop(stream);
    let mut socket = session.socket().await;
    let prompt = socket.prompt("/say two", None).await;
    socket.answer_to(&prompt).await;
    let mut stream = Stream::of(&session, ended.id).await;
    assert_eq!(stream.next().await.unwrap().name, "connected");
    let mut missed = Vec::new();
    loop {
        let event = stream.next().await.unwrap();
        if event.name == "resumed" {
            break;
        }
        assert_ne!(event.name, "init");
        missed.push(event);
    }
    let contents: Vec<&Value> =
        missed.iter().filter(|event| event.name == "message").map(|event| &event.data["data"]["content"]).collect();
    assert!(contents.contains(&&json!("/say two")) && !contents.contains(&&json!("/say one")), "{contents:?}");
    let wrong = session.api.request(Method::GET, &session.path("/events")).header("last-event-id", "x");
    send(wrong).await.refused(400, "VALIDATION_ERROR");
    session.terminate().await;
}

async fn end_with_the_access() {
    let gateway = Gateway::start("").await;
    let api = gateway.api();
    let session = api.demo_session().await;
    api.with_key("sk_live_wrong").get(&session.path("/events")).await.refused(401, "UNAUTHORIZED");
    api.get("/api/sessions/nobody/events").await.refused(404, "NOT_FOUND");
    let key = api.post("/api/api-keys", &json!({"name": "another"})).await.expect(201);
    let other = api.with_key(key["token"].as_str().unwrap());
    let (mut stream, mut bus) =
        (Stream::open(&other, &session.path("/events"), None).await, Stream::open(&other, "/api/events", None).await);
    stream.until(|event| event.name == "init").await;
    api.delete(&format!("/api/api-keys/{}", key["id"].as_str().unwrap())).await.expect(200);
    for stream in [&mut stream, &mut bus] {
        let close = stream.until(|event| event.name == "close").await;
        assert_eq!(close.data["code"], 1008, "{close:?}");
        assert!(stream.next().await.is_none());
    }
    session.terminate().await;
}

async fn of_everything() {
    let gateway = Gateway::start("").await;
    let mut stream = Stream::open(&gateway.api(), "/api/events", None).await;
    assert_eq!(stream.next().await.unwrap().name, "connected");
    let session = gateway.api().demo_session().await;
    let started = stream.until(|event| event.name == "session.started").await;
    assert_eq!(started.data["sessionId"], session.id);
    session.terminate().await;
    stream.until(|event| event.name == "session.completed").await;
}

async fn end_when_the_gateway_stops() {
    let mut gateway = Gateway::start("").await;
    let session = gateway.api().demo_session().await;
    session.reaches("running").await;
    let mut stream = Stream::of(&session, None).await;
    stream.until(|event| event.name == "init").await;
    let ending = async { while stream.next().await.is_some() {} };
    tokio::join!(ending, gateway.stop());
}
