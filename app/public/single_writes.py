"""Write single items: by the kind, check and statement of a batch of one, in the request's own transaction."""

from typing import Any

from flask import Response

from app import prefer
from app.auth import caller
from app.jobs import warning_summary
from app.public import body
from app.public.envelope import success
from app.services import services
from ingest.db.confirmed import confirmed_transaction
from ingest.errors import FaultyBody, PayloadTooLarge, TooLarge
from ingest.jobs import ItemWarning
from ingest.kinds import KINDS, Written, late, only_outcome, schema_of
from ingest.public import PublicSchema
from ingest.writers import Target
from ingest.writing import write as write_block


def read(kind: str) -> tuple[Any, list[ItemWarning]]:
    """Return the item of this request, and the warnings about it.

    Args:
        kind: its name in the table of kinds, of the public API.

    Raises:
        FaultyBody: it lists every fault.
        ItemTooLarge: it has too many bytes, or its numbers would read back as too many.
    """
    schema = schema_of(KINDS[kind], None, services().settings.max_item_bytes)
    assert isinstance(schema, PublicSchema)  # noqa: S101 # for the type checker
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
        FaultyBody: the database cannot store it.
        PayloadTooLarge: it would let an object grow too large.
        DatabaseError: nothing was stored.
    """
    target = Target(caller().tenant_id, merge=True, item_bytes=services().settings.max_item_bytes)
    with confirmed_transaction(services().pool) as conn:
        outcome = only_outcome(write_block(conn, KINDS[kind], target, [item]))
        if isinstance(outcome, Written):
            outcome = outcome._replace(warnings=[*warnings, *late(conn, KINDS[kind], target, [item], [0])])
    if isinstance(outcome, Written):
        return outcome
    if outcome.code == TooLarge.code:
        raise PayloadTooLarge(outcome.message)
    raise FaultyBody.at([], outcome.message, "value_error.write_failed")


def answered(written: Written, shape: dict[str, Any]) -> Response:
    """Return the response to a write: beyond the contract's fields, warnings where there are any."""
    if written.warnings:
        shape["warnings"] = warning_summary(len(written.warnings), written.warnings)
    return success(shape, prefer.applied(handling=prefer.stated().handling))
