"""Single writes: the same kind, check and write as a batch of one, in the request's own transaction."""

from typing import Any

from app.auth import caller
from app.services import services
from ingest.db.commits import committed
from ingest.errors import FaultyBody, PayloadTooLarge, TooLarge
from ingest.kinds import KINDS, Target, Written, alone
from ingest.writing import write as write_block


def write(kind: str, item: Any) -> Written:
    """Write one item of the caller's.

    Args:
        kind: its name in the table of kinds.
        item: checked.

    Returns:
        What became of it, once it is durable.

    Raises:
        FaultyBody: the database cannot store it.
        PayloadTooLarge: it would let an object grow too large.
        DatabaseError: nothing was stored.
    """
    with committed(services().pool) as conn:
        outcome = alone(write_block(conn, KINDS[kind], Target(caller().tenant_id, merge=True), [item]))
    if isinstance(outcome, Written):
        return outcome
    if outcome.code == TooLarge.code:
        raise PayloadTooLarge(outcome.message)
    raise FaultyBody.at([], outcome.message, "value_error.write_failed")
