-- What runners report of workspaces.

-- `git_seq` and `files_seq` are the session's change counter at the last report of git and of the files; 0 before the first.
CREATE TABLE workspaces (
    session_id TEXT NOT NULL PRIMARY KEY REFERENCES sessions (id) ON DELETE CASCADE,
    branch TEXT,
    base_branch TEXT,
    commit_count INTEGER,
    git_seq INTEGER NOT NULL,
    files_seq INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;

-- All rows of a session have the counter of the last report: it is the whole list.
CREATE TABLE changed_files (
    session_id TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    path TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('added', 'modified', 'deleted', 'renamed')),
    additions INTEGER NOT NULL,
    deletions INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (session_id, path)
) STRICT;
