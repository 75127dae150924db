//! A damaged row is an error that names its place, never a panic and never a wrong answer.

use portway_domain::ids::NodeId;
use portway_domain::search::Query;
use portway_domain::time::Timestamp;
use portway_ports::StoreError;
use portway_ports::commit::{ChangeSet, Committer, Write};
use portway_ports::memories::{MemoryFilter, MemoryStore};
use portway_ports::pages::PageRequest;
use portway_ports::search::{MessageSearch, SearchStore};
use portway_ports::sessions::{MessageRange, SessionFilter, SessionStore};
use portway_ports::users::UserStore;
use portway_ports::work::WorkStore;
use portway_ports::workspaces::WorkspaceStore;

use crate::fixture::{Fixture, now};

/// What every read answers, without the rows.
async fn reads(f: &Fixture) -> Vec<(&'static str, Result<(), StoreError>)> {
    let (store, caller, id) = (&f.store, &f.caller, &f.session);
    let range = MessageRange { after: 0, limit: 10 };
    let search = MessageSearch::new(Query::parse("word"), None, 10);
    let node = NodeId::parse("node").unwrap();
    vec![
        ("principal", store.principal(caller).await.map(drop)),
        ("caller", store.caller(caller).await.map(drop)),
        ("tokens", store.tokens(caller, 10).await.map(drop)),
        ("sessions", store.sessions(caller, SessionFilter::default(), PageRequest::new(10, None)).await.map(drop)),
        ("session", store.session(caller, id).await.map(drop)),
        ("opening", store.opening(caller, Some("key"), now()).await.map(drop)),
        ("session_state", store.session_state(caller, id, None, now()).await.map(drop)),
        ("transcript", store.transcript(caller, id, 10).await.map(drop)),
        ("messages", store.messages(caller, id, range).await.map(drop)),
        ("engine", store.engine(id).await.map(drop)),
        ("git_state", store.git_state(caller, id).await.map(drop)),
        ("changed_files", store.changed_files(caller, id).await.map(drop)),
        ("pending_commands", store.pending_commands(id, 1, 0, 10).await.map(drop)),
        ("search_messages", store.search_messages(caller, &search).await.map(drop)),
        ("unindexed_messages", store.unindexed_messages(10).await.map(drop)),
        ("memories", store.memories(caller, &MemoryFilter::new(None, None, 10)).await.map(drop)),
        ("remembering", store.remembering(caller, Some("key"), now()).await.map(drop)),
        ("next_job_at", store.next_job_at(&node, now()).await.map(drop)),
        ("claim_jobs", store.claim_jobs(&node, now(), Timestamp::from_millis(1), 10).await.map(drop)),
    ]
}

#[tokio::test]
async fn an_undamaged_store_answers() {
    let f = Fixture::new().await;
    for (name, result) in reads(&f).await {
        assert_eq!(result, Ok(()), "{name}");
    }
}

#[tokio::test]
async fn a_damaged_row_names_table_and_column() {
    let damages: &[(&str, &str, &[&str])] = &[
        ("UPDATE engines SET state = '{}'", "engines.state", &["engine", "session_state", "transcript"]),
        ("UPDATE engines SET state = 'secret'", "engines.state", &["engine", "session_state", "transcript"]),
        ("UPDATE engines SET version = -1", "engines.version", &["engine", "session_state", "transcript"]),
        ("UPDATE messages SET parts = '[{\"type\":\"secret\"}]'", "messages.parts", &["transcript", "messages"]),
        ("UPDATE messages SET position = -position", "messages.position", &["transcript", "engine"]),
        ("UPDATE messages SET author_email = NULL", "messages.author_id", &["transcript", "messages"]),
        ("UPDATE message_parts SET part_index = 9", "part_index", &["engine", "session_state", "messages"]),
        ("UPDATE message_parts SET part_index = 0", "part_index", &["engine", "transcript"]),
        ("UPDATE message_parts SET part = '{\"type\":\"text\",\"text\":\"\"}'", "message_parts.part", &["engine"]),
        ("DELETE FROM message_segments WHERE byte_offset = 0", "byte_offset", &["engine", "transcript"]),
        ("UPDATE message_segments SET byte_offset = 4 WHERE byte_offset = 3", "byte_offset", &["engine"]),
        ("UPDATE message_segments SET kind = 'reasoning' WHERE byte_offset = 3", "byte_offset", &["engine"]),
        ("UPDATE runner_commands SET command = '{\"type\":\"secret\"}'", "command", &["pending_commands"]),
        ("UPDATE audit_log SET id = 'no id!'", "audit_log.id", &["transcript"]),
        ("UPDATE workspaces SET git_seq = -1", "workspaces.git_seq", &["git_state"]),
        ("UPDATE changed_files SET additions = -1", "changed_files.additions", &["changed_files"]),
        ("UPDATE access_tokens SET id = ''", "access_tokens.id", &["caller", "sessions", "session"]),
        ("UPDATE users SET model_preferences = '{}'", "users.model_preferences", &["caller", "opening", "remembering"]),
        ("UPDATE jobs SET work = '{\"kind\":\"secret\"}'", "jobs.work", &["claim_jobs"]),
    ];
    for (damage, place, broken) in damages {
        let f = Fixture::new().await;
        f.run(damage).await;
        for (name, result) in reads(&f).await {
            match result {
                Err(StoreError::Fault(detail)) => {
                    assert!(detail.contains(place), "{damage}: {name}: {detail}");
                    assert!(!detail.contains("secret"), "{damage}: {name}: {detail}");
                }
                Err(other) => panic!("{damage}: {name}: {other}"),
                Ok(()) => assert!(!broken.contains(&name), "{damage}: {name} did not notice"),
            }
        }
    }
}

#[tokio::test]
async fn a_closed_database_is_unavailable() {
    let f = Fixture::new().await;
    f.database.close();
    for (name, result) in reads(&f).await {
        assert!(matches!(result, Err(StoreError::Unavailable(_))), "{name}: {result:?}");
    }
    let change = ChangeSet::new().with(Write::SetDeadline { session: f.session.clone(), due_at: None });
    assert!(matches!(f.store.commit(change).await, Err(StoreError::Unavailable(_))));
}

#[tokio::test]
async fn a_number_that_no_database_stores_is_a_fault() {
    let f = Fixture::new().await;
    let engine = f.store.engine(&f.session).await.unwrap().unwrap().1.value;
    let change = ChangeSet::new().with(Write::SetEngine { engine, version: u64::MAX });
    let Err(StoreError::Fault(detail)) = f.store.commit(change).await else { panic!("it was stored") };
    assert!(detail.contains("engines.version"), "{detail}");
}
