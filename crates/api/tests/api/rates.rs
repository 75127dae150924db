//! How often callers may call.

use std::net::IpAddr;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use axum::body::Body;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::request::Builder;
use http::{Method, Response};
use portway_api::{ApiOptions, Ask, Peer, RateClass, RateLimiting, Uncounted};
use portway_domain::ids::UserId;
use portway_domain::rates::{Audience, Decision, KnownTokens, RateLimit, RateLimits};
use portway_domain::time::Timestamp;
use portway_domain::tokens::TokenHash;
use portway_ports::rates::{BucketKey, Caller, RateLimiter, Standing};
use portway_ports::system::Clock;
use portway_rate_limits::MemoryRateLimiter;
use serde_json::{Value, json};

use crate::fixture::{Answer, Gateway, OTHER_TOKEN, TOKEN, options, request};

/// Milliseconds since the epoch, in the middle of a second.
const START: i64 = 1_771_927_200_500;

/// Milliseconds since the epoch, as a test sets them.
struct Hands(Arc<AtomicI64>);

#[async_trait]
impl Clock for Hands {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::Relaxed))
    }

    async fn sleep(&self, _: Duration) {}
}

/// A gateway where strangers may call three times a minute, users five times, and strangers open one socket.
struct Limited {
    gateway: Gateway,
    now: Arc<AtomicI64>,
}

impl Limited {
    fn new() -> Self {
        Self::with(|_| {})
    }

    /// With options that are changed further.
    fn with(change: impl FnOnce(&mut ApiOptions)) -> Self {
        let now = Arc::new(AtomicI64::new(START));
        let mut limits = RateLimits::default();
        for (audience, class, cells) in [
            (Audience::Strangers, RateClass::Standard, 3),
            (Audience::Users, RateClass::Standard, 5),
            (Audience::Strangers, RateClass::Agent, 1),
        ] {
            limits.set(audience, class, RateLimit::a_minute(cells).unwrap());
        }
        let mut options = options();
        options.clock = Arc::new(Hands(Arc::clone(&now)));
        options.rates = Some(RateLimiting { limits, limiter: Arc::new(MemoryRateLimiter::new()) });
        change(&mut options);
        Self { gateway: Gateway::with(options), now }
    }

    fn pass(&self, seconds: f64) {
        self.now.fetch_add((seconds * 1_000.0) as i64, Ordering::Relaxed);
    }

    async fn send(&self, request: Builder, from: &str) -> Answer {
        self.send_with(request, from, Body::empty()).await
    }

    async fn send_with(&self, request: Builder, from: &str, body: Body) -> Answer {
        let address: IpAddr = from.parse().unwrap();
        let peer = Peer { loopback: false, address: Some(address) };
        self.gateway.send(request.extension(peer).body(body).unwrap()).await
    }

    async fn list(&self, token: &str, from: &str) -> Answer {
        self.send(request("GET", "/api/notes").header("authorization", format!("Bearer {token}")), from).await
    }

    /// Status, limit and what remains.
    async fn asked(&self, token: &str, from: &str) -> (u16, String, String) {
        let answer = self.list(token, from).await;
        let header = |name: &str| answer.header(name).unwrap_or_default().to_owned();
        (answer.status(), header("x-ratelimit-limit"), header("x-ratelimit-remaining"))
    }

    fn reads(&self) -> usize {
        self.gateway.state.contexts.lock().unwrap().len()
    }
}

/// Buckets that gateways share which tell each other whose a token is.
#[derive(Default)]
struct Telling {
    buckets: MemoryRateLimiter,
    known: Mutex<KnownTokens>,
}

#[async_trait]
impl RateLimiter for Telling {
    async fn take(&self, key: &BucketKey, limit: RateLimit, now: Timestamp, cost: u32) -> Decision {
        self.buckets.take(key, limit, now, cost).await
    }

    async fn take_unless_known(
        &self,
        stranger: &BucketKey,
        token: &TokenHash,
        limit: RateLimit,
        now: Timestamp,
    ) -> Standing {
        let known = self.known.lock().unwrap().user(token, now).cloned();
        match known {
            Some(user) => Standing::User(user),
            None => Standing::Stranger(self.take(stranger, limit, now, 1).await),
        }
    }

    async fn let_in(&self, _: &Caller, token: &TokenHash, user: &UserId, now: Timestamp) {
        self.known.lock().unwrap().remember(token, user, now);
    }

    async fn turned_away(&self, _: &Caller, token: &TokenHash) {
        self.known.lock().unwrap().forget(token);
    }
}

fn told(status: u16, limit: u32, remaining: u32) -> (u16, String, String) {
    (status, limit.to_string(), remaining.to_string())
}

#[tokio::test]
async fn tokens_are_guessed_no_faster_than_strangers_may_call() {
    let limited = Limited::new();
    for guess in 0..3 {
        assert_eq!(limited.asked(&format!("guess-{guess}"), "192.0.2.1").await, told(401, 3, 2 - guess));
    }
    limited.pass(0.1);
    let answer = limited.list("guess-3", "192.0.2.1").await;
    let (status, code, message) = answer.error();
    assert_eq!((status, code.as_str()), (429, "RATE_LIMIT_EXCEEDED"));
    assert_eq!((message.as_str(), answer.header("retry-after")), ("Too many requests: try again in 20 s", Some("20")));
    assert_eq!(answer.header("x-ratelimit-remaining"), Some("0"));
    assert_eq!(answer.header("x-ratelimit-reset"), Some("1771927261"));
    assert_eq!(limited.asked(TOKEN, "192.0.2.1").await.0, 429, "a token that nobody knows yet is a guess");
    assert_eq!(limited.reads(), 3, "who is refused costs no read");
    assert_eq!(limited.asked("guess", "192.0.2.2").await, told(401, 3, 2));
    limited.pass(19.9);
    assert_eq!(limited.asked("guess", "192.0.2.1").await, told(401, 3, 0));
    assert_eq!(limited.asked("guess", "192.0.2.1").await.0, 429);
}

#[tokio::test]
async fn a_user_has_one_limit_wherever_and_with_whatever_token() {
    let limited = Limited::new();
    assert_eq!(limited.asked(TOKEN, "192.0.2.1").await, told(200, 3, 2), "nobody knows yet whose it is");
    assert_eq!(limited.asked(OTHER_TOKEN, "192.0.2.1").await, told(200, 3, 1));
    for (turn, (token, from)) in
        [(TOKEN, "192.0.2.1"), (OTHER_TOKEN, "192.0.2.1"), (TOKEN, "2001:db8::1")].into_iter().enumerate()
    {
        assert_eq!(limited.asked(token, from).await, told(200, 5, 4 - turn as u32));
    }
    assert_eq!(limited.asked("guess", "192.0.2.1").await, told(401, 3, 0));
    assert_eq!(limited.asked("guess", "192.0.2.1").await.0, 429);
    assert_eq!(limited.asked(TOKEN, "192.0.2.1").await, told(200, 5, 1), "strangers of the same address do not matter");
    assert_eq!(limited.asked(TOKEN, "192.0.2.1").await, told(200, 5, 0));
    assert_eq!(limited.asked(TOKEN, "192.0.2.9").await, told(429, 5, 0));
}

#[tokio::test]
async fn a_token_is_remembered_while_it_is_used_and_let_in() {
    let limited = Limited::new();
    limited.list(TOKEN, "192.0.2.1").await;
    limited.pass(599.0);
    assert_eq!(limited.asked(TOKEN, "192.0.2.1").await.1, "5");
    limited.pass(599.0);
    assert_eq!(limited.asked(TOKEN, "192.0.2.1").await.1, "5");
    limited.pass(600.0);
    assert_eq!(limited.asked(TOKEN, "192.0.2.1").await.1, "3");
    limited.gateway.state.revoked.store(true, Ordering::Relaxed);
    assert_eq!(limited.asked(TOKEN, "192.0.2.1").await, told(401, 5, 4));
    assert_eq!(limited.asked(TOKEN, "192.0.2.1").await.1, "3");
}

#[tokio::test]
async fn each_row_counts_in_its_class() {
    let limited = Limited::new();
    let socket = |path: &'static str| {
        request("GET", path).header("upgrade", "websocket").header("authorization", "Bearer guess")
    };
    let answer = limited.send(socket("/api/notes/n1/ws"), "192.0.2.1").await;
    assert_eq!((answer.status(), answer.header("x-ratelimit-limit")), (401, Some("1")));
    assert_eq!(limited.send(socket("/api/notes/n1/ws"), "192.0.2.1").await.status(), 429);
    assert_eq!(limited.send(socket("/api/notes/n1/ws?id=free"), "192.0.2.1").await.status(), 429);
    assert_eq!(limited.asked("guess", "192.0.2.1").await, told(401, 3, 2));
    for _ in 0..10 {
        let answer = limited.send(socket("/api/notes/free/ws"), "192.0.2.1").await;
        assert_eq!((answer.status(), answer.header("x-ratelimit-limit")), (401, None));
        let answer = limited.send(request("GET", "/health"), "192.0.2.1").await;
        assert_eq!((answer.status(), answer.header("x-ratelimit-limit")), (200, None));
    }
}

#[tokio::test]
async fn strangers_without_an_address_share_one_limit() {
    let limited = Limited::new();
    for status in [401, 401, 401, 429] {
        let guess = request("GET", "/api/notes").header("authorization", "Bearer guess");
        assert_eq!(limited.gateway.send(guess.body(Body::empty()).unwrap()).await.status(), status);
    }
}

#[tokio::test]
async fn pages_may_read_what_is_left() {
    let limited = Limited::new();
    let ask = request("GET", "/api/notes").header("origin", "http://localhost:5173");
    let answer = limited.send(ask, "192.0.2.1").await;
    let exposed = answer.header("access-control-expose-headers").unwrap();
    for name in ["Retry-After", "X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"] {
        assert!(exposed.split(", ").any(|exposed| exposed == name), "{name}");
    }
}

#[tokio::test]
async fn without_limits_nothing_is_told() {
    let gateway = Gateway::new();
    for _ in 0..700 {
        assert_eq!(gateway.call("GET", "/api/notes", "").await.status(), 200);
    }
    assert_eq!(gateway.call("GET", "/api/notes", "").await.header("x-ratelimit-limit"), None);
}

#[tokio::test]
async fn every_call_of_a_batch_counts() {
    let limited = Limited::new();
    let call = |id: u32, method: &str| json!({ "jsonrpc": "2.0", "id": id, "method": method });
    let batch = json!([call(1, "notes.list"), call(2, "nothing"), 5, call(3, "notes.list")]);
    let request = request("POST", "/rpc").header("authorization", format!("Bearer {TOKEN}"));
    let answer = limited.gateway.send(request.body(Body::from(batch.to_string())).unwrap()).await;
    let answers = answer.json();
    let codes: Vec<&Value> = answers.as_array().unwrap().iter().map(|answer| &answer["error"]["code"]).collect();
    assert_eq!(codes, [&Value::Null, &json!(-32601), &json!(-32600), &json!(-32029)]);
    assert_eq!(answers[3]["error"]["data"]["retryAfter"], 20);
    assert_eq!((answer.header("x-ratelimit-limit"), answer.header("x-ratelimit-remaining")), (Some("3"), Some("0")));
}

#[tokio::test]
async fn a_call_is_counted_where_it_is_answered() {
    let elsewhere = |method: &Method, path: &str| -> Option<Ask> {
        let ask = |_| -> BoxFuture<'static, Option<Response<Bytes>>> {
            let answer = Response::builder().header("x-ratelimit-limit", "600").header("x-ratelimit-remaining", "41");
            let answer = answer.header("x-other", "x").body(r#"{"jsonrpc":"2.0","id":1,"result":"there"}"#.into());
            Box::pin(std::future::ready(answer.ok()))
        };
        (method == Method::PUT && path == "/api/notes/far").then(|| Box::new(ask) as Ask)
    };
    let limited = Limited::with(|options| options.elsewhere = Some(Arc::new(elsewhere)));
    let call = |note: &str| json!({ "jsonrpc": "2.0", "id": 1, "method": "notes.edit", "params": { "id": note } });
    let ask = async |message: Value| {
        let request = request("POST", "/rpc").header("authorization", format!("Bearer {TOKEN}"));
        let answer = limited.send_with(request, "192.0.2.1", Body::from(message.to_string())).await;
        let header = |name: &str| answer.header(name).unwrap_or_default().to_owned();
        assert_eq!((answer.status(), answer.header("x-other")), (200, None));
        (header("x-ratelimit-limit"), header("x-ratelimit-remaining"))
    };
    let told = |limit: &str, remaining: &str| (limit.to_owned(), remaining.to_owned());
    for _ in 0..7 {
        assert_eq!(ask(call("far")).await, told("600", "41"));
    }
    assert_eq!(ask(call("near")).await, told("3", "2"));
    assert_eq!(ask(json!([call("near"), call("far")])).await, told("600", "41"));
    assert_eq!(ask(json!([call("far"), call("near"), call("far"), call("near")])).await, told("5", "2"));
    assert_eq!(ask(call("near")).await, told("5", "1"));
}

#[tokio::test]
async fn to_go_on_with_a_socket_is_not_counted() {
    let limited = Limited::new();
    let socket = || request("GET", "/api/notes/n1/ws").header("upgrade", "websocket");
    let guess = || socket().header("authorization", "Bearer guess");
    for _ in 0..3 {
        let answer = limited.send(guess().extension(Uncounted), "192.0.2.1").await;
        assert_eq!((answer.status(), answer.header("x-ratelimit-limit")), (401, None));
    }
    assert_eq!(limited.send(guess(), "192.0.2.1").await.status(), 401);
    assert_eq!(limited.send(guess(), "192.0.2.1").await.status(), 429);
}

#[tokio::test]
async fn a_user_is_known_to_instances_that_were_told() {
    let limiter = Arc::new(Telling::default());
    let instance = || {
        Limited::with(|options| {
            if let Some(rates) = &mut options.rates {
                rates.limiter = limiter.clone();
            }
        })
    };
    let [one, two] = [instance(), instance()];
    assert_eq!(one.asked(TOKEN, "192.0.2.1").await, told(200, 3, 2));
    for status in [401, 401, 429] {
        assert_eq!(two.asked("guess", "192.0.2.1").await.0, status);
    }
    assert_eq!(two.asked(TOKEN, "192.0.2.1").await, told(200, 5, 4), "no stranger of that address has anything left");
    assert_eq!(instance().asked(TOKEN, "192.0.2.1").await, told(200, 5, 3));
    let last = instance();
    last.gateway.state.revoked.store(true, Ordering::Relaxed);
    assert_eq!(last.asked(TOKEN, "192.0.2.1").await, told(401, 5, 2));
    assert_eq!(last.asked(TOKEN, "192.0.2.1").await, told(429, 3, 0), "all have forgotten whose it was");
}
