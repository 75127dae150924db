-- Finding messages by their words.

-- Whose search finds a text. Every word in an index begins with such a number: a search reads the entries of one number
-- only, however many others there are, and its order tells nothing about theirs. A number is never given again.
CREATE TABLE search_scopes (
    number BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id TEXT COLLATE "C" NOT NULL UNIQUE REFERENCES users (id) ON DELETE CASCADE
);

INSERT INTO search_scopes (user_id) SELECT id FROM users ORDER BY created_at, id;

-- The words of finished messages with their places, and with `~` in the place of the scope. NULL means that they are
-- still to be read from the message. Words come folded and stemmed, so no text search configuration has a part in it.
CREATE TABLE message_words (
    row_number BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    session_id TEXT COLLATE "C" NOT NULL,
    message_id TEXT COLLATE "C" NOT NULL,
    scope BIGINT NOT NULL,
    words TEXT,
    document TSVECTOR GENERATED ALWAYS AS (CAST(replace(words, '~', CAST(scope AS TEXT)) AS TSVECTOR)) STORED,
    UNIQUE (session_id, message_id, scope),
    FOREIGN KEY (session_id, message_id) REFERENCES messages (session_id, id) ON DELETE CASCADE
);

CREATE INDEX message_words_missing ON message_words (row_number) WHERE words IS NULL;
CREATE INDEX message_words_document ON message_words USING gin (document);

INSERT INTO message_words (session_id, message_id, scope)
SELECT messages.session_id, messages.id, search_scopes.number
FROM messages
JOIN sessions ON sessions.id = messages.session_id
JOIN search_scopes ON search_scopes.user_id = sessions.owner_id
WHERE messages.is_open = FALSE AND messages.role IN ('user', 'assistant')
ORDER BY messages.created_at, messages.session_id, messages.position;
