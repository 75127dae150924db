-- Client sockets that gateways have open, so that those on other gateways know who is there. A row counts while its node
-- is there.

CREATE TABLE open_sockets (
    node_id TEXT NOT NULL,
    number INTEGER NOT NULL,
    session_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    PRIMARY KEY (node_id, number)
) STRICT, WITHOUT ROWID;

CREATE INDEX open_sockets_of_session ON open_sockets (session_id, node_id, number);
