//! The envelope, and what every response carries.

use axum::body::Body;
use axum::response::Response;
use http::StatusCode;
use std::sync::Arc;

use crate::fixture::{Gateway, options, request, signed_in};

#[tokio::test]
async fn unknown_paths_and_methods_have_the_envelope() {
    let gateway = Gateway::new();
    let answer = gateway.call("GET", "/nowhere", "").await;
    assert_eq!(answer.error(), (404, "NOT_FOUND".into(), "Not found".into()));
    let elsewhere = gateway.call("POST", "/api/purge", "").await;
    assert_eq!(elsewhere.status(), 404, "it is not offered over REST");
    let answer = gateway.call("PATCH", "/api/notes/n1", "").await;
    let (status, code, _) = answer.error();
    assert_eq!((status, code.as_str()), (405, "METHOD_NOT_ALLOWED"));
    assert_eq!(answer.header("allow"), Some("PUT, DELETE, OPTIONS"));
    let answer = gateway.call("OPTIONS", "/api/notes", "").await;
    assert_eq!((answer.status(), answer.header("allow")), (204, Some("GET, POST, HEAD, OPTIONS")));
}

#[tokio::test]
async fn errors_of_the_services_are_mapped() {
    let gateway = Gateway::new();
    let absent = gateway.call("DELETE", "/api/notes/absent", "").await;
    assert_eq!(absent.error(), (404, "NOT_FOUND".into(), "Note with id 'absent' not found".into()));
    let broken = gateway.call("DELETE", "/api/notes/broken", "").await;
    assert_eq!(broken.error(), (500, "INTERNAL_ERROR".into(), "Internal server error".into()));
    assert!(!broken.body.contains("fire"));
    let many = gateway.call("DELETE", "/api/notes/many", "").await;
    assert_eq!(many.status(), 429);
    assert_eq!((&many.json()["activeCount"], &many.json()["limit"]), (&3.into(), &3.into()));
    assert!(many.header("retry-after").is_some());
}

#[tokio::test]
async fn head_is_get_without_the_body() {
    let gateway = Gateway::new();
    let get = gateway.call("GET", "/api/notes", "").await;
    let head = gateway.call("HEAD", "/api/notes", "").await;
    assert_eq!((head.status(), head.body.as_str()), (200, ""));
    assert_eq!(head.header("content-length"), Some(get.body.len().to_string().as_str()));
    assert_eq!(head.header("content-type"), Some("application/json"));
    let absent = gateway.call("HEAD", "/nowhere", "").await;
    assert_eq!((absent.status(), absent.body.as_str()), (404, ""));
}

#[tokio::test]
async fn the_request_id_comes_back() {
    let gateway = Gateway::new();
    for (path, status) in [("/api/notes", 200), ("/nowhere", 404), ("/api/notes/n1", 405)] {
        let asked = signed_in("GET", path).header("x-request-id", "trace-1.A_z");
        let answer = gateway.send(asked.body(Body::empty()).unwrap()).await;
        assert_eq!((answer.status(), answer.header("x-request-id")), (status, Some("trace-1.A_z")));
    }
    assert_eq!(gateway.last_context().request_id, "trace-1.A_z");
}

#[tokio::test]
async fn a_bad_request_id_is_replaced() {
    let gateway = Gateway::new();
    let mut seen = Vec::new();
    for bad in ["", "a b", "a/b", "ü", &"a".repeat(129)] {
        let asked = signed_in("GET", "/api/notes").header("x-request-id", bad.as_bytes());
        let answer = gateway.send(asked.body(Body::empty()).unwrap()).await;
        let own = answer.header("x-request-id").unwrap().to_owned();
        assert_eq!(own.len(), 36, "{bad}");
        assert!(!seen.contains(&own));
        seen.push(own);
    }
}

#[tokio::test]
async fn every_response_has_the_security_headers() {
    let gateway = Gateway::new();
    let requests = [
        signed_in("GET", "/api/notes").body(Body::empty()),
        signed_in("GET", "/nowhere").body(Body::empty()),
        signed_in("PATCH", "/api/notes").body(Body::empty()),
        request("GET", "/api/notes").body(Body::empty()),
        request("GET", "/api/notes").header("host", "evil.example").body(Body::empty()),
        signed_in("PUT", "/api/notes/n1").body(Body::from("x".repeat(5000))),
        request("OPTIONS", "/api/notes").body(Body::empty()),
    ];
    for request in requests {
        let answer = gateway.send(request.unwrap()).await;
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
        assert_eq!(answer.header("x-frame-options"), Some("DENY"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert!(answer.header("content-security-policy").unwrap().starts_with("default-src 'none'"));
        assert!(answer.header("x-request-id").is_some());
        assert!(answer.header("vary").unwrap().contains("Origin"));
    }
}

#[tokio::test]
async fn the_fallback_answers_for_other_paths_only() {
    let mut options = options();
    options.fallback = Some(Arc::new(|parts| {
        (parts.uri.path() == "/console").then(|| {
            let mut page = Response::new(Body::from("<p>"));
            page.headers_mut().insert("content-security-policy", "default-src 'self'".parse().unwrap());
            page
        })
    }));
    let gateway = Gateway::with(options);
    let page = gateway.call("GET", "/console", "").await;
    assert_eq!((page.parts.status, page.body.as_str()), (StatusCode::OK, "<p>"));
    assert_eq!(page.header("content-security-policy"), Some("default-src 'self'"));
    assert_eq!(gateway.call("GET", "/other", "").await.status(), 404);
    assert_eq!(gateway.call("PATCH", "/api/notes", "").await.status(), 405);
}
