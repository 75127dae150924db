//! The search index beside its tables: it has what they have, whatever happens to them.

use std::sync::Arc;

use portway_adapters_sqlite::SqliteDatabase;
use portway_domain::engine::Change;
use portway_domain::ids::{IdStream, MessageId};
use portway_domain::memories::{Memory, MemoryCategory, Relevance};
use portway_domain::messages::{Message, MessageRole};
use portway_domain::search::{Query, stem};
use portway_domain::tokens::TokenHash;
use portway_ports::commit::{ChangeSet, Commit, Committer, Write};
use portway_ports::memories::{MemoryFilter, MemoryStore};
use portway_ports::search::{MAX_RANKED, MessageSearch, SearchStore};
use portway_sql::SqlStore;
use portway_sql::driver::{Read, SqlDriver, Statement, Step, WriteOutcome};
use portway_sql::migrations::SQLITE;
use portway_sql::row::Row;

use crate::fixture::{Fixture, now};

async fn write(database: &SqliteDatabase, sql: &str) {
    let step = Step::new(Statement { text: sql.to_owned().into(), args: Vec::new() });
    let outcome = database.write(vec![step]).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    assert!(matches!(outcome, WriteOutcome::Committed(_)), "{sql}");
}

async fn read(database: &SqliteDatabase, sql: &str) -> Vec<Row> {
    let statement = Statement { text: sql.to_owned().into(), args: Vec::new() };
    database.read(Read::unbounded(vec![statement])).await.unwrap().remove(0)
}

/// Fails when an index does not have exactly what its table has.
async fn check_indexes(database: &SqliteDatabase) {
    for index in ["message_search", "memory_search"] {
        write(database, &format!("INSERT INTO {index} ({index}, rank) VALUES ('integrity-check', 1)")).await;
    }
}

async fn found(store: &SqlStore, caller: &TokenHash, query: &str) -> Vec<String> {
    let search = MessageSearch::new(Query::parse(query), None, 10);
    let hits = store.search_messages(caller, &search).await.unwrap().value;
    hits.into_iter().map(|hit| hit.value.text).collect()
}

async fn remembered(f: &Fixture, query: &str) -> usize {
    let filter = MemoryFilter::new(None, Some(Query::parse(query)), 10);
    f.store.memories(&f.caller, &filter).await.unwrap().value.len()
}

/// A fixture with things to find: messages number 11 and 12, and two memories.
async fn filled() -> Fixture {
    let f = Fixture::new().await;
    let mut ids = IdStream::new(now(), [9; 32]);
    let said = [(11, "a needle"), (12, "a needle and thread")].map(|(position, text)| {
        Change::MessageAdded(Message {
            id: ids.draw(),
            seq: position,
            position,
            role: MessageRole::User,
            content: text.to_owned(),
            parts: Vec::new(),
            author: None,
            channel: None,
            created_at: now(),
        })
    });
    f.changed(said).await;
    let user = f.store.memories(&f.caller, &MemoryFilter::new(None, None, 1)).await.unwrap().caller.unwrap().user;
    let memories = ["needles", "threads"].map(|text| {
        Write::AddMemory(Memory {
            id: ids.draw(),
            user: user.clone(),
            category: MemoryCategory::General,
            content: text.to_owned(),
            relevance: Relevance::NEW,
            created_at: now(),
            last_accessed_at: now(),
        })
    });
    f.commit(memories).await;
    f
}

#[tokio::test]
async fn the_index_follows_its_table() {
    let f = filled().await;
    check_indexes(&f.database).await;
    f.run("DELETE FROM messages WHERE position = 11").await;
    assert_eq!(found(&f.store, &f.caller, "needle").await, ["a needle and thread"]);
    f.run("DELETE FROM memories WHERE content = 'needles'").await;
    assert_eq!((remembered(&f, "needle").await, remembered(&f, "thread").await), (0, 1));
    check_indexes(&f.database).await;
    f.run("UPDATE message_words SET words = replace(words, 'thread', 'string')").await;
    f.run("UPDATE memories SET words = replace(words, 'thread', 'string'), row_number = 77").await;
    assert_eq!(found(&f.store, &f.caller, "thread").await, Vec::<String>::new());
    assert_eq!(found(&f.store, &f.caller, "string").await.len(), 1);
    assert_eq!((remembered(&f, "thread").await, remembered(&f, "string").await), (0, 1));
    f.run("UPDATE message_words SET words = NULL").await;
    assert_eq!(found(&f.store, &f.caller, "string").await, Vec::<String>::new());
    check_indexes(&f.database).await;
}

#[tokio::test]
async fn of_very_many_the_newest_are_ranked() {
    let f = filled().await;
    // The oldest one fits best.
    f.run("UPDATE message_words SET words = words || ' ~sstraw ~sstraw ~sstraw' WHERE row_number = 1").await;
    assert_eq!(found(&f.store, &f.caller, "straw").await, ["a needle"]);
    f.run(&format!(
        "INSERT INTO messages (session_id, id, seq, position, role, content, parts, is_open, created_at) \
         WITH RECURSIVE n (i) AS (SELECT 100 UNION ALL SELECT i + 1 FROM n WHERE i < {}) \
         SELECT session_id, 'hay' || i, seq, i, role, 'straw and more', parts, 0, created_at \
         FROM messages, n WHERE position = 11",
        99 + MAX_RANKED
    ))
    .await;
    f.run(
        "INSERT INTO message_words (session_id, message_id, scope, words) \
         SELECT session_id, id, 1, '~sstraw ~sand ~smore' FROM messages WHERE position >= 100 ORDER BY position",
    )
    .await;
    let newest = found(&f.store, &f.caller, "straw").await;
    assert_eq!(newest, ["straw and more"; 10]);
    f.run("DELETE FROM messages WHERE position = 100").await;
    assert_eq!(found(&f.store, &f.caller, "straw").await[0], "a needle");
}

#[tokio::test]
async fn what_goes_with_its_owner_leaves_the_index() {
    let f = filled().await;
    f.run("DELETE FROM users").await;
    for table in ["message_words", "memories", "search_scopes", "message_search_docsize", "memory_search_docsize"] {
        assert_eq!(f.rows(table).await, 0, "{table}");
    }
    check_indexes(&f.database).await;
}

#[tokio::test]
async fn texts_that_changed_hands_are_not_shown() {
    let f = filled().await;
    // The index still says that these are the caller's, the table of sessions does not.
    f.run(
        "INSERT INTO users SELECT 'other', 'other@example.org', name, avatar_url, git_name, git_email, role, \
         onboarding_completed, idle_timeout_seconds, model_preferences, queue_mode, max_active_sessions, version, \
         created_at, updated_at FROM users",
    )
    .await;
    f.run("UPDATE sessions SET owner_id = 'other'").await;
    assert_eq!(found(&f.store, &f.caller, "needle").await, Vec::<String>::new());
}

#[tokio::test]
async fn messages_that_are_older_than_the_index_are_filled_in() {
    let database = Arc::new(SqliteDatabase::in_memory().unwrap());
    database.migrate(&SQLITE[..4]).await.unwrap();
    let caller = TokenHash::of("secret");
    write(
        &database,
        "INSERT INTO users VALUES ('u', 'u@example.org', NULL, NULL, NULL, NULL, 'member', 1, 900, '[]', 'followup', \
         NULL, 1, 0, 0)",
    )
    .await;
    let token = format!(
        "INSERT INTO access_tokens VALUES ('t', 'u', 'api', 'key', 'sk', '{}', 0, NULL, NULL, NULL)",
        caller.as_str()
    );
    write(&database, &token).await;
    write(&database, "INSERT INTO sessions VALUES ('s', 'u', 'w', 'running', NULL, 'a', NULL, NULL, NULL, 0, 0)").await;
    let messages = [
        ("m1", "user", "the first needle", 0),
        ("m2", "assistant", "the second needle", 0),
        ("m3", "system", "no needle", 0),
        ("m4", "user", "--", 0),
        ("m5", "assistant", "an open needle", 1),
    ];
    for (position, (id, role, text, is_open)) in messages.into_iter().enumerate() {
        let values = format!(
            "'s', '{id}', 1, {position}, '{role}', '{text}', '[]', NULL, NULL, NULL, NULL, {is_open}, {position}"
        );
        write(&database, &format!("INSERT INTO messages VALUES ({values})")).await;
    }
    assert!(database.migrate(SQLITE).await.unwrap() >= 2);
    check_indexes(&database).await;

    let store = SqlStore::new(database.clone());
    assert_eq!(found(&store, &caller, "needle").await, Vec::<String>::new());
    let first = store.unindexed_messages(2).await.unwrap();
    let ids = |messages: &[portway_ports::search::UnindexedMessage]| -> Vec<String> {
        messages.iter().map(|message| message.message.to_string()).collect()
    };
    assert_eq!(ids(&first), ["m1", "m2"]);
    assert_eq!(ids(&store.unindexed_messages(10).await.unwrap()), ["m1", "m2", "m4"]);
    let fill = |message: MessageId, text: &str| {
        let session = first[0].session.clone();
        ChangeSet::new().with(Write::IndexMessage { session, message, text: text.to_owned() })
    };
    for message in &first {
        assert_eq!(store.commit(fill(message.message.clone(), &message.text)).await, Ok(Commit::Done));
        let again = store.commit(fill(message.message.clone(), "twice")).await;
        assert_eq!(again, Ok(Commit::Conflict { write: 0 }));
    }
    assert_eq!(found(&store, &caller, "needle").await, ["the second needle", "the first needle"]);
    let rest = store.unindexed_messages(10).await.unwrap();
    assert_eq!(ids(&rest), ["m4"]);
    assert_eq!(store.commit(fill(rest[0].message.clone(), &rest[0].text)).await, Ok(Commit::Done));
    assert_eq!(store.unindexed_messages(10).await.unwrap(), Vec::new());
    assert_eq!(found(&store, &caller, "twice").await, Vec::<String>::new());
    check_indexes(&database).await;
}

/// Words of every ending that the rules know, after beginnings of every measure.
fn words() -> Vec<String> {
    let beginnings = [
        "s", "tr", "ag", "rat", "hop", "fall", "fil", "happ", "relat", "condit", "val", "dig", "radic", "hopeful",
        "electric", "adjust", "depend", "organ", "general", "comput", "sens", "act", "oper", "bowl", "box", "play",
        "sky", "controll", "yell", "toy", "syzyg", "communic", "probabl", "log", "analog", "buzz", "miss",
    ];
    let endings = [
        "", "s", "es", "ies", "sses", "ss", "eed", "ed", "ing", "ated", "bled", "ized", "y", "ational", "tional",
        "enci", "anci", "izer", "logi", "logy", "bli", "bly", "alli", "ally", "entli", "eli", "ousli", "ously",
        "ization", "ation", "ator", "alism", "iveness", "fulness", "ousness", "aliti", "ality", "iviti", "ivity",
        "biliti", "bility", "icate", "ative", "alize", "iciti", "icity", "ical", "ful", "ness", "al", "ance", "ence",
        "er", "ic", "able", "ible", "ant", "ement", "ment", "ent", "ion", "sion", "tion", "ou", "ism", "ate", "iti",
        "ous", "ive", "ize", "e", "ll", "lle",
    ];
    beginnings.iter().flat_map(|beginning| endings.iter().map(move |ending| format!("{beginning}{ending}"))).collect()
}

#[tokio::test]
async fn stems_are_those_that_sqlite_gives() {
    let database = SqliteDatabase::in_memory().unwrap();
    write(&database, "CREATE VIRTUAL TABLE t USING fts5 (word, tokenize = 'porter ascii')").await;
    write(&database, "CREATE VIRTUAL TABLE v USING fts5vocab (t, 'instance')").await;
    let words = words();
    for some in words.chunks(500) {
        let values: Vec<String> = some.iter().map(|word| format!("('{word}')")).collect();
        write(&database, &format!("INSERT INTO t VALUES {}", values.join(", "))).await;
    }
    let rows = read(&database, "SELECT word, term FROM v JOIN t ON t.rowid = v.doc").await;
    assert_eq!(rows.len(), words.len());
    let mut different = Vec::new();
    for row in rows {
        let (word, expected): (String, String) = (row.get("word").unwrap(), row.get("term").unwrap());
        if stem(&word) != expected {
            different.push(format!("{word}: {} and not {expected}", stem(&word)));
        }
    }
    assert_eq!(different, Vec::<String>::new());
}
