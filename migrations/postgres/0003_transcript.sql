-- What was said and done in a session.

-- `parts` is JSON that is read back to the letter, so it stays text on every database. The author is kept as known
-- when the message was written.
CREATE TABLE messages (
    session_id TEXT COLLATE "C" NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    id TEXT COLLATE "C" NOT NULL,
    seq BIGINT NOT NULL,
    position BIGINT NOT NULL,
    role TEXT COLLATE "C" NOT NULL CHECK (role IN ('user', 'assistant', 'system')),
    content TEXT NOT NULL,
    parts TEXT NOT NULL,
    author_id TEXT COLLATE "C",
    author_email TEXT,
    author_name TEXT,
    author_avatar_url TEXT,
    is_open BOOLEAN NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (session_id, id),
    UNIQUE (session_id, position)
);

-- A session has one open message at most.
CREATE UNIQUE INDEX messages_open ON messages (session_id) WHERE is_open = TRUE;

-- Tool calls and plans of the open message; folded into `messages.parts` when it is finished.
CREATE TABLE message_parts (
    session_id TEXT COLLATE "C" NOT NULL,
    message_id TEXT COLLATE "C" NOT NULL,
    part_index BIGINT NOT NULL,
    part TEXT NOT NULL,
    seq BIGINT NOT NULL,
    PRIMARY KEY (session_id, message_id, part_index),
    FOREIGN KEY (session_id, message_id) REFERENCES messages (session_id, id) ON DELETE CASCADE
);

-- Text of the open message in pieces; folded into `messages.parts` when it is finished.
CREATE TABLE message_segments (
    session_id TEXT COLLATE "C" NOT NULL,
    message_id TEXT COLLATE "C" NOT NULL,
    part_index BIGINT NOT NULL,
    byte_offset BIGINT NOT NULL,
    kind TEXT COLLATE "C" NOT NULL CHECK (kind IN ('text', 'reasoning')),
    text TEXT NOT NULL,
    PRIMARY KEY (session_id, message_id, part_index, byte_offset),
    FOREIGN KEY (session_id, message_id) REFERENCES messages (session_id, id) ON DELETE CASCADE
);

CREATE TABLE questions (
    session_id TEXT COLLATE "C" NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    id TEXT COLLATE "C" NOT NULL,
    text TEXT NOT NULL,
    choices TEXT NOT NULL,
    asked_at TIMESTAMPTZ NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL,
    resolution TEXT,
    is_expired BOOLEAN NOT NULL,
    seq BIGINT NOT NULL,
    PRIMARY KEY (session_id, id)
);

CREATE TABLE audit_log (
    session_id TEXT COLLATE "C" NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    seq BIGINT NOT NULL,
    id TEXT COLLATE "C" NOT NULL,
    event_type TEXT COLLATE "C" NOT NULL,
    summary TEXT NOT NULL,
    actor_id TEXT COLLATE "C",
    created_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (session_id, seq)
);
