//! The page for Prometheus.

use std::sync::Arc;

use async_trait::async_trait;
use axum::body::Body;
use portway_api::{Incoming, Metric, MetricsSource, Peer};

use crate::fixture::{Answer, Gateway, options, request, signed_in};

struct Source;

#[async_trait]
impl MetricsSource for Source {
    async fn metrics(&self) -> Vec<Metric> {
        vec![
            Metric::gauge("memory", "Memory", 1024.0).in_unit("bytes"),
            Metric::counter("events", "Events", 2.0),
            Metric::gauge("notes", "Notes", 0.0).by("colour", vec![("red", 1.0), ("gr\"een", 2.5)]),
        ]
    }
}

fn gateway(public: bool) -> Gateway {
    let mut options = options();
    options.metrics.public = public;
    options.metrics.sources.push(Arc::new(Source));
    Gateway::with(options)
}

async fn look(gateway: &Gateway, method: &str, local: bool, marks: &[(&str, &str)]) -> Answer {
    let mut asked = request(method, "/metrics").extension(Peer { loopback: local, address: None });
    for (name, value) in marks {
        asked = asked.header(*name, *value);
    }
    gateway.send(asked.body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn the_page_tells_requests_and_what_sources_say() {
    let gateway = gateway(false);
    gateway.call("GET", "/api/notes", "").await;
    gateway.call("GET", "/api/notes", "").await;
    gateway.call("PUT", "/api/notes/n1", "[]").await;
    gateway.call("DELETE", "/api/notes/panics", "").await;
    gateway.call("GET", "/nowhere", "").await;
    let page = look(&gateway, "GET", true, &[]).await;
    assert_eq!(page.status(), 200);
    assert_eq!(page.header("content-type"), Some("application/openmetrics-text; version=1.0.0; charset=utf-8"));
    let lines: Vec<&str> = page.body.lines().collect();
    for line in [
        "# TYPE portway_http_requests counter",
        r#"portway_http_requests_total{operation="notes.list",class="2xx"} 2"#,
        r#"portway_http_requests_total{operation="notes.edit",class="4xx"} 1"#,
        r#"portway_http_requests_total{operation="notes.remove",class="5xx"} 1"#,
        r#"portway_http_requests_total{operation="none",class="4xx"} 1"#,
        "# TYPE portway_http_request_duration_seconds histogram",
        r#"portway_http_request_duration_seconds_bucket{le="+Inf",operation="notes.list"} 2"#,
        "# TYPE portway_memory_bytes gauge",
        "# HELP portway_memory_bytes Memory.",
        "portway_memory_bytes 1024.0",
        "portway_events_total 2.0",
        r#"portway_notes{colour="red"} 1.0"#,
        r#"portway_notes{colour="gr\"een"} 2.5"#,
    ] {
        assert!(lines.contains(&line), "{line} is not in\n{}", page.body);
    }
    assert_eq!(lines.last(), Some(&"# EOF"));
}

#[tokio::test]
async fn others_find_no_such_path() {
    let closed = gateway(false);
    let elsewhere = look(&closed, "GET", false, &[]).await;
    assert_eq!(elsewhere.error(), (404, "NOT_FOUND".into(), "Not found".into()));
    assert_eq!(look(&closed, "POST", false, &[]).await.status(), 404);
    assert_eq!(look(&closed, "GET", true, &[("x-forwarded-for", "192.0.2.1")]).await.status(), 404);
    assert_eq!(look(&closed, "POST", true, &[]).await.status(), 405);
    let open = gateway(true);
    assert_eq!(look(&open, "GET", false, &[]).await.status(), 200);
    assert_eq!(look(&open, "GET", true, &[("x-forwarded-for", "192.0.2.1")]).await.status(), 200);
}

#[tokio::test]
async fn sockets_are_counted_while_they_are_open() {
    let gateway = gateway(false);
    gateway.script.frames.lock().unwrap().push_back(Incoming::Text("a".to_owned()));
    let asked = signed_in("GET", "/api/notes/n1/ws").header("upgrade", "websocket").body(Body::empty()).unwrap();
    assert_eq!(gateway.send(asked).await.status(), 101);
    let page = look(&gateway, "GET", true, &[]).await.body;
    assert!(page.contains(r#"portway_sockets_open{kind="notes.watch"} 0"#), "{page}");
}
