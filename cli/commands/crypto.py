"""`sluice crypto`: the master keys that encrypt personal data and secrets."""

from collections import Counter
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import click

from cli.actor import actor
from cli.options import data_dir_option, database, json_option, print_json, print_table, settings_here
from ingest import master_keys
from ingest.crypto import MasterKeys
from ingest.db.tenants import audit
from ingest.db.tenants.audit import Action
from ingest.engine import rotation
from ingest.engine.rotation import IN_THE_CLEAR, Progress, Step


@click.group()
def crypto() -> None:
    """Make, count and replace the keys that encrypt personal data and secrets at rest.

    Example: sluice crypto status
    """


@crypto.command()
def generate() -> None:
    """Print a new master key, for SLUICE_MASTER_KEYS.

    To replace a key, put the new one behind it, separated by a comma, restart all processes, and then put it in front
    and restart them again: the first one encrypts, all of them decrypt. `sluice crypto rotate` then encrypts what is
    stored under the new one. Keep a copy of each key: without it, what was encrypted under it is lost.

    Example: sluice crypto generate
    """
    click.echo(master_keys.generate())


@crypto.command()
@data_dir_option
@json_option
def status(data_dir: Path, *, as_json: bool) -> None:
    """Count what is encrypted under which master key; say which key is lost, and which one may be removed.

    Counts what should be encrypted and is in the clear, too: fields of entities that their tenant's template calls
    personal data today, and the batches and failed items of such tenants. Reads all of the tables that hold such
    things, some pages a statement.

    Example: sluice crypto status --json
    """
    keys = _keys(data_dir)
    with database(data_dir) as conn:
        conn.rollback()
        counts = rotation.count(conn)
    if as_json:
        print_json(_document(keys, counts))
    else:
        _show(keys, counts)


def _document(keys: MasterKeys, counts: Mapping[str, Counter[str]]) -> dict[str, Any]:
    return {
        "keys": [
            {
                "id": kid,
                "configured": kid in keys.keys,
                "encrypts": kid == next(iter(keys.keys), None),
                "values": {kind: found[kid] for kind, found in counts.items() if found[kid]},
                "removable": kid in _removable(keys, counts),
            }
            for kid in _all_ids(keys, counts)
        ],
        "inTheClear": {kind: found[IN_THE_CLEAR] for kind, found in counts.items() if found[IN_THE_CLEAR]},
    }


def _show(keys: MasterKeys, counts: Mapping[str, Counter[str]]) -> None:
    rows = [(_named(kid), kind, f"{found[kid]:,}") for kind, found in counts.items() for kid in sorted(found)]
    if rows:
        print_table(("key", "kind", "values"), rows)
        click.echo()
    else:
        click.echo("Nothing is encrypted yet.")
    for kid in _all_ids(keys, counts):
        if kid not in keys.keys:
            click.echo(f"{kid} is not configured, so its values cannot be decrypted: put it into SLUICE_MASTER_KEYS.")
    for kid in _removable(keys, counts):
        click.echo(f"{kid} may be removed from SLUICE_MASTER_KEYS: nothing uses it any more.")
    # A rotation can encrypt no value whose key is lost, and none at all without a key.
    can_rotate = {IN_THE_CLEAR, *list(keys.keys)[1:]} if keys.keys else set()
    if any(kid in can_rotate for found in counts.values() for kid in found):
        click.echo("`sluice crypto rotate` encrypts all of these under the first key of SLUICE_MASTER_KEYS.")


def _named(kid: str) -> str:
    return "(in the clear)" if kid == IN_THE_CLEAR else kid


def _all_ids(keys: MasterKeys, counts: Mapping[str, Counter[str]]) -> list[str]:
    used = {kid for found in counts.values() for kid in found if kid != IN_THE_CLEAR}
    return [*keys.keys, *sorted(used.difference(keys.keys))]


def _removable(keys: MasterKeys, counts: Mapping[str, Counter[str]]) -> list[str]:
    """Return the configured keys that encrypt no more, and that nothing stored needs."""
    return [kid for kid in list(keys.keys)[1:] if not any(found[kid] for found in counts.values())]


@crypto.command()
@data_dir_option
@json_option
@click.pass_context
def rotate(context: click.Context, data_dir: Path, *, as_json: bool) -> None:
    """Encrypt under the first master key what is under another one, or should be encrypted and is in the clear.

    That is what `sluice crypto status` counts. All else stays in the clear: external ids, states, events and so on.

    Runs beside traffic, some rows a transaction, and shows how far it is. It can be stopped at any time: run again, it
    goes on with what is left. Exits 1 if something could not be decrypted, because its key is not configured. The audit
    log tells when it began, and with which counts it ended.

    Example: sluice crypto rotate
    """
    keys = _keys(data_dir)
    keys.require()
    with database(data_dir) as conn:
        record = partial(audit.record, conn, actor(), object_id=next(iter(keys.keys)), tenant_id=None)
        record(action=Action.ROTATION_BEGUN)
        conn.commit()
        steps = rotation.rotate(conn, keys)
        done = _last(steps) if as_json else _shown(steps)
        counts = {kind: {"changed": step.changed, "unreadable": step.unreadable} for kind, step in done.items()}
        record(action=Action.ROTATION_ENDED, details=counts)
    unreadable = sum(step.unreadable for step in done.values())
    if as_json:
        print_json(counts)
    elif unreadable:
        click.echo(f"{unreadable:,} could not be decrypted: `sluice crypto status` names the keys that are missing.")
    context.exit(1 if unreadable else 0)


def _last(steps: Iterable[Progress]) -> dict[str, Step]:
    """Return what has happened to each kind."""
    return {progress.kind: progress.step for progress in steps}


def _shown(steps: Iterable[Progress]) -> dict[str, Step]:
    """Print how far the rotation is, a line for each tenth of a table; return what has happened to each kind."""
    done: dict[str, Step] = {}
    tenths: dict[str, int] = {}
    for kind, pages_done, pages, step in steps:
        done[kind] = step
        tenth = 10 * pages_done // pages
        if tenths.get(kind) != tenth:
            tenths[kind] = tenth
            click.echo(f"{kind}: {10 * tenth} % of {pages:,} pages read, {step.changed:,} encrypted anew")
    return done


def _keys(data_dir: Path) -> MasterKeys:
    return MasterKeys.parse(settings_here(data_dir).master_keys)
