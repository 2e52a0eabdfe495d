"""Webhooks: who is told of the ends of jobs, and what became of each message (docs/contracts/jobs.md section 6)."""

from collections.abc import Mapping
from typing import Annotated, Any
from uuid import UUID

import msgspec
from flask import Blueprint, Response

from app.http import audit, pagination, query, rate_limit
from app.http.auth import caller
from app.http.describe import describe
from app.http.responses import timestamp, timestamp_or_none
from app.http.services import services
from app.operator import forms, webhook_forms
from app.operator.envelope import success
from ingest import ids
from ingest.db.connection.confirmed import confirmed_transaction
from ingest.db.connection.pool import Connection, transaction
from ingest.db.tenants.audit import Action
from ingest.db.webhooks import deliveries, registry
from ingest.db.webhooks.deliveries import Delivery
from ingest.db.webhooks.registry import Webhook
from ingest.engine import webhooks as engine
from ingest.errors import LimitReached, MasterKeyMissing, NotFound, WrongState
from ingest.rights import ADMIN
from ingest.webhooks import urls
from ingest.webhooks.message import EVENTS

bp = Blueprint("webhooks", __name__)
bp.before_request(rate_limit.scope("settings"))

_LIMIT = query.Whole(name="limit", most=200, default=50)
_Place = Annotated[int, msgspec.Meta(ge=1, lt=2**53)]


@bp.post("/webhooks")
@describe(
    "Make a webhook; its secret is shown this once",
    operation="createWebhook",
    scope=ADMIN,
    body="NewWebhookForm",
    answers={201: "NewWebhook"},
    faults=(LimitReached, MasterKeyMissing),
)
def post() -> Response:
    """Create a webhook of the tenant's."""
    form = forms.read(webhook_forms.NewWebhookForm)
    with confirmed_transaction(services().pool) as conn:
        webhook, secret = engine.create(
            conn,
            services().master_keys,
            caller().tenant_id,
            url=form["url"],
            events=form.get("events", EVENTS),
            description=form.get("description"),
            allow_private=services().settings.webhook_allow_private,
        )
        _record(conn, Action.WEBHOOK_CREATED, webhook.id, {"events": list(webhook.events)})
    return success({**_shape(webhook), "secret": secret}, 201)


@bp.get("/webhooks")
@describe("The tenant's webhooks", operation="listWebhooks", scope=ADMIN, answers={200: "Webhooks"})
def get_all() -> Response:
    """Answer with all webhooks, without callbacks of single jobs."""
    with transaction(services().pool) as conn:
        found = registry.of_tenant(conn, caller().tenant_id)
    return success([_shape(webhook) for webhook in found])


@bp.get("/webhooks/<text:webhook_id>")
@describe(
    "A webhook, or the callback of a job",
    operation="getWebhook",
    scope=ADMIN,
    answers={200: "Webhook"},
    faults=(NotFound,),
)
def get(webhook_id: str) -> Response:
    """Answer with one webhook."""
    with transaction(services().pool) as conn:
        return success(_shape(registry.get(conn, caller().tenant_id, _parsed(webhook_id))))


@bp.patch("/webhooks/<text:webhook_id>")
@describe(
    "Change a webhook, or enable it again",
    operation="changeWebhook",
    scope=ADMIN,
    body="WebhookChangesForm",
    answers={200: "Webhook"},
    faults=(NotFound,),
)
def patch(webhook_id: str) -> Response:
    """Change the fields that the body names."""
    known = _parsed(webhook_id)
    changes = forms.read(webhook_forms.WebhookChangesForm)
    if "url" in changes:
        urls.parse(changes["url"], allow_private=services().settings.webhook_allow_private)
    with confirmed_transaction(services().pool) as conn:
        webhook = registry.change(conn, caller().tenant_id, known, changes)
        # The names alone: a URL may hold a secret.
        _record(conn, Action.WEBHOOK_CHANGED, known, {"changed": sorted(changes)})
    return success(_shape(webhook))


@bp.delete("/webhooks/<text:webhook_id>")
@describe(
    "Delete a webhook with its deliveries",
    operation="deleteWebhook",
    scope=ADMIN,
    answers={200: "DeletedWebhook"},
    faults=(NotFound,),
)
def delete(webhook_id: str) -> Response:
    """Delete one webhook: nothing is sent to it from now on."""
    known = _parsed(webhook_id)
    with confirmed_transaction(services().pool) as conn:
        registry.delete(conn, caller().tenant_id, known)
        _record(conn, Action.WEBHOOK_DELETED, known)
    return success({"id": ids.spell(ids.WEBHOOK, known), "deleted": True})


@bp.post("/webhooks/<text:webhook_id>/rotate")
@describe(
    "Give a webhook another secret; it is shown this once, and the former one signs too for 24 hours",
    operation="rotateWebhook",
    scope=ADMIN,
    answers={200: "NewWebhook"},
    faults=(NotFound, MasterKeyMissing),
)
def rotate(webhook_id: str) -> Response:
    """Rotate the secret of one webhook."""
    known = _parsed(webhook_id)
    with confirmed_transaction(services().pool) as conn:
        webhook, secret = engine.rotate(conn, services().master_keys, caller().tenant_id, known)
        _record(conn, Action.WEBHOOK_ROTATED, known)
    return success({**_shape(webhook), "secret": secret})


@bp.post("/webhooks/<text:webhook_id>/test")
@describe(
    "Send a webhook a message that is about no job, once",
    operation="testWebhook",
    scope=ADMIN,
    answers={202: "Delivery"},
    faults=(NotFound, WrongState),
)
def test(webhook_id: str) -> Response:
    """Leave a test for one webhook; its outcome stands among the deliveries."""
    known = _parsed(webhook_id)
    with confirmed_transaction(services().pool) as conn:
        registry.get(conn, caller().tenant_id, known)
        delivery = deliveries.add_test(conn, known)
        _record(conn, Action.WEBHOOK_TESTED, known)
    return success(_delivery(delivery), 202)


@bp.get("/webhooks/<text:webhook_id>/deliveries")
@describe(
    "The messages to a webhook, the newest first, and what came of each try",
    operation="listDeliveries",
    scope=ADMIN,
    answers={200: "Deliveries"},
    faults=(NotFound,),
    query=(_LIMIT, pagination.CURSOR),
)
def get_deliveries(webhook_id: str) -> Response:
    """Answer with a page of the deliveries of one webhook."""
    known, most = _parsed(webhook_id), _LIMIT.read()
    before = pagination.cursor(_Place)
    with transaction(services().pool) as conn:
        registry.get(conn, caller().tenant_id, known)
        page = deliveries.page(conn, known, limit=most + 1, before=before)
    more = pagination.next_link(page[most - 1].seq) if len(page) > most else {}
    return success([_delivery(delivery) for delivery in page[:most]], 200, more)


@bp.post("/webhooks/<text:webhook_id>/deliveries/<text:delivery_id>/replay")
@describe(
    "Send a message again, under the same webhook-id",
    operation="replayDelivery",
    scope=ADMIN,
    answers={202: "Delivery"},
    faults=(NotFound, WrongState, LimitReached),
)
def replay(webhook_id: str, delivery_id: str) -> Response:
    """Have one message sent again, now."""
    known, message_id = _parsed(webhook_id), ids.parse(ids.MESSAGE, delivery_id)
    with confirmed_transaction(services().pool) as conn:
        registry.get(conn, caller().tenant_id, known)
        delivery = deliveries.replay(conn, known, message_id)
        _record(conn, Action.WEBHOOK_REPLAYED, known, {"delivery": delivery_id})
    return success(_delivery(delivery), 202)


def _record(conn: Connection, action: Action, webhook_id: UUID, details: Mapping[str, Any] | None = None) -> None:
    audit.record(conn, action, ids.spell(ids.WEBHOOK, webhook_id), details)


def _parsed(webhook_id: str) -> UUID:
    return ids.parse(ids.WEBHOOK, webhook_id)


def _shape(webhook: Webhook) -> dict[str, Any]:
    """Return a webhook as the wire shows it, without what signs its messages."""
    return {
        "id": ids.spell(ids.WEBHOOK, webhook.id),
        "url": webhook.url,
        "events": list(webhook.events),
        "description": webhook.description,
        "jobId": None if webhook.job_id is None else ids.spell(ids.JOB, webhook.job_id),
        "enabled": webhook.disabled_at is None,
        "disabledReason": webhook.disabled_reason,
        "disabledAt": timestamp_or_none(webhook.disabled_at),
        "lastDeliveredAt": timestamp_or_none(webhook.delivered_at),
        "formerSecretUntil": timestamp_or_none(webhook.former_until),
        "createdAt": timestamp(webhook.created_at),
        "updatedAt": timestamp(webhook.updated_at),
    }


def _delivery(delivery: Delivery) -> dict[str, Any]:
    """Return a delivery as the wire shows it; its id is what the header webhook-id holds."""
    return {
        "id": ids.spell(ids.MESSAGE, delivery.id),
        "type": delivery.event,
        "jobId": None if delivery.job_id is None else ids.spell(ids.JOB, delivery.job_id),
        "status": delivery.status,
        "occurredAt": timestamp(delivery.occurred_at),
        "nextTryAt": timestamp_or_none(delivery.next_at),
        "attempts": [
            {
                "attempt": attempt.number,
                "startedAt": timestamp(attempt.began_at),
                "status": attempt.status,
                "milliseconds": attempt.milliseconds,
                "error": attempt.error,
            }
            for attempt in delivery.tries
        ],
    }
