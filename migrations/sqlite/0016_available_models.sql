-- The models that the agent of a session offers, as it told them last. The owner stands here too: the newest list of a
-- user is offered before any session runs.

CREATE TABLE available_models (
    session_id TEXT NOT NULL PRIMARY KEY REFERENCES sessions (id) ON DELETE CASCADE,
    models TEXT NOT NULL,
    seq INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    owner_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE
) STRICT;

CREATE INDEX available_models_newest ON available_models (owner_id, updated_at DESC, session_id DESC);
