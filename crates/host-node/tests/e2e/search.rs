//! Finding what was said.

use serde_json::Value;

use crate::harness::api::Api;
use crate::harness::gateway::Gateway;
use crate::trials::Trials;

pub(crate) fn add(trials: &mut Trials) {
    trials.add("search::what_was_said_is_found_at_once_and_after_a_restart", what_was_said_is_found);
    trials.add("search::a_query_is_never_wrong", a_query_is_never_wrong);
}

async fn search(api: &Api, query: &[(&str, &str)]) -> Vec<Value> {
    let pair = |(name, value): &(&str, &str)| format!("{name}={}", encoded(value));
    let query: Vec<String> = query.iter().map(pair).collect();
    let found = api.get(&format!("/api/search?{}", query.join("&"))).await.expect(200);
    found["hits"].as_array().unwrap().clone()
}

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// What the highlights of a hit show, taken out as a browser does.
fn highlighted(hit: &Value) -> Vec<String> {
    let units: Vec<u16> = hit["snippet"]["text"].as_str().unwrap().encode_utf16().collect();
    let at = |range: &Value, end: &str| usize::try_from(range[end].as_u64().unwrap()).unwrap();
    let ranges = hit["snippet"]["highlights"].as_array().unwrap();
    ranges.iter().map(|range| String::from_utf16(&units[at(range, "start")..at(range, "end")]).unwrap()).collect()
}

async fn what_was_said_is_found() {
    let mut gateway = Gateway::start("").await;
    let api = gateway.api();
    let session = api.session(serde_json::json!({"workspace": "test", "title": "Haystack", "agent": "demo"})).await;
    let mut socket = session.socket().await;
    let prompt = socket.prompt("/say 🦀 Running needles through the haystack, 日本語", None).await;
    let answer = socket.answer_to(&prompt).await;
    let other = api.demo_session().await;
    let elsewhere = other.prompt("/say nothing of it").await;
    other.socket().await.answer_to(&elsewhere).await;

    let check = async |api: &Api| {
        let hits = search(api, &[("q", "needle run")]).await;
        let ids: Vec<&str> = hits.iter().map(|hit| hit["messageId"].as_str().unwrap()).collect();
        assert_eq!(ids.len(), 2, "{hits:?}");
        assert!(ids.contains(&prompt.as_str()) && ids.contains(&answer.id.as_str()), "{hits:?}");
        for hit in &hits {
            assert_eq!(
                (hit["sessionId"].as_str(), hit["sessionTitle"].as_str()),
                (Some(&*session.id), Some("Haystack"))
            );
            assert_eq!(highlighted(hit), ["Running", "needles"]);
            assert!(hit["score"].as_f64().is_some_and(|score| score > 0.0 && score < 1.0), "{hit}");
            assert!(hit["createdAt"].as_str().is_some_and(|time| time.ends_with('Z')), "{hit}");
        }
        let roles: Vec<&str> = hits.iter().map(|hit| hit["role"].as_str().unwrap()).collect();
        assert!(roles.contains(&"user") && roles.contains(&"assistant"), "{roles:?}");
        assert_eq!(search(api, &[("q", "日本語 -say")]).await.len(), 1);
        assert_eq!(highlighted(&search(api, &[("q", "日本語"), ("limit", "1")]).await[0]), ["日本語"]);
        assert_eq!(search(api, &[("q", "say"), ("sessionId", &other.id)]).await.len(), 1);
        assert_eq!(search(api, &[("q", "\"haystack needles\"")]).await, Vec::<Value>::new());
    };
    check(&api).await;
    gateway.restart().await;
    check(&gateway.api()).await;
    api.with_key("sk_live_nobody").get("/api/search?q=needle").await.refused(401, "UNAUTHORIZED");
}

async fn a_query_is_never_wrong() {
    let gateway = Gateway::start("").await;
    let api = gateway.api();
    let session = api.demo_session().await;
    session.prompt("a AND b OR \"c\" NOT d* NEAR(e)").await;
    for query in
        ["", " ", "\"", "AND", "a AND", "NEAR(", "* -", "a:b ^c {d}", "'; DROP TABLE x --", "🦀", "\u{301}", "(((("]
    {
        let hits = search(&api, &[("q", query), ("limit", "-5")]).await;
        assert!(hits.len() <= 1, "{query:?}");
    }
    api.get("/api/search").await.refused(400, "VALIDATION_ERROR");
    api.get("/api/search?q=%00").await.refused(400, "VALIDATION_ERROR");
    api.get(&format!("/api/search?q={}", "a".repeat(1_001))).await.refused(400, "VALIDATION_ERROR");
    api.get("/api/search?q=a&sessionId=no+id").await.refused(400, "VALIDATION_ERROR");
    api.get("/api/search?q=a&limit=x").await.refused(400, "VALIDATION_ERROR");
}
