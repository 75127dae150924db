//! How often callers may call.

use std::process;
use std::time::{SystemTime, UNIX_EPOCH};

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::api::{Reply, send};
use crate::harness::gateway::Gateway;
use crate::harness::host::is_worker;
use crate::mcp::alone;
use crate::trials::{Component, Trials};

pub(crate) fn add(trials: &mut Trials) {
    trials.add("rates::nobody_but_a_trusted_proxy_says_who_calls", nobody_but_a_trusted_proxy_says_who_calls);
    trials.add("rates::runners_come_back_whoever_guesses", runners_come_back_whoever_guesses);
    trials.add_for(REDIS, "rates::gateways_on_one_redis_share_limits", gateways_on_one_redis_share_limits);
    trials.add("rates::callers_of_this_machine_are_not_limited", callers_of_this_machine_are_not_limited);
    trials.add("rates::every_call_counts_once_whoever_answers_it", every_call_counts_once_whoever_answers_it);
    if is_worker() {
        trials.add("rates::cloudflare_says_who_calls", cloudflare_says_who_calls);
    }
}

/// The Redis server of the tests, which keeps what earlier runs left.
const REDIS: Component<fn() -> Option<String>> = Component {
    missing: "there is no Redis server: run `cargo xtask test`, or set PORTWAY_TEST_REDIS to its URL",
    find: || std::env::var("PORTWAY_TEST_REDIS").ok(),
};

/// Strangers call once a minute.
pub(crate) const ONCE: &str = "[rate_limits]\nenabled = true\nstrangers = { standard = 1, agent = 1 }\n";

/// Tries a token that is none, as somebody whom a proxy names.
async fn guess(gateway: &Gateway, path: &str, forwarded: &str) -> Reply {
    let request = gateway.api().anonymous(Method::GET, path).bearer_auth("guess");
    send(request.header("x-forwarded-for", forwarded).header("upgrade", "websocket")).await
}

async fn nobody_but_a_trusted_proxy_says_who_calls() {
    let me = "/api/auth/me";
    let plain = Gateway::start(ONCE).await;
    guess(&plain, me, "192.0.2.1").await.refused(401, "UNAUTHORIZED");
    let refused = guess(&plain, me, "192.0.2.2").await;
    refused.refused(429, "RATE_LIMIT_EXCEEDED");
    assert_eq!((refused.header("x-ratelimit-limit"), refused.header("x-ratelimit-remaining")), ("1", "0"));
    assert!(refused.header("retry-after").parse::<u32>().is_ok_and(|seconds| (1..=60).contains(&seconds)));
    let proxied = Gateway::start(&format!("trusted_proxies = [\"127.0.0.1\"]\n{ONCE}")).await;
    for (forwarded, status) in [
        ("192.0.2.1", 401),
        ("192.0.2.2", 401),
        ("192.0.2.3, 192.0.2.1", 429),
        ("192.0.2.4, 127.0.0.1", 401),
        ("198.51.100.1, 192.0.2.4, 127.0.0.1", 429),
    ] {
        assert_eq!(guess(&proxied, me, forwarded).await.status, status, "{forwarded}");
    }
}

async fn runners_come_back_whoever_guesses() {
    let gateway = Gateway::start(ONCE).await;
    // From here on the gateway knows whose the key is, and nobody else of this machine has anything left.
    gateway.api().get("/api/auth/me").await.expect(200);
    guess(&gateway, "/api/sessions/s/ws?role=client", "").await.refused(401, "UNAUTHORIZED");
    guess(&gateway, "/api/sessions/s/ws?role=client", "").await.refused(429, "RATE_LIMIT_EXCEEDED");
    let session = gateway.api().demo_session().await;
    session.reaches("running").await;
    let mut socket = session.socket().await;
    let prompt = socket.prompt("/say hello", None).await;
    assert_eq!(socket.answer_to(&prompt).await.content, "hello");
}

async fn gateways_on_one_redis_share_limits(redis: String) {
    let config = format!("trusted_proxies = [\"127.0.0.1\"]\n{ONCE}");
    let start = async |redis: &str| {
        let mut gateway = Gateway::prepared(&config).with_variable("REDIS_URL", redis);
        gateway.launch().await;
        gateway
    };
    let [one, two] = [start(&redis).await, start(&redis).await];
    let [alone, absent] = [start("").await, start("redis://127.0.0.1:9").await];
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let nobody = format!("2001:db8:{:x}:{:x}::1", process::id() & 0xffff, now.subsec_micros() & 0xffff);
    for (gateway, status) in [(&one, 401), (&two, 429), (&one, 429), (&alone, 401), (&absent, 401), (&absent, 429)] {
        assert_eq!(guess(gateway, "/api/auth/me", &nobody).await.status, status);
    }
    for _ in 0..3 {
        guess(&absent, "/api/auth/me", &nobody).await.refused(429, "RATE_LIMIT_EXCEEDED");
    }
    let told = absent.log().matches("Redis does not answer").count();
    assert_eq!(told, 1, "it is told once: {}", absent.log());
}

async fn callers_of_this_machine_are_not_limited() {
    let gateway = Gateway::start("[rate_limits]\nstrangers = { standard = 1 }").await;
    for _ in 0..3 {
        guess(&gateway, "/api/auth/me", "192.0.2.1").await.refused(401, "UNAUTHORIZED");
    }
}

async fn every_call_counts_once_whoever_answers_it() {
    /// Seconds in which a call comes back.
    const INTERVAL: u64 = 5;
    let gateway = Gateway::start(&format!("{ONCE}users = {{ standard = 12 }}")).await;
    let api = gateway.api();
    // The only call that counts as a stranger's: there is no second one.
    api.get("/api/auth/me").await.expect(200);
    let session = api.demo_session().await;
    let call = |method: &str, params: Value| json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
    let of_session = || call("sessions.get", json!({"id": session.id}));
    let me = || call("auth.me", json!({}));
    let mut counted = 0;
    let mut first = None;
    let mut counts = |reply: &Reply, calls: u64| {
        reply.expect(200);
        assert!(!reply.text.contains("error"), "{}", reply.text);
        assert_eq!(reply.header("x-ratelimit-limit"), "12");
        counted += calls;
        // When all calls are back again is the same however long the calls took.
        let reset: u64 = reply.header("x-ratelimit-reset").parse().unwrap();
        let first = *first.get_or_insert(reset);
        assert_eq!(reset - first, (counted - 1) * INTERVAL, "after {counted} calls");
    };
    counts(&api.get("/api/auth/me").await, 1);
    counts(&api.get(&session.path("")).await, 1);
    counts(&api.patch(&session.path(""), &json!({"title": "counted"})).await, 1);
    counts(&api.get(&session.path("/messages")).await, 1);
    counts(&api.post("/rpc", &of_session()).await, 1);
    counts(&api.post("/rpc", &me()).await, 1);
    counts(&api.post("/rpc", &json!([of_session(), me(), of_session()])).await, 3);
    for (name, arguments) in [("sessions_get", json!({"id": session.id})), ("auth_me", json!({}))] {
        let params = json!({"name": name, "arguments": arguments});
        counts(&send(alone(api.request(Method::POST, "/mcp"), "tools/call", params)).await, 1);
    }
    session.terminate().await;
}

/// Tries a token that is none, as somebody of whom Cloudflare says where they are.
pub(crate) async fn guess_from(gateway: &Gateway, path: &str, connecting_ip: &str) -> Reply {
    let request = gateway.api().anonymous(Method::GET, path).bearer_auth("guess");
    send(request.header("cf-connecting-ip", connecting_ip).header("x-forwarded-for", "198.51.100.7")).await
}

async fn cloudflare_says_who_calls() {
    let gateway = Gateway::start(ONCE).await;
    let (me, session) = ("/api/auth/me", "/api/sessions/s");
    guess_from(&gateway, me, "192.0.2.1").await.refused(401, "UNAUTHORIZED");
    let refused = guess_from(&gateway, me, "192.0.2.1").await;
    refused.refused(429, "RATE_LIMIT_EXCEEDED");
    assert_eq!((refused.header("x-ratelimit-limit"), refused.header("x-ratelimit-remaining")), ("1", "0"));
    assert!(refused.header("retry-after").parse::<u32>().is_ok_and(|seconds| (1..=60).contains(&seconds)));
    for (path, from, status) in [
        (session, "192.0.2.1", 429),
        (session, "192.0.2.2", 401),
        (me, "192.0.2.2", 429),
        (me, "2001:db8::1", 401),
        (me, "2001:db8::2", 429),
        (me, "nobody knows", 401),
        (me, "nobody knows either", 429),
    ] {
        assert_eq!(guess_from(&gateway, path, from).await.status, status, "{path} from {from}");
    }
}
