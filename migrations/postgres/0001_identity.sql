-- People, and the tokens that sign them in.

CREATE TABLE users (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    email TEXT COLLATE "C" NOT NULL UNIQUE,
    name TEXT,
    avatar_url TEXT,
    git_name TEXT,
    git_email TEXT,
    role TEXT COLLATE "C" NOT NULL CHECK (role IN ('member', 'admin')),
    onboarding_completed BOOLEAN NOT NULL,
    idle_timeout_seconds BIGINT NOT NULL,
    model_preferences JSONB NOT NULL,
    queue_mode TEXT COLLATE "C" NOT NULL CHECK (queue_mode IN ('followup', 'steer', 'collect')),
    max_active_sessions BIGINT,
    version BIGINT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL
);

-- API keys and signed-in browsers: one lookup finds both.
CREATE TABLE access_tokens (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    user_id TEXT COLLATE "C" NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    kind TEXT COLLATE "C" NOT NULL CHECK (kind IN ('api', 'login')),
    name TEXT NOT NULL,
    prefix TEXT NOT NULL,
    token_hash TEXT COLLATE "C" NOT NULL UNIQUE,
    created_at TIMESTAMPTZ NOT NULL,
    expires_at TIMESTAMPTZ,
    last_used_at TIMESTAMPTZ,
    revoked_at TIMESTAMPTZ
);

CREATE INDEX access_tokens_list ON access_tokens (user_id, kind, created_at DESC, id DESC);

-- Results of operations that carried an idempotency key.
CREATE TABLE idempotency_keys (
    user_id TEXT COLLATE "C" NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    key TEXT COLLATE "C" NOT NULL,
    digest TEXT COLLATE "C" NOT NULL,
    result TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (user_id, key)
);
