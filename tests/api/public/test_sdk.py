"""The vendor's SDK, unmodified, sync and async, against a real server: every call, its success and its failure."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import flowmyna
import pytest

from ingest.db.connection.pool import Pool, transaction
from tests.api.public.conftest import BASE, SDK_CALLS, Dataset, PublicApi, Sdk, rows

Events = Callable[[], list[tuple[Any, ...]]]

ORDER = {"type": "Order", "id": "ORD-123", "properties": {"total": 149.99}}
CUSTOMER = {"type": "Customer", "id": "CUST-456", "qualifier": "buyer"}


def test_health(sdk: Sdk, dataset: Dataset) -> None:
    health = sdk.health()
    assert health.status == "healthy"
    assert (health.workspace_id, health.workspace_name) == (dataset.tenant.workspace_id, dataset.tenant.workspace_name)
    assert (health.dataset_id, health.dataset_name) == (dataset.tenant.public_id, dataset.tenant.name)
    assert health.api_key_name == "Till 1"


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        ("2024-01-15T10:30:00Z", datetime(2024, 1, 15, 10, 30, tzinfo=UTC)),
        ("2024-01-15T10:30:00.250+02:00", datetime(2024, 1, 15, 8, 30, 0, 250_000, tzinfo=UTC)),
        (datetime(2024, 1, 15, 10, 30), datetime(2024, 1, 15, 10, 30, tzinfo=UTC)),  # noqa: DTZ001 # naive: it is UTC
        (
            datetime(2024, 1, 15, 10, 30, 0, 7, tzinfo=timezone(timedelta(hours=-5))),
            datetime(2024, 1, 15, 15, 30, 0, 7, tzinfo=UTC),
        ),
    ],
)
def test_an_event_is_recorded(sdk: Sdk, events_of: Events, sent: str | datetime, stored: datetime) -> None:
    answer = sdk.record_event("Order Placed", [ORDER, CUSTOMER], timestamp=sent, properties={"channel": None})
    assert answer.success is True
    assert isinstance(answer.event_id, UUID)
    assert (answer.event_type, answer.timestamp, answer.objects_count) == ("Order Placed", stored, 2)
    assert answer.message == "Event 'Order Placed' recorded successfully"
    links = [["Customer", "CUST-456", "buyer"], ["Order", "ORD-123", ""]]
    assert events_of() == [("Order Placed", stored, {"channel": None}, links)]


def test_an_event_without_a_time_happens_now(sdk: Sdk) -> None:
    before = datetime.now(UTC)
    assert abs(sdk.record_event("Seen", [ORDER]).timestamp - before) < timedelta(minutes=1)


def test_a_hundred_events_are_recorded_in_order(sdk: Sdk, public_pool: Pool, dataset: Dataset) -> None:
    events = [{"event": f"Step {number}", "objects": [ORDER]} for number in range(100)]
    answer = sdk.record_event_batch(events)
    assert (answer.success, answer.processed, answer.failed, answer.errors) == (True, 100, 0, [])
    stored = rows(public_pool, "SELECT public_id, type FROM events WHERE tenant_id = %s ORDER BY id", dataset.tenant.id)
    assert stored == [(event_id, f"Step {number}") for number, event_id in enumerate(answer.event_ids)]


def test_a_batch_says_what_failed_and_why(sdk: Sdk) -> None:
    good, bad = {"event": "e", "objects": [ORDER]}, {"event": "e", "objects": [ORDER], "timestamp": "01/15/2024"}
    answer = sdk.record_event_batch([good, bad, good, {}])
    assert (answer.success, answer.processed, answer.failed, len(answer.event_ids)) == (False, 2, 2, 2)
    assert answer.errors == [
        "Event 1: Invalid timestamp format '01/15/2024'",
        "Event 3: Event name is required; At least one object is required",
    ]


def test_an_object_is_created_then_updated(sdk: Sdk, api: PublicApi) -> None:
    first = sdk.upsert_object("Customer", "CUST-456", {"name": "Jane Doe", "tier": "gold", "city": "Oslo"})
    second = sdk.upsert_object("Customer", "CUST-456", {"tier": "silver", "city": None})
    assert (first.created, second.created) == (True, False)
    assert first.object_id == second.object_id
    assert (second.object_type, second.external_id) == ("Customer", "CUST-456")
    assert second.message == "Object 'Customer/CUST-456' updated successfully"
    assert api.object("Customer", "CUST-456") == {"name": "Jane Doe", "tier": "silver"}
    assert sdk.upsert_object("customer", "CUST-456").created is True


def test_a_hundred_objects_are_upserted_in_order(sdk: Sdk) -> None:
    sdk.upsert_object("Order", "50")
    items = [{"type": "Order", "id": str(number), "properties": {"n": number}} for number in range(100)]
    items[7] = {"type": "Order"}
    answer = sdk.upsert_object_batch(items)
    assert (answer.success, answer.processed, answer.failed) == (False, 99, 1)
    assert answer.errors == ["Object 7: Object id is required"]
    assert [int(linked.external_id) for linked in answer.objects] == [*range(7), *range(8, 100)]
    assert [linked.external_id for linked in answer.objects if not linked.created] == ["50"]
    assert len({linked.object_id for linked in answer.objects}) == 99


def test_a_hundred_and_one_are_refused(sdk: Sdk, api: PublicApi) -> None:
    for call in (sdk.record_event_batch, sdk.upsert_object_batch):
        with pytest.raises(flowmyna.ValidationError, match="Maximum 100"):
            call([{}] * 101)
    # The SDK looks for itself; so does the server.
    assert api.post("/event/batch", {"events": [{}] * 101}).status_code == 422
    assert api.post("/object/batch", {"objects": [{}] * 101}).status_code == 422


def test_invalid_data_is_a_validation_error(sdk: Sdk) -> None:
    for refused in (
        lambda: sdk.record_event("", [ORDER]),
        lambda: sdk.record_event("e", []),
        lambda: sdk.record_event("e", [{"type": "Order"}]),
        lambda: sdk.record_event("e", [ORDER], timestamp="yesterday"),
        lambda: sdk.upsert_object("t" * 101, "1"),
        lambda: sdk.upsert_object("t", ""),
    ):
        with pytest.raises(flowmyna.ValidationError) as error:
            refused()
        assert error.value.status_code == 422
        assert isinstance(error.value.message, list)


@pytest.mark.parametrize("how", SDK_CALLS)
def test_a_bad_key_is_an_authentication_error(how: str, server: str, dataset: Dataset, public_pool: Pool) -> None:
    def message(key: str) -> str:
        with pytest.raises(flowmyna.AuthenticationError) as error:
            Sdk(how, f"{server}{BASE}", key).health()
        text: str = error.value.message
        return text

    assert message("fm_live_unknown") == "Invalid API key"
    assert message("fm_live_" + "a" * 32) == "Invalid API key"
    for closed, text in (("expires_at", "API key has expired"), ("revoked_at", "API key has been revoked")):
        with transaction(public_pool) as conn:
            conn.execute(f"UPDATE api_keys SET {closed} = now() WHERE tenant_id = %s".encode(), (dataset.tenant.id,))
        assert message(dataset.key) == text
    with pytest.raises(ValueError, match="must start with 'fm_live_'"):
        Sdk(how, server, "oh_live_" + "a" * 64).health()


@pytest.fixture(scope="module")
def slow_server(serve: Callable[..., str]) -> str:
    """A server that takes one event a second."""
    return serve(SLUICE_WEB_WORKERS="1", SLUICE_RATE_EVENTS="1/second")


@pytest.mark.parametrize("how", SDK_CALLS)
def test_one_request_too_many_is_a_rate_limit_error(how: str, slow_server: str, dataset: Dataset) -> None:
    sdk = Sdk(how, f"{slow_server}/v1", dataset.key)

    def record_too_many() -> None:
        for _ in range(100):
            sdk.record_event("e", [ORDER])

    with pytest.raises(flowmyna.RateLimitError) as error:
        record_too_many()
    assert error.value.message == "Rate limit exceeded"
    assert error.value.retry_after is not None
    assert 1 <= error.value.retry_after <= 2


def test_the_sdk_comes_again_after_a_rate_limit_and_nothing_is_doubled(
    slow_server: str, dataset: Dataset, events_of: Events
) -> None:
    began = time.monotonic()
    with flowmyna.FlowMyna(dataset.key, base_url=f"{slow_server}/v1", max_retries=5) as client:
        for number in range(3):
            client.record_event(str(number), [ORDER])
    assert [row[0] for row in events_of()] == ["0", "1", "2"]
    assert time.monotonic() - began > 1
