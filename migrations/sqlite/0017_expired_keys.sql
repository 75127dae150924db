-- Results under idempotency keys are removed when they have expired, the oldest first.

CREATE INDEX idempotency_keys_expiry ON idempotency_keys (expires_at);
