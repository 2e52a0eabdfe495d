"""Find an entity's items in open uploads: parts that were stored, of a batch that is not complete.

They are found and left: a part's digest vouches for the bytes that its sender sent, and the sender goes on by it. An
upload that is deleted takes its parts with it; one that is completed is a batch like any other.
"""

from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple
from uuid import UUID

from ingest.crypto import MasterKeys
from ingest.db.connection.pool import Connection
from ingest.db.jobs import open_uploads, parts, uploads
from ingest.db.jobs.uploads import Upload
from ingest.engine.error_files import Lend
from ingest.engine.kept_payloads import named
from ingest.engine.kinds import KINDS
from ingest.engine.sealing import Sealer
from ingest.errors import Gone, JobUnrunnable, NotFound, SecretUnreadable
from ingest.intake.payloads import items_of, kept_text
from ingest.jobs import CsvFormat

_ANY = 2**31  # bytes

_NO_HEADER = "Its rows cannot be read before part 1, which has the header"


class Held(NamedTuple):
    """Items of an entity in a block of an open upload.

    Attributes:
        upload_id: the upload's.
        texts: of the items, as they were sent.
        unreadable: the reason why the block could not be read, and may hold more.
    """

    upload_id: UUID
    texts: list[bytes]
    unreadable: str | None = None


def search(lend: Lend, tenant_id: int, external_id: str, keys: MasterKeys) -> Iterator[Held]:
    """Yield an entity's items in a tenant's open uploads, and each block that could not be read.

    Args:
        lend: lends a connection for one transaction, in which one block is read.
        tenant_id: whose.
        external_id: the entity's.
        keys: the master keys of this process.
    """
    sealer = Sealer(keys, tenant_id, seals=False)
    with lend() as conn:
        upload_ids = open_uploads.ids(conn, tenant_id)
    for upload_id in upload_ids:
        with suppress(NotFound, Gone):  # it was deleted, or is over, since
            yield from _search_one(lend, tenant_id, upload_id, external_id, sealer)


def _search_one(lend: Lend, tenant_id: int, upload_id: UUID, external_id: str, sealer: Sealer) -> Iterator[Held]:
    after: int | None = open_uploads.FIRST
    with lend() as conn:
        upload, csv = uploads.find(conn, tenant_id, upload_id), parts.header(conn, upload_id)
    while after is not None:
        with lend() as conn:
            after, held = _search_next(conn, upload, csv, after, external_id=external_id, sealer=sealer)
        if held.texts or held.unreadable:
            yield held


def _search_next(
    conn: Connection, upload: Upload, csv: CsvFormat | None, after: int, *, external_id: str, sealer: Sealer
) -> tuple[int | None, Held]:
    """Return the number of an upload's next block, None where there is none, and what it holds of the entity."""
    nothing = Held(upload.id, [])
    block = None if upload.job_id is None else open_uploads.next_block(conn, upload.job_id, after=after)
    if block is None or upload.kind not in KINDS:
        return None, nothing
    if upload.options.csv is not None and csv is None:
        return block.no, Held(upload.id, [], _NO_HEADER)
    try:
        items = items_of(sealer.payload(block.payload), block.first_line, csv)
    except (SecretUnreadable, JobUnrunnable) as error:
        return block.no, Held(upload.id, [], error.message)
    places = named(items, upload.kind, external_id)
    return block.no, Held(upload.id, [kept_text(items, place, most_bytes=_ANY) or b"" for place in places])
