//! Sessions that a session opens.

use portway_protocol::message::{MessageRole, Part};
use portway_protocol::server::ServerFrame;
use serde_json::{Value, json};

use crate::harness::eventually;
use crate::harness::gateway::Gateway;
use crate::harness::mirror::answer_id;
use crate::harness::session::Session;
use crate::trials::Trials;

/// More than a page of the list of children.
const MANY: usize = 25;

pub(crate) fn add(trials: &mut Trials) {
    trials.add("children::a_child_tells_its_parent_which_works_on", a_child_tells_its_parent_which_works_on);
    trials.add("children::a_child_that_fails_wakes_its_parent", a_child_that_fails_wakes_its_parent);
    trials.add("children::children_are_listed_and_bounded", children_are_listed_and_bounded);
    trials.add("children::all_children_end_with_their_parent", all_children_end_with_their_parent);
}

/// Takes a gateway that dies in the middle, so it is not for several at once.
pub(crate) fn add_alone(trials: &mut Trials) {
    trials.add("children::what_a_killed_gateway_left_is_ended", what_a_killed_gateway_left_is_ended);
}

async fn child_of(parent: &Session, prompt: &str) -> Session {
    let body = json!({"workspace": "test", "agent": "demo", "parentSessionId": parent.id, "initialPrompt": prompt});
    parent.api.session(body).await
}

async fn listed(parent: &Session, query: &str) -> Value {
    parent.api.get(&parent.path(&format!("/children{query}"))).await.expect(200)
}

async fn live(parent: &Session) -> u64 {
    listed(parent, "?hideTerminated=true").await["totalCount"].as_u64().unwrap()
}

async fn a_child_tells_its_parent_which_works_on() {
    let gateway = Gateway::start("").await;
    let parent = gateway.api().demo_session().await;
    let mut socket = parent.socket().await;
    let first = socket.prompt("/say ready", None).await;
    socket.answer_to(&first).await;
    socket.turn_end().await;
    let child = child_of(&parent, "/say done").await;
    assert_eq!(child.detail().await["session"]["parentSessionId"], json!(parent.id));
    if !parent.api.has_neighbours() {
        let opened = socket
            .wait_for("the child", |frame| match frame {
                ServerFrame::ChildSession { child_session_id, .. } => Some(child_session_id.clone()),
                _ => None,
            })
            .await;
        assert_eq!(opened, child.id);
    }
    let told = socket
        .wait_until("the notice", |mirror| {
            mirror.messages.iter().find(|entry| entry.role == MessageRole::System).cloned()
        })
        .await;
    assert_eq!(told.content, format!("Child session \"test\" ({}) is idle: it has done what it was told.", child.id));
    let label = Part::Label { system_title: "test is idle".to_owned(), system_avatar_key: "child-session".to_owned() };
    assert_eq!(told.parts, [label]);
    let raw = parent.api.get(&parent.path("/messages")).await.expect(200);
    let raw = raw["messages"].as_array().unwrap().iter().find(|message| message["role"] == "system").unwrap().clone();
    assert_eq!(raw["parts"], json!({"systemTitle": "test is idle", "systemAvatarKey": "child-session"}));
    // Its own agent works on what it was told.
    socket.wait_until("the next turn", |mirror| mirror.message(&answer_id(&told.id)).map(|_| ())).await;
    parent.abort().await.expect(200);
    child.terminate().await;
    let entries = eventually("the end is told", async || {
        let entries = parent.transcript().await;
        entries.iter().any(|entry| entry.content.ends_with("was ended.")).then_some(entries)
    })
    .await;
    let notices = entries.iter().filter(|entry| entry.role == MessageRole::System).count();
    assert_eq!(notices, 2, "each is told once: {entries:?}");
    parent.terminate().await;
    gateway.no_descendants().await;
}

async fn a_child_that_fails_wakes_its_parent() {
    let gateway = Gateway::start("").await;
    let parent = gateway.api().demo_session().await;
    parent.prompt("/say ready").await;
    let child = child_of(&parent, "/say ready").await;
    eventually("all has been told", async || {
        let entries = parent.transcript().await;
        entries.iter().any(|entry| entry.content.contains("is idle")).then_some(())
    })
    .await;
    parent.abort().await.expect(200);
    eventually("the parent rests", async || {
        let rest = parent.api.post(&parent.path("/hibernate"), &json!({})).await.expect(200);
        (rest["status"] != "running").then_some(())
    })
    .await;
    parent.reaches("hibernated").await;
    child.prompt("/crash").await;
    let entries = eventually("the error is told", async || {
        let entries = parent.transcript().await;
        entries.iter().any(|entry| entry.content.contains("reported an error")).then_some(entries)
    })
    .await;
    assert!(entries.iter().any(|entry| entry.content.contains("exit code 3")), "{entries:?}");
    parent.reaches("running").await;
    parent.terminate().await;
    child.reaches("terminated").await;
    gateway.no_descendants().await;
}

async fn children_are_listed_and_bounded() {
    let gateway = Gateway::start("max_children = 3\n").await;
    let parent = gateway.api().demo_session().await;
    let mut children = Vec::new();
    for _ in 0..3 {
        children.push(child_of(&parent, "/say hello").await);
    }
    let body = json!({"workspace": "w", "parentSessionId": parent.id});
    let refused = parent.api.post("/api/sessions", &body).await.refused(429, "SESSION_QUOTA_EXCEEDED");
    assert_eq!((&refused["activeCount"], &refused["limit"]), (&json!(3), &json!(3)));
    let nested = json!({"workspace": "w", "parentSessionId": children[0].id});
    parent.api.post("/api/sessions", &nested).await.refused(400, "VALIDATION_ERROR");
    let absent = json!({"workspace": "w", "parentSessionId": "00000000-0000-0000-0000-000000000000"});
    parent.api.post("/api/sessions", &absent).await.refused(404, "NOT_FOUND");
    let first = listed(&parent, "?limit=2").await;
    assert_eq!((&first["totalCount"], &first["hasMore"]), (&json!(3), &json!(true)));
    let cursor = first["cursor"].as_str().unwrap();
    let second = listed(&parent, &format!("?limit=2&cursor={cursor}")).await;
    assert_eq!(
        (&second["totalCount"], &second["hasMore"], &second["cursor"]),
        (&json!(3), &json!(false), &Value::Null)
    );
    let ids: Vec<&Value> =
        [&first, &second].into_iter().flat_map(|page| page["children"].as_array().unwrap()).map(|c| &c["id"]).collect();
    assert_eq!(ids, [&json!(children[2].id), &json!(children[1].id), &json!(children[0].id)]);
    children[1].terminate().await;
    assert_eq!(live(&parent).await, 2);
    let ended = listed(&parent, "?status=terminated").await;
    assert_eq!((&ended["children"][0]["id"], &ended["totalCount"]), (&json!(children[1].id), &json!(1)));
    listed(&children[0], "").await;
    child_of(&parent, "/say hello").await;
    parent.terminate().await;
    parent.api.post("/api/sessions", &body).await.refused(409, "SESSION_TERMINATED");
    eventually("no child lives", async || (live(&parent).await == 0).then_some(())).await;
    gateway.no_descendants().await;
}

async fn many(gateway: &Gateway) -> Session {
    let parent = gateway.api().demo_session().await;
    for _ in 0..MANY {
        child_of(&parent, "/slow 1000").await;
    }
    assert_eq!(live(&parent).await, MANY as u64);
    parent
}

async fn all_children_end_with_their_parent() {
    let gateway = Gateway::start("max_children = 30\n").await;
    let parent = many(&gateway).await;
    parent.terminate().await;
    eventually("no child lives", async || (live(&parent).await == 0).then_some(())).await;
    assert_eq!(listed(&parent, "?status=terminated").await["totalCount"], json!(MANY));
    gateway.no_descendants().await;
}

async fn what_a_killed_gateway_left_is_ended() {
    let mut gateway = Gateway::start("max_children = 30\n").await;
    let parent = many(&gateway).await;
    parent.terminate().await;
    gateway.kill9().await;
    gateway.launch().await;
    eventually("no child lives", async || (live(&parent).await == 0).then_some(())).await;
    gateway.no_descendants().await;
}
