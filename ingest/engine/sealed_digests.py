"""Encrypt digests of what tenants with personal data send: of requests that have an idempotency key, and of parts.

A SHA-256 of a short body gives one value of it away to whoever knows all of the rest and tries values. They are
encrypted rather than made by a key, because a part's digest is shown to its sender, and so that a rotation takes them
along. What was stored before, or without personal data, is a bare SHA-256: the length tells.
"""

from uuid import UUID

from ingest.crypto import MasterKeys
from ingest.db.jobs.digests import BARE_BYTES
from ingest.db.tenants.idempotency import Key
from ingest.engine.sealing import Sealer

# Of the key; a change would make all that is stored unreadable, and so would one of the two places.
_PURPOSE = "digests"


def place_of_request(key: Key) -> bytes:
    """Return the place of the fingerprint of a request: its associated data."""
    return b"request/" + key.hash + key.endpoint.encode()


def place_of_part(upload_id: UUID, part: int) -> bytes:
    """Return the place of the digest of a part: its associated data."""
    return b"part/" + upload_id.bytes + part.to_bytes(4)


def sealed(sealer: Sealer, digest: bytes, place: bytes) -> bytes:
    """Return a digest as it is stored.

    Args:
        sealer: of the tenant's items: digests are encrypted where these are.
        digest: SHA-256.
        place: its place.

    Raises:
        MasterKeyMissing: it must be encrypted, and there is no master key.
    """
    return reseal(sealer.keys, sealer.tenant_id, digest, place) if sealer.seals else digest


def reseal(keys: MasterKeys, tenant_id: int, stored: bytes, place: bytes) -> bytes:
    """Return a stored digest encrypted under the first master key.

    Raises:
        MasterKeyMissing: there is no master key; and all that `opened` raises.
    """
    return keys.cipher(tenant_id, _PURPOSE).seal(opened(keys, tenant_id, stored, place), place)


def opened(keys: MasterKeys, tenant_id: int, stored: bytes, place: bytes) -> bytes:
    """Return a digest that was stored, in the clear.

    Args:
        keys: the master keys of this process.
        tenant_id: whose.
        stored: as `sealed` returned it.
        place: as of `sealed`.

    Raises:
        SecretUnreadable: its master key is not configured any more.
    """
    if len(stored) == BARE_BYTES:
        return stored
    return keys.cipher(tenant_id, _PURPOSE).open(stored, place)
