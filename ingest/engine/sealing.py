"""Encrypt what tenants with personal data send: payloads of blocks, and texts of items that failed.

Source: docs/contracts/operator.md section 7. A tenant has personal data where its template lists any in `pii_fields`.
Payloads and texts have no place among their associated data but the tenant, since children get copies of blocks as
they are stored. Both are read by their looks: what was stored before, or without personal data, is in the clear.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ingest.crypto import Cipher, MasterKeys, is_sealed
from ingest.intake.blocks import Block
from ingest.items import personal
from ingest.items.templates import Template
from ingest.jobs import ItemError

# Of the key; a change would make everything that is stored unreadable, and so would one of the two contexts.
PURPOSE = "items"
PAYLOAD, TEXT = b"payload", b"text"
CONTEXTS = {"job_blocks": PAYLOAD, "job_errors": TEXT, "job_drafts": TEXT}


@dataclass(frozen=True, slots=True)
class Sealer:
    """Encrypts and decrypts the items of a tenant.

    Attributes:
        keys: the master keys of this process.
        tenant_id: whose items.
        seals: what is new is encrypted; otherwise it is stored in the clear.
    """

    keys: MasterKeys
    tenant_id: int
    seals: bool

    @property
    def _cipher(self) -> Cipher:
        return self.keys.cipher(self.tenant_id, PURPOSE)

    def block(self, block: Block) -> Block:
        """Return a new block as it is stored.

        Raises:
            MasterKeyMissing: it must be encrypted, and there is no master key.
        """
        return replace(block, payload=self._cipher.seal(block.payload, PAYLOAD)) if self.seals else block

    def payload(self, stored: bytes) -> bytes:
        """Return the payload of a block, as `ingest.intake.blocks` made it.

        Raises:
            SecretUnreadable: its master key is not configured any more.
        """
        return self._cipher.open(stored, PAYLOAD) if is_sealed(stored) else stored

    def errors(self, errors: Sequence[ItemError]) -> list[ItemError]:
        """Return errors whose items are as they are stored.

        Raises:
            MasterKeyMissing: they must be encrypted, and there is no master key.
        """
        if not self.seals:
            return list(errors)
        return [
            error if error.item is None else replace(error, item=self._cipher.seal(error.item, TEXT), sealed=True)
            for error in errors
        ]

    def sealed_text(self, text: bytes) -> bytes:
        """Return the text of an item that failed, or an edit of one, encrypted.

        Raises:
            MasterKeyMissing: there is no master key.
        """
        return self._cipher.seal(text, TEXT)

    def text(self, stored: bytes, *, sealed: bool) -> bytes:
        """Return the text of an item that failed, or an edit of one.

        Args:
            stored: as it is stored.
            sealed: it is encrypted. The looks of a text do not tell: a sender may have sent any bytes.

        Raises:
            SecretUnreadable: its master key is not configured any more.
        """
        return self._cipher.open(stored, TEXT) if sealed else stored

    def opened(self, error: ItemError) -> ItemError:
        """Return an error as it is stored with its item in the clear; all that `text` raises."""
        if error.item is None or not error.sealed:
            return error
        return replace(error, item=self.text(error.item, sealed=True), sealed=False)


def has_personal_data(template: Template | None) -> bool:
    """True if a template lists fields that are personal data; None is that of kinds that have none."""
    return template is not None and personal.has_personal_data(template)


def sealer_of(keys: MasterKeys, tenant_id: int, template: Template | None) -> Sealer:
    """Return the sealer of a tenant's items.

    Args:
        keys: the master keys of this process.
        tenant_id: whose items.
        template: that they are checked by.
    """
    return Sealer(keys, tenant_id, has_personal_data(template))
