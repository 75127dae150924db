-- What goes with prompts besides their text. The bytes are in the object store: this says that they belong to somebody.

CREATE TABLE attachments (
    session_id TEXT NOT NULL,
    message_id TEXT NOT NULL,
    number INTEGER NOT NULL,
    media_type TEXT NOT NULL,
    name TEXT,
    size INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    object_key TEXT NOT NULL UNIQUE,
    PRIMARY KEY (session_id, message_id, number),
    FOREIGN KEY (session_id, message_id) REFERENCES messages (session_id, id) ON DELETE CASCADE
) STRICT;
