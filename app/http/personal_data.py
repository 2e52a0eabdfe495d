"""Personal data: the fields that a template lists under `pii_fields`.

They are stored encrypted, as all items are of a tenant that has any, and only keys with the scope admin may read them.
"""

from collections.abc import Collection

import msgspec

from app.http.auth import caller
from app.http.services import services
from ingest import json_text
from ingest.db.connection.confirmed import retry_until_known
from ingest.db.connection.pool import Connection
from ingest.db.data.entities import EntityRow
from ingest.engine.sealing import Sealer, sealer_of
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


def sealer(tenant_id: int, template_id: int | None) -> Sealer:
    """Return the sealer of items that a template checks.

    Args:
        tenant_id: whose items.
        template_id: internal id of the template version; None for kinds that have none.
    """
    template = None
    if template_id is not None:
        cache = services().template_cache
        template = cache.kept(template_id) or retry_until_known(
            services().pool, lambda conn: cache.get(conn, template_id)
        )
    return sealer_of(services().master_keys, tenant_id, template)


def opener(tenant_id: int) -> Sealer:
    """Return a sealer of a tenant's items that only decrypts."""
    return sealer_of(services().master_keys, tenant_id, None)


def without(row: EntityRow, fields: Collection[str]) -> str:
    """Return the JSON text of an entity's data without personal data.

    Args:
        row: the entity.
        fields: that its template calls personal data. Some may be stored in the clear, from before it did.
    """
    members = json_text.split_object(row.properties.encode())
    return msgspec.json.encode({name: value for name, value in members.items() if name not in fields}).decode()


def held(row: EntityRow, fields: Collection[str]) -> list[str]:
    """Return the names of the personal data that an entity has; the arguments are those of `without`."""
    sealed = () if row.pii is None else json_text.split_object(row.pii.encode())
    return [*sealed, *(name for name in json_text.split_object(row.properties.encode()) if name in fields)]


def with_all(row: EntityRow, fields: Collection[str]) -> str:
    """Return the JSON text of an entity's data, personal data decrypted.

    Args:
        row: the entity.
        fields: as of `without`.

    Raises:
        Forbidden: some of them are there, and the caller's key has not the scope for them.
        SecretUnreadable: a master key is not configured any more.
    """
    found = held(row, fields)
    if found and ADMIN not in caller().scopes:
        raise Forbidden(
            f"To read personal data ({', '.join(found)}) a key needs the scope admin; ?pii=false leaves them out",
            ADMIN,
        )
    if row.pii is None:
        return row.properties
    # A process of before that wrote meanwhile has left a newer value in the clear.
    opened = personal.opened(services().master_keys, caller().tenant_id, row.external_id, row.pii)
    return msgspec.json.encode(opened | json_text.split_object(row.properties.encode())).decode()


def require_admin_for_items(conn: Connection, job: Job) -> None:
    """Let the items of a job be read as they were sent.

    Raises:
        Forbidden: they may hold personal data, and the caller's key has not the scope for them.
    """
    if ADMIN in caller().scopes or job.template_id is None or job.kind not in {"entities", TRIAL}:
        return
    if services().template_cache.get(conn, job.template_id).pii_fields:
        raise Forbidden("The items of this job may hold personal data; to read them a key needs the scope admin", ADMIN)
