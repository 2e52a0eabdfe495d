"""Examples of webhooks for the OpenAPI document. A test checks each against its shape."""

from collections.abc import Mapping
from typing import Any

_ID = "whk_01985f0cf2d27b5c8d6a1f0e2b3c4d5e"
_TIME = "2026-04-06T12:00:01.500Z"
_URL = "https://hooks.example.com/sluice"
_WEBHOOK = {
    "id": _ID,
    "url": _URL,
    "events": ["job.completed", "job.failed"],
    "description": "tells the warehouse",
    "jobId": None,
    "enabled": True,
    "disabledReason": None,
    "disabledAt": None,
    "lastDeliveredAt": _TIME,
    "formerSecretUntil": None,
    "createdAt": _TIME,
    "updatedAt": _TIME,
}
_DELIVERY = {
    "id": "msg_4f0f8a6e4f574a529d6e2b8d1a9c7e31",
    "type": "job.completed",
    "jobId": "job_01985f0cf2d27b5c8d6a1f0e2b3c4d5e",
    "status": "pending",
    "occurredAt": _TIME,
    "nextTryAt": "2026-04-06T12:00:06.700Z",
    "attempts": [
        {
            "attempt": 1,
            "startedAt": "2026-04-06T12:00:01.600Z",
            "status": 500,
            "milliseconds": 41,
            "error": "it answered 500",
        }
    ],
}

EXAMPLES: Mapping[str, Any] = {
    "NewWebhookForm": {"url": _URL, "events": ["job.completed", "job.failed"], "description": "tells the warehouse"},
    "WebhookChangesForm": {"enabled": True},
    "Webhook": _WEBHOOK,
    "Webhooks": [_WEBHOOK],
    "NewWebhook": {**_WEBHOOK, "secret": "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="},
    "DeletedWebhook": {"id": _ID, "deleted": True},
    "Delivery": _DELIVERY,
    "Deliveries": [_DELIVERY],
}
