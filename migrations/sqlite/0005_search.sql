-- Finding messages by their words.

-- Whose search finds a text. Every word in an index begins with such a number: a search reads the entries of one number
-- only, however many others there are, and its order tells nothing about theirs. A number is never given again.
CREATE TABLE search_scopes (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id TEXT NOT NULL UNIQUE REFERENCES users (id) ON DELETE CASCADE
) STRICT;

INSERT INTO search_scopes (user_id) SELECT id FROM users ORDER BY created_at, id;

-- The words of finished messages, with `~` in the place of the scope. NULL means that they are still to be read from the
-- message.
CREATE TABLE message_words (
    row_number INTEGER PRIMARY KEY,
    session_id TEXT NOT NULL,
    message_id TEXT NOT NULL,
    scope INTEGER NOT NULL,
    words TEXT,
    UNIQUE (session_id, message_id, scope),
    FOREIGN KEY (session_id, message_id) REFERENCES messages (session_id, id) ON DELETE CASCADE
) STRICT;

CREATE INDEX message_words_missing ON message_words (row_number) WHERE words IS NULL;

INSERT INTO message_words (session_id, message_id, scope)
SELECT messages.session_id, messages.id, search_scopes.number
FROM messages
JOIN sessions ON sessions.id = messages.session_id
JOIN search_scopes ON search_scopes.user_id = sessions.owner_id
WHERE messages.is_open = FALSE AND messages.role IN ('user', 'assistant')
ORDER BY messages.created_at, messages.session_id, messages.position;

-- What the index has of each row. The index itself keeps no text.
CREATE VIEW message_search_rows AS
SELECT row_number, replace(words, '~', scope) AS words FROM message_words WHERE words IS NOT NULL;

-- Words come folded and stemmed, so the index only has to take them apart at the spaces.
CREATE VIRTUAL TABLE message_search USING fts5 (
    words, content = 'message_search_rows', content_rowid = 'row_number', tokenize = 'ascii'
);

CREATE TRIGGER message_words_added AFTER INSERT ON message_words WHEN new.words IS NOT NULL BEGIN
    INSERT INTO message_search (rowid, words) VALUES (new.row_number, replace(new.words, '~', new.scope));
END;

CREATE TRIGGER message_words_removed AFTER DELETE ON message_words WHEN old.words IS NOT NULL BEGIN
    INSERT INTO message_search (message_search, rowid, words)
    VALUES ('delete', old.row_number, replace(old.words, '~', old.scope));
END;

CREATE TRIGGER message_words_changed AFTER UPDATE OF row_number, scope, words ON message_words BEGIN
    INSERT INTO message_search (message_search, rowid, words)
    SELECT 'delete', old.row_number, replace(old.words, '~', old.scope) WHERE old.words IS NOT NULL;
    INSERT INTO message_search (rowid, words)
    SELECT new.row_number, replace(new.words, '~', new.scope) WHERE new.words IS NOT NULL;
END;
