"""Personal data: encrypted as they are stored, decrypted by the read of one entity, and nowhere else."""

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from app import create_app
from app.http import personal_data
from app.http.services import Services
from ingest.db.connection.pool import Connection
from ingest.db.data.entity_rows import EntityRow
from ingest.ids import uuid7
from ingest.master_keys import generate
from ingest.settings import Settings
from tests.api.conftest import Api, data, refused
from tests.support.factories import entity

_MARK = "hunter2"
_VALUES = {
    "email": f"{_MARK}@example.com",
    "first_name": ["Ada", _MARK],
    "last_name": {"now": _MARK, "n": 1.50},
    "phone": None,
    "date_of_birth": 1.50,
}
_EXACT = b'{"entityType":"player","externalId":"player_000001","data":{"email":%s,"vip_level":3}}'
_ADDRESS = "/entities/player_000001"


@contextmanager
def keyed(settings: Settings, api: Api, keys: str) -> Iterator[Api]:
    """The same tenant's client of an app with these master keys."""
    app = create_app(dataclasses.replace(settings, master_keys=keys))
    yield Api(app, api.tenant, api.key)
    services: Services = app.extensions["sluice"]
    services.close()


def found(observer: Connection, text: str) -> list[str]:
    """The tables in whose rows a text stands."""
    tables = observer.execute(
        "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
    )
    return [
        str(name)
        for (name,) in tables.fetchall()
        if observer.execute(f"SELECT FROM {name} x WHERE x::text LIKE %s".encode(), (f"%{text}%",)).rowcount
    ]


def test_values_of_all_types_are_stored_encrypted_and_read_back(api: Api, observer: Connection) -> None:
    sent = entity(data={**_VALUES, "vip_level": 1})
    assert data(api.post("/entities", sent))["action"] == "created"
    assert found(observer, _MARK) == []
    assert data(api.get(_ADDRESS))["data"] == sent["data"]
    assert data(api.get(f"{_ADDRESS}?pii=false"))["data"] == {"vip_level": 1}
    assert data(api.post("/entities", sent))["action"] == "unchanged"
    changed = entity(data={**_VALUES, "vip_level": 1, "phone": "1"})
    assert data(api.post("/entities?mode=merge", changed))["action"] == "updated"
    assert data(api.get(_ADDRESS))["data"] == changed["data"]


@pytest.mark.parametrize(
    "value", [b"1.50", b"1234567890123456789012345678901234567890", b'[1.0,{"b":[],"a":-0.0}]', b"true", b'{"x":1e2}']
)
def test_a_value_reads_back_to_the_digit(api: Api, value: bytes) -> None:
    assert api.post("/entities", body=_EXACT % value).status_code == 201
    assert b'"email":' + value in api.get(_ADDRESS).data


def test_an_item_of_a_batch_is_stored_encrypted(api: Api, run_jobs: Callable[[], int], observer: Connection) -> None:
    accepted = api.post("/batch/entities", [entity(number, data=_VALUES) for number in (1, 2)])
    run_jobs()
    assert api.job(accepted)["effects"]["created"] == 2
    assert "entities" not in found(observer, _MARK)
    assert data(api.get(_ADDRESS))["data"] == _VALUES
    again = api.post("/batch/entities?mode=merge", [entity(1, data={"email": _VALUES["email"]})])
    run_jobs()
    assert api.job(again)["effects"]["unchanged"] == 1


def test_a_deleted_entity_leaves_nothing_to_decrypt(api: Api, observer: Connection) -> None:
    api.post("/entities", entity(data=_VALUES))
    assert api.delete(_ADDRESS).status_code == 200
    assert observer.execute("SELECT properties, pii, pii_digests FROM entities").fetchall() == [({}, None, None)]


def test_a_lost_key_is_told_and_the_rest_can_be_read(settings: Settings, api: Api) -> None:
    api.post("/entities", entity(data={**_VALUES, "vip_level": 1}))
    with keyed(settings, api, generate()) as other:
        refused(other.get(_ADDRESS), 500, "SECRET_UNREADABLE", 'no key "test"')
        assert data(other.get(f"{_ADDRESS}?pii=false"))["data"] == {"vip_level": 1}
        assert data(other.post("/entities", entity(data=_VALUES)))["action"] == "updated"
        assert data(other.get(_ADDRESS))["data"] == _VALUES


def test_a_new_key_in_front_reads_what_the_former_one_encrypted(settings: Settings, api: Api) -> None:
    api.post("/entities", entity(data=_VALUES))
    with keyed(settings, api, f"{generate()},{settings.master_keys}") as both:
        assert data(both.get(_ADDRESS))["data"] == _VALUES
        assert data(both.post("/entities", entity(data=_VALUES)))["action"] == "unchanged"


def test_an_entity_without_personal_data_is_not_even_parsed() -> None:
    row = EntityRow(1, uuid7(), "x1", "game", "no JSON", None, datetime.now(UTC), datetime.now(UTC))
    assert personal_data.held(row, ()) == []
    assert personal_data.with_all(row, []) == personal_data.without(row, ()) == "no JSON"


def _template(**pii: list[str]) -> dict[str, Any]:
    schema = {"entity_types": {"player": {}}, "event_types": {}, "state_keys": [], "pii_fields": pii}
    return {"name": "Own", "version": "1", "schema": schema}


def test_without_a_master_key_no_template_with_personal_data_is_taken(settings: Settings, api: Api) -> None:
    with keyed(settings, api, "") as bare:
        told = ("sluice crypto generate", "SLUICE_MASTER_KEYS")
        assert data(bare.put("/templates/tpl_open", _template()))["id"] == "tpl_open"
        assert data(bare.put("/settings", {"templateId": "tpl_open"}))["template"]["id"] == "tpl_open"
        refused(bare.put("/settings", {"templateId": "tpl_igaming"}), 409, "MASTER_KEY_MISSING", *told)
        refused(bare.put("/templates/tpl_open", _template(player=["email"])), 409, "MASTER_KEY_MISSING", *told)
        assert data(bare.get("/settings"))["template"]["id"] == "tpl_open"
        assert bare.put("/settings", {"batchWaitSeconds": 1}).status_code == 200
        assert bare.post("/entities", entity(data=_VALUES)).status_code == 201
    api.put("/settings", {"templateId": "tpl_igaming"})
    with keyed(settings, api, "") as bare:
        refused(bare.post("/entities", entity(data=_VALUES)), 409, "MASTER_KEY_MISSING", *told)
        assert bare.post("/entities", entity(data={}, entityType="operator")).status_code == 201


def test_a_field_that_becomes_personal_is_hidden_at_once_and_encrypted_when_it_is_sent(
    api: Api, observer: Connection
) -> None:
    api.put("/templates/tpl_own", _template())
    api.put("/settings", {"templateId": "tpl_own"})
    api.post("/entities", entity(data={"email": _MARK, "n": 1}))
    assert found(observer, _MARK) == ["entities"]
    api.put("/templates/tpl_own", _template(player=["email"]))
    assert data(api.get(f"{_ADDRESS}?pii=false"))["data"] == {"n": 1}
    assert data(api.get(_ADDRESS))["data"] == {"email": _MARK, "n": 1}
    api.post("/entities?mode=merge", entity(data={"email": _MARK}))
    assert found(observer, _MARK) == []
    api.put("/templates/tpl_own", _template())
    assert data(api.get(_ADDRESS))["data"] == {"email": _MARK, "n": 1}
    assert data(api.get(f"{_ADDRESS}?pii=false"))["data"] == {"n": 1}


def test_no_list_of_states_or_events_shows_personal_data(api: Api) -> None:
    api.post("/entities", entity(data=_VALUES))
    api.put(f"{_ADDRESS}/state/balance", {"value": 1})
    api.post(f"{_ADDRESS}/events", {"eventType": "session", "data": {}})
    for address in (f"{_ADDRESS}/events", f"{_ADDRESS}/state", f"{_ADDRESS}/state/balance"):
        assert _MARK.encode() not in api.get(address).data


def test_a_check_judges_personal_data_and_quotes_none(
    api: Api, run_jobs: Callable[[], int], observer: Connection
) -> None:
    api.post("/entities", entity(data={"email": _MARK, "phone": _MARK, "n": "open"}))
    # A schema that calls nothing personal data judges what is stored as such.
    stricter = _template()["schema"]
    number = {"type": "number"}
    stricter["entity_types"]["player"] = {"fields": {"email": {"enum": ["x"]}, "phone": {"maxLength": 1}, "n": number}}
    checked = api.post("/templates/tpl_igaming/check", {"schema": stricter})
    run_jobs()
    [error] = data(api.get(f"/batch/jobs/{data(checked)['jobId']}/errors"))
    assert [name in error["message"] for name in ('"email"', '"phone"', '"n"')] == [True] * 3
    assert _MARK not in error["message"]
    assert found(observer, _MARK) == []


def test_a_check_tells_which_rows_it_could_not_decrypt(
    api: Api, run_jobs: Callable[[], int], observer: Connection
) -> None:
    api.post("/entities", entity(data={"email": "a"}))
    observer.execute("UPDATE entities SET pii = replace(pii::text, '9QR0ZXN0', '9QR0ZXN1')::jsonb")
    checked = api.post("/templates/tpl_igaming/check", {})
    run_jobs()
    [error] = data(api.get(f"/batch/jobs/{data(checked)['jobId']}/errors"))
    assert (error["code"], error["externalId"]) == ("SECRET_UNREADABLE", "player_000001")
    assert 'no key "tesu"' in error["message"]
