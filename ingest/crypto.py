"""Encrypt secrets and personal data at rest, by AES-256-GCM and a key of each tenant's. No other file knows how.

The first master key encrypts and all of them decrypt: a new key is put in front, and an old one leaves once nothing is
encrypted under it any more (`ingest.master_keys`). HKDF (RFC 5869) derives the key of a tenant and a purpose from a
master key. The same two, the key's id and what the caller says of the value are the associated data: a value that is
moved to another row cannot be decrypted there.

A sealed value is `_MARK`, the length of the key's id in one byte, that id, the nonce, and what AES-GCM makes of it.
"""

import base64
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from ingest.errors import MasterKeyMissing, SecretUnreadable

KEY_BYTES = 32
_NONCE_BYTES = 12  # of GCM: NIST SP 800-38D section 8.2
KEY_ID = re.compile(r"[A-Za-z0-9_-]{1,20}")

# No UTF-8 text holds this byte, hence no JSON; zstd and gzip begin with others.
_MARK = b"\xf5"

# Of HMAC-SHA-256, as many as make it hopeless to find another value of the same digest.
_DIGEST_BYTES = 16

# Ciphers that a process keeps, so that HKDF runs once for each; they are made again once there are more.
_MOST_CIPHERS = 10_000

_NONE = (
    "This installation has no master key to encrypt with. Its operator runs `sluice crypto generate` and sets "
    "SLUICE_MASTER_KEYS to what that prints, for all processes alike"
)


class Cipher:
    """Seals and opens the values of one tenant and purpose, and tells equal ones by a keyed digest.

    Args:
        keys: the master keys by their ids, the one that seals first.
        tenant_id: whose values these are.
        purpose: their use, such as `payload`.

    Attributes:
        former_kids: the ids of the keys that seal no more.
    """

    def __init__(self, keys: Mapping[str, bytes], tenant_id: int, purpose: str) -> None:
        self._keys = {kid: _Key(kid, key, tenant_id, purpose) for kid, key in keys.items()}
        self._first = next(iter(self._keys.values()), None)
        self.former_kids = tuple(self._keys)[1:]

    @property
    def kid(self) -> str:
        """The id of the key that seals.

        Raises:
            MasterKeyMissing: there is no master key.
        """
        return self._sealing().kid

    def seal(self, plain: bytes, context: bytes = b"") -> bytes:
        """Return a value as it is stored.

        Args:
            plain: the value.
            context: what else tells its place, such as the id of its row; `open` needs the same.

        Raises:
            MasterKeyMissing: there is no master key.
        """
        return self.seal_all([plain], [context])[0]

    def seal_all(self, plains: Sequence[bytes], contexts: Sequence[bytes]) -> list[bytes]:
        """Return values as they are stored: as `seal`, with a context each."""
        key = self._sealing()
        nonces = list(_nonces(len(plains)))
        sealed = map(key.encrypt, nonces, plains, map(key.context.__add__, contexts))
        return [key.head + nonce + text for nonce, text in zip(nonces, sealed, strict=True)]

    def open(self, sealed: bytes, context: bytes = b"") -> bytes:
        """Return a value that `seal` was given.

        Args:
            sealed: as `seal` returned it.
            context: as of `seal`.

        Raises:
            SecretUnreadable: its master key is not configured, or it is no value of this tenant, purpose and context.
        """
        kid = key_of(sealed)
        if kid not in self._keys:
            raise SecretUnreadable(f'SLUICE_MASTER_KEYS has no key "{kid}", which the value was encrypted under')
        key = self._keys[kid]
        nonce_end = len(key.head) + _NONCE_BYTES
        try:
            return key.decrypt(sealed[len(key.head) : nonce_end], sealed[nonce_end:], key.context + context)
        except (InvalidTag, ValueError):
            raise SecretUnreadable(_wrong(kid, "value")) from None

    def digest(self, plain: bytes, context: bytes = b"", *, kid: str | None = None) -> bytes:
        """Return 16 bytes, equal for equal values of the same context, which without the key tell nothing of them.

        Digests under different master keys differ: keep the key's id beside each, and compare under that.

        Args:
            plain: the value.
            context: as of `seal`.
            kid: the id of a configured master key; by default the one that seals.

        Raises:
            MasterKeyMissing: there is no master key.
        """
        return self.digest_all([plain], [context], kid=kid)[0]

    def digest_all(self, plains: Sequence[bytes], contexts: Sequence[bytes], *, kid: str | None = None) -> list[bytes]:
        """Return digests: as `digest`, with a context each."""
        key = self._sealing() if kid is None else self._keys[kid]
        begun = key.hmac.copy
        found = []
        for plain, context in zip(plains, contexts, strict=True):
            hmac = begun()
            # Its length tells where the context ends.
            hmac.update(len(context).to_bytes(4) + context + plain)
            found.append(hmac.finalize()[:_DIGEST_BYTES])
        return found

    def _sealing(self) -> "_Key":
        if self._first is None:
            raise MasterKeyMissing(_NONE)
        return self._first


class _Key:
    """The keys of a tenant and a purpose under one master key, made ready."""

    def __init__(self, kid: str, master_key: bytes, tenant_id: int, purpose: str) -> None:
        self.kid = kid
        self.head = _MARK + bytes([len(kid)]) + kid.encode()
        cipher = AESGCM(_derived(master_key, tenant_id, purpose))
        self.encrypt, self.decrypt = cipher.encrypt, cipher.decrypt
        # A copy of one that has its key takes a third of the time of `hmac.digest`.
        self.hmac = HMAC(_derived(master_key, tenant_id, f"digest/{purpose}"), SHA256())
        named = _context(kid, tenant_id, purpose)
        self.context = len(named).to_bytes(2) + named


def is_sealed(value: bytes) -> bool:
    """True if a stored value is sealed, by its first byte: JSON, zstd and gzip never begin so."""
    return value.startswith(_MARK)


def key_of(sealed: bytes) -> str:
    """Return the id of the master key that a value was sealed under.

    Raises:
        SecretUnreadable: it is no sealed value.
    """
    length = sealed[1] if len(sealed) > 1 and is_sealed(sealed) else 0
    kid = sealed[2 : 2 + length].decode(errors="replace")
    if not KEY_ID.fullmatch(kid):
        raise SecretUnreadable("The value cannot be decrypted: it does not begin as one that was encrypted")
    return kid


@dataclass(frozen=True, slots=True)
class MasterKeys:
    """The master keys of an installation.

    Attributes:
        keys: the bytes of each, by its id, the one that encrypts first; empty where none is configured.
    """

    keys: dict[str, bytes] = field(repr=False)
    _ciphers: dict[tuple[int, str], Cipher] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def parse(cls, text: str) -> "MasterKeys":
        """Return the keys of SLUICE_MASTER_KEYS, in which `ingest.master_keys.fault` finds no mistake."""
        pairs = (part.strip().partition(":") for part in text.split(",") if part.strip())
        return cls({kid: base64.b64decode(key) for kid, _, key in pairs})

    def require(self) -> None:
        """Let something be encrypted.

        Raises:
            MasterKeyMissing: there is no master key.
        """
        if not self.keys:
            raise MasterKeyMissing(_NONE)

    def cipher(self, tenant_id: int, purpose: str) -> Cipher:
        """Return the cipher of a tenant and a purpose; this process keeps it."""
        found = self._ciphers.get((tenant_id, purpose))
        if found is None:
            if len(self._ciphers) >= _MOST_CIPHERS:
                self._ciphers.clear()
            found = self._ciphers[tenant_id, purpose] = Cipher(self.keys, tenant_id, purpose)
        return found

    def encrypt(self, plain: bytes, *, tenant_id: int, purpose: str) -> str:
        """Return a secret as text: `kid:base64` of a random nonce and what AES-GCM makes of the secret.

        Args:
            plain: the secret.
            tenant_id: whose it is.
            purpose: its use, such as `webhook`.

        Raises:
            MasterKeyMissing: there is no master key.
        """
        self.require()
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
            raise SecretUnreadable(_wrong(kid, "secret")) from None


NO_KEYS = MasterKeys({})


def _wrong(kid: str, noun: str) -> str:
    return f'The {noun} cannot be decrypted: it was changed, or the master key "{kid}" is another than then'


def _nonces(count: int) -> Iterator[bytes]:
    """Yield random nonces, of one call of the system."""
    block = os.urandom(count * _NONCE_BYTES)
    return (block[start : start + _NONCE_BYTES] for start in range(0, len(block), _NONCE_BYTES))


def _context(kid: str, tenant_id: int, purpose: str) -> bytes:
    """Return the associated data of a secret."""
    return f"sluice/{purpose}/tenant {tenant_id}/{kid}".encode()


def _derived(master_key: bytes, tenant_id: int, purpose: str) -> bytes:
    """Return the key of a tenant and a purpose: 32 bytes."""
    info = f"sluice/{purpose}/tenant {tenant_id}".encode()
    return HKDF(SHA256(), KEY_BYTES, salt=None, info=info).derive(master_key)
