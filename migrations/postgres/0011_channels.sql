-- Where prompts came from that are from no client of the gateway, and the answers to them.

ALTER TABLE messages ADD COLUMN channel_type TEXT COLLATE "C";
ALTER TABLE messages ADD COLUMN channel_id TEXT COLLATE "C";
