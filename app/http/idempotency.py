"""The header `Idempotency-Key`: a repeat of a write has the answer of the first (docs/contracts/operator.md section 6).

A key is looked up before its request is counted or judged, and stored by the transaction that stores the write; so a
request that is refused leaves no key. Two equal requests at the same moment may both find no key: the second to store
then stores nothing, and is told to come again.
"""

import hashlib
import re
from uuid import UUID

import msgspec
from flask import Response, current_app, g, request

from app.http import body, personal_data, prefer
from app.http.auth import cached_caller, caller, reauthenticate
from app.http.describe import description_of
from app.http.services import services
from ingest.db.connection.confirmed import retry_until_known
from ingest.db.connection.pool import Connection
from ingest.db.tenants import idempotency
from ingest.db.tenants.idempotency import Answer, Key
from ingest.engine import sealed_digests
from ingest.errors import InvalidInput, KeyReused
from ingest.metrics import names

NAME = "Idempotency-Key"
REPLAYED = "Idempotent-Replayed"

_LONGEST = 255
# Visible ASCII, and the same as a string of structured fields (RFC 9651 section 3.3.3).
_BARE = re.compile(r"[!#-~][!-~]*")
_QUOTED = re.compile(r'"((?:[!#-\[\]-~]|\\["\\])+)"')


def answer_repeat() -> Response | None:
    """Answer a request whose key is known, before anything else of it is judged; let all others pass.

    Raises:
        InvalidInput: the key is malformed.
        KeyReused: the key is another request's.
        SecretUnreadable: it cannot be told whose the key is, since a master key is not configured any more.
    """
    sent = request.headers.get(NAME)
    if sent is None or request.method == "OPTIONS":
        return None
    description = description_of(current_app.view_functions[request.endpoint or ""])
    if description is None or description.repeat is None:
        return None
    key = Key(caller().tenant_id, description.operation, hashlib.sha256(parse(sent).encode()).digest())
    g.idempotency_key = key
    g.idempotency_sealer = sealer = personal_data.sealer(key.tenant_id, caller().template_id)
    body.hash_as_read()
    stored = retry_until_known(services().pool, lambda conn: idempotency.find(conn, key))
    if stored is None:
        return None
    if cached_caller():
        reauthenticate()
    content = body.read_again(takes_lines=description.lines) if description.body else b""
    place = sealed_digests.place_of_request(key)
    if _bare_fingerprint() != sealed_digests.opened(sealer.keys, key.tenant_id, stored.fingerprint, place):
        raise KeyReused
    response = description.repeat(stored.answer, content, **(request.view_args or {}))
    response.headers[REPLAYED] = "true"
    names.REPLAYS.add(description.operation)
    return response


def parse(header: str) -> str:
    """Return the key that a header holds, bare or quoted.

    Raises:
        InvalidInput: it holds none; the message does not quote it, since a key may be a secret.
    """
    quoted = _QUOTED.fullmatch(header)
    key = re.sub(r"\\(.)", r"\1", quoted[1]) if quoted else header
    if not (quoted or _BARE.fullmatch(header)) or len(key) > _LONGEST:
        raise InvalidInput(
            f"{NAME} must be 1 to {_LONGEST} visible ASCII characters, bare or as a string in double quotes; "
            "a UUID will do"
        )
    return key


def key() -> Key | None:
    """Return the key of this request; None where it has none, or its call takes none."""
    sent: Key | None = g.get("idempotency_key")
    return sent


def fingerprint(sent: Key) -> bytes:
    """Return the fingerprint of this request, whose body has been read, as it is stored.

    Args:
        sent: its key.

    Raises:
        MasterKeyMissing: the tenant has personal data, and there is no key to encrypt it with.
    """
    return sealed_digests.sealed(g.idempotency_sealer, _bare_fingerprint(), sealed_digests.place_of_request(sent))


def _bare_fingerprint() -> bytes:
    """Return SHA-256 of the decoded body, which has been read, and of the options of a request that has a key."""
    options = [request.view_args, sorted(request.args.items(multi=True)), prefer.stated().strict]
    return hashlib.sha256(msgspec.json.encode(options) + body.digest()).digest()


def lock(conn: Connection) -> None:
    """Take the lock of this request's key, where it has one, until the transaction ends.

    Args:
        conn: an open transaction, which has written nothing yet.

    Raises:
        KeyInProgress: an equal request is in flight.
    """
    if sent := key():
        idempotency.lock(conn, sent)


def remember(
    conn: Connection, public_id: UUID | None = None, action: str | None = None, *, job_id: UUID | None = None
) -> None:
    """Store the key of this request, where it has one, and the result of its write.

    Args:
        conn: the transaction of the write, which holds the key's lock.
        public_id: of the entity, the event or the upload.
        action: of an upsert.
        job_id: of a batch.

    Raises:
        KeyInProgress: another request with this key was the first; and all that `fingerprint` raises.
    """
    if sent := key():
        idempotency.remember(conn, sent, fingerprint(sent), Answer(job_id, public_id, action))
