-- Client sockets that gateways have open, so that those on other gateways know who is there. A row counts while its node
-- is there.

CREATE TABLE open_sockets (
    node_id TEXT COLLATE "C" NOT NULL,
    number BIGINT NOT NULL,
    session_id TEXT COLLATE "C" NOT NULL,
    user_id TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (node_id, number)
);

CREATE INDEX open_sockets_of_session ON open_sockets (session_id, node_id, number);
