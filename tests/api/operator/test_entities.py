"""docs/contracts/operator.md section 3: entities."""

from collections.abc import Callable

import pytest

from tests.api.conftest import TIME, Api, data, refused
from tests.support.factories import TOO_LARGE, entity, event

ODD_IDS = [
    *(
        "batch",
        "state",
        "...",
        "a/../b",
        "../../../x",
        "//",
        "a/",
        " a ",
        "a\n",
        "\r",
        "\x01",
        "\x7f",
        "\x85",
        "+",
        "*",
    ),
    *("e\u0301", "\ufeff", "\uffff", "%2E", "%"),
    *["a/b", "a b", "😀" * 500, "100%", "a?b#c", "%2F", "é" * 500, "..x", "a\\b", '"', "\u202e", "a;b", " ", "/"],
]


def encoded(text: str) -> str:
    return "".join(f"%{byte:02X}" for byte in text.encode())


def test_section_3_post_entities_answers_201_created_updated_unchanged(api: Api) -> None:
    answers = [api.post("/entities", entity(data={"email": email})) for email in ("a@x.example", "b@x.example")]
    answers.append(api.post("/entities", entity(data={"email": "b@x.example"})))
    assert [answer.status_code for answer in answers] == [201, 201, 201]
    assert [data(answer)["action"] for answer in answers] == ["created", "updated", "unchanged"]
    first = data(answers[0])
    assert first == {"id": first["id"], "externalId": "player_000001", "entityType": "player", "action": "created"}
    assert first["id"].startswith("ent_")
    assert len({data(answer)["id"] for answer in answers}) == 1


def test_section_3_get_entity_answers_200(api: Api) -> None:
    made = data(api.post("/entities", entity()))
    answer = api.get("/entities/player_000001")
    stored = data(answer)
    assert answer.status_code == 200
    assert {name: stored[name] for name in ("id", "entityType", "externalId", "data")} == {
        "id": made["id"],
        "entityType": "player",
        "externalId": "player_000001",
        "data": {"email": "p1@example.com", "vip_level": 1},
    }
    assert set(stored) == {"id", "entityType", "externalId", "data", "createdAt", "updatedAt"}
    assert TIME.fullmatch(stored["createdAt"])
    assert TIME.fullmatch(stored["updatedAt"])


def test_section_3_delete_is_soft_and_a_later_post_revives(api: Api) -> None:
    api.post("/entities", entity())
    api.post("/entities/player_000001/events", {"eventType": "session", "data": {}})
    answer = api.delete("/entities/player_000001")
    assert (answer.status_code, data(answer)) == (200, {"externalId": "player_000001", "deleted": True})
    for gone in (api.get, api.delete):
        refused(gone("/entities/player_000001"), 404, "NOT_FOUND", "player_000001")
    refused(api.get("/entities/player_000001/events"), 404, "NOT_FOUND")
    assert data(api.post("/entities", entity()))["action"] == "created"
    assert len(data(api.get("/entities/player_000001/events"))) == 1


def test_section_3_a_new_entity_type_replaces_the_old_one(api: Api) -> None:
    api.post("/entities", entity(externalId="x"))
    answer = api.post("/entities", entity(externalId="x", entityType="game", data={"name": "Go"}))
    assert (data(answer)["action"], data(answer)["entityType"]) == ("updated", "game")
    assert data(api.get("/entities/x"))["data"] == {"name": "Go"}


def test_section_3_data_is_replaced_as_a_whole_and_mode_merge_merges(api: Api) -> None:
    api.post("/entities", entity(data={"email": "a@x.example", "phone": "1"}))
    api.post("/entities", entity(data={"email": "b@x.example", "vip_level": {"a": None}}))
    assert data(api.get("/entities/player_000001"))["data"] == {"email": "b@x.example", "vip_level": {"a": None}}
    merged = entity(data={"email": "b@x.example", "vip_level": None, "phone": "2"})
    assert data(api.post("/entities?mode=merge", merged))["action"] == "updated"
    assert data(api.get("/entities/player_000001"))["data"] == {"email": "b@x.example", "phone": "2"}
    refused(api.post("/entities?mode=x", merged), 400, "INVALID_INPUT", "mode")


def test_section_3_another_tenants_entity_is_404(api: Api, new_api: Callable[..., Api]) -> None:
    api.post("/entities", entity())
    stranger = new_api()
    for gone in (stranger.get, stranger.delete):
        refused(gone("/entities/player_000001"), 404, "NOT_FOUND")


def test_section_3_numbers_read_back_with_the_same_value(api: Api) -> None:
    numbers = b'{"email":1234567890123456789012345678901234567890,"a":145.50,"b":[0.1000,-0.0,1e2]}'
    body = b'{"entityType":"player","externalId":"n","data":' + numbers + b"}"
    assert api.call("POST", "/entities", body=body).status_code == 201
    text = api.get("/entities/n").get_data()
    for number in (b":1234567890123456789012345678901234567890", b"145.50", b"0.1000", b"100"):
        assert number in text


@pytest.mark.parametrize("external_id", ODD_IDS)
def test_section_3_any_text_is_an_id_percent_encoded_in_paths(api: Api, external_id: str) -> None:
    assert api.post("/entities", entity(externalId=external_id)).status_code == 201
    assert data(api.get(f"/entities/{encoded(external_id)}"))["externalId"] == external_id
    posted = api.post(f"/entities/{encoded(external_id)}/events", {"eventType": "session", "data": {}})
    assert posted.status_code == 201
    assert len(data(api.get(f"/entities/{encoded(external_id)}/events"))) == 1
    assert api.put(f"/entities/{encoded(external_id)}/state/balance", 1).status_code == 200
    assert data(api.delete(f"/entities/{encoded(external_id)}"))["externalId"] == external_id


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("%00", "NUL"),
        ("a%00b", "NUL"),
        ("%FF", "UTF-8"),
        ("%C3%28", "UTF-8"),
        ("%ED%A0%80", "UTF-8"),
        ("a" * 501, "501"),
        ("%F0%9F%98%80" * 501, "501"),
        ("%2E", "parts of a path"),
        ("%2e%2E", "parts of a path"),
    ],
)
def test_section_3_an_id_that_cannot_be_is_refused(api: Api, path: str, text: str) -> None:
    for suffix in ("", "/events", "/state", "/state/balance"):
        refused(api.get(f"/entities/{path}{suffix}"), 400, "INVALID_INPUT", text)
    refused(api.delete(f"/entities/{path}"), 400, "INVALID_INPUT", text)


@pytest.mark.parametrize(
    ("item", "code", "text"),
    [
        (entity(entityType="plyer"), "VALIDATION_FAILED", 'Unknown entity type: "plyer"'),
        (entity(data={}), "VALIDATION_FAILED", 'Missing required field: "email"'),
        (entity(data={"email": None}), "VALIDATION_FAILED", 'Missing required field: "email"'),
        (entity(data=[]), "INVALID_INPUT", '"data" must be an object'),
        (entity(externalId=1), "INVALID_INPUT", '"externalId" must be a string'),
        (entity(externalId=""), "INVALID_INPUT", "1 to 500"),
        (entity(externalId="x" * 501), "INVALID_INPUT", "1 to 500"),
        (entity(externalId="."), "VALIDATION_FAILED", 'must not be "."'),
        (entity(externalId=".."), "VALIDATION_FAILED", "no URL can hold it"),
        (event(), "INVALID_INPUT", 'Missing required field: "entityType"'),
        ([entity()], "INVALID_INPUT", "object"),
        (None, "INVALID_INPUT", ""),
        ("entity", "INVALID_INPUT", "object"),
    ],
)
def test_section_3_a_bad_entity_is_refused(api: Api, item: object, code: str, text: str) -> None:
    refused(api.post("/entities", item), 400, code, text)


def test_an_id_that_no_url_can_hold_is_an_error_in_batches_too(api: Api, run_jobs: Callable[[], None]) -> None:
    accepted = api.post("/batch/entities", [entity(externalId=external_id) for external_id in (".", "..", "...")])
    run_jobs()
    errors = api.job(accepted)["output"]["errors"]
    assert [(error["index"], error["externalId"], error["code"]) for error in errors] == [
        (0, ".", "VALIDATION_FAILED"),
        (1, "..", "VALIDATION_FAILED"),
    ]
    assert 'must not be "." or ".."' in errors[0]["message"]
    assert api.get("/entities/...").status_code == 200


def test_section_3_without_a_template_nothing_is_written(new_api: Callable[..., Api]) -> None:
    api = new_api(template=None)
    refused(api.post("/entities", entity()), 400, "TEMPLATE_NOT_CONFIGURED")
    refused(api.put("/entities/x/state/balance", 1), 400, "TEMPLATE_NOT_CONFIGURED")


def test_a_number_that_the_database_cannot_hold_is_refused(api: Api) -> None:
    body = b'{"entityType":"player","externalId":"n","data":{"email":"x","n":%s}}' % TOO_LARGE
    refused(api.call("POST", "/entities", body=body), 400, "WRITE_FAILED", "a number in it is too large")
    refused(api.get("/entities/n"), 404, "NOT_FOUND")


def test_section_3_a_merge_that_lets_an_entity_grow_too_large_is_413(api: Api) -> None:
    for number in range(4):
        assert (
            api.post("/entities?mode=merge", entity(data={"email": "", f"n{number}": "x" * 1_000_000})).status_code
            == 201
        )
    more = api.post("/entities?mode=merge", entity(data={"email": "", "more": "x" * 1_000_000}))
    refused(more, 413, "TOO_LARGE", "remove fields")
    assert "more" not in data(api.get("/entities/player_000001"))["data"]
