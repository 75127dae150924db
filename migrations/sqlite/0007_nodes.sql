-- Gateways that share the database, and what belongs to one of them.

CREATE TABLE nodes (
    id TEXT NOT NULL PRIMARY KEY,
    lease_until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX nodes_lost ON nodes (lease_until, id);

-- The node whose machine the sandbox is on.
ALTER TABLE engines ADD COLUMN node_id TEXT;

CREATE INDEX engines_of_node ON engines (node_id, has_sandbox, session_id);

-- `node_id`: who alone can do it. `holder_id`: who has the lease.
ALTER TABLE jobs ADD COLUMN node_id TEXT;
ALTER TABLE jobs ADD COLUMN holder_id TEXT;

DROP INDEX jobs_due;
CREATE INDEX jobs_due ON jobs (run_at, id, lease_until, node_id);
DROP INDEX jobs_leased;
CREATE INDEX jobs_leased ON jobs (lease_until, node_id) WHERE lease_until IS NOT NULL;
CREATE INDEX jobs_held ON jobs (holder_id) WHERE holder_id IS NOT NULL;
