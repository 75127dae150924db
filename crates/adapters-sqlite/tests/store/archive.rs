//! Backups: what comes back, what is refused, and what an interruption leaves.

use std::sync::Arc;

use portway_adapters_sqlite::{SqliteDatabase, SqliteOptions};
use portway_domain::messages::{Message, MessageRole};
use portway_ports::commit::Write;
use portway_sql::archive::unfinished::{self, Task};
use portway_sql::archive::{
    ArchiveError, Contents, Made, Silent, Source, Target, TargetState, check_records, copy, inspect, open, restore,
    up_to, write,
};
use portway_sql::driver::{Read, SqlDriver, Statement, Step};
use portway_sql::migrations::SQLITE;
use tempfile::TempDir;

use crate::fixture::{Fixture, now};

/// A database in a file.
struct Scratch {
    database: Arc<SqliteDatabase>,
    _folder: TempDir,
}

impl Scratch {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = SqliteOptions::new(folder.path().join("x.db")).reader_threads(1);
        Self { database: Arc::new(SqliteDatabase::open(&options).unwrap()), _folder: folder }
    }

    /// One with something in every table.
    async fn filled() -> Self {
        let scratch = Self::new();
        let fixture = Fixture::on(scratch.database.clone()).await;
        let said =
            Message { content: "needles in a haystack".to_owned(), ..fixture.finished("said", 9, MessageRole::User) };
        fixture.changed([portway_domain::engine::Change::MessageAdded(said)]).await;
        fixture.commit([Write::AddMemory(fixture.memory("drinks tea"))]).await;
        scratch
    }

    async fn migrated() -> Self {
        let scratch = Self::new();
        scratch.database.migrate(SQLITE).await.unwrap();
        scratch
    }

    async fn source(&self) -> Source {
        Source::open(&*self.database, newest()).await.unwrap()
    }

    async fn archive(&self) -> (Vec<u8>, Contents) {
        let mut bytes = Vec::new();
        let made = Made { at: now(), product: "0.0.1".to_owned() };
        let contents = write(&mut self.source().await, made, &mut bytes, &mut Silent).await.unwrap();
        (bytes, contents)
    }

    async fn state(&self) -> TargetState {
        TargetState::of(&*self.database).await.unwrap()
    }

    async fn run(&self, sql: &str) {
        let step = Step::new(Statement { text: sql.to_owned().into(), args: vec![] });
        self.database.write(vec![step]).await.unwrap();
    }

    async fn found(&self, word: &str) -> i64 {
        let text = "SELECT (SELECT count(*) FROM message_search WHERE message_search MATCH ?1)
            + (SELECT count(*) FROM memory_search WHERE memory_search MATCH ?1) AS n";
        let count = Statement { text: text.into(), args: vec![format!("1s{word}").into()] };
        self.database.read(Read::unbounded(vec![count])).await.unwrap()[0][0].get("n").unwrap()
    }
}

fn newest() -> u32 {
    SQLITE.last().unwrap().id
}

#[tokio::test]
async fn everything_comes_back() {
    let filled = Scratch::filled().await;
    let (bytes, contents) = filled.archive().await;
    assert!(contents.tables.iter().filter(|table| table.rows > 0).count() >= 14, "{contents:?}");
    let (header, inspected) = inspect(&*bytes, &mut Silent).unwrap();
    assert_eq!((header.schema, &inspected), (newest(), &contents));
    let empty = Scratch::migrated().await;
    assert_eq!(empty.state().await, TargetState::Empty(newest()));
    let mut target = Target::begin(&*empty.database, newest(), Task::Restore, "x").await.unwrap();
    assert!(unfinished::find(&*empty.database).await.unwrap().unwrap().to_string().contains("backup x only"));
    let restored = restore(open(&*bytes).unwrap(), &mut target, &mut Silent).await.unwrap();
    target.finish(&mut Silent).await.unwrap();
    assert_eq!(restored, contents);
    assert_eq!(empty.archive().await, (bytes, contents));
    assert_eq!(unfinished::find(&*empty.database).await.unwrap(), None);
    assert_eq!(empty.state().await, TargetState::Filled("users"));
    for word in ["needl", "tea"] {
        assert_eq!((filled.found(word).await, empty.found(word).await), (1, 1), "{word}");
    }
    assert!(check_records(&mut empty.source().await, &mut Silent).await.unwrap() >= 13);
    assert_eq!(empty.database.broken_references(5).await.unwrap(), vec![]);
}

#[tokio::test]
async fn an_older_schema_is_restored_and_brought_up_to_date() {
    let old = Scratch::new();
    old.database.migrate(up_to(SQLITE, 4)).await.unwrap();
    old.run(
        "INSERT INTO users VALUES ('u1', 'a@b', NULL, NULL, NULL, NULL, 'admin', 0, 1, '[]', 'followup', NULL, 1, 0, 0)",
    )
    .await;
    let mut bytes = Vec::new();
    let made = Made { at: now(), product: "0.0.1".to_owned() };
    let mut source = Source::open(&*old.database, 4).await.unwrap();
    let contents = write(&mut source, made, &mut bytes, &mut Silent).await.unwrap();
    assert_eq!(contents.tables.len(), 13);
    let empty = Scratch::new();
    let archive = open(&*bytes).unwrap();
    assert_eq!(archive.header().schema, 4);
    empty.database.migrate(up_to(SQLITE, 4)).await.unwrap();
    let mut target = Target::begin(&*empty.database, 4, Task::Restore, "x").await.unwrap();
    restore(archive, &mut target, &mut Silent).await.unwrap();
    empty.database.migrate(SQLITE).await.unwrap();
    target.finish(&mut Silent).await.unwrap();
    let (_, contents) = empty.archive().await;
    let scopes = contents.tables.iter().find(|table| table.table == "search_scopes").unwrap();
    assert_eq!(scopes.rows, 1);
}

#[tokio::test]
async fn every_defect_is_told_with_its_line() {
    let (bytes, _) = Scratch::filled().await.archive().await;
    let text = String::from_utf8(bytes).unwrap();
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let refused = |text: &str| inspect(text.as_bytes(), &mut Silent).unwrap_err();
    for end in 1..lines.len() {
        let told = refused(&lines[..end].concat()).to_string();
        assert!(told.contains(&format!("line {}", end + 1)) && told.contains("not whole"), "{told}");
    }
    // A table by itself is whole, so its rows tell at its end.
    for (without, line) in lines.iter().enumerate().skip(1) {
        let shorter: String =
            lines.iter().enumerate().filter(|(at, _)| *at != without).map(|(_, line)| *line).collect();
        assert!(matches!(refused(&shorter), ArchiveError::Damaged { .. }), "{line}");
    }
    let cut = &text[..text.len() - 1];
    assert!(refused(cut).to_string().contains("ends in the middle"));
    for (from, to, part) in [
        ("needles", "noodles", "of messages before it are not"),
        ("\"member\"", "\"admin\"", "of users before it are not"),
        ("\"table\":\"users\"", "\"table\":\"people\"", "expected the table users"),
        ("\"rows\":1,", "\"rows\":2,", "of users before it are not the 2"),
        (",\"member\",", ",7,", "role has no value of the kind Text"),
        ("portway archive", "tar", "no archive"),
        ("\"version\":1", "\"version\":2", "Portway 0.0.1 with version 2 of the form"),
        ("\"schema\":", "\"schema\":99", "use that version or a newer one"),
        ("\"fingerprint\":\"", "\"fingerprint\":\"0", "is not the one that this program knows"),
        ("{\"format\"", "[\"format\"", "no archive"),
    ] {
        let told = refused(&text.replacen(from, to, 1)).to_string();
        assert!(told.contains(part) && told.contains("line "), "{from}: {told}");
    }
    assert!(refused(&format!("{text}{{}}\n")).to_string().contains("nothing more was expected"));
    assert!(refused("").to_string().contains("no archive"));
    assert!(refused(&"x".repeat(100_000)).to_string().contains("no archive"));
    let one_long = format!("{}{}", lines[0], "[".repeat(70 << 20));
    assert!(refused(&one_long).to_string().contains("line 2 of the archive: it is longer"));
}

#[tokio::test]
async fn what_failed_can_be_cleared() {
    let filled = Scratch::filled().await;
    let (bytes, _) = filled.archive().await;
    let text = String::from_utf8(bytes).unwrap().replacen("needles", "noodles", 1);
    let empty = Scratch::migrated().await;
    let mut target = Target::begin(&*empty.database, newest(), Task::Restore, "x").await.unwrap();
    let failed = restore(open(text.as_bytes()).unwrap(), &mut target, &mut Silent).await.unwrap_err();
    assert!(matches!(failed, ArchiveError::Damaged { .. }), "{failed}");
    assert!(matches!(empty.state().await, TargetState::Unfinished(_)));
    target.clear().await.unwrap();
    assert_eq!(empty.state().await, TargetState::Empty(newest()));
    assert_eq!(empty.found("tea").await, 0);
}

#[tokio::test]
async fn a_copy_goes_on_where_it_was_interrupted() {
    let filled = Scratch::filled().await;
    for number in 0..1_200 {
        filled.run(&format!("INSERT INTO jobs (id, kind, work, attempts, run_at, lease_until, last_error) VALUES ('j{number}', 'kind', '{{}}', 0, {number}, NULL, NULL)")).await;
    }
    let empty = Scratch::migrated().await;
    // A row that is in the way ends the first attempt in the middle of a table.
    let mut target = Target::begin(&*empty.database, newest(), Task::Copy, "x").await.unwrap();
    empty.run("INSERT INTO jobs (id, kind, work, attempts, run_at, lease_until, last_error) VALUES ('j777', 'kind', '{}', 0, 0, NULL, NULL)").await;
    let failed = copy(&mut filled.source().await, &mut target, None, &mut Silent).await.unwrap_err();
    assert!(matches!(failed, ArchiveError::Refused { table: "jobs" }), "{failed}");
    empty.run("DELETE FROM jobs WHERE id = 'j777'").await;
    let TargetState::Unfinished(interrupted) = empty.state().await else { panic!("it is complete") };
    let mut target = Target::resume(&*empty.database, newest());
    let copied = copy(&mut filled.source().await, &mut target, Some(&interrupted), &mut Silent).await.unwrap();
    // Everything before the table, and some pages of it, were there.
    assert!((200..=1_200).contains(&copied.rows), "{}", copied.rows);
    target.finish(&mut Silent).await.unwrap();
    assert_eq!(empty.archive().await, filled.archive().await);
}

#[tokio::test]
async fn a_source_that_changed_meanwhile_is_told() {
    let filled = Scratch::filled().await;
    let empty = Scratch::migrated().await;
    let mut target = Target::begin(&*empty.database, newest(), Task::Copy, "x").await.unwrap();
    copy(&mut filled.source().await, &mut target, None, &mut Silent).await.unwrap();
    filled.run("UPDATE users SET email = 'other@example.org'").await;
    let TargetState::Unfinished(interrupted) = empty.state().await else { panic!("it is complete") };
    let failed = copy(&mut filled.source().await, &mut target, Some(&interrupted), &mut Silent).await.unwrap_err();
    assert!(failed.to_string().contains("users has 1 rows") && failed.to_string().contains("--restart"), "{failed}");
}

#[tokio::test]
async fn what_no_program_could_read_is_found() {
    for (sql, place) in [
        ("UPDATE engines SET state = '{}'", "engines.state"),
        ("UPDATE messages SET parts = '[{\"type\":\"secret\"}]'", "messages.parts"),
        ("UPDATE messages SET author_email = NULL WHERE author_id IS NOT NULL", "messages.author_id"),
        ("UPDATE runner_commands SET command = '{}'", "runner_commands.command"),
        ("UPDATE memories SET id = ''", "memories.id"),
    ] {
        let filled = Scratch::filled().await;
        filled.run(sql).await;
        let failed = check_records(&mut filled.source().await, &mut Silent).await.unwrap_err().to_string();
        assert!(failed.contains(place) && !failed.contains("secret"), "{sql}: {failed}");
    }
}
