"""Write single items of the operator API, under the caller's template."""

from typing import Any

import msgspec
from flask import Response

from app.batches import require_template
from app.http import prefer
from app.http.auth import caller
from app.http.services import services
from app.jobs.shape import warning_summary
from app.operator.envelope import success
from ingest import json_text
from ingest.db.connection.pool import Connection, transaction
from ingest.db.data import entity_lookup
from ingest.db.tenants.idempotency import Answer
from ingest.engine.kinds import Kind, schema_of
from ingest.engine.single_write import Written, write_one
from ingest.engine.writers import Target
from ingest.errors import InvalidInput, NotFound
from ingest.items.entities import SCOPE
from ingest.items.personal import Protection
from ingest.jobs import Effect, ItemWarning


def write(conn: Connection, kind: Kind, item: msgspec.Raw, *, merge: bool = False) -> Written:
    """Write one item of the caller's.

    Args:
        conn: an open transaction.
        kind: the item's.
        item: of the shape that it has in a batch.
        merge: entities: merge top-level fields instead of replacing all of `data`.

    Raises:
        TemplateNotConfigured: the tenant has chosen no template.
        MasterKeyMissing: the item has personal data, and there is no key to encrypt them with; and all that
            `ItemSchema.require` and `write_one` raise.
    """
    template = services().template_cache.get(conn, require_template(caller()))
    item_bytes = services().settings.max_item_bytes
    warnings: list[ItemWarning] = []
    checked = schema_of(kind, template, item_bytes).require(item, warnings, strict=prefer.stated().strict)
    protection = Protection.under(template, services().master_keys, caller().tenant_id)
    return write_one(
        conn, kind, Target(caller().tenant_id, merge, item_bytes, protection=protection), checked, warnings
    )


def written_before(kind: Kind, item: msgspec.Raw, answer: Answer) -> Written:
    """Return the result of an upsert whose request is repeated, with the warnings that its item had.

    Args:
        kind: the item's.
        item: as it was sent both times.
        answer: the result, as far as it was stored.
    """
    with transaction(services().pool) as conn:
        template = services().template_cache.get(conn, require_template(caller()))
    warnings: list[ItemWarning] = []
    schema_of(kind, template, services().settings.max_item_bytes).check(0, item, warnings)
    return Written(Effect(answer.action or ""), answer.public_id, None, warnings)


def answered(written: Written, data: dict[str, Any]) -> Response:
    """Return the response to a creating write: the contract's fields, and warnings where there are any.

    A duplicate has created nothing.
    """
    if written.warnings:
        data["warnings"] = warning_summary(len(written.warnings), written.warnings)
    status = 200 if written.effect is Effect.DUPLICATE else 201
    return success(data, status, prefer.applied(handling=prefer.stated().handling))


def with_members(item: msgspec.Raw, **members: str) -> msgspec.Raw:
    """Add the members that the path names to an item; its own members are copied as they were sent.

    Args:
        item: the body.
        members: from the path; the body must not contradict them.

    Raises:
        InvalidInput: the body is no object, or has another value for such a member.
    """
    try:
        sent = json_text.split_object(item)
    except json_text.NotAnObject:
        raise InvalidInput("The body must be a JSON object") from None
    for name, value in members.items():
        if name in sent and _text_of(sent[name]) != value:
            raise InvalidInput(f'Field "{name}" is not what the path says; leave it out')
    return msgspec.Raw(msgspec.json.encode({**sent, **members}))


def _text_of(value: msgspec.Raw) -> str | None:
    """Return the text that a JSON value is; None for a value of another type."""
    try:
        return msgspec.json.decode(value, type=str)
    except msgspec.ValidationError:
        return None


def require_entity(conn: Connection, external_id: str) -> int:
    """Return the internal id of an entity of the caller's.

    Raises:
        NotFound: there is none, or it was deleted.
    """
    known = entity_lookup.resolve(conn, caller().tenant_id, {SCOPE: [external_id]})[SCOPE]
    if external_id not in known:
        raise NotFound(f'Entity "{external_id}" does not exist')
    return known[external_id]
