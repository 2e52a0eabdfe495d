"""Idempotency keys: stored by the transaction of the write that they came with, for 24 hours.

A row of a key says that its write was committed. A lock that ends with the transaction says that its write is in
flight, so that nothing is left of a process that was killed, and no request waits for another.
"""

from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from ingest.db.connection.pool import Connection
from ingest.db.connection.prepared import Prepared
from ingest.errors import KeyInProgress

# docs/contracts/operator.md section 6.
LIFE = "interval '24 hours'"


@dataclass(frozen=True, slots=True)
class Key:
    """An idempotency key.

    Attributes:
        tenant_id: whose.
        endpoint: the call that it came with.
        hash: SHA-256 of the key itself.
    """

    tenant_id: int
    endpoint: str
    hash: bytes


class Answer(NamedTuple):
    """The result of the write that a key came with.

    Attributes:
        job_id: of a batch.
        public_id: of the entity or the event.
        action: of an upsert.
    """

    job_id: UUID | None = None
    public_id: UUID | None = None
    action: str | None = None


class Stored(NamedTuple):
    """A key that was stored, by its first request.

    Attributes:
        fingerprint: SHA-256 of that request's decoded body and options, as it is stored: encrypted where the tenant has
            personal data.
        answer: the answer to that request.
    """

    fingerprint: bytes
    answer: Answer


_LIVE = f"""
FROM idempotency_keys
WHERE tenant_id = %(tenant_id)s AND endpoint = %(endpoint)s AND key_hash = %(key_hash)s
  AND created_at > now() - {LIFE}
"""
_OF_KEY = {"tenant_id": int, "endpoint": str, "key_hash": bytes}
_IS_THERE = Prepared("idempotency_key_is_there", f"SELECT {_LIVE}", _OF_KEY)
_FIND = f"SELECT fingerprint, job_id, public_id, action {_LIVE}"


def find(conn: Connection, key: Key) -> Stored | None:
    """Return a key that was stored in the last 24 hours.

    Args:
        conn: a connection, in a transaction or not.
        key: the key of a request.
    """
    # Nearly every key is new: so much is found out at a third of the cost (see `ingest.db.connection.prepared`).
    if not _IS_THERE.execute(conn, _values(key)):
        return None
    row = conn.execute(_FIND, _values(key), binary=True).fetchone()
    return None if row is None else Stored(row[0], Answer(*row[1:]))  # type: ignore[arg-type] # as selected


# A statement that calls this finds out at once if another transaction holds the key. 64 bits: two keys that share a
# lock cost one of them a 409, and a retry.
TRY_LOCK = "pg_try_advisory_xact_lock(hashtextextended(%(endpoint)s || encode(%(key_hash)s, 'hex'), %(tenant_id)s))"

# The key's index has the last word, whatever the statement's snapshot shows. An older key counts as absent.
STORE = f"""
INSERT INTO idempotency_keys AS k (tenant_id, endpoint, key_hash, fingerprint, job_id, public_id, action)
SELECT %(tenant_id)s, %(endpoint)s, %(key_hash)s, %(fingerprint)s, {{answer}} WHERE {{condition}}
ON CONFLICT (tenant_id, endpoint, key_hash) DO UPDATE
SET fingerprint = excluded.fingerprint, job_id = excluded.job_id, public_id = excluded.public_id,
    action = excluded.action, created_at = excluded.created_at
WHERE k.created_at <= now() - {LIFE}
"""

_LOCK = f"SELECT {TRY_LOCK}"


def lock(conn: Connection, key: Key) -> None:
    """Take a key's lock until this transaction ends, so that an equal request is refused rather than wait.

    Args:
        conn: an open transaction, which has written nothing yet.
        key: the key of a request.

    Raises:
        KeyInProgress: another transaction holds the lock.
    """
    if conn.execute(_LOCK, _values(key)).fetchone() != (True,):
        raise KeyInProgress


_REMEMBER = STORE.format(answer="%(job_id)s, %(public_id)s, %(action)s", condition="true")


def remember(conn: Connection, key: Key, fingerprint: bytes, answer: Answer) -> None:
    """Store a key and the answer to its request.

    Args:
        conn: the open transaction of the write, which any error must roll back; it holds the key's lock.
        key: the key of the request.
        fingerprint: as of Stored.
        answer: the result of the write.

    Raises:
        KeyInProgress: another request was the first, after this one had looked the key up.
    """
    values = {**_values(key), "fingerprint": fingerprint, **answer._asdict()}
    if conn.execute(_REMEMBER, values).rowcount == 0:
        raise KeyInProgress


def _values(key: Key) -> dict[str, object]:
    return {"tenant_id": key.tenant_id, "endpoint": key.endpoint, "key_hash": key.hash}
