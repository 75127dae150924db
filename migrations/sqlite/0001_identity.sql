-- People, and the tokens that sign them in.

CREATE TABLE users (
    id TEXT NOT NULL PRIMARY KEY,
    email TEXT NOT NULL UNIQUE,
    name TEXT,
    avatar_url TEXT,
    git_name TEXT,
    git_email TEXT,
    role TEXT NOT NULL CHECK (role IN ('member', 'admin')),
    onboarding_completed INTEGER NOT NULL CHECK (onboarding_completed IN (0, 1)),
    idle_timeout_seconds INTEGER NOT NULL,
    model_preferences TEXT NOT NULL CHECK (json_valid(model_preferences)),
    queue_mode TEXT NOT NULL CHECK (queue_mode IN ('followup', 'steer', 'collect')),
    max_active_sessions INTEGER,
    version INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;

-- API keys and signed-in browsers: one lookup finds both.
CREATE TABLE access_tokens (
    id TEXT NOT NULL PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    kind TEXT NOT NULL CHECK (kind IN ('api', 'login')),
    name TEXT NOT NULL,
    prefix TEXT NOT NULL,
    token_hash TEXT NOT NULL UNIQUE,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    last_used_at INTEGER,
    revoked_at INTEGER
) STRICT;

CREATE INDEX access_tokens_list ON access_tokens (user_id, kind, created_at DESC, id DESC);

-- Results of operations that carried an idempotency key.
CREATE TABLE idempotency_keys (
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    key TEXT NOT NULL,
    digest TEXT NOT NULL,
    result TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (user_id, key)
) STRICT;
