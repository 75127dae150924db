//! Every table, behind those that it refers to.

use super::{Column, Kind, Table};

const fn flag(name: &'static str) -> Column {
    Column::new(name, Kind::Flag)
}

const fn integer(name: &'static str) -> Column {
    Column::new(name, Kind::Integer)
}

const fn json(name: &'static str) -> Column {
    Column::new(name, Kind::Json)
}

const fn row_number(name: &'static str) -> Column {
    Column::new(name, Kind::RowNumber)
}

const fn text(name: &'static str) -> Column {
    Column::new(name, Kind::Text)
}

const fn time(name: &'static str) -> Column {
    Column::new(name, Kind::Time)
}

/// Every table of the newest schema but the ledger of the migrations. One that refers to itself has no order of rows that
/// all databases take, so there is none.
pub const TABLES: &[Table] = &[
    Table::new(
        1,
        "users",
        &["id"],
        &[
            text("id"),
            text("email"),
            text("name").nullable(),
            text("avatar_url").nullable(),
            text("git_name").nullable(),
            text("git_email").nullable(),
            text("role"),
            flag("onboarding_completed"),
            integer("idle_timeout_seconds"),
            json("model_preferences"),
            text("queue_mode"),
            integer("max_active_sessions").nullable(),
            integer("version"),
            time("created_at"),
            time("updated_at"),
        ],
    ),
    Table::new(
        1,
        "access_tokens",
        &["id"],
        &[
            text("id"),
            text("user_id"),
            text("kind"),
            text("name"),
            text("prefix"),
            text("token_hash"),
            time("created_at"),
            time("expires_at").nullable(),
            time("last_used_at").nullable(),
            time("revoked_at").nullable(),
        ],
    ),
    Table::new(
        1,
        "idempotency_keys",
        &["user_id", "key"],
        &[text("user_id"), text("key"), text("digest"), text("result"), time("created_at"), time("expires_at")],
    ),
    Table::new(
        18,
        "mcp_sessions",
        &["id"],
        &[
            text("id"),
            text("user_id"),
            text("revision"),
            text("capabilities"),
            text("log_level").nullable(),
            time("expires_at"),
        ],
    ),
    Table::new(
        2,
        "sessions",
        &["id"],
        &[
            text("id"),
            text("owner_id"),
            text("workspace"),
            text("status"),
            text("title").nullable(),
            text("agent"),
            text("directory").nullable(),
            text("metadata").nullable(),
            text("error_message").nullable(),
            time("created_at"),
            time("last_active_at"),
            flag("is_shared").since(10),
            text("parent_id").nullable().since(12),
        ],
    ),
    Table::new(
        10,
        "session_participants",
        &["session_id", "user_id"],
        &[
            text("session_id"),
            text("user_id"),
            text("role"),
            text("added_by"),
            time("created_at"),
            integer("seq"),
            time("session_created_at"),
        ],
    ),
    Table::new(
        10,
        "share_links",
        &["id"],
        &[
            text("id"),
            text("session_id"),
            text("token"),
            text("role"),
            text("created_by"),
            time("created_at"),
            time("expires_at").nullable(),
            integer("max_uses").nullable(),
            integer("uses"),
            flag("is_active"),
        ],
    ),
    Table::new(
        2,
        "engines",
        &["session_id"],
        &[
            text("session_id"),
            text("state"),
            integer("generation"),
            flag("has_sandbox"),
            integer("version"),
            text("node_id").nullable().since(7),
        ],
    ),
    Table::new(
        3,
        "messages",
        &["session_id", "id"],
        &[
            text("session_id"),
            text("id"),
            integer("seq"),
            integer("position"),
            text("role"),
            text("content"),
            text("parts"),
            text("author_id").nullable(),
            text("author_email").nullable(),
            text("author_name").nullable(),
            text("author_avatar_url").nullable(),
            text("channel_type").nullable().since(11),
            text("channel_id").nullable().since(11),
            flag("is_open"),
            time("created_at"),
        ],
    ),
    Table::new(
        13,
        "attachments",
        &["session_id", "message_id", "number"],
        &[
            text("session_id"),
            text("message_id"),
            integer("number"),
            text("media_type"),
            text("name").nullable(),
            integer("size"),
            text("sha256"),
            text("object_key"),
        ],
    ),
    Table::new(
        3,
        "message_parts",
        &["session_id", "message_id", "part_index"],
        &[text("session_id"), text("message_id"), integer("part_index"), text("part"), integer("seq")],
    ),
    Table::new(
        3,
        "message_segments",
        &["session_id", "message_id", "part_index", "byte_offset"],
        &[
            text("session_id"),
            text("message_id"),
            integer("part_index"),
            integer("byte_offset"),
            text("kind"),
            text("text"),
        ],
    ),
    Table::new(
        3,
        "questions",
        &["session_id", "id"],
        &[
            text("session_id"),
            text("id"),
            text("text"),
            text("choices"),
            time("asked_at"),
            time("expires_at"),
            text("resolution").nullable(),
            flag("is_expired"),
            integer("seq"),
        ],
    ),
    Table::new(
        3,
        "audit_log",
        &["session_id", "seq"],
        &[
            text("session_id"),
            integer("seq"),
            text("id"),
            text("event_type"),
            text("summary"),
            text("actor_id").nullable(),
            time("created_at"),
        ],
    ),
    Table::new(
        14,
        "removed_messages",
        &["session_id", "seq", "message_id"],
        &[text("session_id"), integer("seq"), text("message_id")],
    ),
    Table::new(
        15,
        "workspaces",
        &["session_id"],
        &[
            text("session_id"),
            text("branch").nullable(),
            text("base_branch").nullable(),
            integer("commit_count").nullable(),
            integer("git_seq"),
            integer("files_seq"),
            time("created_at"),
            time("updated_at"),
        ],
    ),
    Table::new(
        15,
        "changed_files",
        &["session_id", "path"],
        &[
            text("session_id"),
            text("path"),
            text("status"),
            integer("additions"),
            integer("deletions"),
            integer("seq"),
            time("created_at"),
            time("updated_at"),
        ],
    ),
    Table::new(
        16,
        "available_models",
        &["session_id"],
        &[text("session_id"), text("models"), integer("seq"), time("updated_at"), text("owner_id")],
    ),
    Table::new(
        4,
        "runner_commands",
        &["session_id", "generation", "number"],
        &[
            text("session_id"),
            integer("generation"),
            integer("number"),
            text("kind"),
            text("prompt_id").nullable(),
            text("command"),
        ],
    ),
    Table::new(4, "deadlines", &["session_id"], &[text("session_id"), time("due_at")]),
    Table::new(
        4,
        "jobs",
        &["id"],
        &[
            text("id"),
            text("kind"),
            text("work"),
            integer("attempts"),
            time("run_at"),
            time("lease_until").nullable(),
            text("last_error").nullable(),
            text("node_id").nullable().since(7),
            text("holder_id").nullable().since(7),
        ],
    ),
    Table { is_transient: true, ..Table::new(7, "nodes", &["id"], &[text("id"), time("lease_until")]) },
    Table {
        is_transient: true,
        ..Table::new(
            8,
            "open_sockets",
            &["node_id", "number"],
            &[text("node_id"), integer("number"), text("session_id"), text("user_id")],
        )
    },
    Table::new(5, "search_scopes", &["number"], &[row_number("number"), text("user_id")]),
    Table::new(
        5,
        "message_words",
        &["row_number"],
        &[
            row_number("row_number"),
            text("session_id"),
            text("message_id"),
            integer("scope"),
            text("words").nullable().derived(),
        ],
    ),
    Table::new(
        6,
        "memories",
        &["row_number"],
        &[
            row_number("row_number"),
            text("id"),
            text("user_id"),
            text("category"),
            text("content"),
            integer("relevance"),
            time("created_at"),
            time("last_accessed_at"),
            integer("scope"),
            text("words").derived(),
        ],
    ),
];
