"""Ids: UUIDv7 (RFC 9562), made here so that they are known before INSERT and in order, and their public spellings."""

import re
from collections.abc import Iterator
from uuid import UUID

import uuid_utils
from uuid_utils.compat import uuid7

from ingest.errors import NotFound

__all__ = [
    "ENTITY",
    "EVENT",
    "JOB",
    "MESSAGE",
    "UPLOAD",
    "WEBHOOK",
    "least_at",
    "parse",
    "parse_any",
    "spell",
    "uuid7",
    "uuid7s",
]

ENTITY, EVENT, JOB, UPLOAD, WEBHOOK, MESSAGE = "ent", "eev", "job", "upl", "whk", "msg"

_ANY_SPELLING = re.compile(
    r"([a-z]{3}_)?([0-9a-f]{32}|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})", re.ASCII
)
_SPELLING = re.compile(r"([a-z]{3})_([0-9a-f]{32})", re.ASCII)


def uuid7s(count: int) -> Iterator[bytes]:
    """Make so many UUIDs, each as its 16 bytes: for rows by the thousand, whose ids are seldom looked at."""
    return (uuid_utils.uuid7().bytes for _ in range(count))


_RANDOM_BITS = 80  # of a UUIDv7, behind its milliseconds


def least_at(seconds: float) -> UUID:
    """Return the least id of a moment, in seconds since 1970."""
    milliseconds = min(max(0, int(seconds * 1000)), 2**48 - 1)
    return UUID(int=milliseconds << _RANDOM_BITS)


def spell(prefix: str, uuid: UUID) -> str:
    """Spell an id for the public (docs/contracts/operator.md section 1), as in `job_0198c2a4…`.

    Args:
        prefix: ENTITY, EVENT, JOB, UPLOAD, WEBHOOK or MESSAGE.
        uuid: the row's UUID.

    Returns:
        The prefix, an underscore and 32 lower-case hexadecimal digits.
    """
    return f"{prefix}_{uuid.hex}"


def parse(prefix: str, text: str) -> UUID:
    """Return the UUID behind a public spelling.

    Args:
        prefix: ENTITY, EVENT, JOB, UPLOAD, WEBHOOK or MESSAGE.
        text: what a client sent.

    Returns:
        The UUID.

    Raises:
        NotFound: the text is not of that spelling, so no such row can exist.
    """
    match = _SPELLING.fullmatch(text)
    if match is None or match[1] != prefix:
        raise NotFound(f"There is no {_NOUNS[prefix]} {text[:50]!r}")
    return UUID(match[2])


def parse_any(prefix: str, text: str) -> UUID:
    """Return the UUID behind any spelling that people meet: the public one, and the UUID with dashes or without.

    Args:
        prefix: ENTITY, EVENT, JOB, UPLOAD, WEBHOOK or MESSAGE.
        text: as typed, or as it stands in a message.

    Raises:
        NotFound: the text is none of these spellings.
    """
    match = _ANY_SPELLING.fullmatch(text.strip().lower())
    if match is None or match[1] not in {None, f"{prefix}_"}:
        raise NotFound(f"There is no {_NOUNS[prefix]} {text[:50]!r}")
    return UUID(match[2])


_NOUNS = {
    ENTITY: "entity",
    EVENT: "event",
    JOB: "job",
    UPLOAD: "upload",
    WEBHOOK: "webhook",
    MESSAGE: "delivery",
}
