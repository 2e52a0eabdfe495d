"""The shapes of webhooks as JSON Schema, for the OpenAPI document. docs/contracts/jobs.md section 6 is the law."""

from app.http.shapes import TEXT, TIME, Shape, array, choice, or_null, record, ref
from ingest.webhooks.message import EVENTS, TEST

_TIME_OR_NULL: Shape = {"type": ["string", "null"], "format": "date-time"}
_TEXT_OR_NULL: Shape = {"type": ["string", "null"]}
_COUNT_OR_NULL: Shape = {"type": ["integer", "null"]}

_WEBHOOK = {
    "id": TEXT,
    "url": TEXT,
    "events": array(choice(*EVENTS)),
    "description": _TEXT_OR_NULL,
    "jobId": {**_TEXT_OR_NULL, "description": "of the job whose callback it is"},
    "enabled": {"type": "boolean"},
    "disabledReason": or_null(choice("CLIENT", "GONE", "TRIES_EXHAUSTED")),
    "disabledAt": _TIME_OR_NULL,
    "lastDeliveredAt": _TIME_OR_NULL,
    "formerSecretUntil": {**_TIME_OR_NULL, "description": "until then the former secret signs too"},
    "createdAt": TIME,
    "updatedAt": TIME,
}

SHAPES: dict[str, Shape] = {
    "Webhook": record(**_WEBHOOK),
    "Webhooks": array(ref("Webhook")),
    "NewWebhook": record(**_WEBHOOK, secret={**TEXT, "description": "whsec_…; it is shown this once"}),
    "DeletedWebhook": record(id=TEXT, deleted={"const": True}),
    "Delivery": record(
        id={**TEXT, "description": "what the header webhook-id of each try holds"},
        type=choice(*EVENTS, TEST),
        jobId={**_TEXT_OR_NULL, "description": "null for a test"},
        status=choice("pending", "delivered", "failed"),
        occurredAt=TIME,
        nextTryAt={**_TIME_OR_NULL, "description": "null once it is delivered or given up"},
        attempts=array(
            record(
                attempt={"type": "integer", "minimum": 1},
                startedAt=TIME,
                status={**_COUNT_OR_NULL, "description": "of HTTP; null where there was no answer"},
                milliseconds=_COUNT_OR_NULL,
                error={**_TEXT_OR_NULL, "description": "null where it succeeded, or is under way"},
            ),
            maxItems=20,
        ),
    ),
    "Deliveries": array(ref("Delivery")),
}
