"""Limits of names in URLs: a client could write any other name, but never read or delete it. Pure."""

from urllib.parse import quote

# Browsers, curl, libraries and proxies resolve such a part of a path, percent-encoded or not (RFC 3986 section 5.2.4).
UNADDRESSABLE = frozenset({".", ".."})

UNADDRESSABLE_REASON = 'A name must not be "." or "..": no URL can hold it, so it could never be read'

# A request line has 8,190 bytes. An id of 500 emoji leaves this many for a state key or an event type.
MOST_ENCODED_BYTES = 2_000


def encoded_bytes(name: str) -> int:
    """Return how many bytes a name takes in a URL, percent-encoded."""
    return len(quote(name, safe=""))
