"""Write single items of the public API, each in a transaction of its own."""

from typing import Any

from flask import Response

from app.http import prefer
from app.http.auth import caller
from app.http.services import services
from app.jobs.shape import warning_summary
from app.public import body
from app.public.envelope import success
from ingest.db.connection.confirmed import confirmed_transaction
from ingest.engine.kinds import KINDS, schema_of
from ingest.engine.single_write import Written, write_one
from ingest.engine.writers import Target
from ingest.jobs import ItemWarning


def read(kind: str) -> tuple[Any, list[ItemWarning]]:
    """Return the item of this request, and the warnings about it.

    Args:
        kind: its name in the table of kinds, of the public API.

    Raises:
        FaultyBody: it lists every fault.
        ItemTooLarge: it has too many bytes, or its numbers would read back as too many.
    """
    schema = schema_of(KINDS[kind], None, services().settings.max_item_bytes)
    warnings: list[ItemWarning] = []
    return schema.require(body.item(), warnings, strict=prefer.stated().strict), warnings


def write(kind: str, item: Any, warnings: list[ItemWarning]) -> Written:
    """Write one item of the caller's.

    Args:
        kind: its name in the table of kinds.
        item: checked.
        warnings: what checking it found.

    Returns:
        The outcome, once it is durable.

    Raises:
        DatabaseError: nothing was stored.
    """
    target = Target(caller().tenant_id, merge=True, item_bytes=services().settings.max_item_bytes)
    with confirmed_transaction(services().pool) as conn:
        return write_one(conn, KINDS[kind], target, item, warnings)


def answered(written: Written, shape: dict[str, Any]) -> Response:
    """Return the response to a write: beyond the contract's fields, warnings where there are any."""
    if written.warnings:
        shape["warnings"] = warning_summary(len(written.warnings), written.warnings)
    return success(shape, prefer.applied(handling=prefer.stated().handling))
