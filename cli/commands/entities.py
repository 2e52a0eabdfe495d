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
from ingest.engine import people
from ingest.engine.erasing import Eraser, Erasure, Held
from ingest.engine.sealing import sealer_of
from ingest.errors import NotFound

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

    With it are the objects of the public API that have the id, in all types, and its items in open uploads, in jobs
    that have not ended, and unprocessed in those that have. Of an entity that was deleted these are its events. Exits 1
    if something could not be decrypted: in its place is the reason, under "unreadable".

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

    First all payloads are searched that jobs of the tenant keep though they have ended, block by block. The entity, its
    states, its failed items and the objects of the public API that have the id, in all types, go in one transaction;
    then the failed items that are stored in the clear. All of this is done again, in jobs that have ended meanwhile,
    until nothing more is found: run it again if it was stopped. Each transaction that erases something has its entry
    in the audit log.

    Items of jobs that have not ended stay, since workers write them meanwhile, and those in open uploads, since their
    sender goes on by the digests of the parts: it looks for them first each time, names these jobs and uploads, and
    exits 1. It exits 1 too if a payload or an edit could not be read, because its key is not configured, or if the
    entity was written again each time.

    Example: sluice entities erase --tenant 0198c2a4-5f1e-7cc3-98c4-dc0c0c07398f --external-id player_1
    """
    keys = MasterKeys.parse(settings_here(data_dir).master_keys)
    with database(data_dir) as conn:
        tenant_id = _tenant(conn, tenant)

        def record(conn: Connection, details: Mapping[str, Any]) -> None:
            audit.record(conn, actor(), Action.PERSON_ERASED, external_id, tenant_id=tenant_id, details=details)

        done = Eraser(partial(_lend, conn), tenant_id, external_id, keys, record, type_name or None).erase()
    if not done.found:
        raise NotFound(f'There is nothing to erase of an entity "{external_id}"')
    if as_json:
        found = {
            "unprocessedItems": done.unprocessed_items,
            "unreadBlocks": done.unread_blocks,
            "unreadEdits": done.unread_edits,
            "openUploads": [{"uploadId": name, **_members(held)} for name, held in done.uploads.items()],
            "openJobs": [{"jobId": name, **_members(held)} for name, held in done.jobs.items()],
            "writtenAgain": not done.is_over,
        }
        print_json({"externalId": external_id, **done.entity.details, "objectTypes": done.entity.object_types, **found})
    else:
        _tell(done)
    context.exit(0 if done.is_complete else 1)


def _members(held: Held) -> dict[str, int]:
    return {"items": held.items, "unreadBlocks": held.unread_blocks}


def _holds(held: Held) -> str:
    unread = f" and {held.unread_blocks:,} blocks that could not be read" if held.unread_blocks else ""
    return f"holds {held.items:,} items of it{unread}"


def _tell(done: Erasure) -> None:
    """Print what was erased, and what is left to do."""
    erased = done.entity
    entity = f"the {erased.entity_type}" if erased.entity_type else "no entity"
    objects = f", objects of {len(erased.object_types):,} types ({', '.join(erased.object_types)})"
    click.echo(
        f"erased {entity}{objects if erased.object_types else ''}, {erased.failed_items:,} failed items "
        f"and {done.unprocessed_items:,} items of jobs that have ended"
    )
    for unread, things in ((done.unread_blocks, "blocks of items"), (done.unread_edits, "edits of failed items")):
        if unread:
            click.echo(
                f"{unread:,} {things} could not be read, and may hold more: put the key that "
                "`sluice crypto status` names back into SLUICE_MASTER_KEYS, and run this again."
            )
    for upload_id, held in done.uploads.items():
        click.echo(
            f"The open upload {upload_id} {_holds(held)}: have its sender delete it "
            f"(DELETE /batch/uploads/{upload_id}), or complete it, and run this again once its job has ended."
        )
    for job_id, held in done.jobs.items():
        click.echo(
            f"The job {job_id} {_holds(held)}, and had not ended: wait until it has, or end it "
            f"(sluice jobs cancel {job_id}), and run this again."
        )
    if not done.is_over:
        click.echo("It was written again each time that it was erased: stop its sender, and run this again.")


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
