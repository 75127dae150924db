//! What the caller wants to be remembered.

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::api::{Api, send};
use crate::harness::gateway::Gateway;
use crate::trials::Trials;

pub(crate) fn add(trials: &mut Trials) {
    trials.add("memories::are_kept_found_used_and_forgotten", are_kept_found_used_and_forgotten);
    trials.add("memories::refuse_what_is_no_memory", refuse_what_is_no_memory);
    trials.add("memories::are_made_once_under_a_key", are_made_once_under_a_key);
}

async fn list(api: &Api, query: &str) -> Vec<Value> {
    api.get(&format!("/api/me/memories{query}")).await.expect(200)["memories"].as_array().unwrap().clone()
}

async fn are_kept_found_used_and_forgotten() {
    let mut gateway = Gateway::start("").await;
    let api = gateway.api();
    assert_eq!(list(&api, "").await, Vec::<Value>::new());
    let add = async |content: &str, category: &str| {
        let body = json!({"content": content, "category": category});
        api.post("/api/me/memories", &body).await.expect(201)["memory"].clone()
    };
    let tabs = add("Prefers tabs over spaces", "preference").await;
    let tea = add("Drinks tea in the café", "context").await;
    let me = api.get("/api/auth/me").await.expect(200)["user"]["id"].clone();
    assert_eq!((&tabs["userId"], &tabs["orgId"], &tabs["relevance"]), (&me, &json!("default"), &json!(1.0)));
    assert_eq!(tabs["createdAt"], tabs["lastAccessedAt"]);
    assert_eq!(list(&api, "").await, [tea.clone(), tabs.clone()]);
    assert_eq!(list(&api, "?category=preference").await, std::slice::from_ref(&tabs));
    assert_eq!(list(&api, "?query=cafe+with+tabs&limit=1").await.len(), 1);
    assert_eq!(list(&api, "?query=CAFE").await, std::slice::from_ref(&tea));
    assert_eq!(list(&api, "?query=+").await.len(), 2);

    let recalled = api.post("/api/me/memories/recall", &json!({"query": "spaces"})).await.expect(200);
    assert_eq!(recalled["memories"].as_array().map(Vec::len), Some(1));
    assert_eq!(recalled["memories"][0]["relevance"], json!(1.1));
    let all = send(api.request(Method::POST, "/api/me/memories/recall")).await.expect(200);
    assert_eq!(all["memories"].as_array().map(Vec::len), Some(2));
    gateway.restart().await;
    let api = gateway.api();
    let after: Vec<Value> = list(&api, "").await.iter().map(|memory| memory["relevance"].clone()).collect();
    assert_eq!(after, [json!(1.2), json!(1.1)]);

    let path = format!("/api/me/memories/{}", tea["id"].as_str().unwrap());
    assert_eq!(api.delete(&path).await.expect(200), json!({"success": true}));
    api.delete(&path).await.refused(404, "NOT_FOUND");
    api.delete("/api/me/memories/no%20id").await.refused(404, "NOT_FOUND");
    assert_eq!(list(&api, "").await.len(), 1);
    api.with_key("sk_live_nobody").get("/api/me/memories").await.refused(401, "UNAUTHORIZED");
}

async fn refuse_what_is_no_memory() {
    let gateway = Gateway::start("").await;
    let api = gateway.api();
    for body in [
        json!({"content": "x"}),
        json!({"category": "general"}),
        json!({"content": "", "category": "general"}),
        json!({"content": "x".repeat(5_001), "category": "general"}),
        json!({"content": "x", "category": "secret"}),
        json!({"content": 1, "category": "general"}),
    ] {
        api.post("/api/me/memories", &body).await.refused(400, "VALIDATION_ERROR");
    }
    api.get("/api/me/memories?category=secret").await.refused(400, "VALIDATION_ERROR");
    assert_eq!(list(&api, "").await, Vec::<Value>::new());
}

async fn are_made_once_under_a_key() {
    let gateway = Gateway::start("").await;
    let api = gateway.api();
    let add = |key: &str, content: &str| {
        let body = json!({"content": content, "category": "general"});
        send(api.request(Method::POST, "/api/me/memories").header("Idempotency-Key", key).json(&body))
    };
    let first = add("k1", "once").await.expect(201);
    assert_eq!(add("k1", "once").await.expect(201), first);
    add("k1", "twice").await.refused(409, "IDEMPOTENCY_KEY_REUSED");
    assert_eq!(list(&api, "").await, std::slice::from_ref(&first["memory"]));
}
