"""Personal data: the fields that a template lists under `pii_fields`, which only keys with the scope admin may read."""

from collections.abc import Collection

import msgspec

from app.http.auth import caller
from app.http.services import services
from ingest import json_text
from ingest.db.connection.pool import Connection
from ingest.errors import Forbidden
from ingest.jobs import TRIAL, Job
from ingest.rights import ADMIN


def fields_of(conn: Connection, entity_type: str) -> Collection[str]:
    """Return the fields of a type of entities that are personal data by the template that the caller has chosen."""
    template_id = caller().template_id
    return (
        () if template_id is None else services().template_cache.get(conn, template_id).pii_fields.get(entity_type, ())
    )


def without(data: str, fields: Collection[str]) -> str:
    """Return the JSON text of an entity's data without some fields."""
    members = json_text.split_object(data.encode())
    return msgspec.json.encode({name: value for name, value in members.items() if name not in fields}).decode()


def require_admin(data: str, fields: Collection[str]) -> None:
    """Let an entity's data be read with all of these fields.

    Raises:
        Forbidden: some of them are there, and the caller's key has not the scope for them.
    """
    if fields and ADMIN not in caller().scopes:
        held = [name for name in json_text.split_object(data.encode()) if name in fields]
        if held:
            raise Forbidden(
                f"To read personal data ({', '.join(held)}) a key needs the scope admin; ?pii=false leaves them out",
                ADMIN,
            )


def require_admin_for_items(conn: Connection, job: Job) -> None:
    """Let the items of a job be read as they were sent.

    Raises:
        Forbidden: they may hold personal data, and the caller's key has not the scope for them.
    """
    if ADMIN in caller().scopes or job.template_id is None or job.kind not in {"entities", TRIAL}:
        return
    if services().template_cache.get(conn, job.template_id).pii_fields:
        raise Forbidden("The items of this job may hold personal data; to read them a key needs the scope admin", ADMIN)
