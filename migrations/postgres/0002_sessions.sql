-- Sessions, and the state of their engines.

CREATE TABLE sessions (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    owner_id TEXT COLLATE "C" NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    workspace TEXT NOT NULL,
    status TEXT COLLATE "C" NOT NULL CHECK (status IN (
        'initializing', 'running', 'hibernating', 'hibernated', 'restoring', 'terminated', 'archived', 'error'
    )),
    title TEXT,
    agent TEXT NOT NULL,
    directory TEXT,
    metadata TEXT,
    error_message TEXT,
    created_at TIMESTAMPTZ NOT NULL,
    last_active_at TIMESTAMPTZ NOT NULL
);

CREATE INDEX sessions_list ON sessions (owner_id, created_at DESC, id DESC);
CREATE INDEX sessions_list_by_status ON sessions (owner_id, status, created_at DESC, id DESC);

-- `state` is JSON that is read back to the letter, so it stays text on every database.
CREATE TABLE engines (
    session_id TEXT COLLATE "C" NOT NULL PRIMARY KEY REFERENCES sessions (id) ON DELETE CASCADE,
    state TEXT NOT NULL,
    generation BIGINT NOT NULL,
    has_sandbox BOOLEAN NOT NULL,
    version BIGINT NOT NULL
);

CREATE INDEX engines_with_sandbox ON engines (has_sandbox, session_id);
