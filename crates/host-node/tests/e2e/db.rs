//! `portway db`: backups that are made while the gateway goes on, and what becomes of them.

mod copies;
mod workers;

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use crate::harness::api::Api;
use crate::harness::gateway::Gateway;
use crate::trials::Trials;

pub(crate) fn add(trials: &mut Trials) {
    copies::add(trials);
    workers::add(trials);
    trials.add("db::a_backup_of_a_busy_gateway_is_restored", a_backup_of_a_busy_gateway_is_restored);
    trials.add("db::damaged_backups_are_told_and_restore_nothing", damaged_backups_are_told_and_restore_nothing);
    trials.add("db::what_is_in_use_or_not_empty_is_refused", what_is_in_use_or_not_empty_is_refused);
    trials.add("db::the_status_is_for_people_and_for_programs", the_status_is_for_people_and_for_programs);
}

/// How a command ended.
#[derive(Debug)]
struct Done {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Done {
    fn of(output: &Output) -> Self {
        let [stdout, stderr] = [&output.stdout, &output.stderr].map(|text| String::from_utf8(text.clone()).unwrap());
        Self { code: output.status.code(), stdout, stderr }
    }

    /// The digest that a command which went well tells.
    fn digest(&self) -> &str {
        assert_eq!(self.code, Some(0), "{self:?}");
        self.stdout.trim().rsplit(' ').next().unwrap()
    }

    /// The command was refused, or failed, with one line that has these words.
    fn assert_refused(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code, Some(code), "{self:?}");
        let lines: Vec<&str> = self.stderr.lines().filter(|line| line.starts_with("portway: ")).collect();
        assert_eq!(lines.len(), 1, "{self:?}");
        for word in words {
            assert!(lines[0].contains(word), "{word}: {self:?}");
        }
    }
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portway"));
    for name in ["PORTWAY_DATA", "PORTWAY_CONFIG", "PORTWAY_LISTEN", "DATABASE_URL"] {
        command.env_remove(name);
    }
    command.arg("db").args(arguments);
    command
}

fn run(arguments: &[&str]) -> Done {
    Done::of(&command(arguments).output().unwrap())
}

/// A command on the database of a gateway.
fn run_on(gateway: &Gateway, arguments: &[&str]) -> Done {
    let data = gateway.data();
    let url = gateway.schema().map(|schema| schema.url());
    let database = url.iter().flat_map(|url| ["--database", url]);
    let place = ["--data", text(&data)].into_iter().chain(database);
    run(&arguments.iter().copied().chain(place).collect::<Vec<_>>())
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A gateway with a session in which something was said and which is over, and a memory.
async fn used() -> (Gateway, String) {
    let gateway = Gateway::start("").await;
    let api = gateway.api();
    let session = api.session(json!({"workspace": "test", "title": "Haystack", "agent": "demo"})).await;
    let mut socket = session.socket().await;
    for prompt in ["/say needles in a haystack", "/say 🦀 日本語"] {
        let prompt = socket.prompt(prompt, None).await;
        socket.answer_to(&prompt).await;
    }
    session.terminate().await;
    let memory = json!({"content": "Drinks tea in the café", "category": "context"});
    api.post("/api/me/memories", &memory).await.expect(201);
    (gateway, session.id)
}

/// What a gateway answers about what is not changed any more.
async fn answers(api: &Api, session: &str) -> Vec<Value> {
    let mut answers = Vec::new();
    for path in [
        "/api/auth/me".to_owned(),
        format!("/api/sessions/{session}"),
        format!("/api/sessions/{session}/messages?limit=1"),
        format!("/api/sessions/{session}/messages?limit=50"),
        "/api/search?q=needle+haystack".to_owned(),
        "/api/search?q=%E6%97%A5%E6%9C%AC%E8%AA%9E".to_owned(),
        "/api/me/memories?query=cafe".to_owned(),
    ] {
        let mut answer = api.get(&path).await.expect(200);
        // No two databases rate alike.
        for hit in answer["hits"].as_array_mut().into_iter().flatten() {
            hit["score"].take();
        }
        answers.push(answer);
    }
    answers
}

async fn a_backup_of_a_busy_gateway_is_restored() {
    let (gateway, session) = used().await;
    let api = gateway.api();
    let before = answers(&api, &session).await;
    assert_eq!(before[4]["hits"].as_array().map(Vec::len), Some(2), "{}", before[4]);
    let file = gateway.scratch().join("x.portway");
    let busy = api.demo_session().await;
    busy.reaches("running").await;
    let writing = tokio::spawn(async move {
        for number in 0_u64.. {
            busy.prompt(&format!("/say {number}")).await;
            if number > 10 {
                tokio::task::yield_now().await;
            }
        }
    });
    let backup = {
        let (gateway, file) = (&gateway, file.clone());
        let data = gateway.data();
        let url = gateway.schema().map(|schema| schema.url());
        tokio::task::spawn_blocking(move || {
            let database = url.iter().flat_map(|url| ["--database", url]);
            let arguments = ["backup", text(&file), "--verify", "--data", text(&data)];
            run(&arguments.into_iter().chain(database).collect::<Vec<_>>())
        })
        .await
        .unwrap()
    };
    assert!(!writing.is_finished(), "the gateway goes on");
    writing.abort();
    let digest = backup.digest();
    assert!(backup.stdout.contains("every reference holds"), "{backup:?}");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(!file.with_extension("portway.part").exists());

    let mut other = Gateway::prepared("").on_file();
    let restored = run_on(&other, &["restore", text(&file)]);
    assert_eq!(restored.digest(), digest);
    other.launch().await;
    assert_eq!(answers(&other.api(), &session).await, before);
    // It goes on like any other.
    let session = other.api().demo_session().await;
    let mut socket = session.socket().await;
    let prompt = socket.prompt("/say needles again", None).await;
    assert_eq!(socket.answer_to(&prompt).await.content, "needles again");
    let found = other.api().get("/api/search?q=needles").await.expect(200);
    assert_eq!(found["hits"].as_array().map(Vec::len), Some(4), "{found}");
    let memory = json!({"content": "Likes crabs", "category": "general"});
    other.api().post("/api/me/memories", &memory).await.expect(201);
}

/// The lines of a backup.
fn lines(file: &Path) -> String {
    let mut text = String::new();
    GzDecoder::new(fs::File::open(file).unwrap()).read_to_string(&mut text).unwrap();
    text
}

fn compressed(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

async fn damaged_backups_are_told_and_restore_nothing() {
    let (mut gateway, _) = used().await;
    gateway.stop().await;
    let file = gateway.scratch().join("x.portway");
    run_on(&gateway, &["backup", text(&file)]).digest();
    run(&["verify", text(&file)]).digest();
    let whole = fs::read(&file).unwrap();
    let text_of = lines(&file);
    let mut flipped = whole.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    let other = Gateway::prepared("").on_file();
    for (bytes, words) in [
        (flipped, &["line "][..]),
        (whole[..whole.len() - 9].to_vec(), &["line ", "use another backup"]),
        (whole[..middle].to_vec(), &["line "]),
        ([&*whole, b"more"].concat(), &["line "]),
        (Vec::new(), &["no archive"]),
        (b"no backup at all".to_vec(), &["no archive", "portway db backup"]),
        (compressed("[]\n"), &["no archive"]),
        (compressed(&text_of.replacen("needles", "noodles", 1)), &["line ", "messages", "use another backup"]),
        (compressed(&text_of.replacen("\"version\":1", "\"version\":9", 1)), &["line 1", "version 9", "newer"]),
        (
            compressed(&text_of.replacen("{\"table\":\"sessions\"", "{\"table\":\"things\"", 1)),
            &["line ", "table sessions"],
        ),
        (compressed(&text_of[..text_of.len() / 2]), &["line "]),
    ] {
        fs::write(&file, bytes).unwrap();
        run(&["verify", text(&file)]).assert_refused(1, words);
        run_on(&other, &["restore", text(&file)]).assert_refused(1, words);
        assert!(!other.data().join("portway.db").exists(), "nothing is made");
    }
}

async fn what_is_in_use_or_not_empty_is_refused() {
    let (mut gateway, _) = used().await;
    let file = gateway.scratch().join("x.portway");
    run_on(&gateway, &["backup", text(&file)]).digest();
    run_on(&gateway, &["backup", text(&file)]).assert_refused(2, &["exists", "--force"]);
    run_on(&gateway, &["backup", text(&file), "--force"]).digest();
    let nowhere = gateway.scratch().join("none/x.portway");
    run_on(&gateway, &["backup", text(&nowhere)]).assert_refused(2, &["cannot be used"]);
    for arguments in [&["restore", text(&file)][..], &["migrate"]] {
        let refused = run_on(&gateway, arguments);
        refused.assert_refused(2, &["stop that one"]);
    }
    gateway.stop().await;
    run_on(&gateway, &["restore", text(&file)]).assert_refused(2, &["not empty", "nothing is overwritten"]);
    let data = gateway.data();
    let place = ["--data", text(&data)];
    for (arguments, words) in [
        (&["restore", text(&nowhere)][..], &["cannot be used"][..]),
        (&["verify", text(&nowhere)], &["cannot be used"]),
        (&["status", "--database", "sqlite::memory:"], &["keeps nothing"]),
        (&["status", "--database", "mysql://ada:hunter2@machine/x"], &["mysql"]),
        (&["backup", text(&file), "--force", "--database", "sqlite:///no/such/file.db"], &["no database"]),
        (&["copy", "--from", "sqlite:///no/such/file.db", "--to", "sqlite:///no/such/other.db"], &["no database"]),
    ] {
        let has_place = !matches!(arguments[0], "copy" | "verify");
        let refused = run(&[arguments, if has_place { &place } else { &[] }].concat());
        refused.assert_refused(2, words);
        assert!(!refused.stderr.contains("hunter2"), "{refused:?}");
    }
    assert_eq!(run(&["restore"]).code, Some(2));
    gateway.launch().await;
}

async fn the_status_is_for_people_and_for_programs() {
    let (gateway, _) = used().await;
    let shown = run_on(&gateway, &["status"]);
    assert!(shown.stdout.contains("rows in all") && !shown.stdout.contains("PROBLEM"), "{shown:?}");
    let shown = run_on(&gateway, &["status", "--json"]);
    let status: Value = serde_json::from_str(&shown.stdout).unwrap();
    assert_eq!(status["schema"], status["knownSchema"]);
    assert_eq!((&status["pending"], &status["problem"]), (&json!([]), &Value::Null));
    assert!(status["bytes"].as_u64().unwrap() > 0);
    let users = status["tables"].as_array().unwrap().iter().find(|table| table["table"] == "users").unwrap();
    assert_eq!(users["rows"], 1);
}
