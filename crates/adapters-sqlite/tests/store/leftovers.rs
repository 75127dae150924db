//! Rows go when nobody asks for them again.

use portway_domain::engine::Change;
use portway_domain::messages::Message;
use portway_domain::messages::{FinishReason, Part};

use crate::fixture::Fixture;

#[tokio::test]
async fn a_finished_message_leaves_no_pieces() {
    let f = Fixture::new().await;
    assert_eq!((f.rows("message_parts").await, f.rows("message_segments").await), (1, 2));
    let parts = vec![Part::Finish { reason: FinishReason::EndTurn }];
    f.changed([Change::MessageFinished(Message { parts, ..f.opened() })]).await;
    assert_eq!((f.rows("message_parts").await, f.rows("message_segments").await), (0, 0));
    assert_eq!(f.rows("messages WHERE is_open = 1").await, 0);
}

#[tokio::test]
async fn a_new_generation_removes_the_commands_of_older_ones() {
    let f = Fixture::new().await;
    f.changed([f.given(1, 3)]).await;
    assert_eq!(f.rows("runner_commands").await, 3);
    f.changed([f.given(2, 1), f.given(2, 2)]).await;
    assert_eq!(f.rows("runner_commands WHERE generation = 1").await, 0);
    assert_eq!(f.rows("runner_commands").await, 2);
}

#[tokio::test]
async fn what_belongs_to_a_session_goes_with_it() {
    let f = Fixture::new().await;
    f.run("DELETE FROM users").await;
    let tables = [
        "access_tokens",
        "sessions",
        "engines",
        "messages",
        "message_parts",
        "message_segments",
        "questions",
        "audit_log",
        "workspaces",
        "changed_files",
        "runner_commands",
        "deadlines",
    ];
    for table in tables {
        assert_eq!(f.rows(table).await, 0, "{table}");
    }
    assert_eq!(f.rows("jobs").await, 1, "a sandbox is stopped even when its session is gone");
}
