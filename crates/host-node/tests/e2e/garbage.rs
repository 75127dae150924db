//! Requests that make no sense: the gateway refuses them, and nothing else comes of it.

mod client;
mod requests;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use self::client::Client;
use self::requests::Route;
use crate::harness::gateway::Gateway;
use crate::harness::random::Random;
use crate::harness::session::Session;
use crate::harness::{eventually, raw};
use crate::logs::requests as logged_requests;
use crate::trials::Trials;

/// Requests to each route.
const REQUESTS: usize = 1_000;

/// Connections that carry no request at all.
const RAW: usize = 1_000;

/// Bytes of memory that the second half of the requests may cost. A leak of a kilobyte for each would be far above it.
const GROWTH: u64 = 8 << 20;

pub(crate) fn add(trials: &mut Trials) {
    trials.add("garbage::requests_without_sense_do_no_harm", requests_without_sense_do_no_harm);
    trials.add("garbage::bytes_without_sense_do_no_harm", bytes_without_sense_do_no_harm);
}

async fn requests_without_sense_do_no_harm() {
    let mut random = Random::seeded("garbage::requests");
    let gateway = Gateway::start("").await;
    let session = gateway.api().demo_session().await;
    let bystander = gateway.api().demo_session().await;
    ready(&session).await;
    let routes = Arc::new(Route::all(&gateway.api().get("/openapi.json").await.expect(200)));
    assert!(routes.len() > 20, "{} routes", routes.len());
    let (mut ids, mut statuses) = (BTreeSet::new(), BTreeSet::new());
    let mut memory = Vec::new();
    for _ in 0..2 {
        for route in routes.iter() {
            let mut client = Client::new(gateway.address());
            for _ in 0..REQUESTS / 2 {
                let request = route.request(&mut random, session.api.key(), &session.id);
                let Some(answer) = client.send(&request).await else { continue };
                let shown = String::from_utf8_lossy(&request);
                assert!(answer.status < 500 || matches!(answer.status, 501 | 503), "{} for\n{shown}", answer.status);
                statuses.insert(answer.status);
                let id = answer.request_id.unwrap_or_else(|| panic!("{} without an id for\n{shown}", answer.status));
                if !route.is_quiet() {
                    ids.insert(id);
                }
            }
        }
        memory.push(anonymous_memory(gateway.process()));
    }
    assert!(statuses.is_superset(&[200, 400, 401, 404, 405, 421].into()), "handlers are reached: {statuses:?}");
    assert!(memory[1] < memory[0] + GROWTH, "memory grows: {memory:?}");
    check_alive(&gateway, &bystander).await;
    assert!(ids.len() > REQUESTS * 10, "{} requests were answered", ids.len());
    check_log(&gateway.log(), &ids);
}

async fn bytes_without_sense_do_no_harm() {
    let mut random = Random::seeded("garbage::bytes");
    // With the lines of probes.
    let mut gateway = Gateway::prepared("").with_variable("PORTWAY_LOG", "debug");
    gateway.launch().await;
    let session = gateway.api().demo_session().await;
    let bystander = gateway.api().demo_session().await;
    ready(&session).await;
    let routes = Route::all(&gateway.api().get("/openapi.json").await.expect(200));
    let mut ids = BTreeSet::new();
    for _ in 0..RAW {
        let route = &routes[random.index(routes.len())];
        let mut bytes = route.request(&mut random, session.api.key(), &session.id);
        if random.one_in(4) {
            bytes = (0..random.below(300)).map(|_| random.next() as u8).collect();
        } else {
            requests::mutate(&mut random, &mut bytes);
        }
        let mut stream = TcpStream::connect(gateway.address()).await.unwrap();
        let _ = stream.write_all(&bytes).await;
        let _ = stream.shutdown().await;
        let answer = raw::read_all(&mut stream, Duration::from_secs(5)).await;
        for head in raw::heads(&answer).iter().filter(|head| head.status != 100) {
            let shown = || format!("{head:?} for {:?}", String::from_utf8_lossy(&bytes));
            assert!(head.status < 500 || matches!(head.status, 501 | 503), "{}", shown());
            ids.insert(head.header("x-request-id").unwrap_or_else(|| panic!("no id: {}", shown())).to_owned());
        }
    }
    check_alive(&gateway, &bystander).await;
    check_log(&gateway.log(), &ids);
}

async fn ready(session: &Session) {
    eventually("the session runs", async || (session.status().await == "running").then_some(())).await;
}

/// A session that got no garbage goes on as ever.
async fn check_alive(gateway: &Gateway, bystander: &Session) {
    gateway.api().get("/api/auth/me").await.expect(200);
    gateway.api().get("/ready").await.expect(200);
    let mut socket = bystander.socket().await;
    let prompt = socket.prompt("/say fine", None).await;
    assert_eq!(socket.answer_to(&prompt).await.content, "fine");
}

/// Nothing broke, every request with one of these ids has its line, and no line of a request is without an id.
fn check_log(log: &str, ids: &BTreeSet<String>) {
    let logged: BTreeSet<String> =
        logged_requests(log).iter().map(|line| line["request_id"].as_str().unwrap().to_owned()).collect();
    let absent: Vec<_> = ids.difference(&logged).take(5).collect();
    assert!(absent.is_empty(), "not logged: {absent:?}");
    for line in log.lines() {
        let parsed: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert_ne!(parsed["level"], "ERROR", "{line}");
        assert_ne!(parsed["target"], "portway::panic", "{line}");
        let is_request = parsed["target"] == "portway::access";
        let id = parsed["fields"]["request_id"].as_str();
        assert!(!is_request || id.is_some_and(|id| !id.is_empty()), "{line}");
    }
}

/// Memory that is no file, in bytes.
fn anonymous_memory(process: i32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    line.trim().trim_end_matches("kB").trim().parse::<u64>().unwrap() << 10
}
