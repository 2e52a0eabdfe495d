"""`sluice entities`: all that is stored of one entity, for a person who asks for it, or asks to be forgotten."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import click

from cli.actor import actor
from cli.options import data_dir_option, database, json_option, print_json, settings_here, storable
from ingest.crypto import MasterKeys
from ingest.db.connection.pool import Connection
from ingest.db.tenants import audit
from ingest.db.tenants import tenants as stored_tenants
from ingest.db.tenants.audit import Action
from ingest.engine import clear_items, kept_payloads, open_uploads, people
from ingest.engine.kept_payloads import Search
from ingest.engine.open_uploads import Held
from ingest.engine.people import Erased
from ingest.engine.sealing import sealer_of
from ingest.errors import NotFound
from ingest.ids import UPLOAD, spell

tenant_option = click.option("--tenant", type=click.UUID, required=True, metavar="ID", help="Whose entity it is.")
external_id_option = click.option(
    "--external-id", required=True, callback=storable, metavar="TEXT", help="The entity's id, as the tenant knows it."
)
type_option = click.option(
    "--type",
    "type_name",
    default="",
    callback=storable,
    metavar="NAME",
    help="Only the entity or object of this type; items that failed or were not processed are found by their id alone.",
)


@click.group()
def entities() -> None:
    """Export or erase all that is stored of one entity: a person's request. Each leaves an entry in the audit log.

    An id stands for the entity of the operator API, and for the objects of the public API that have it: one of each
    type. --type names one of them.

    Example: sluice entities export --tenant 0198c2a4-5f1e-7cc3-98c4-dc0c0c07398f --external-id player_1
    """


@entities.command()
@tenant_option
@external_id_option
@type_option
@data_dir_option
@click.pass_context
def export(context: click.Context, tenant: UUID, external_id: str, type_name: str, data_dir: Path) -> None:
    """Print an entity, its states, its events and its items that failed, as JSON, personal data in the clear.

    With it are the objects of the public API that have the id, in all types, and its items in open uploads. Of an
    entity that was deleted these are its events. Exits 1 if something could not be decrypted: in its place is the
    reason, under "unreadable".

    Example: sluice entities export --tenant 0198c2a4-5f1e-7cc3-98c4-dc0c0c07398f --external-id player_1 > player_1.json
    """
    keys = MasterKeys.parse(settings_here(data_dir).master_keys)
    with database(data_dir) as conn:
        tenant_id = _tenant(conn, tenant)
        counts, printed = Counter[str](), Counter[str]()
        sealer = sealer_of(keys, tenant_id, None)
        parts = partial(people.export, conn, tenant_id, external_id, sealer, type_name=type_name or None)
        for _ in parts(counts=counts):
            pass
        if not counts.total():
            raise NotFound(f'Nothing is stored of an entity "{external_id}": no event, and no failed item')
        audit.record(conn, actor(), Action.PERSON_EXPORTED, external_id, tenant_id=tenant_id, details=+counts)
        conn.commit()  # what is printed was recorded, so all of it is read twice
        for part in parts(counts=printed):
            click.echo(part, nl=False)
    if printed[people.UNREADABLE]:
        click.echo(f'{printed[people.UNREADABLE]:,} values could not be decrypted: see "unreadable"', err=True)
        context.exit(1)


@entities.command()
@tenant_option
@external_id_option
@type_option
@data_dir_option
@json_option
@click.pass_context
def erase(
    context: click.Context, tenant: UUID, external_id: str, type_name: str, data_dir: Path, *, as_json: bool
) -> None:
    """Erase an entity, its states, its items that failed, and those that ended jobs keep unprocessed; events stay.

    The entity, its states, its failed items and the objects of the public API that have the id, in all types, go in one
    transaction. Then all payloads are searched that jobs of the tenant keep though they have ended, block by block, and
    the failed items that are stored in the clear: run it again if it was stopped. Items of jobs that have not ended
    will be written yet. Each transaction that erases something has its entry in the audit log.

    Items in open uploads stay, since their sender goes on by the digests of the parts: it names these uploads, and
    exits 1. It exits 1 too if a payload could not be read, because its key is not configured.

    Example: sluice entities erase --tenant 0198c2a4-5f1e-7cc3-98c4-dc0c0c07398f --external-id player_1
    """
    keys = MasterKeys.parse(settings_here(data_dir).master_keys)
    with database(data_dir) as conn:
        tenant_id = _tenant(conn, tenant)

        def record(conn: Connection, details: Mapping[str, Any]) -> None:
            audit.record(conn, actor(), Action.PERSON_ERASED, external_id, tenant_id=tenant_id, details=details)

        erased = people.erase_everywhere(conn, tenant_id, external_id, type_name=type_name or None)
        if erased.found:
            record(conn, erased.details)
        conn.commit()
        lend = partial(_lend, conn)
        kept = kept_payloads.erase(
            lend, tenant_id, external_id, keys, lambda conn, n: record(conn, {"unprocessedItems": n})
        )
        clear = clear_items.erase(lend, tenant_id, external_id, lambda conn, n: record(conn, {"failedItems": n}))
        erased = erased._replace(failed_items=erased.failed_items + clear)
        held = _held(open_uploads.search(lend, tenant_id, external_id, keys))
    if not (erased.found or kept.erased or kept.unread or held):
        raise NotFound(f'There is nothing to erase of an entity "{external_id}"')
    if as_json:
        found = {"unprocessedItems": kept.erased, "unreadBlocks": kept.unread, "openUploads": held}
        print_json({"externalId": external_id, **erased.details, "objectTypes": erased.object_types, **found})
    else:
        _tell(erased, kept, held)
    context.exit(1 if kept.unread or held else 0)


def _held(found: Iterable[Held]) -> list[dict[str, Any]]:
    """Return what open uploads hold, each upload once."""
    uploads: dict[UUID, dict[str, Any]] = {}
    for held in found:
        upload_id = spell(UPLOAD, held.upload_id)
        upload = uploads.setdefault(held.upload_id, {"uploadId": upload_id, "items": 0, "unreadBlocks": 0})
        upload["items"] += len(held.texts)
        upload["unreadBlocks"] += held.unreadable is not None
    return list(uploads.values())


def _tell(erased: Erased, kept: Search, held: Iterable[Mapping[str, Any]]) -> None:
    """Print what was erased, and what is left to do."""
    entity = f"the {erased.entity_type}" if erased.entity_type else "no entity"
    objects = f", objects of {len(erased.object_types):,} types ({', '.join(erased.object_types)})"
    click.echo(
        f"erased {entity}{objects if erased.object_types else ''}, {erased.failed_items:,} failed items "
        f"and {kept.erased:,} items of jobs that have ended"
    )
    if kept.unread:
        click.echo(
            f"{kept.unread:,} blocks of items could not be read, and may hold more: put the key that "
            "`sluice crypto status` names back into SLUICE_MASTER_KEYS, and run this again."
        )
    for upload in held:
        unread = f" and {upload['unreadBlocks']:,} blocks that could not be read" if upload["unreadBlocks"] else ""
        click.echo(
            f"The open upload {upload['uploadId']} holds {upload['items']:,} items of it{unread}: have its sender "
            f"delete it (DELETE /batch/uploads/{upload['uploadId']}), or complete it, and run this again once its job "
            "has ended."
        )


def _tenant(conn: Connection, public_id: UUID) -> int:
    found = stored_tenants.get(conn, public_id)
    if found is None:
        raise NotFound(f"There is no tenant {public_id}")
    return found.id


@contextmanager
def _lend(conn: Connection) -> Iterator[Connection]:
    """Lend the connection for a transaction."""
    yield conn
    conn.commit()
