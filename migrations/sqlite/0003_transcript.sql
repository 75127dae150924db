-- What was said and done in a session.

-- `parts` is JSON that is read back to the letter, so it stays text on every database. The author is kept as known
-- when the message was written.
CREATE TABLE messages (
    session_id TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    id TEXT NOT NULL,
    seq INTEGER NOT NULL,
    position INTEGER NOT NULL,
    role TEXT NOT NULL CHECK (role IN ('user', 'assistant', 'system')),
    content TEXT NOT NULL,
    parts TEXT NOT NULL,
    author_id TEXT,
    author_email TEXT,
    author_name TEXT,
    author_avatar_url TEXT,
    is_open INTEGER NOT NULL CHECK (is_open IN (0, 1)),
    created_at INTEGER NOT NULL,
    PRIMARY KEY (session_id, id),
    UNIQUE (session_id, position)
) STRICT;

-- A session has one open message at most.
CREATE UNIQUE INDEX messages_open ON messages (session_id) WHERE is_open = TRUE;

-- Tool calls and plans of the open message; folded into `messages.parts` when it is finished.
CREATE TABLE message_parts (
    session_id TEXT NOT NULL,
    message_id TEXT NOT NULL,
    part_index INTEGER NOT NULL,
    part TEXT NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (session_id, message_id, part_index),
    FOREIGN KEY (session_id, message_id) REFERENCES messages (session_id, id) ON DELETE CASCADE
) STRICT;

-- Text of the open message in pieces; folded into `messages.parts` when it is finished.
CREATE TABLE message_segments (
    session_id TEXT NOT NULL,
    message_id TEXT NOT NULL,
    part_index INTEGER NOT NULL,
    byte_offset INTEGER NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('text', 'reasoning')),
    text TEXT NOT NULL,
    PRIMARY KEY (session_id, message_id, part_index, byte_offset),
    FOREIGN KEY (session_id, message_id) REFERENCES messages (session_id, id) ON DELETE CASCADE
) STRICT;

CREATE TABLE questions (
    session_id TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    id TEXT NOT NULL,
    text TEXT NOT NULL,
    choices TEXT NOT NULL,
    asked_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    resolution TEXT,
    is_expired INTEGER NOT NULL CHECK (is_expired IN (0, 1)),
    seq INTEGER NOT NULL,
    PRIMARY KEY (session_id, id)
) STRICT;

CREATE TABLE audit_log (
    session_id TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    seq INTEGER NOT NULL,
    id TEXT NOT NULL,
    event_type TEXT NOT NULL,
    summary TEXT NOT NULL,
    actor_id TEXT,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (session_id, seq)
) STRICT;
