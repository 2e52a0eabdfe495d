"""Authentication: the key alone names the tenant.

See docs/contracts/operator.md section 1 and docs/contracts/public.md section 1.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from flask import current_app, g, request

from app.http.client_address import client_address, client_network
from app.http.describe import description_of, scope_of
from app.http.services import services
from ingest.db.connection.pool import autocommit
from ingest.db.tenants import keys
from ingest.db.tenants.keys import Caller
from ingest.errors import Forbidden, RateLimited, Unauthorized, Unavailable
from ingest.logs import Logger, bind_contextvars, get_logger
from ingest.rights import ANY, allows

_OPERATOR_KEY = re.compile(r"oh_live_[0-9a-f]{64}", re.ASCII)
_PUBLIC_PREFIX = "fm_live_"
_PUBLIC_KEY = re.compile(r"fm_live_[0-9A-Za-z_-]{32}", re.ASCII)


log: Logger = get_logger("app.http.auth")

_View = TypeVar("_View", bound=Callable[..., Any])
_ON_INSERT: set[Callable[..., Any]] = set()


@dataclass(frozen=True, slots=True)
class _Words:
    """The messages of an API about a key that opens nothing."""

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
    """Authenticate a request to the operator API, before anything else of it is read.

    Raises:
        Unauthorized: no key, or one that opens nothing.
        RateLimited: likewise, and too many such keys came from its address.
        Forbidden: the key has not the scope that the call needs.
    """
    if request.method == "OPTIONS":
        return  # says which methods there are; browsers ask it without a key
    key = _bearer()
    if key is None:
        raise Unauthorized('Missing API key: send the header "Authorization: Bearer oh_live_…"')
    if not _OPERATOR_KEY.fullmatch(key):
        raise _wrong("This is no operator API key: those are oh_live_ and 64 lower-case hexadecimal digits")
    _let_in(key, _OPERATOR_WORDS)


def public() -> None:
    """Authenticate a request to the public API, before anything else of it is read.

    Raises:
        Unauthorized: no key, or one that opens nothing.
        RateLimited: likewise, and too many such keys came from its address.
        Forbidden: the key has not the scope that the call needs.
    """
    if request.method == "OPTIONS":
        return
    key = _bearer() or request.headers.get("X-FlowMyna-Api-Key", "").strip()
    if not key:
        raise Unauthorized(
            "Missing API key. Use 'Authorization: Bearer fm_live_...' or 'X-FlowMyna-Api-Key: fm_live_...'"
        )
    if not key.startswith(_PUBLIC_PREFIX):
        raise _wrong(f"Invalid API key format. Keys must start with '{_PUBLIC_PREFIX}'")
    if not _PUBLIC_KEY.fullmatch(key):
        raise _wrong(_PUBLIC_WORDS.unknown)
    _let_in(key, _PUBLIC_WORDS)


def caller() -> Caller:
    """Return whom this request was let in for."""
    known: Caller = g.caller
    return known


class CallerChanged(Exception):
    """Something about a cached caller has changed, so nothing was stored."""


def authenticates_on_insert(view: _View) -> _View:
    """Mark a view whose statement that stores the job authenticates its caller, so that a cached one needs no look-up.

    Such a view tells a caller whose key was closed in the last 30 s, too, what it refuses before it stores anything.
    """
    _ON_INSERT.add(view)
    return view


def cached_caller() -> Caller | None:
    """Return this request's caller if it comes from the cache: a job may be stored for it if all of it still holds."""
    return caller() if "cached" in g else None


def reauthenticate() -> None:
    """Look the caller up that came from the cache.

    Raises:
        Unauthorized: the key opens nothing any more.
        Forbidden: the key may not make this call any more.
    """
    key, words = g.pop("cached")
    services().key_cache.remove(key)  # otherwise a rejected key would keep using the tenant's rate limit
    try:
        _look_up(key, words)
    except (Unauthorized, RateLimited):
        g.pop("verdict", None)  # do not show the tenant's remaining quota to a rejected caller
        raise


def _bearer() -> str | None:
    """Return the key of an `Authorization: Bearer …` header (RFC 6750 section 2.1); None without one."""
    scheme, _, key = request.headers.get("Authorization", "").strip().partition(" ")
    return key.strip() if scheme.lower() == "bearer" else None


def _let_in(key: str, words: _Words) -> None:
    cached = services().key_cache.get(key) if _view() in _ON_INSERT else None
    # A caller that may not do this by what was cached may have been given the right since.
    if cached is None or _comes_from_elsewhere(cached) or _refusal(cached) is not None:
        _look_up(key, words)
    else:
        g.cached = key, words
        become(cached)


def holder(key: str) -> Caller:
    """Return the holder of a key that came in a form of the console.

    Raises:
        Unauthorized: the key opens nothing.
        RateLimited: likewise, and too many such keys came from its address.
    """
    if not (_OPERATOR_KEY.fullmatch(key) or _PUBLIC_KEY.fullmatch(key)):
        raise _wrong("This is no API key: those begin with oh_live_ or fm_live_")
    return _good(key, _OPERATOR_WORDS)


def is_good(caller: Caller) -> bool:
    """True if the key of a session still opens its tenant, from where this request comes."""
    return not (caller.revoked or caller.expired or caller.suspended or _comes_from_elsewhere(caller))


def _good(key: str, words: _Words) -> Caller:
    found = _find(key)
    if found is None:
        raise _wrong(words.unknown)
    if _comes_from_elsewhere(found):
        # A thief of the key learns nothing of it, not even that it is one; its owners find this line.
        log.warning("key_used_from_elsewhere", key_id=str(found.key_id), address=str(client_address()))
        raise _wrong(words.unknown)
    for closed, why in (
        (found.revoked, words.revoked),
        (found.expired, words.expired),
        (found.suspended, words.suspended),
    ):
        if closed:
            raise _wrong(why)
    return found


def _look_up(key: str, words: _Words) -> None:
    found = _good(key, words)
    become(found)
    if refusal := _refusal(found):
        raise refusal
    # Skip a stale caller: the look-up has just changed its row. A caller with no template can store nothing.
    if not found.stale and found.template_id is not None:
        services().key_cache.store(key, found)


def _wrong(message: str) -> Unauthorized | RateLimited:
    """Return the error for a key that opens nothing. A good key from the same address is not slowed.

    Args:
        message: why it opens nothing.
    """
    verdict = services().rate_counter.count_wrong_key(client_network())
    if verdict.passes:
        return Unauthorized(message)
    log.warning("wrong_keys_slowed", address=str(client_address()))
    wait = "Too many wrong keys came from this address; wait, and send a good one"
    return RateLimited(wait, retry_after=verdict.wait, reset_at=verdict.reset_at)


def _comes_from_elsewhere(caller: Caller) -> bool:
    """True if a key is not used from where it may be."""
    return caller.addresses is not None and not allows(caller.addresses, client_address())


def _refusal(caller: Caller) -> Forbidden | None:
    """Return why a caller may not make this call; None where it may."""
    scope = scope_of(description_of(_view()), request.method)
    if scope in caller.scopes or scope == ANY:
        return None
    has = ", ".join(caller.scopes)
    return Forbidden(f"This call needs a key with the scope {scope}; this one has {has}", scope)


def _view() -> Callable[..., Any]:
    view: Callable[..., Any] = current_app.view_functions[request.endpoint or ""]
    return view


def become(caller: Caller) -> None:
    """Have the rest of this request done for a caller."""
    g.caller = caller
    bind_contextvars(tenant=str(caller.tenant_public_id))


def _find(key: str) -> Caller | None:
    """Look the key up. Being the first to ask the database for anything, this notices when that was restarted."""
    pool = services().pool_of_key(keys.digest(key))
    try:
        with autocommit(pool) as conn:
            return keys.caller(conn, key)
    except Unavailable:
        services().drop_dead_connections()
        with autocommit(pool) as conn:
            return keys.caller(conn, key)
