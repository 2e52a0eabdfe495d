"""docs/contracts/operator.md section 3: the states of an entity."""

import json
from typing import Any

import pytest

from tests.api.conftest import TIME, Api, data, refused

PATH = "/entities/player_000001/state"


@pytest.mark.parametrize("value", [1, "gold", None, True, [1, {"a": None}], {}, {"level": 3}, {"a": {"value": 1}}])
def test_section_3_put_state_takes_the_value_bare_or_wrapped(player: Api, value: Any) -> None:
    for body in (value, {"value": value}):
        answer = player.call("PUT", f"{PATH}/balance", body=json.dumps(body).encode())
        assert (answer.status_code, data(answer)) == (200, {"stateKey": "balance", "value": value})
        assert data(player.get(f"{PATH}/balance"))["value"] == value


def test_section_3_get_state_answers_one_or_all(player: Api) -> None:
    assert data(player.get(PATH)) == []
    player.put(f"{PATH}/risk_score", 7)
    player.put(f"{PATH}/balance", 1.5)
    one = data(player.get(f"{PATH}/balance"))
    assert set(one) == {"stateKey", "value", "updatedAt"}
    assert TIME.fullmatch(one["updatedAt"])
    assert [(state["stateKey"], state["value"]) for state in data(player.get(PATH))] == [
        ("balance", 1.5),
        ("risk_score", 7),
    ]


def test_section_3_a_state_that_was_never_set_is_404(player: Api) -> None:
    refused(player.get(f"{PATH}/balance"), 404, "NOT_FOUND", "never set")
    refused(player.get(f"{PATH}/no_such_key"), 404, "NOT_FOUND")


def test_section_3_the_states_of_no_entity_are_404(api: Api) -> None:
    refused(api.get("/entities/nobody/state"), 404, "NOT_FOUND", 'Entity "nobody" does not exist')
    refused(api.get("/entities/nobody/state/balance"), 404, "NOT_FOUND")
    refused(api.put("/entities/nobody/state/balance", 1), 404, "NOT_FOUND")


def test_section_3_an_unknown_state_key_is_refused(player: Api) -> None:
    refused(player.put(f"{PATH}/balence", 1), 400, "VALIDATION_FAILED", 'Unknown state key: "balence"')


@pytest.mark.parametrize(
    "value",
    [{"value": 145.50, "currency": "EUR"}, {"value": None, "": 0}, {"Value": 1}, {"value": {"value": 1}, "a": 1}],
)
def test_section_3_an_object_with_more_than_a_value_is_itself_the_value(player: Api, value: Any) -> None:
    assert data(player.put(f"{PATH}/balance", value)) == {"stateKey": "balance", "value": value}
    assert data(player.get(f"{PATH}/balance"))["value"] == value


def test_section_3_only_one_wrapping_is_taken_off(player: Api) -> None:
    player.put(f"{PATH}/balance", {"value": {"value": 1}})
    assert data(player.get(f"{PATH}/balance"))["value"] == {"value": 1}


@pytest.mark.parametrize("number", [b"145.50", b"1234567890123456789012345678901234567890", b"-0.10"])
def test_section_3_numbers_of_states_read_back_with_the_same_value(player: Api, number: bytes) -> None:
    put = player.call("PUT", f"{PATH}/balance", body=number)
    assert b'"value":' + number in put.get_data()
    assert b'"value":' + number in player.get(f"{PATH}/balance").get_data()


@pytest.mark.parametrize("body", [b"", b"1,2", b'1},"x":{', b"1 2", b"nul", b"NaN", b"'a'", b'"\\ud800"', b'"\\u0000"'])
def test_a_value_that_is_not_one_json_text_is_refused(player: Api, body: bytes) -> None:
    refused(player.call("PUT", f"{PATH}/balance", body=body), 400, "INVALID_INPUT")
    refused(player.get(f"{PATH}/balance"), 404, "NOT_FOUND")
