"""What a URL can hold: a name that it cannot could be written, and never be read or deleted. Pure."""

from urllib.parse import quote

# Browsers, curl, libraries and proxies resolve such a part of a path, percent-encoded or not (RFC 3986 section 5.2.4).
UNADDRESSABLE = frozenset({".", ".."})

UNADDRESSABLE_REASON = 'A name must not be "." or "..": no URL can hold it, so it could never be read'

# What a request line of 8,190 bytes has left for a state key or an event type, beside an id of 500 emoji.
MOST_ENCODED_BYTES = 2_000


def encoded_bytes(name: str) -> int:
    """Return how many bytes a name takes in a URL, percent-encoded."""
    return len(quote(name, safe=""))
