"""`sluice entities`: all that is stored of one entity, for a person who asks for it, or asks to be forgotten."""

from collections import Counter
from collections.abc import Iterator, Mapping
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
from ingest.engine import kept_payloads, people
from ingest.engine.sealing import sealer_of
from ingest.errors import NotFound

tenant_option = click.option("--tenant", type=click.UUID, required=True, metavar="ID", help="Whose entity it is.")
external_id_option = click.option(
    "--external-id", required=True, callback=storable, metavar="TEXT", help="The entity's id, as the tenant knows it."
)


@click.group()
def entities() -> None:
    """Export or erase all that is stored of one entity: a person's request. Each leaves an entry in the audit log.

    Example: sluice entities export --tenant 0198c2a4-5f1e-7cc3-98c4-dc0c0c07398f --external-id player_1
    """


@entities.command()
@tenant_option
@external_id_option
@data_dir_option
@click.pass_context
def export(context: click.Context, tenant: UUID, external_id: str, data_dir: Path) -> None:
    """Print an entity, its states, its events and its items that failed, as JSON, personal data in the clear.

    Of an entity that was deleted these are its events. Exits 1 if something could not be decrypted: in its place is the
    reason, under "unreadable".

    Example: sluice entities export --tenant 0198c2a4-5f1e-7cc3-98c4-dc0c0c07398f --external-id player_1 > player_1.json
    """
    keys = MasterKeys.parse(settings_here(data_dir).master_keys)
    with database(data_dir) as conn:
        tenant_id = _tenant(conn, tenant)
        counts, printed = Counter[str](), Counter[str]()
        parts = partial(people.export, conn, tenant_id, external_id, sealer_of(keys, tenant_id, None))
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
@data_dir_option
@json_option
@click.pass_context
def erase(context: click.Context, tenant: UUID, external_id: str, data_dir: Path, *, as_json: bool) -> None:
    """Erase an entity, its states, its items that failed, and those that ended jobs keep unprocessed; events stay.

    The entity, its states and its failed items go in one transaction, as by DELETE. Then all payloads are searched that
    jobs of the tenant keep though they have ended, block by block: run it again if it was stopped. Items of jobs that
    have not ended will be written yet. Each transaction that
    erases something has its entry in the audit log. Exits 1 if a
    payload could not be read, because its key is not configured.

    Example: sluice entities erase --tenant 0198c2a4-5f1e-7cc3-98c4-dc0c0c07398f --external-id player_1
    """
    keys = MasterKeys.parse(settings_here(data_dir).master_keys)
    with database(data_dir) as conn:
        tenant_id = _tenant(conn, tenant)

        def record(conn: Connection, details: Mapping[str, Any]) -> None:
            audit.record(conn, actor(), Action.PERSON_ERASED, external_id, tenant_id=tenant_id, details=details)

        erased = people.erase(conn, tenant_id, external_id)
        if erased.entity_type or erased.failed_items:
            record(conn, erased.details)
        conn.commit()
        kept = kept_payloads.erase(
            partial(_lend, conn), tenant_id, external_id, keys, lambda conn, n: record(conn, {"unprocessedItems": n})
        )
    if not (erased.entity_type or erased.failed_items or kept.erased or kept.unread):
        raise NotFound(f'There is nothing to erase of an entity "{external_id}"')
    found = {**erased.details, "unprocessedItems": kept.erased, "unreadBlocks": kept.unread}
    if as_json:
        print_json({"externalId": external_id, **found})
    else:
        entity = f"the {erased.entity_type}" if erased.entity_type else "no entity"
        click.echo(
            f"erased {entity}, {erased.failed_items:,} failed items and {kept.erased:,} items of jobs that have ended"
        )
        if kept.unread:
            click.echo(
                f"{kept.unread:,} blocks of items could not be read, and may hold more: put the key that "
                "`sluice crypto status` names back into SLUICE_MASTER_KEYS, and run this again."
            )
    context.exit(1 if kept.unread else 0)


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
