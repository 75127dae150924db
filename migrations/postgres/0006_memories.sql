-- What users want agents to know from one session to the next.

-- `relevance` counts tenths. `words` are those of category and content, see `message_words`.
CREATE TABLE memories (
    row_number BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id TEXT COLLATE "C" NOT NULL UNIQUE,
    user_id TEXT COLLATE "C" NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    category TEXT COLLATE "C" NOT NULL CHECK (category IN (
        'preference', 'workflow', 'context', 'project', 'decision', 'general'
    )),
    content TEXT NOT NULL,
    relevance BIGINT NOT NULL CHECK (relevance BETWEEN 0 AND 20),
    created_at TIMESTAMPTZ NOT NULL,
    last_accessed_at TIMESTAMPTZ NOT NULL,
    scope BIGINT NOT NULL,
    words TEXT NOT NULL,
    document TSVECTOR GENERATED ALWAYS AS (CAST(replace(words, '~', CAST(scope AS TEXT)) AS TSVECTOR)) STORED
);

CREATE INDEX memories_list ON memories (user_id, relevance DESC, last_accessed_at DESC, id DESC);
CREATE INDEX memories_list_by_category ON memories (user_id, category, relevance DESC, last_accessed_at DESC, id DESC);
CREATE INDEX memories_document ON memories USING gin (document);
