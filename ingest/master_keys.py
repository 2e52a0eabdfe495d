"""Make and check values of SLUICE_MASTER_KEYS: `kid:base64` of 32 random bytes, several of them separated by commas."""

import base64
import os
import secrets

from ingest.crypto import KEY_BYTES, KEY_ID


def generate() -> str:
    """Return a new master key, as SLUICE_MASTER_KEYS takes it."""
    return f"{secrets.token_hex(4)}:{base64.b64encode(os.urandom(KEY_BYTES)).decode()}"


def fault(text: str) -> str | None:
    """Return the fault in a value of SLUICE_MASTER_KEYS, without a word of a key; None if it has none."""
    parts = [part.strip() for part in text.split(",")] if text.strip() else []
    kids = []
    for place, part in enumerate(parts, start=1):
        kid, colon, key = part.partition(":")
        if not colon or not KEY_ID.fullmatch(kid):
            return f"key {place} must be an id of 1 to 20 letters, digits, _ or -, a colon, and base64"
        if not _is_key(key):
            return f"key {place} must be {KEY_BYTES} bytes in base64, as `sluice crypto generate` makes one"
        kids.append(kid)
    return f"the id {kids[-1]} stands twice" if len(set(kids)) < len(kids) else None


def _is_key(text: str) -> bool:
    try:
        return len(base64.b64decode(text, validate=True)) == KEY_BYTES
    except ValueError:
        return False
