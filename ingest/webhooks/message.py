"""Messages of Standard Webhooks 1.0: what is sent, and what signs it."""

import base64
import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from standardwebhooks import Webhook

from ingest.timestamps import timestamp

PREFIX = "whsec_"
_SECRET_BYTES = 32  # the specification wants 24 to 64

# The types of messages about jobs; a test is of a type of its own.
EVENTS = ("job.completed", "job.failed", "job.cancelled", "job.paused")
TEST = "webhook.test"

USER_AGENT = "Sluice-Webhooks/1.0"


def new_secret() -> str:
    """Return a new secret, as it is shown."""
    return PREFIX + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def body(event: str, occurred_at: datetime, data: Mapping[str, Any]) -> bytes:
    """Return the body of a message, in the very bytes that are signed and sent.

    Args:
        event: one of EVENTS, or TEST.
        occurred_at: when it happened.
        data: a job without its errors, or what a test says.
    """
    return msgspec.json.encode({"type": event, "timestamp": timestamp(occurred_at), "data": data})


def headers(message_id: str, sent_at: datetime, content: bytes, signing_secrets: Sequence[str]) -> dict[str, str]:
    """Return the headers of one try.

    Args:
        message_id: the same in each try.
        sent_at: when this try begins, with a zone.
        content: the body.
        signing_secrets: those that count, the newest first: more than one while a secret is rotated.
    """
    in_utc = sent_at.astimezone(UTC)  # the library takes any other zone for UTC
    signatures = (Webhook(secret).sign(message_id, in_utc, content.decode()) for secret in signing_secrets)
    return {
        "Content-Type": "application/json",
        "User-Agent": USER_AGENT,
        "webhook-id": message_id,
        "webhook-timestamp": str(int(sent_at.timestamp())),
        "webhook-signature": " ".join(signatures),
    }
