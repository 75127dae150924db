-- What users want agents to know from one session to the next.

-- `relevance` counts tenths. `words` are those of category and content, see `message_words`.
CREATE TABLE memories (
    row_number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    category TEXT NOT NULL CHECK (category IN (
        'preference', 'workflow', 'context', 'project', 'decision', 'general'
    )),
    content TEXT NOT NULL,
    relevance INTEGER NOT NULL CHECK (relevance BETWEEN 0 AND 20),
    created_at INTEGER NOT NULL,
    last_accessed_at INTEGER NOT NULL,
    scope INTEGER NOT NULL,
    words TEXT NOT NULL
) STRICT;

CREATE INDEX memories_list ON memories (user_id, relevance DESC, last_accessed_at DESC, id DESC);
CREATE INDEX memories_list_by_category ON memories (user_id, category, relevance DESC, last_accessed_at DESC, id DESC);

CREATE VIEW memory_search_rows AS SELECT row_number, replace(words, '~', scope) AS words FROM memories;

CREATE VIRTUAL TABLE memory_search USING fts5 (
    words, content = 'memory_search_rows', content_rowid = 'row_number', tokenize = 'ascii'
);

CREATE TRIGGER memories_added AFTER INSERT ON memories BEGIN
    INSERT INTO memory_search (rowid, words) VALUES (new.row_number, replace(new.words, '~', new.scope));
END;

CREATE TRIGGER memories_removed AFTER DELETE ON memories BEGIN
    INSERT INTO memory_search (memory_search, rowid, words)
    VALUES ('delete', old.row_number, replace(old.words, '~', old.scope));
END;

CREATE TRIGGER memories_changed AFTER UPDATE OF row_number, scope, words ON memories BEGIN
    INSERT INTO memory_search (memory_search, rowid, words)
    VALUES ('delete', old.row_number, replace(old.words, '~', old.scope));
    INSERT INTO memory_search (rowid, words) VALUES (new.row_number, replace(new.words, '~', new.scope));
END;
