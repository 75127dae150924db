-- What is still to be done.

-- Commands that a runner has not taken over. `prompt_id` names the message with the text of a prompt.
CREATE TABLE runner_commands (
    session_id TEXT COLLATE "C" NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    generation BIGINT NOT NULL,
    number BIGINT NOT NULL,
    kind TEXT COLLATE "C" NOT NULL CHECK (kind IN ('prompt', 'answer', 'abort')),
    prompt_id TEXT COLLATE "C",
    command TEXT NOT NULL,
    PRIMARY KEY (session_id, generation, number)
);

-- When the engine of a session must be asked again.
CREATE TABLE deadlines (
    session_id TEXT COLLATE "C" NOT NULL PRIMARY KEY REFERENCES sessions (id) ON DELETE CASCADE,
    due_at TIMESTAMPTZ NOT NULL
);

CREATE INDEX deadlines_due ON deadlines (due_at, session_id);

-- A job outlives what it is about, so it refers to nothing.
CREATE TABLE jobs (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    kind TEXT COLLATE "C" NOT NULL,
    work TEXT NOT NULL,
    attempts BIGINT NOT NULL,
    run_at TIMESTAMPTZ NOT NULL,
    lease_until TIMESTAMPTZ,
    last_error TEXT
);

CREATE INDEX jobs_due ON jobs (run_at, id, lease_until);
CREATE INDEX jobs_leased ON jobs (lease_until) WHERE lease_until IS NOT NULL;
