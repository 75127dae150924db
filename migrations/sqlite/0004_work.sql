-- What is still to be done.

-- Commands that a runner has not taken over. `prompt_id` names the message with the text of a prompt.
CREATE TABLE runner_commands (
    session_id TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    generation INTEGER NOT NULL,
    number INTEGER NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('prompt', 'answer', 'abort')),
    prompt_id TEXT,
    command TEXT NOT NULL,
    PRIMARY KEY (session_id, generation, number)
) STRICT;

-- When the engine of a session must be asked again.
CREATE TABLE deadlines (
    session_id TEXT NOT NULL PRIMARY KEY REFERENCES sessions (id) ON DELETE CASCADE,
    due_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX deadlines_due ON deadlines (due_at, session_id);

-- A job outlives what it is about, so it refers to nothing.
CREATE TABLE jobs (
    id TEXT NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    work TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    run_at INTEGER NOT NULL,
    lease_until INTEGER,
    last_error TEXT
) STRICT;

CREATE INDEX jobs_due ON jobs (run_at, id, lease_until);
CREATE INDEX jobs_leased ON jobs (lease_until) WHERE lease_until IS NOT NULL;
