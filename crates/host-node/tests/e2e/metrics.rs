//! The page for Prometheus.

use reqwest::Method;

use crate::harness::api::send;
use crate::harness::eventually;
use crate::harness::gateway::Gateway;
use crate::trials::Trials;

pub(crate) fn add(trials: &mut Trials) {
    trials.add("metrics::tell_what_goes_on", tell_what_goes_on);
    trials.add("metrics::are_for_this_machine_unless_configured", are_for_this_machine_unless_configured);
}

/// The page.
async fn page(gateway: &Gateway) -> String {
    let reply = send(gateway.api().anonymous(Method::GET, "/metrics")).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    reply.text
}

fn value(page: &str, name: &str) -> Option<f64> {
    page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
}

async fn tell_what_goes_on() {
    let gateway = Gateway::start("").await;
    let before = page(&gateway).await;
    assert_eq!(value(&before, r#"portway_sessions{status="running"}"#), Some(0.0), "{before}");
    assert!(value(&before, "portway_process_resident_memory_bytes").is_some_and(|bytes| bytes > 1e6), "{before}");
    assert!(value(&before, "portway_process_start_time_seconds").is_some_and(|at| at > 1.7e9), "{before}");
    let session = gateway.api().demo_session().await;
    let mut socket = session.socket().await;
    let prompt = socket.prompt("/say hello", None).await;
    socket.answer_to(&prompt).await;
    let after = page(&gateway).await;
    for (name, least) in [
        (r#"portway_http_requests_total{operation="sessions.create",class="2xx"}"#, 1.0),
        (r#"portway_http_request_duration_seconds_count{operation="sessions.create"}"#, 1.0),
        (r#"portway_sockets_open{kind="sessions.socket"}"#, 2.0),
        ("portway_commits_total", 4.0),
        ("portway_jobs_claimed_total", 1.0),
        ("portway_turns_running", 0.0),
        ("portway_prompts_queued", 0.0),
        ("portway_jobs_failed_total", 0.0),
    ] {
        assert!(value(&after, name).is_some_and(|found| found >= least), "{name} in\n{after}");
    }
    eventually("the session is counted", async || {
        (value(&page(&gateway).await, r#"portway_sessions{status="running"}"#) == Some(1.0)).then_some(())
    })
    .await;
    assert!(after.ends_with("# EOF\n"), "{after}");
}

async fn are_for_this_machine_unless_configured() {
    let through_a_proxy = |gateway: &Gateway| {
        send(gateway.api().anonymous(Method::GET, "/metrics").header("x-forwarded-for", "192.0.2.1"))
    };
    let closed = Gateway::start("").await;
    through_a_proxy(&closed).await.refused(404, "NOT_FOUND");
    let open = Gateway::start("[metrics]\npublic = true\n").await;
    assert_eq!(through_a_proxy(&open).await.status, 200);
}
