"""Who calls: the key alone names the tenant (section 1 of contracts/operator.md and of contracts/public.md)."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import structlog
from flask import current_app, g, request

from app.services import services
from ingest.db import keys
from ingest.db.keys import Caller
from ingest.db.pool import session
from ingest.errors import Unauthorized, Unavailable

_OPERATOR_KEY = re.compile(r"oh_live_[0-9a-f]{64}", re.ASCII)
_PUBLIC_PREFIX = "fm_live_"
_PUBLIC_KEY = re.compile(r"fm_live_[0-9A-Za-z_-]{32}", re.ASCII)


_View = TypeVar("_View", bound=Callable[..., Any])
_BY_STORING: set[Callable[..., Any]] = set()


@dataclass(frozen=True, slots=True)
class _Words:
    """What a face says of a key that opens nothing."""

    unknown: str
    revoked: str
    expired: str
    suspended: str


_OPERATOR_WORDS = _Words(
    unknown="Unknown API key",
    revoked="This API key has been revoked",
    expired="This API key has expired",
    suspended="This tenant is suspended",
)
_PUBLIC_WORDS = _Words(
    unknown="Invalid API key",
    revoked="API key has been revoked",
    expired="API key has expired",
    suspended="The dataset of this API key is suspended",
)


def operator() -> None:
    """Let in who holds an operator key; before anything else of the request is looked at.

    Raises:
        Unauthorized: no key, or one that opens nothing.
    """
    if request.method == "OPTIONS":
        return  # says which methods there are; browsers ask it without a key
    key = _bearer()
    if key is None:
        raise Unauthorized('Missing API key: send the header "Authorization: Bearer oh_live_…"')
    if not _OPERATOR_KEY.fullmatch(key):
        raise Unauthorized("This is no operator API key: those are oh_live_ and 64 lower-case hexadecimal digits")
    _let_in(key, _OPERATOR_WORDS)


def public() -> None:
    """Let in who holds a key of the public face; before anything else of the request is looked at.

    Raises:
        Unauthorized: no key, or one that opens nothing.
    """
    if request.method == "OPTIONS":
        return
    key = _bearer() or request.headers.get("X-FlowMyna-Api-Key", "").strip()
    if not key:
        raise Unauthorized(
            "Missing API key. Use 'Authorization: Bearer fm_live_...' or 'X-FlowMyna-Api-Key: fm_live_...'"
        )
    if not key.startswith(_PUBLIC_PREFIX):
        raise Unauthorized(f"Invalid API key format. Keys must start with '{_PUBLIC_PREFIX}'")
    if not _PUBLIC_KEY.fullmatch(key):
        raise Unauthorized(_PUBLIC_WORDS.unknown)
    _let_in(key, _PUBLIC_WORDS)


def caller() -> Caller:
    """Whom this request was let in for."""
    known: Caller = g.caller
    return known


class CallerChanged(Exception):
    """Something about a remembered caller has changed, so that nothing was stored."""


def by_storing(view: _View) -> _View:
    """Mark a view that proves its caller by storing a job: who was let in lately is not looked up before.

    The statement that stores the job finds out whether anything about the caller has changed since (`unproven`), and no
    error is told before `prove`. So a key that opens nothing any more gets a 401 here, as from any call.
    """
    _BY_STORING.add(view)
    return view


def unproven() -> Caller | None:
    """Whom this request was let in for, where that is only remembered."""
    return caller() if "unproven" in g else None


def proved() -> None:
    """Say that the caller is as remembered."""
    g.pop("unproven", None)


def prove() -> None:
    """Look the caller up where it is only remembered.

    Raises:
        Unauthorized: the key opens nothing any more.
    """
    if "unproven" not in g:
        return
    key, words = g.pop("unproven")
    services().callers.forget(key)  # or who is outside would go on to be counted in the tenant's limits
    try:
        _look_up(key, words)
    except Unauthorized:
        g.pop("verdict", None)  # what is left of a tenant's limits is nothing for those outside
        raise


def _bearer() -> str | None:
    """The key of an `Authorization: Bearer …` header (RFC 6750 section 2.1); None without one."""
    scheme, _, key = request.headers.get("Authorization", "").strip().partition(" ")
    return key.strip() if scheme.lower() == "bearer" else None


def _let_in(key: str, words: _Words) -> None:
    by_storing = current_app.view_functions[request.endpoint or ""] in _BY_STORING
    remembered = services().callers.recall(key) if by_storing else None
    if remembered is None:
        _look_up(key, words)
    else:
        g.unproven = key, words
        _is(remembered)


def _look_up(key: str, words: _Words) -> None:
    found = _find(key)
    if found is None:
        raise Unauthorized(words.unknown)
    for closed, why in (
        (found.revoked, words.revoked),
        (found.expired, words.expired),
        (found.suspended, words.suspended),
    ):
        if closed:
            raise Unauthorized(why)
    # Who is stale has just been changed by that; and who has no template can store nothing.
    if not found.stale and found.template_id is not None:
        services().callers.remember(key, found)
    _is(found)


def _is(caller: Caller) -> None:
    g.caller = caller
    structlog.contextvars.bind_contextvars(tenant=str(caller.tenant_public_id))


def _find(key: str) -> Caller | None:
    """Look the key up. Being the first to ask the database for anything, this notices when that was restarted."""
    try:
        with session(services().pool) as conn:
            return keys.caller(conn, key)
    except Unavailable:
        services().drop_dead_connections()
        with session(services().pool) as conn:
            return keys.caller(conn, key)
