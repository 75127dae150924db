-- The models that the agent of a session offers, as it told them last. The owner stands here too: the newest list of a
-- user is offered before any session runs.

CREATE TABLE available_models (
    session_id TEXT COLLATE "C" NOT NULL PRIMARY KEY REFERENCES sessions (id) ON DELETE CASCADE,
    models TEXT NOT NULL,
    seq BIGINT NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    owner_id TEXT COLLATE "C" NOT NULL REFERENCES users (id) ON DELETE CASCADE
);

CREATE INDEX available_models_newest ON available_models (owner_id, updated_at DESC, session_id DESC);
