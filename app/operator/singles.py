"""Single writes: the same kind, check and write as a batch of one, under the caller's template."""

import msgspec

from app.auth import caller
from app.batches import require_template
from app.services import services
from ingest import rawjson
from ingest.db import entities
from ingest.db.pool import Connection
from ingest.errors import InvalidInput, NotFound
from ingest.kinds import Kind, Target, Written, write_one


def write(conn: Connection, kind: Kind, item: msgspec.Raw, *, merge: bool = False) -> Written:
    """Write one item of the caller's.

    Args:
        conn: an open transaction.
        kind: the item's.
        item: of the shape that it has in a batch.
        merge: entities: merge top-level fields instead of replacing all of `data`.

    Raises:
        TemplateNotConfigured: the tenant has chosen no template; and all that `write_one` raises.
    """
    template = services().editions.get(conn, require_template(caller()))
    return write_one(conn, kind, Target(caller().tenant_id, merge), template, item)


def with_members(item: msgspec.Raw, **members: str) -> msgspec.Raw:
    """An item of which the path says some members, the others copied as they were sent.

    Args:
        item: the body.
        members: what the path says; the body must not say it again.

    Raises:
        InvalidInput: the body is no object, or names such a member.
    """
    try:
        sent = rawjson.split_object(item)
    except rawjson.NotAnObject:
        raise InvalidInput("The body must be a JSON object") from None
    for name in members:
        if name in sent:
            raise InvalidInput(f'Unknown field: "{name}" (the path says it already)')
    return msgspec.Raw(msgspec.json.encode({**members, **sent}))


def require_entity(conn: Connection, external_id: str) -> int:
    """The internal id of an entity of the caller's.

    Raises:
        NotFound: there is none, or it was deleted.
    """
    known = entities.resolve(conn, caller().tenant_id, {entities.SCOPE: [external_id]})[entities.SCOPE]
    if external_id not in known:
        raise NotFound(f'Entity "{external_id}" does not exist')
    return known[external_id]
