//! Requests that are nearly right, in every way that a request can be wrong.

use serde_json::{Value, json};

use crate::harness::random::Random;

/// What is offered under one path and method, from the published description.
pub(super) struct Route {
    method: String,
    path: String,
    public: bool,
    /// Names of its query parameters and of the fields of its body.
    names: Vec<String>,
}

const ODD_TEXTS: [&str; 14] = [
    "",
    "%00",
    "%ff",
    "%",
    "%zz",
    "..",
    "%2e%2e%2f",
    "{id}",
    "%F0%9F%A6%80",
    "null",
    "-1",
    "1e309",
    "'%22;--",
    "%C2%9B31m",
];

const HEADERS: [&str; 20] = [
    "Origin: https://evil.example",
    "Origin: null",
    "Origin: \u{fc}",
    "Idempotency-Key: again",
    "Idempotency-Key: ",
    "X-Request-Id: a b",
    "X-Request-Id: \u{1b}[31m",
    "Content-Type: text/plain",
    "Accept: application/nothing",
    "Accept-Encoding: gzip;q=x",
    "Upgrade: websocket\r\nConnection: Upgrade",
    "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: eA==",
    "Sec-WebSocket-Protocol: ,,,",
    "Authorization: Basic eA==",
    "Authorization: Bearer",
    "Cookie: a=b; ; =",
    "X-Forwarded-For: ::1",
    "Forwarded: for=\"",
    "Range: bytes=9-1",
    "Access-Control-Request-Method: TRACE",
];

impl Route {
    /// All routes of a description.
    pub(super) fn all(description: &Value) -> Vec<Self> {
        let mut routes = Vec::new();
        for (path, item) in description["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap().iter().filter(|(key, _)| *key != "parameters") {
                let public = operation["security"].as_array().is_none_or(Vec::is_empty);
                let mut names = Vec::new();
                property_names(operation, &mut names);
                routes.push(Self { method: method.to_uppercase(), path: path.clone(), public, names });
            }
        }
        routes
    }

    /// Whether its requests are not logged at the usual level.
    pub(super) fn is_quiet(&self) -> bool {
        ["/health", "/ready", "/metrics"].contains(&self.path.as_str())
    }

    /// A request that may be right by accident.
    pub(super) fn request(&self, random: &mut Random, key: &str, session: &str) -> Vec<u8> {
        let method =
            if random.one_in(20) { ["PUT", "TRACE", "OPTIONS", "HEAD", "FOO"][random.index(5)] } else { &self.method };
        let mut body = if self.method == "GET" && !random.one_in(10) { Vec::new() } else { self.body(random) };
        if random.one_in(2) {
            mutate(random, &mut body);
        }
        let mut head = format!("{method} {} HTTP/1.1\r\n", self.target(random, session));
        head.push_str(if random.one_in(30) { "Host: evil.example\r\n" } else { "Host: localhost\r\n" });
        if !self.public && !random.one_in(10) {
            head.push_str(&format!("Authorization: Bearer {key}\r\n"));
        }
        if random.one_in(2) {
            head.push_str("Content-Type: application/json\r\n");
        }
        while random.one_in(3) {
            head.push_str(HEADERS[random.index(HEADERS.len())]);
            head.push_str("\r\n");
        }
        head.push_str(&format!("Content-Length: {}\r\n\r\n", body.len()));
        [head.as_bytes(), &body].concat()
    }

    fn target(&self, random: &mut Random, session: &str) -> String {
        let mut path = String::new();
        for segment in self.path.split('/').skip(1) {
            path.push('/');
            match segment.starts_with('{') {
                // What is deleted is missed later.
                true if self.method != "DELETE" && random.one_in(2) => path.push_str(session),
                true => path.push_str(&text(random)),
                false => path.push_str(segment),
            }
        }
        let mut mark = '?';
        while random.one_in(3) {
            let name = self.names.get(random.index(self.names.len().max(1))).map_or("token", String::as_str);
            path.push_str(&format!("{mark}{name}={}", text(random)));
            mark = '&';
        }
        path
    }

    fn body(&self, random: &mut Random) -> Vec<u8> {
        let mut object = serde_json::Map::new();
        for name in &self.names {
            if random.one_in(2) {
                object.insert(name.clone(), value(random, 0));
            }
        }
        serde_json::to_vec(&object).unwrap()
    }
}

fn property_names(operation: &Value, names: &mut Vec<String>) {
    match operation {
        Value::Object(map) => {
            if let Some(name) = map.get("name").and_then(Value::as_str).filter(|_| map.contains_key("in")) {
                names.push(name.to_owned());
            }
            if let Some(properties) = map.get("properties").and_then(Value::as_object) {
                names.extend(properties.keys().cloned());
            }
            map.values().for_each(|inner| property_names(inner, names));
        }
        Value::Array(list) => list.iter().for_each(|inner| property_names(inner, names)),
        _ => {}
    }
}

/// Text for a path or a query.
fn text(random: &mut Random) -> String {
    match random.below(4) {
        0 => "a".repeat(random.index(300)),
        1 => random.next().to_string(),
        _ => ODD_TEXTS[random.index(ODD_TEXTS.len())].to_owned(),
    }
}

fn value(random: &mut Random, depth: usize) -> Value {
    match random.below(if depth < 4 { 10 } else { 8 }) {
        0 => Value::Null,
        1 => json!(random.one_in(2)),
        2 => json!(random.next()),
        3 => json!(-(random.below(1 << 40) as i64)),
        4 => json!(f64::from_bits(random.next())),
        5 => json!("\u{0}\u{1b}[31m\u{202e}\u{1f980}"),
        6 => json!("x".repeat(random.index(2_000))),
        7 => json!("a"),
        8 => (0..random.below(4)).map(|_| value(random, depth + 1)).collect(),
        _ => json!({"a": value(random, depth + 1), "type": value(random, depth + 1)}),
    }
}

/// Breaks bytes in one to four places.
pub(super) fn mutate(random: &mut Random, bytes: &mut Vec<u8>) {
    for _ in 0..=random.below(4) {
        let at = random.index(bytes.len().max(1)).min(bytes.len());
        let end = (at + random.index(16)).min(bytes.len());
        match random.below(6) {
            0 => bytes.truncate(at),
            1 => bytes.insert(at, random.next() as u8),
            2 => drop(bytes.drain(at..end)),
            3 => {
                let copied = bytes[at..end].to_vec();
                bytes.splice(at..at, copied);
            }
            4 => bytes.splice(at..at, [b'['; 200]).for_each(drop),
            _ => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << random.below(8)),
        }
    }
}
