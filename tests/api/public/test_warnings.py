"""Members that an item of the public API should not have: taken with a warning, or refused where it is strict."""

from ingest.db.connection.pool import Pool, transaction
from ingest.db.tenants import tenants
from tests.api.public.conftest import Dataset, PublicApi, Sdk

EVENT = {"event": "e", "objects": [{"type": "a", "id": "1"}, {"type": "a", "id": "2", "colour": "red"}], "size": 1}
OBJECT = {"type": "a", "id": "3", "colour": "red"}


def fields(answer: dict[str, object]) -> list[tuple[int, str | None]]:
    warnings = answer["warnings"]
    assert isinstance(warnings, dict)
    assert warnings["count"] == len(warnings["first"])
    return [(warning["index"], warning["field"]) for warning in warnings["first"]]


def test_single_writes_are_taken_and_told(api: PublicApi) -> None:
    assert fields(api.post("/event", EVENT).get_json()) == [(0, "/size"), (0, "/objects/1/colour")]
    assert fields(api.post("/object/upsert", OBJECT).get_json()) == [(0, "/colour")]
    assert "warnings" not in api.post("/object/upsert", {"type": "a", "id": "3"}).get_json()


def test_batches_are_taken_and_told_and_their_job_too(api: PublicApi) -> None:
    answer = api.post("/event/batch", {"events": [{}, EVENT]}).get_json()
    assert (answer["processed"], answer["failed"]) == (1, 1)
    assert fields(answer) == [(1, "/size"), (1, "/objects/1/colour")]
    assert fields(api.post("/object/batch", {"objects": [OBJECT]}).get_json()) == [(0, "/colour")]
    later = api.post("/object/batch", {"objects": [OBJECT]}, Prefer="respond-async, handling=lenient")
    assert later.headers["Preference-Applied"] == "respond-async, handling=lenient"
    assert api.get(f"{later.headers['Location']}/warnings", base="").get_json()["success"] is True


def test_strict_writes_are_refused_by_the_place_of_each_member(api: PublicApi) -> None:
    answer = api.post("/event", EVENT, Prefer="handling=strict")
    assert answer.status_code == 422
    assert [fault["loc"] for fault in answer.get_json()["detail"]] == [
        ["body", "size"],
        ["body", "objects", 1, "colour"],
    ]
    batch = api.post("/object/batch", {"objects": [OBJECT, {"type": "a", "id": "4"}]}, Prefer="handling=strict")
    assert batch.headers["Preference-Applied"] == "handling=strict"
    assert batch.get_json()["errors"] == ['Object 0: Unknown field: "colour"']
    assert (api.object("a", "3"), api.object("a", "4")) == (None, {})


def test_an_event_past_the_retention_is_taken_with_a_warning(
    api: PublicApi, dataset: Dataset, public_pool: Pool
) -> None:
    with transaction(public_pool) as conn:
        tenants.configure(conn, dataset.tenant.id, {"data_retention_days": 30})
    old = {"event": "e", "objects": [{"type": "a", "id": "1"}], "timestamp": "2010-01-01T00:00:00Z"}
    assert fields(api.post("/event", old).get_json()) == [(0, "/timestamp")]
    assert fields(api.post("/event/batch", {"events": [old]}).get_json()) == [(0, "/timestamp")]


def test_the_sdk_takes_answers_with_warnings(sdk: Sdk) -> None:
    answer = sdk.record_event_batch([EVENT])
    assert (answer.success, answer.processed) == (True, 1)
