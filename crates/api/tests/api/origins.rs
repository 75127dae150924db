//! Names and origins.

use axum::body::Body;
use portway_api::{BuildError, OptionsError, router};

use crate::fixture::{Answer, Gateway, endpoints, operations, options, request, signed_in};

const CLIENT: &str = "http://localhost:5173";

async fn from(gateway: &Gateway, method: &str, origin: &str) -> Answer {
    let path = if method == "GET" { "/api/notes" } else { "/api/notes/n1" };
    gateway.send(signed_in(method, path).header("origin", origin).body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn only_known_names_are_answered() {
    let mut options = options();
    options.public_url = Some("https://gw.example.com".into());
    options.allowed_hosts = vec!["*.internal.example".into()];
    let gateway = Gateway::with(options);
    let ask = async |host: &str| {
        let request = request("GET", "/nowhere");
        let mut request = request.body(Body::empty()).unwrap();
        request.headers_mut().insert("host", host.parse().unwrap());
        gateway.send(request).await
    };
    for host in ["localhost", "LOCALHOST:1", "127.0.0.1:8787", "[::1]:8787", "gw.example.com", "a.internal.example:80"]
    {
        assert_eq!(ask(host).await.status(), 404, "{host}");
    }
    for host in ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "", "internal.example"] {
        let (status, code, _) = ask(host).await.error();
        assert_eq!((status, code.as_str()), (421, "FORBIDDEN"), "{host}");
    }
    let absolute = http::Request::builder().uri("http://evil.example/nowhere").header("host", "localhost");
    assert_eq!(gateway.send(absolute.body(Body::empty()).unwrap()).await.status(), 421);
}

#[tokio::test]
async fn pages_of_strangers_change_nothing() {
    let gateway = Gateway::new();
    for origin in ["https://evil.example", "null", "http://localhost:9999"] {
        let (status, code, _) = from(&gateway, "PUT", origin).await.error();
        assert_eq!((status, code.as_str()), (403, "FORBIDDEN"), "{origin}");
        let read = from(&gateway, "GET", origin).await;
        assert_eq!((read.status(), read.header("access-control-allow-origin")), (200, None));
    }
    assert_eq!(from(&gateway, "PUT", "http://localhost:8787").await.status(), 200);
    assert_eq!(from(&gateway, "PUT", CLIENT).await.status(), 200);
}

#[tokio::test]
async fn allowed_pages_can_read_answers_and_errors() {
    let gateway = Gateway::new();
    let answers = [
        from(&gateway, "GET", CLIENT).await,
        gateway.send(request("GET", "/api/notes").header("origin", CLIENT).body(Body::empty()).unwrap()).await,
        gateway.send(request("GET", "/nowhere").header("origin", CLIENT).body(Body::empty()).unwrap()).await,
    ];
    assert_eq!(answers.each_ref().map(Answer::status), [200, 401, 404]);
    for answer in answers {
        assert_eq!(answer.header("access-control-allow-origin"), Some(CLIENT));
        assert!(answer.header("access-control-expose-headers").unwrap().contains("X-Request-Id"));
        assert_eq!(answer.header("access-control-allow-credentials"), None);
    }
}

#[tokio::test]
async fn preflights_are_answered() {
    let gateway = Gateway::new();
    let ask = async |origin: &str, path: &str| {
        let request = request("OPTIONS", path).header("origin", origin).header("access-control-request-method", "PUT");
        gateway.send(request.body(Body::empty()).unwrap()).await
    };
    let answer = ask(CLIENT, "/api/notes/n1").await;
    assert_eq!((answer.status(), answer.body.as_str()), (204, ""));
    assert_eq!(answer.header("access-control-allow-origin"), Some(CLIENT));
    assert_eq!(answer.header("access-control-allow-methods"), Some("GET, POST, PUT, PATCH, DELETE, OPTIONS"));
    assert!(answer.header("access-control-allow-headers").unwrap().contains("Authorization"));
    assert_eq!(answer.header("access-control-max-age"), Some("7200"));
    let refused = ask("https://evil.example", "/api/notes/n1").await;
    assert_eq!(refused.error().0, 403);
    assert_eq!(refused.header("access-control-allow-origin"), None);
}

#[test]
fn options_that_cannot_work_are_refused() {
    let build = |change: fn(&mut portway_api::ApiOptions)| {
        let mut options = options();
        change(&mut options);
        router(operations(), endpoints(), Default::default(), options, Gateway::new().script).map(|_| ())
    };
    assert_eq!(build(|_| {}), Ok(()));
    let wrong = |error| Err(BuildError::Options(error));
    assert_eq!(build(|o| o.public_url = Some("gw".into())), wrong(OptionsError::PublicUrl("gw".into())));
    let path = "https://gw.example/base";
    assert_eq!(
        build(|o| o.public_url = Some("https://gw.example/base".into())),
        wrong(OptionsError::PublicUrl(path.into()))
    );
    assert_eq!(build(|o| o.allowed_hosts.push("a:1".into())), wrong(OptionsError::Host("a:1".into())));
    assert_eq!(build(|o| o.allowed_origins.push("*".into())), wrong(OptionsError::Origin("*".into())));
}
