"""`sluice webhooks`: who is told of the ends of a tenant's jobs."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import click

from cli.actor import actor
from cli.options import data_dir_option, database, json_option, print_json, print_table, settings_here, storable
from ingest import ids
from ingest.crypto import MasterKeys
from ingest.db.connection.pool import Connection
from ingest.db.tenants import audit, tenants
from ingest.db.tenants.audit import Action
from ingest.db.webhooks import deliveries as db
from ingest.db.webhooks import registry
from ingest.db.webhooks.registry import Webhook
from ingest.engine import webhooks as engine
from ingest.errors import NotFound
from ingest.webhooks.message import EVENTS

_tenant_option = click.option(
    "--tenant", type=click.UUID, required=True, metavar="ID", help="The tenant's id, as `sluice tenants list` shows it."
)
_webhook_argument = click.argument("webhook", callback=lambda _context, _parameter, text: _known(ids.WEBHOOK, text))


def _known(prefix: str, text: str) -> UUID:
    try:
        return ids.parse_any(prefix, text)
    except NotFound as error:
        raise click.BadParameter(error.message) from None


@click.group()
def webhooks() -> None:
    """Make, change and watch webhooks.

    WEBHOOK is the id of one as the API and the log spell it, or its UUID as the database does.

    Example: sluice webhooks list --tenant 0198c2a4-5f1e-7cc3-98c4-dc0c0c07398f
    """


@webhooks.command("list")
@_tenant_option
@data_dir_option
@json_option
def list_(tenant: UUID, data_dir: Path, *, as_json: bool) -> None:
    """List a tenant's webhooks, the oldest first, without callbacks of single jobs.

    Example: sluice webhooks list --tenant 0198c2a4-5f1e-7cc3-98c4-dc0c0c07398f
    """
    with database(data_dir) as conn:
        found = [_shape(webhook) for webhook in registry.of_tenant(conn, _tenant(conn, tenant))]
    if as_json:
        print_json(found)
    else:
        columns = ("id", "url", "events", "disabled", "lastDeliveredAt", "description")
        print_table(columns, [[_cell(row[name]) for name in columns] for row in found])


@webhooks.command()
@_tenant_option
@_webhook_argument
@data_dir_option
@json_option
def show(tenant: UUID, webhook: UUID, data_dir: Path, *, as_json: bool) -> None:
    """Show WEBHOOK.

    Example: sluice webhooks show --tenant ID whk_0198c2a45f1e7cc398c4dc0c0c07398f
    """
    with database(data_dir) as conn:
        shape = _shape(registry.get(conn, _tenant(conn, tenant), webhook))
    if as_json:
        print_json(shape)
    else:
        print_table(("", ""), [(name, _cell(value)) for name, value in shape.items()])


@webhooks.command()
@_tenant_option
@click.option("--url", required=True, callback=storable, help="Where messages are sent to.")
@click.option("--event", "events", type=click.Choice(EVENTS), multiple=True, help="Of these only. Default: all.")
@click.option("--description", callback=storable, default="", help="For people, to tell webhooks apart.")
@data_dir_option
@json_option
def create(tenant: UUID, url: str, events: Sequence[str], description: str, data_dir: Path, *, as_json: bool) -> None:
    """Create a webhook and print its id and its secret, which is shown this once.

    Example: sluice webhooks create --tenant ID --url https://hooks.example.com/sluice --event job.failed
    """
    settings = settings_here(data_dir)
    with database(data_dir) as conn:
        webhook, secret = engine.create(
            conn,
            MasterKeys.parse(settings.master_keys),
            _tenant(conn, tenant),
            url=url,
            events=list(dict.fromkeys(events)) or EVENTS,
            description=description or None,
            allow_private=settings.webhook_allow_private,
        )
        _record(conn, Action.WEBHOOK_CREATED, tenant, webhook.id, {"events": list(webhook.events)})
    _tell_secret(webhook, secret, as_json=as_json)


@webhooks.command()
@_tenant_option
@_webhook_argument
@data_dir_option
@json_option
def rotate(tenant: UUID, webhook: UUID, data_dir: Path, *, as_json: bool) -> None:
    """Give WEBHOOK another secret and print it. For 24 hours the former one signs too.

    Example: sluice webhooks rotate --tenant ID whk_0198c2a45f1e7cc398c4dc0c0c07398f
    """
    keys = MasterKeys.parse(settings_here(data_dir).master_keys)
    with database(data_dir) as conn:
        found, secret = engine.rotate(conn, keys, _tenant(conn, tenant), webhook)
        _record(conn, Action.WEBHOOK_ROTATED, tenant, webhook)
    _tell_secret(found, secret, as_json=as_json)


@webhooks.command()
@_tenant_option
@_webhook_argument
@data_dir_option
@json_option
def enable(tenant: UUID, webhook: UUID, data_dir: Path, *, as_json: bool) -> None:
    """Enable WEBHOOK again: it is sent the messages of jobs that end from now on.

    Example: sluice webhooks enable --tenant ID whk_0198c2a45f1e7cc398c4dc0c0c07398f
    """
    _switch(tenant, webhook, data_dir, enabled=True, as_json=as_json)


@webhooks.command()
@_tenant_option
@_webhook_argument
@data_dir_option
@json_option
def disable(tenant: UUID, webhook: UUID, data_dir: Path, *, as_json: bool) -> None:
    """Disable WEBHOOK: messages that wait are given up, and jobs leave no more.

    Example: sluice webhooks disable --tenant ID whk_0198c2a45f1e7cc398c4dc0c0c07398f
    """
    _switch(tenant, webhook, data_dir, enabled=False, as_json=as_json)


@webhooks.command()
@_tenant_option
@_webhook_argument
@data_dir_option
@json_option
def delete(tenant: UUID, webhook: UUID, data_dir: Path, *, as_json: bool) -> None:
    """Delete WEBHOOK with its deliveries: nothing is sent to it from now on.

    Example: sluice webhooks delete --tenant ID whk_0198c2a45f1e7cc398c4dc0c0c07398f
    """
    with database(data_dir) as conn:
        registry.delete(conn, _tenant(conn, tenant), webhook)
        _record(conn, Action.WEBHOOK_DELETED, tenant, webhook)
    _tell({"id": ids.spell(ids.WEBHOOK, webhook)}, "deleted {id}", as_json=as_json)


@webhooks.command()
@_tenant_option
@_webhook_argument
@data_dir_option
@json_option
def test(tenant: UUID, webhook: UUID, data_dir: Path, *, as_json: bool) -> None:
    """Have WEBHOOK sent a message that is about no job, once; `deliveries` shows what came of it.

    Example: sluice webhooks test --tenant ID whk_0198c2a45f1e7cc398c4dc0c0c07398f
    """
    with database(data_dir) as conn:
        registry.get(conn, _tenant(conn, tenant), webhook)
        delivery = db.add_test(conn, webhook)
        _record(conn, Action.WEBHOOK_TESTED, tenant, webhook)
    _tell({"id": ids.spell(ids.MESSAGE, delivery.id)}, "{id} is on its way", as_json=as_json)


@webhooks.command()
@_tenant_option
@_webhook_argument
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="The most to show.")
@data_dir_option
@json_option
def deliveries(tenant: UUID, webhook: UUID, limit: int, data_dir: Path, *, as_json: bool) -> None:
    """List what WEBHOOK was sent, the newest first, with the last try of each.

    Example: sluice webhooks deliveries --tenant ID whk_0198c2a45f1e7cc398c4dc0c0c07398f
    """
    with database(data_dir) as conn:
        registry.get(conn, _tenant(conn, tenant), webhook)
        found = [_delivery(delivery) for delivery in db.page(conn, webhook, limit=limit)]
    if as_json:
        print_json(found)
    else:
        columns = ("id", "type", "jobId", "status", "nextTryAt")
        tries = ("attempt", "status", "milliseconds", "error")
        rows = [[*(row[name] for name in columns), *_last(row["attempts"], tries)] for row in found]
        print_table(("id", "type", "job", "is", "next try", *tries), rows)


@webhooks.command()
@_tenant_option
@_webhook_argument
@click.argument("delivery", callback=lambda _context, _parameter, text: _known(ids.MESSAGE, text))
@data_dir_option
@json_option
def replay(tenant: UUID, webhook: UUID, delivery: UUID, data_dir: Path, *, as_json: bool) -> None:
    """Have DELIVERY sent to WEBHOOK again, now, under the same webhook-id.

    Example: sluice webhooks replay --tenant ID WEBHOOK msg_4f0f8a6e4f574a529d6e2b8d1a9c7e31
    """
    with database(data_dir) as conn:
        registry.get(conn, _tenant(conn, tenant), webhook)
        db.replay(conn, webhook, delivery)
        _record(conn, Action.WEBHOOK_REPLAYED, tenant, webhook, {"delivery": ids.spell(ids.MESSAGE, delivery)})
    _tell({"id": ids.spell(ids.MESSAGE, delivery)}, "{id} is on its way", as_json=as_json)


def _switch(tenant: UUID, webhook: UUID, data_dir: Path, *, enabled: bool, as_json: bool) -> None:
    with database(data_dir) as conn:
        registry.change(conn, _tenant(conn, tenant), webhook, {"enabled": enabled})
        _record(conn, Action.WEBHOOK_CHANGED, tenant, webhook, {"changed": ["enabled"]})
    line = "{id} is enabled" if enabled else "{id} is disabled"
    _tell({"id": ids.spell(ids.WEBHOOK, webhook)}, line, as_json=as_json)


def _record(
    conn: Connection, action: Action, tenant: UUID, webhook_id: UUID, details: Mapping[str, Any] | None = None
) -> None:
    object_id = ids.spell(ids.WEBHOOK, webhook_id)
    audit.record(conn, actor(), action, object_id, tenant_id=_tenant(conn, tenant), details=details)


def _tenant(conn: Connection, public_id: UUID) -> int:
    found = tenants.get(conn, public_id)
    if found is None:
        raise NotFound(f"There is no tenant {public_id}")
    return found.id


def _tell(values: dict[str, str], line: str, *, as_json: bool) -> None:
    if as_json:
        print_json(values)
    else:
        click.echo(line.format(**values))


def _tell_secret(webhook: Webhook, secret: str, *, as_json: bool) -> None:
    _tell({"id": ids.spell(ids.WEBHOOK, webhook.id), "secret": secret}, "{id} {secret}", as_json=as_json)


def _shape(webhook: Webhook) -> dict[str, Any]:
    return {
        "id": ids.spell(ids.WEBHOOK, webhook.id),
        "url": webhook.url,
        "events": list(webhook.events),
        "description": webhook.description,
        "disabled": webhook.disabled_reason,
        "disabledAt": webhook.disabled_at,
        "lastDeliveredAt": webhook.delivered_at,
        "formerSecretUntil": webhook.former_until,
        "createdAt": webhook.created_at,
    }


def _delivery(delivery: db.Delivery) -> dict[str, Any]:
    return {
        "id": ids.spell(ids.MESSAGE, delivery.id),
        "type": delivery.event,
        "jobId": None if delivery.job_id is None else ids.spell(ids.JOB, delivery.job_id),
        "status": delivery.status,
        "occurredAt": delivery.occurred_at,
        "nextTryAt": delivery.next_at,
        "attempts": [
            {
                "attempt": attempt.number,
                "startedAt": attempt.began_at,
                "status": attempt.status,
                "milliseconds": attempt.milliseconds,
                "error": attempt.error,
            }
            for attempt in delivery.tries
        ],
    }


def _last(attempts: Sequence[dict[str, Any]], names: Sequence[str]) -> list[Any]:
    return [attempts[-1][name] if attempts else None for name in names]


def _cell(value: Any) -> Any:
    return ", ".join(value) if isinstance(value, list) else value
