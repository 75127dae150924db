-- Sessions of MCP clients: what each client said when it came, for all its later requests.

CREATE TABLE mcp_sessions (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    user_id TEXT COLLATE "C" NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    revision TEXT COLLATE "C" NOT NULL,
    capabilities TEXT NOT NULL,
    log_level TEXT COLLATE "C" CHECK (
        log_level IN ('debug', 'info', 'notice', 'warning', 'error', 'critical', 'alert', 'emergency')
    ),
    expires_at TIMESTAMPTZ NOT NULL
);

-- Those of a user that go when there are too many.
CREATE INDEX mcp_sessions_user ON mcp_sessions (user_id, expires_at DESC, id DESC);
-- Those that have expired, the oldest first.
CREATE INDEX mcp_sessions_expiry ON mcp_sessions (expires_at);
