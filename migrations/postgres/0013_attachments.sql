-- What goes with prompts besides their text. The bytes are in the object store: this says that they belong to somebody.

CREATE TABLE attachments (
    session_id TEXT COLLATE "C" NOT NULL,
    message_id TEXT COLLATE "C" NOT NULL,
    number BIGINT NOT NULL,
    media_type TEXT COLLATE "C" NOT NULL,
    name TEXT,
    size BIGINT NOT NULL,
    sha256 TEXT COLLATE "C" NOT NULL,
    object_key TEXT COLLATE "C" NOT NULL UNIQUE,
    PRIMARY KEY (session_id, message_id, number),
    FOREIGN KEY (session_id, message_id) REFERENCES messages (session_id, id) ON DELETE CASCADE
);
