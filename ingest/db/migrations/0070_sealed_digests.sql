-- Each paragraph is a transaction of its own.

-- Digests of what tenants with personal data send are encrypted (ingest/engine/sealed_digests.py): the 32 bytes of a SHA-256 become
-- 62 and those of the id of its master key, of 1 to 20. A process of the version before takes an encrypted one for another digest:
-- it refuses a repeat of such a request (IDEMPOTENCY_KEY_REUSED).
CALL with_brief_locks('ALTER TABLE idempotency_keys
    DROP CONSTRAINT IF EXISTS idempotency_keys_fingerprint_check,
    ADD CONSTRAINT idempotency_keys_fingerprint_check
        CHECK (length(fingerprint) = 32 OR length(fingerprint) BETWEEN 63 AND 82) NOT VALID');

CALL with_brief_locks('ALTER TABLE upload_parts
    DROP CONSTRAINT IF EXISTS upload_parts_whole_has_digest,
    ADD CONSTRAINT upload_parts_whole_has_digest
        CHECK (NOT whole OR length(digest) = 32 OR length(digest) BETWEEN 63 AND 82) NOT VALID');

-- The rows that are there are looked at while others are written.
ALTER TABLE idempotency_keys VALIDATE CONSTRAINT idempotency_keys_fingerprint_check;

ALTER TABLE upload_parts VALIDATE CONSTRAINT upload_parts_whole_has_digest;
