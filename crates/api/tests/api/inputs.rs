//! Inputs from path, query and body.

use axum::body::Body;
use bytes::Bytes;
use futures_util::stream;
use serde_json::json;

use crate::fixture::{Gateway, LIMIT, signed_in};

#[tokio::test]
async fn path_query_and_body_become_one_input() {
    let gateway = Gateway::new();
    let answer = gateway
        .call("PUT", "/api/notes/a%3Ab%20%C3%BC?title=Hi+you", r#"{"style":{"fontSize":9,"colour":"red"}}"#)
        .await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.json(), json!({ "id": "a:b ü", "title": "Hi you", "style": { "colour": "red", "fontSize": 9 } }));
    let answer = gateway.call("GET", "/api/notes?limit=3&colour=green&hideDone=0&other=1", "").await;
    assert_eq!(answer.json()["notes"].as_array().unwrap().len(), 3);
    let answer = gateway.call("GET", "/api/notes?hideDone=true", "").await;
    assert_eq!(answer.json(), json!({ "notes": [] }));
}

#[tokio::test]
async fn an_empty_body_is_accepted_whatever_its_type() {
    let gateway = Gateway::new();
    for media_type in ["application/json", "text/plain", "application/x-www-form-urlencoded"] {
        let request = signed_in("PUT", "/api/notes/n1").header("content-type", media_type);
        let answer = gateway.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!((answer.status(), answer.body.as_str()), (200, r#"{"id":"n1"}"#), "{media_type}");
    }
    let answer = gateway.call("DELETE", "/api/notes/n1", "").await;
    assert_eq!((answer.status(), answer.body.as_str()), (204, ""));
    assert_eq!(answer.header("content-type"), None);
}

#[tokio::test]
async fn the_body_of_a_get_is_not_read() {
    let gateway = Gateway::new();
    assert_eq!(gateway.call("GET", "/api/notes", "no json").await.status(), 200);
}

#[tokio::test]
async fn wrong_fields_are_named() {
    let gateway = Gateway::new();
    let cases = [
        ("PUT", "/api/notes/n1", r#"{"style":{"fontSize":"big"}}"#, "style.fontSize"),
        ("PUT", "/api/notes/n1", r#"{"style":{}}"#, "style.fontSize"),
        ("PUT", "/api/notes/n1", r#"{"style":{"fontSize":100}}"#, "style.fontSize"),
        ("PUT", "/api/notes/n1", r#"{"title":""}"#, "title"),
        ("PUT", "/api/notes/n1", r#"{"title":"12345678901"}"#, "title"),
        ("PUT", "/api/notes/n1", r#"{"id":"n2"}"#, "id"),
        ("PUT", "/api/notes/n1", r#"{"title":"a\u0000b"}"#, "title"),
        ("PUT", "/api/notes/n1", r#"{"style":{"fontSize":9,"colour":"\u0000"}}"#, "style.colour"),
        ("PUT", "/api/notes/n%001", "", "id"),
        ("GET", "/api/notes?colour=%00", "", "colour"),
        ("PUT", "/api/notes/n1?id=n2", "", "id"),
        ("POST", "/api/notes", "{}", "id"),
        ("GET", "/api/notes?limit=x", "", "limit"),
        ("GET", "/api/notes?limit=0", "", "limit"),
        ("GET", "/api/notes?limit=1&limit=2", "", "limit"),
        ("GET", "/api/notes?colour=blue", "", "colour"),
        ("GET", "/api/notes?hideDone=maybe", "", "hideDone"),
    ];
    for (method, path, body, field) in cases {
        let answer = gateway.call(method, path, body).await;
        let (status, code, message) = answer.error();
        assert_eq!((status, code.as_str()), (400, "VALIDATION_ERROR"), "{path} {body}");
        assert!(message.starts_with(&format!("{field}: ")), "{message}");
        let fields = &answer.json()["details"]["fields"];
        assert_eq!(fields[0]["field"], field);
        assert_eq!(message, format!("{field}: {}", fields[0]["message"].as_str().unwrap()));
    }
    assert!(gateway.state.contexts.lock().unwrap().is_empty());
}

#[tokio::test]
async fn every_bound_that_failed_is_listed() {
    let gateway = Gateway::new();
    let answer = gateway.call("PUT", "/api/notes/n1", r#"{"title":"","style":{"fontSize":0}}"#).await;
    let fields = answer.json()["details"]["fields"].as_array().unwrap().len();
    assert_eq!(fields, 2);
}

#[tokio::test]
async fn what_cannot_be_read_is_an_invalid_request() {
    let gateway = Gateway::new();
    let deep = format!(r#"{{"title":{}}}"#, "[".repeat(500));
    let cases = [
        ("PUT", "/api/notes/n1", "{"),
        ("PUT", "/api/notes/n1", "[]"),
        ("PUT", "/api/notes/n1", "\"x\""),
        ("PUT", "/api/notes/n1", "title=x"),
        ("PUT", "/api/notes/n1", r#"{"title":"x"} trailing"#),
        ("PUT", "/api/notes/%zz", ""),
        ("PUT", "/api/notes/%ff", ""),
        ("GET", "/api/notes?limit=%4", ""),
        ("GET", "/api/notes?limit=%ff", ""),
    ];
    for (method, path, body) in cases {
        let (status, code, message) = gateway.call(method, path, body).await.error();
        assert_eq!((status, code.as_str()), (400, "INVALID_REQUEST"), "{path} {body} {message}");
    }
    assert_eq!(gateway.call("PUT", "/api/notes/n1", &deep).await.status(), 400);
}

#[tokio::test]
async fn a_body_past_the_limit_is_refused() {
    let gateway = Gateway::new();
    let fits = format!("{{{}}}", " ".repeat(LIMIT - 2));
    assert_eq!(gateway.call("PUT", "/api/notes/n1", &fits).await.status(), 200);
    let (status, code, _) = gateway.call("PUT", "/api/notes/n1", &format!("{fits} ")).await.error();
    assert_eq!((status, code.as_str()), (413, "PAYLOAD_TOO_LARGE"));
    let own_limit = gateway.call("POST", "/api/notes", r#"{"id":"a","title":"b"}"#).await;
    assert_eq!(own_limit.status(), 413);
}

#[tokio::test]
async fn the_limit_holds_without_a_length() {
    let gateway = Gateway::new();
    // Without end: this returns only because reading stops at the limit.
    let endless = stream::repeat_with(|| Ok::<_, std::io::Error>(Bytes::from_static(&[b' '; 512])));
    let answer = gateway.send(signed_in("PUT", "/api/notes/n1").body(Body::from_stream(endless)).unwrap()).await;
    assert_eq!(answer.error().0, 413);
    let chunks = stream::iter(["{\"tit", "le\":\"x\"}"].map(|text| Ok::<_, std::io::Error>(Bytes::from(text))));
    let answer = gateway.send(signed_in("PUT", "/api/notes/n1").body(Body::from_stream(chunks)).unwrap()).await;
    assert_eq!(answer.json()["title"], "x");
    let broken = stream::iter([Ok(Bytes::from_static(b"{")), Err(std::io::Error::other("gone"))]);
    let answer = gateway.send(signed_in("PUT", "/api/notes/n1").body(Body::from_stream(broken)).unwrap()).await;
    assert_eq!(answer.error().1, "INVALID_REQUEST");
}

#[tokio::test]
async fn raw_bodies_reach_the_handler() {
    let gateway = Gateway::new();
    let answer = gateway.call("PUT", "/api/notes/n1/blob", "1234").await;
    assert_eq!((answer.status(), answer.body.as_str()), (200, "n1 4"));
    assert_eq!(gateway.call("PUT", "/api/notes/n1/blob", "123456789").await.status(), 413);
}
