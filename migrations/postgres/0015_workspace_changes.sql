-- What runners report of workspaces.

-- `git_seq` and `files_seq` are the session's change counter at the last report of git and of the files; 0 before the first.
CREATE TABLE workspaces (
    session_id TEXT COLLATE "C" NOT NULL PRIMARY KEY REFERENCES sessions (id) ON DELETE CASCADE,
    branch TEXT,
    base_branch TEXT,
    commit_count BIGINT,
    git_seq BIGINT NOT NULL,
    files_seq BIGINT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL
);

-- All rows of a session have the counter of the last report: it is the whole list.
CREATE TABLE changed_files (
    session_id TEXT COLLATE "C" NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    path TEXT COLLATE "C" NOT NULL,
    status TEXT COLLATE "C" NOT NULL CHECK (status IN ('added', 'modified', 'deleted', 'renamed')),
    additions BIGINT NOT NULL,
    deletions BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (session_id, path)
);
