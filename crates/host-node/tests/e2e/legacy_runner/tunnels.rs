//! How sandboxes are reached from outside.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::Method;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::backend::Backend;
use super::runner::Runner;
use crate::harness::api::send;
use crate::harness::gateway::{Gateway, KEY};
use crate::harness::session::Session;
use crate::harness::{PATIENCE, eventually, raw};
use crate::trials::Trials;
use crate::wire::recorder::Recorder;

const ROOT_KEY: &str = "fedcba9876543210fedcba9876543210";

pub(super) fn add(trials: &mut Trials) {
    trials.add("legacy_runner::tunnels", tunnels);
    trials.add("legacy_runner::a_caller_hangs_up_on_its_key", a_caller_hangs_up_on_its_key);
    trials.add("legacy_runner::tunnels_go_with_the_sandbox", tunnels_go_with_the_sandbox);
    trials.add("legacy_runner::a_token_for_the_sandbox", a_token_for_the_sandbox);
    trials.add("legacy_runner::no_token_without_an_address", no_token_without_an_address);
}

/// A session whose sandbox is reached at an address and whose runner has told two tunnels, and a client that knows.
async fn exposed() -> (Backend, Gateway, Session, Runner, Recorder) {
    let backend = Backend::reached_at(json!({"gateway": "https://sandbox.example/", "vnc": null})).await;
    let gateway = backend.gateway("").await;
    let session = gateway.api().demo_session().await;
    let order = backend.order(&session.id, 1).await;
    session.reaches("running").await;
    let mut client = Recorder::open(&gateway, &session).await;
    let mut runner = Runner::ready(&gateway, order).await;
    let told = json!([told("web", 3000), told("api", 8080), {"name": "bad name", "port": 1, "path": "/"}, 7]);
    runner.say(json!({"type": "tunnels", "tunnels": told})).await;
    let frame = client.until(|frame| !frame["data"]["tunnels"].is_null()).await;
    assert_eq!(frame, json!({"type": "status", "data": {"tunnels": [seen("web", 3000), seen("api", 8080)]}}));
    (backend, gateway, session, runner, client)
}

/// A tunnel as a runner tells it.
fn told(name: &str, port: u16) -> Value {
    json!({"name": name, "port": port, "protocol": "http", "path": format!("/t/{name}")})
}

/// The same as it is shown.
fn seen(name: &str, port: u16) -> Value {
    let mut tunnel = told(name, port);
    tunnel["url"] = json!(format!("https://sandbox.example/t/{name}"));
    tunnel
}

async fn tunnels() {
    let (_backend, _gateway, session, mut runner, mut client) = exposed().await;
    let both = json!([seen("web", 3000), seen("api", 8080)]);
    let detail = session.detail().await;
    assert_eq!(detail["session"]["gatewayUrl"], "https://sandbox.example/");
    assert_eq!((&detail["session"]["tunnels"], &detail["doStatus"]["tunnels"]), (&both, &both));
    assert_eq!(detail["doStatus"]["tunnelUrls"], json!({"gateway": "https://sandbox.example/"}));
    let listed = session.api.get(&session.path("/tunnels")).await.expect(200);
    assert_eq!(listed, json!({"gatewayUrl": "https://sandbox.example/", "tunnels": both}));

    session.api.delete(&session.path("/tunnels/other")).await.refused(404, "NOT_FOUND");
    let path = session.path("/tunnels/web");
    let close = async {
        let asked = runner.until("tunnel-delete").await;
        assert_eq!((&asked["name"], &asked["actorEmail"]), (&json!("web"), &json!("admin@localhost")), "{asked}");
        assert!(asked["actorId"].is_string(), "{asked}");
        // A list that still has it is no answer.
        runner.say(json!({"type": "tunnels", "tunnels": [told("web", 3001), told("api", 8080)]})).await;
        runner.say(json!({"type": "tunnels", "tunnels": [told("api", 8080)]})).await;
    };
    let (closed, ()) = tokio::join!(session.api.delete(&path), close);
    assert_eq!(closed.expect(200), json!({"success": true}));
    let said = client.until(|frame| frame["data"]["parts"]["type"] == "tunnel.disabled").await;
    assert_eq!((&said["data"]["role"], &said["data"]["parts"]["name"]), (&json!("system"), &json!("web")));
    let listed = session.api.get(&session.path("/tunnels")).await.expect(200);
    assert_eq!(listed["tunnels"], json!([seen("api", 8080)]));
    session.api.delete(&path).await.refused(404, "NOT_FOUND");
    session.terminate().await;
}

async fn a_caller_hangs_up_on_its_key() {
    let (_backend, gateway, session, mut runner, mut client) = exposed().await;
    let path = session.path("/tunnels/web");
    let mut caller = TcpStream::connect(gateway.address()).await.unwrap();
    let request = format!(
        "DELETE {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {KEY}\r\nIdempotency-Key: k1\r\n\r\n",
        gateway.address()
    );
    caller.write_all(request.as_bytes()).await.unwrap();
    runner.until("tunnel-delete").await;
    caller.shutdown().await.unwrap();
    assert_eq!(raw::read_all(&mut caller, PATIENCE).await, b"", "the gateway gives the connection up");

    let again = || send(session.api.request(Method::DELETE, &path).header("Idempotency-Key", "k1"));
    again().await.refused(409, "CONFLICT");
    runner.say(json!({"type": "tunnels", "tunnels": [told("api", 8080)]})).await;
    client.until(|frame| frame["data"]["parts"]["type"] == "tunnel.disabled").await;
    let kept = eventually("the answer is kept", async || {
        let reply = again().await;
        (reply.status != 409).then_some(reply)
    });
    assert_eq!(kept.await.expect(200), json!({"success": true}));
    session.api.delete(&path).await.refused(404, "NOT_FOUND");
    session.terminate().await;
}

async fn tunnels_go_with_the_sandbox() {
    let (backend, gateway, session, mut runner, mut client) = exposed().await;
    session.api.post(&session.path("/hibernate"), &json!({})).await.expect(200);
    runner.closed().await;
    let detail = session.reaches("hibernated").await;
    assert!(detail["session"].get("gatewayUrl").is_none() && detail["session"]["tunnels"].is_null(), "{detail}");
    assert!(detail["doStatus"]["tunnelUrls"].is_null() && detail["doStatus"]["tunnels"].is_null(), "{detail}");
    client.until(|frame| frame["data"]["status"] == "hibernated").await;

    session.api.post(&session.path("/wake"), &json!({})).await.expect(200);
    let _awake = Runner::connect(&gateway, backend.order(&session.id, 2).await).await;
    let told =
        client.until(|frame| frame["data"]["status"] == "running" && frame["data"].get("tunnelUrls").is_some()).await;
    assert_eq!(told["data"]["tunnelUrls"], json!({"gateway": "https://sandbox.example/"}));
    let listed = session.api.get(&session.path("/tunnels")).await.expect(200);
    assert_eq!(listed, json!({"gatewayUrl": "https://sandbox.example/", "tunnels": []}));
    session.terminate().await;
}

/// The gateway's own key is on Postgres none, so this one is chosen.
async fn with_root_key(backend: &Backend) -> Gateway {
    let mut gateway = backend.prepared("").with_variable("PORTWAY_SANDBOX_ROOT_KEY", ROOT_KEY);
    gateway.launch().await;
    gateway
}

async fn a_token_for_the_sandbox() {
    let backend = Backend::reached_at(json!({"gateway": "https://sandbox.example"})).await;
    let gateway = with_root_key(&backend).await;
    let session = gateway.api().demo_session().await;
    let order = backend.order(&session.id, 1).await;
    let secret = order.jwt_secret.clone().unwrap();
    assert!(secret != ROOT_KEY && secret.len() == 64, "{secret}");
    session.reaches("running").await;
    let before = now();
    let reply = session.api.get(&session.path("/sandbox-token")).await;
    let answer = reply.expect(200);
    assert_eq!(reply.header("cache-control"), "no-store");
    assert_eq!(answer["tunnelUrls"], json!({"gateway": "https://sandbox.example"}));
    let claims = verified(answer["token"].as_str().unwrap(), &secret);
    let user = &session.detail().await["session"]["userId"];
    assert_eq!((&claims["sub"], &claims["sid"], &claims["aud"]), (user, &json!(session.id), &json!("sandbox")));
    let (issued, ends) = (claims["iat"].as_u64().unwrap(), claims["exp"].as_u64().unwrap());
    assert!((before..=now()).contains(&issued) && ends == issued + 900, "{claims}");

    let other = gateway.api().demo_session().await;
    let theirs = backend.order(&other.id, 1).await.jwt_secret.unwrap();
    assert_ne!(theirs, secret, "each session has a key of its own");
    other.terminate().await;
    other.api.get(&other.path("/sandbox-token")).await.refused(503, "UNAVAILABLE");

    let _runner = Runner::ready(&gateway, order).await;
    eventually("the runner is connected", async || {
        (session.detail().await["doStatus"]["runnerConnected"] == true).then_some(())
    })
    .await;
    session.api.post(&session.path("/hibernate"), &json!({})).await.expect(200);
    session.reaches("hibernated").await;
    let away = session.api.get(&session.path("/sandbox-token")).await.refused(503, "UNAVAILABLE");
    assert_eq!(away["status"], "hibernated");
    session.api.post(&session.path("/wake"), &json!({})).await.expect(200);
    assert_eq!(backend.order(&session.id, 2).await.jwt_secret, Some(secret), "also when it is restored");
    session.terminate().await;
}

async fn no_token_without_an_address() {
    let backend = Backend::start().await;
    let gateway = with_root_key(&backend).await;
    let session = gateway.api().demo_session().await;
    session.reaches("running").await;
    let refused = session.api.get(&session.path("/sandbox-token")).await.refused(503, "UNAVAILABLE");
    assert!(refused.get("status").is_none(), "{refused}");
    session.terminate().await;
}

fn now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
}

/// What a token says that is signed with that secret.
fn verified(token: &str, secret: &str) -> Value {
    let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).unwrap();
    let (said, signature) = token.rsplit_once('.').unwrap();
    // HMAC with a secret that is as long as a block of the hash.
    let begun = |pad: u8| Sha256::new_with_prefix(secret.bytes().map(|byte| byte ^ pad).collect::<Vec<_>>());
    let inner = begun(0x36).chain_update(said).finalize();
    let expected = begun(0x5c).chain_update(inner).finalize();
    assert_eq!(decode(signature), expected.to_vec(), "the sandbox accepts the token");
    let (header, claims) = said.split_once('.').unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&decode(header)).unwrap(), json!({"alg": "HS256", "typ": "JWT"}));
    serde_json::from_slice(&decode(claims)).unwrap()
}
