//! How sandboxes are reached from outside.

use serde_json::{Value, json};

use super::backend::Backend;
use super::runner::Runner;
use crate::harness::gateway::Gateway;
use crate::harness::session::Session;
use crate::trials::Trials;
use crate::wire::recorder::Recorder;

pub(super) fn add(trials: &mut Trials) {
    trials.add("legacy_runner::tunnels", tunnels);
    trials.add("legacy_runner::tunnels_go_with_the_sandbox", tunnels_go_with_the_sandbox);
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
