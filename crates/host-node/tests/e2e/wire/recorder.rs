//! A peer of the gateway that keeps every frame as it came.

use std::collections::BTreeMap;
use std::path::Path;

use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tokio_tungstenite::tungstenite::Message;

use crate::harness::PATIENCE;
use crate::harness::gateway::Gateway;
use crate::harness::session::Session;
use crate::harness::socket::{Stream, connect};

/// Letters of a UUID.
const UUID: usize = 36;

/// Keys whose values are times.
const TIMES: [&str; 2] = ["createdAt", "expiresAt"];

pub(crate) struct Recorder {
    /// Absent while there is no connection.
    stream: Option<Stream>,
    frames: Vec<Value>,
    names: Names,
}

/// Names for what differs from run to run.
struct Names {
    /// The data folder.
    data: String,
    /// Ids, in the order in which they come up.
    ids: BTreeMap<String, String>,
}

impl Recorder {
    pub(crate) async fn open(gateway: &Gateway, session: &Session) -> Self {
        Self::open_with(gateway, session, "").await
    }

    /// The same with more parameters.
    pub(crate) async fn open_with(gateway: &Gateway, session: &Session, parameters: &str) -> Self {
        let path = session.path(&format!("/ws?role=client{parameters}"));
        Self::over(connect(&session.api, &path).await.unwrap(), gateway)
    }

    /// The peer at the other end of a socket of that gateway.
    pub(crate) fn over(stream: Stream, gateway: &Gateway) -> Self {
        let names = Names { data: gateway.agents_data().display().to_string(), ids: BTreeMap::new() };
        Self { stream: Some(stream), frames: Vec::new(), names }
    }

    pub(crate) async fn send(&mut self, frame: &Value) {
        self.stream().send(Message::text(frame.to_string())).await.unwrap();
    }

    pub(crate) fn stream(&mut self) -> &mut Stream {
        self.stream.as_mut().expect("there is a connection")
    }

    /// Loses the connection without a word.
    pub(crate) fn lose(&mut self) {
        self.stream = None;
    }

    /// Goes on with another connection.
    pub(crate) fn go_on(&mut self, stream: Stream) {
        self.stream = Some(stream);
    }

    pub(crate) fn keep(&mut self, frame: Value) {
        self.frames.push(frame);
    }

    pub(crate) fn frames(&self) -> &[Value] {
        &self.frames
    }

    /// Keeps frames up to the first one that is wanted; answers with that one.
    pub(crate) async fn until(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        let reading = async {
            loop {
                let message = self.stream().next().await.expect("the socket is open").unwrap();
                let Message::Text(text) = message else {
                    continue;
                };
                let frame: Value = serde_json::from_str(&text).unwrap();
                self.frames.push(frame.clone());
                if wanted(&frame) {
                    return frame;
                }
            }
        };
        match tokio::time::timeout(PATIENCE, reading).await {
            Ok(frame) => frame,
            Err(_) => panic!("the frame did not come; what came: {:#?}", self.frames),
        }
    }

    pub(crate) fn forget(&mut self) {
        self.frames.clear();
    }

    /// Keeps how far each frame goes only where the state is told: which changes come together differs from run to run.
    pub(crate) fn forget_counters(&mut self) {
        for frame in self.frames.iter_mut().filter(|frame| frame["type"] != "init" && frame["type"] != "resumed") {
            frame.as_object_mut().map(|frame| frame.remove("seq"));
        }
    }

    /// Goes on with another socket with more parameters. Answers with the one before, which counts as long as it is there.
    pub(crate) async fn reopen(&mut self, session: &Session, parameters: &str) -> Option<Stream> {
        let path = session.path(&format!("/ws?role=client{parameters}"));
        self.stream.replace(connect(&session.api, &path).await.unwrap())
    }

    /// Compares all that was kept with what is written down.
    pub(crate) fn compare(mut self, name: &str) {
        let lines: Vec<String> =
            joined(self.frames).into_iter().map(|frame| self.names.in_frame(frame).to_string()).collect();
        let found = lines.join("\n") + "\n";
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/e2e/wire/{name}.jsonl"));
        if std::env::var("PORTWAY_TEST_GOLDEN").is_ok_and(|value| value == "write") {
            std::fs::write(&path, &found).unwrap();
            return;
        }
        let expected = std::fs::read_to_string(&path).unwrap_or_default();
        let differs = expected.lines().zip(found.lines()).position(|(expected, found)| expected != found);
        let place = differs.unwrap_or(expected.lines().count().min(found.lines().count()));
        assert!(
            expected == found,
            "frame {place} of {name}: expected\n{}\nfound\n{}\nin\n{found}",
            expected.lines().nth(place).unwrap_or("nothing more"),
            found.lines().nth(place).unwrap_or("nothing more")
        );
    }
}

/// Chunks of one text that follow each other are one.
fn joined(frames: Vec<Value>) -> Vec<Value> {
    let mut joined: Vec<Value> = Vec::new();
    for frame in frames {
        let last = joined.last_mut().filter(|last| {
            last["type"] == "chunk" && ["type", "messageId", "part"].iter().all(|key| last.get(*key) == frame.get(*key))
        });
        match last {
            Some(last) => {
                let text = [&last["content"], &frame["content"]].map(|text| text.as_str().unwrap().to_owned());
                last["content"] = text.concat().into();
            }
            None => joined.push(frame),
        }
    }
    joined
}

impl Names {
    fn in_frame(&mut self, frame: Value) -> Value {
        match frame {
            Value::String(text) => Value::String(self.in_text(&text)),
            Value::Array(items) => items.into_iter().map(|item| self.in_frame(item)).collect(),
            Value::Object(map) => {
                let entry = |(key, value): (String, Value)| {
                    let value = if TIMES.contains(&&*key) { Value::from("time") } else { self.in_frame(value) };
                    (key, value)
                };
                Value::Object(map.into_iter().map(entry).collect())
            }
            plain => plain,
        }
    }

    fn in_text(&mut self, text: &str) -> String {
        let text = text.replace(&self.data, "data");
        let (mut named, mut rest) = (String::new(), &*text);
        while let Some(first) = rest.chars().next() {
            if rest.get(..UUID).is_some_and(is_uuid) {
                let next = format!("id{}", self.ids.len() + 1);
                named.push_str(self.ids.entry(rest[..UUID].to_owned()).or_insert(next));
                rest = &rest[UUID..];
            } else {
                named.push(first);
                rest = &rest[first.len_utf8()..];
            }
        }
        named
    }
}

fn is_uuid(text: &str) -> bool {
    text.bytes().enumerate().all(|(place, byte)| match place {
        8 | 13 | 18 | 23 => byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    })
}
