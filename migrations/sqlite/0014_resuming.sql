-- What clients that come back have missed: what changed is found by the session's change counter, and what was taken
-- out of the transcript is remembered for a while.

CREATE INDEX messages_changes ON messages (session_id, seq);

CREATE INDEX questions_changes ON questions (session_id, seq);

CREATE TABLE removed_messages (
    session_id TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    seq INTEGER NOT NULL,
    message_id TEXT NOT NULL,
    PRIMARY KEY (session_id, seq, message_id)
) STRICT;
