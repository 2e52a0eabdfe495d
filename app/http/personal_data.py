"""Personal data: the fields that a template lists under `pii_fields`, which only keys with the scope admin may read."""

from collections.abc import Collection

import msgspec

from app.http.auth import caller
from app.http.services import services
from ingest import json_text
from ingest.db.connection.pool import Connection
from ingest.db.data.entities import EntityRow
from ingest.errors import Forbidden
from ingest.items import personal
from ingest.jobs import TRIAL, Job
from ingest.rights import ADMIN


def fields_of(conn: Connection, entity_type: str) -> Collection[str]:
    """Return the fields of a type of entities that are personal data by the template that the caller has chosen."""
    template_id = caller().template_id
    return (
        () if template_id is None else services().template_cache.get(conn, template_id).pii_fields.get(entity_type, ())
    )


def without(row: EntityRow, fields: Collection[str]) -> str:
    """Return the JSON text of an entity's data without personal data.

    Args:
        row: the entity.
        fields: that its template calls personal data. Some may be stored in the clear, from before it did.
    """
    members = json_text.split_object(row.properties.encode())
    return msgspec.json.encode({name: value for name, value in members.items() if name not in fields}).decode()


def with_all(row: EntityRow, fields: Collection[str]) -> str:
    """Return the JSON text of an entity's data, personal data decrypted.

    Args:
        row: the entity.
        fields: as of `without`.

    Raises:
        Forbidden: some of them are there, and the caller's key has not the scope for them.
        SecretUnreadable: a master key is not configured any more.
    """
    members = json_text.split_object(row.properties.encode())
    sealed = () if row.pii is None else json_text.split_object(row.pii.encode())
    held = [*sealed, *(name for name in members if name in fields)]
    if held and ADMIN not in caller().scopes:
        raise Forbidden(
            f"To read personal data ({', '.join(held)}) a key needs the scope admin; ?pii=false leaves them out",
            ADMIN,
        )
    if row.pii is None:
        return row.properties
    # A process of before that wrote meanwhile has left a newer value in the clear.
    opened = personal.opened(services().master_keys, caller().tenant_id, row.external_id, row.pii)
    return msgspec.json.encode(opened | members).decode()


def require_admin_for_items(conn: Connection, job: Job) -> None:
    """Let the items of a job be read as they were sent.

    Raises:
        Forbidden: they may hold personal data, and the caller's key has not the scope for them.
    """
    if ADMIN in caller().scopes or job.template_id is None or job.kind not in {"entities", TRIAL}:
        return
    if services().template_cache.get(conn, job.template_id).pii_fields:
        raise Forbidden("The items of this job may hold personal data; to read them a key needs the scope admin", ADMIN)
