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
from ingest.db.data.entity_rows import EntityRow
from ingest.db.jobs import errors
from ingest.engine.sealing import Sealer, has_personal_data, sealer_of
from ingest.errors import Forbidden
from ingest.items import personal
from ingest.jobs import TRIAL, Job
from ingest.rights import ADMIN

_OF_ITEMS = "The items of this job may hold personal data; to read them a key needs the scope admin"


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
    """Return a sealer of a tenant's payloads that only decrypts; `reader` is for what clients are shown."""
    return sealer_of(services().master_keys, tenant_id, None)


class _Refusing(Sealer):
    """A sealer for a key without the scope admin: it shows no text of a failed item that is encrypted."""

    def text(self, stored: bytes, *, sealed: bool) -> bytes:
        """As of Sealer.

        Raises:
            Forbidden: the text is encrypted.
        """
        if sealed:
            raise Forbidden(_OF_ITEMS, ADMIN)
        return stored


def reader(tenant_id: int) -> Sealer:
    """Return a sealer that decrypts the texts of failed items for the caller, if its key has the scope for that."""
    return opener(tenant_id) if ADMIN in caller().scopes else _Refusing(services().master_keys, tenant_id, seals=False)


def without(row: EntityRow, fields: Collection[str]) -> str:
    """Return the JSON text of an entity's data without personal data.

    Args:
        row: the entity.
        fields: that its template calls personal data. Some may be stored in the clear, from before it did.
    """
    if not fields:
        return row.properties
    members = json_text.split_object(row.properties.encode())
    return msgspec.json.encode({name: value for name, value in members.items() if name not in fields}).decode()


def held(row: EntityRow, fields: Collection[str]) -> list[str]:
    """Return the names of the personal data that an entity has; the arguments are those of `without`."""
    sealed = () if row.pii is None else json_text.split_object(row.pii.encode())
    in_clear = json_text.split_object(row.properties.encode()) if fields else ()
    return [*sealed, *(name for name in in_clear if name in fields)]


def with_all(row: EntityRow, found: Collection[str]) -> str:
    """Return the JSON text of an entity's data, personal data decrypted.

    Args:
        row: the entity.
        found: the names of the personal data that it has.

    Raises:
        Forbidden: some of them are there, and the caller's key has not the scope for them.
        SecretUnreadable: a master key is not configured any more.
    """
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
    """Let the items of a job be read as they were sent, before the answer begins; `reader` looks at each of them.

    Raises:
        Forbidden: they may hold personal data, and the caller's key has not the scope for them.
    """
    if ADMIN in caller().scopes:
        return
    template = None if job.template_id is None else services().template_cache.get(conn, job.template_id)
    lists_any = has_personal_data(template)
    # Items of entities that failed before this version are in the clear.
    if lists_any and job.kind in {"entities", TRIAL}:
        raise Forbidden(_OF_ITEMS, ADMIN)
    # All others are encrypted where they may hold any.
    if errors.any_sealed(conn, job.id, seals=lists_any):
        raise Forbidden(_OF_ITEMS, ADMIN)
