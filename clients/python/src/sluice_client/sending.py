"""Address, key, headers and query of a request, refused before anything is sent where they cannot be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx2

from sluice_client.errors import Misconfigured

# Headers that the client gives each call by itself.
_RESERVED = {"authorization", "content-type", "content-encoding", "content-digest", "idempotency-key", "prefer", "host"}


def checked_key(key: str) -> str:
    """Return a key that a header can bear."""
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise Misconfigured("The key has characters that no key has; is there a line feed or a space at its end?")
    return key


def checked_url(url: str) -> str:
    """Return an address that has all that an address needs."""
    try:
        known = httpx2.URL(url)
    except httpx2.InvalidURL:
        known = httpx2.URL("")
    if known.scheme not in {"http", "https"} or not known.host:
        raise Misconfigured("The address of the server must be like https://sluice.example.com")
    return url


def sendable(headers: Mapping[str, str] | None) -> dict[str, str]:
    """Return headers of the caller's that each call may bear."""
    own = dict(headers or {})
    for name in own:
        if name.lower() in _RESERVED:
            raise Misconfigured(f"headers may not have {name}: the client writes it itself")
    require_sendable(own)
    return own


def require_sendable(headers: Mapping[str, str]) -> None:
    """Raise Misconfigured if a header cannot be sent."""
    for name, value in headers.items():
        if not (value.isascii() and value.isprintable()):
            raise Misconfigured(f"The value of {name} must be printable ASCII")


def query_of(query: Mapping[str, Any] | None) -> dict[str, str] | None:
    """Return the query of an address; values that are None are left out."""
    return {name: _spelled(value) for name, value in (query or {}).items() if value is not None} or None


def _spelled(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if hasattr(value, "isoformat"):
        return str(value.isoformat())
    return str(value) if isinstance(value, (str, int)) else ",".join(map(str, value))


def limit(request: httpx2.Request, left: float) -> None:
    """Let no step of a try take longer than is left of its call's time."""
    steps = request.extensions["timeout"]
    limited = {step: max(0.001, left if most is None else min(most, left)) for step, most in steps.items()}
    request.extensions = {**request.extensions, "timeout": limited}
