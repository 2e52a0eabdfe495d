"""Who calls: the key alone names the tenant (contracts/operator.md section 1)."""

import re
from collections.abc import Callable

import structlog
from flask import g, request

from app.services import services
from ingest.db import keys
from ingest.db.keys import Caller
from ingest.db.pool import transaction
from ingest.errors import Unauthorized

_OPERATOR_KEY = re.compile(r"oh_live_[0-9a-f]{64}", re.ASCII)


def operator() -> None:
    """Let in who holds an operator key; before anything else of the request is looked at.

    Raises:
        Unauthorized: no key, or one that opens nothing.
    """
    if request.method == "OPTIONS":
        return  # says which methods there are; browsers ask it without a key
    scheme, _, key = request.headers.get("Authorization", "").strip().partition(" ")
    if scheme.lower() != "bearer":
        raise Unauthorized('Missing API key: send the header "Authorization: Bearer oh_live_…"')
    g.caller = _caller(_OPERATOR_KEY, key.strip())
    structlog.contextvars.bind_contextvars(tenant=str(g.caller.tenant_public_id))


def caller() -> Caller:
    """Whom this request was let in for."""
    known: Caller = g.caller
    return known


def _caller(spelling: re.Pattern[str], key: str) -> Caller:
    if not spelling.fullmatch(key):
        raise Unauthorized("This is no operator API key: those are oh_live_ and 64 lower-case hexadecimal digits")
    with transaction(services().pool) as conn:
        found = keys.caller(conn, key)
    if found is None:
        raise Unauthorized("Unknown API key")
    for closed, why in _CLOSED:
        if closed(found):
            raise Unauthorized(why)
    return found


_CLOSED: list[tuple[Callable[[Caller], bool], str]] = [
    (lambda caller: caller.revoked, "This API key has been revoked"),
    (lambda caller: caller.expired, "This API key has expired"),
    (lambda caller: caller.suspended, "This tenant is suspended"),
]
