"""Check a body against its Content-Digest (RFC 9530), while it is read."""

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable, Iterator

from flask import request

from ingest.errors import DigestMismatch, InvalidInput

ALGORITHMS = {"sha-256": "sha256", "sha-512": "sha512"}

# A dictionary of byte sequences (RFC 9651 sections 3.2 and 3.3.5), without their parameters.
_MEMBER = re.compile(r"[ \t]*(?P<name>[a-z*][a-z0-9_.*-]*)=:(?P<value>[A-Za-z0-9+/=]*):[ \t]*(?:,|$)")


def checked(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield a body as it was sent, and refuse it at its end if its digest is another than the request says.

    Algorithms other than sha-256 and sha-512 are ignored, as the RFC asks.

    Raises:
        InvalidInput: the header cannot be read.
        DigestMismatch: the body is not what its sender meant to send.
    """
    sent = request.headers.get("Content-Digest")
    expected = {} if sent is None else _parsed(sent)
    hashes = {name: hashlib.new(ALGORITHMS[name]) for name in expected}
    for chunk in chunks:
        for hashed in hashes.values():
            hashed.update(chunk)
        yield chunk
    for name, hashed in hashes.items():
        if hashed.digest() != expected[name]:
            raise DigestMismatch(f"The body's {name} is not the one that Content-Digest says; send it again")


def _parsed(text: str) -> dict[str, bytes]:
    members: dict[str, bytes] = {}
    place = 0
    while place < len(text):
        match = _MEMBER.match(text, place)
        value = None if match is None else _decoded(match["value"])
        if match is None or value is None:
            raise InvalidInput("Content-Digest cannot be read; send it as in sha-256=:base64:")
        if match["name"] in ALGORITHMS:
            members[match["name"]] = value
        place = match.end()
    return members


def _decoded(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        return None
