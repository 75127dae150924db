-- Sessions, and the state of their engines.

CREATE TABLE sessions (
    id TEXT NOT NULL PRIMARY KEY,
    owner_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    workspace TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN (
        'initializing', 'running', 'hibernating', 'hibernated', 'restoring', 'terminated', 'archived', 'error'
    )),
    title TEXT,
    agent TEXT NOT NULL,
    directory TEXT,
    metadata TEXT,
    error_message TEXT,
    created_at INTEGER NOT NULL,
    last_active_at INTEGER NOT NULL
) STRICT;

CREATE INDEX sessions_list ON sessions (owner_id, created_at DESC, id DESC);
CREATE INDEX sessions_list_by_status ON sessions (owner_id, status, created_at DESC, id DESC);

-- `state` is JSON that is read back to the letter, so it stays text on every database.
CREATE TABLE engines (
    session_id TEXT NOT NULL PRIMARY KEY REFERENCES sessions (id) ON DELETE CASCADE,
    state TEXT NOT NULL,
    generation INTEGER NOT NULL,
    has_sandbox INTEGER NOT NULL CHECK (has_sandbox IN (0, 1)),
    version INTEGER NOT NULL
) STRICT;

CREATE INDEX engines_with_sandbox ON engines (has_sandbox, session_id);
