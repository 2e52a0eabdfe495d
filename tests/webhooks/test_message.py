"""Messages are those of Standard Webhooks 1.0: the signed bytes are the sent ones."""

import base64
from datetime import UTC, datetime, timedelta, timezone

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from ingest.webhooks import message

_BODY = message.body("job.completed", datetime(2026, 4, 6, tzinfo=UTC), {"label": "é", "rate": 1.0})


@pytest.fixture
def now() -> datetime:
    """The time of the test: the reference library takes no message that is five minutes old."""
    return datetime.now(UTC)


def test_a_secret_has_32_random_bytes() -> None:
    secret = message.new_secret()
    assert secret.startswith("whsec_")
    assert len(base64.b64decode(secret.removeprefix("whsec_"))) == 32
    assert message.new_secret() != secret


def test_the_body_is_type_timestamp_and_data_as_exact_json() -> None:
    told = datetime(2026, 4, 6, 12, 0, 1, 500_000, UTC)
    text = '{"type":"job.failed","timestamp":"2026-04-06T12:00:01.500Z","data":{"id":"é"}}'
    assert message.body("job.failed", told, {"id": "é"}) == text.encode()


def test_the_reference_library_verifies_what_is_sent(now: datetime) -> None:
    secret = message.new_secret()
    headers = message.headers("msg_1", now, _BODY, [secret])
    assert headers["webhook-id"] == "msg_1"
    assert Webhook(secret).verify(_BODY, headers)["type"] == "job.completed"
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(_BODY + b" ", headers)


def test_while_a_secret_is_rotated_both_verify(now: datetime) -> None:
    new, old, other = (message.new_secret() for _ in range(3))
    headers = message.headers("msg_1", now, _BODY, [new, old])
    assert len(headers["webhook-signature"].split(" ")) == 2
    for secret in (new, old):
        Webhook(secret).verify(_BODY, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(other).verify(_BODY, headers)


def test_the_timestamp_is_that_of_the_try_whatever_its_zone(now: datetime) -> None:
    secret = message.new_secret()
    elsewhere = now.astimezone(timezone(timedelta(hours=5)))
    headers = message.headers("msg_1", elsewhere, _BODY, [secret])
    Webhook(secret).verify(_BODY, headers)
    assert headers["webhook-timestamp"] == str(int(now.timestamp()))
    stale = message.headers("msg_1", now - timedelta(minutes=6), _BODY, [secret])
    with pytest.raises(WebhookVerificationError, match="too old"):
        Webhook(secret).verify(_BODY, stale)
