-- Who takes part in sessions of others, and links that let people in.

-- Set when the first person is let in, and never unset: only then there is anything to look for.
ALTER TABLE sessions ADD COLUMN is_shared INTEGER NOT NULL DEFAULT 0 CHECK (is_shared IN (0, 1));

-- `session_created_at` is that of the session, so that an index has the order of lists.
CREATE TABLE session_participants (
    session_id TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    role TEXT NOT NULL CHECK (role IN ('viewer', 'collaborator')),
    added_by TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    session_created_at INTEGER NOT NULL,
    PRIMARY KEY (session_id, user_id)
) STRICT;

CREATE INDEX session_participants_list
    ON session_participants (user_id, session_created_at DESC, session_id DESC);

CREATE TABLE share_links (
    id TEXT NOT NULL PRIMARY KEY,
    session_id TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    token TEXT NOT NULL UNIQUE,
    role TEXT NOT NULL CHECK (role IN ('viewer', 'collaborator')),
    created_by TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    max_uses INTEGER,
    uses INTEGER NOT NULL,
    is_active INTEGER NOT NULL CHECK (is_active IN (0, 1))
) STRICT;

CREATE INDEX share_links_list ON share_links (session_id, is_active, created_at DESC, id DESC);
