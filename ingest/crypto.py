"""Encrypt secrets at rest, by AES-256-GCM and a key of each tenant's. No other file of Sluice knows of encryption.

SLUICE_MASTER_KEYS holds `kid:base64` of 32 random bytes, several of them separated by commas. The first one encrypts
and all of them decrypt: a new key is put in front, and an old one leaves once nothing is encrypted under it any more.
HKDF (RFC 5869) derives the key of a tenant and a purpose from a master key. The same two and the key's id are the
associated data, so that a secret which is moved to another tenant's row cannot be decrypted there.
"""

import base64
import os
import re
import secrets
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from ingest.errors import MasterKeyMissing, SecretUnreadable

_KEY_BYTES = 32
_NONCE_BYTES = 12  # of GCM: NIST SP 800-38D section 8.2
_ID = re.compile(r"[A-Za-z0-9_-]{1,20}")

_NONE = (
    "This installation has no master key to encrypt the secret with. Its operator runs `sluice crypto generate` and "
    "sets SLUICE_MASTER_KEYS to what that prints, for web and webhooks alike"
)


@dataclass(frozen=True, slots=True)
class MasterKeys:
    """The master keys of an installation.

    Attributes:
        keys: the bytes of each, by its id, the one that encrypts first; empty where none is configured.
    """

    keys: dict[str, bytes] = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> "MasterKeys":
        """Return the keys of SLUICE_MASTER_KEYS, in which `wrong_master_keys` finds no mistake."""
        pairs = (part.strip().partition(":") for part in text.split(",") if part.strip())
        return cls({kid: base64.b64decode(key) for kid, _, key in pairs})

    def encrypt(self, plain: bytes, *, tenant_id: int, purpose: str) -> str:
        """Return a secret as it is stored: `kid:base64` of a random nonce and what AES-GCM makes of the secret.

        Args:
            plain: the secret.
            tenant_id: whose it is.
            purpose: its use, such as `webhook`.

        Raises:
            MasterKeyMissing: there is no master key.
        """
        if not self.keys:
            raise MasterKeyMissing(_NONE)
        kid = next(iter(self.keys))
        nonce = os.urandom(_NONCE_BYTES)
        cipher = AESGCM(_derived(self.keys[kid], tenant_id, purpose))
        sealed = nonce + cipher.encrypt(nonce, plain, _context(kid, tenant_id, purpose))
        return f"{kid}:{base64.b64encode(sealed).decode()}"

    def decrypt(self, stored: str, *, tenant_id: int, purpose: str) -> bytes:
        """Return a secret that `encrypt` was given.

        Args:
            stored: as `encrypt` returned it.
            tenant_id: as of `encrypt`.
            purpose: likewise.

        Raises:
            SecretUnreadable: its master key is not configured, or it is not a secret of this tenant and purpose.
        """
        kid, _, text = stored.partition(":")
        if kid not in self.keys:
            raise SecretUnreadable(f'SLUICE_MASTER_KEYS has no key "{kid}", which the secret was encrypted under')
        cipher = AESGCM(_derived(self.keys[kid], tenant_id, purpose))
        try:
            sealed = base64.b64decode(text)
            return cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], _context(kid, tenant_id, purpose))
        except (InvalidTag, ValueError):
            message = f'The secret cannot be decrypted: it was changed, or the master key "{kid}" is another than then'
            raise SecretUnreadable(message) from None


def _context(kid: str, tenant_id: int, purpose: str) -> bytes:
    """Return the associated data of a secret."""
    return f"sluice/{purpose}/tenant {tenant_id}/{kid}".encode()


def _derived(master_key: bytes, tenant_id: int, purpose: str) -> bytes:
    """Return the key of a tenant and a purpose: 32 bytes."""
    info = f"sluice/{purpose}/tenant {tenant_id}".encode()
    return HKDF(SHA256(), _KEY_BYTES, salt=None, info=info).derive(master_key)


def generate() -> str:
    """Return a new master key, as SLUICE_MASTER_KEYS takes it."""
    return f"{secrets.token_hex(4)}:{base64.b64encode(os.urandom(_KEY_BYTES)).decode()}"


def wrong_master_keys(text: str) -> str | None:
    """Return the fault in a value of SLUICE_MASTER_KEYS, without a word of a key; None if it has none."""
    parts = [part.strip() for part in text.split(",")] if text.strip() else []
    kids = []
    for place, part in enumerate(parts, start=1):
        kid, colon, key = part.partition(":")
        if not colon or not _ID.fullmatch(kid):
            return f"key {place} must be an id of 1 to 20 letters, digits, _ or -, a colon, and base64"
        if not _is_key(key):
            return f"key {place} must be {_KEY_BYTES} bytes in base64, as `sluice crypto generate` makes one"
        kids.append(kid)
    return f"the id {kids[-1]} stands twice" if len(set(kids)) < len(kids) else None


def _is_key(text: str) -> bool:
    try:
        return len(base64.b64decode(text, validate=True)) == _KEY_BYTES
    except ValueError:
        return False
