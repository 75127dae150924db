-- Who takes part in sessions of others, and links that let people in.

-- Set when the first person is let in, and never unset: only then there is anything to look for.
ALTER TABLE sessions ADD COLUMN is_shared BOOLEAN NOT NULL DEFAULT FALSE;

-- `session_created_at` is that of the session, so that an index has the order of lists.
CREATE TABLE session_participants (
    session_id TEXT COLLATE "C" NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    user_id TEXT COLLATE "C" NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    role TEXT COLLATE "C" NOT NULL CHECK (role IN ('viewer', 'collaborator')),
    added_by TEXT COLLATE "C" NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    seq BIGINT NOT NULL,
    session_created_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (session_id, user_id)
);

CREATE INDEX session_participants_list
    ON session_participants (user_id, session_created_at DESC, session_id DESC);

CREATE TABLE share_links (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    session_id TEXT COLLATE "C" NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    token TEXT COLLATE "C" NOT NULL UNIQUE,
    role TEXT COLLATE "C" NOT NULL CHECK (role IN ('viewer', 'collaborator')),
    created_by TEXT COLLATE "C" NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    expires_at TIMESTAMPTZ,
    max_uses BIGINT,
    uses BIGINT NOT NULL,
    is_active BOOLEAN NOT NULL
);

CREATE INDEX share_links_list ON share_links (session_id, is_active, created_at DESC, id DESC);
