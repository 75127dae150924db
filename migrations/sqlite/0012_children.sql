-- Sessions that a session opens.

-- No reference: rows of a table that refers to itself have no order that every copy can be written in.
ALTER TABLE sessions ADD COLUMN parent_id TEXT;

CREATE INDEX sessions_children ON sessions (parent_id, created_at DESC, id DESC) WHERE parent_id IS NOT NULL;
CREATE INDEX sessions_children_by_status ON sessions (parent_id, status, created_at DESC, id DESC)
    WHERE parent_id IS NOT NULL;
