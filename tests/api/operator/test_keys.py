"""docs/contracts/operator.md section 8."""

import hashlib
import re
from collections.abc import Callable
from uuid import UUID, uuid4

import pytest

from tests.api.conftest import TIME, Api, data, refused

PATH = {"base": "/api-keys"}
ZERO = UUID(int=0)
RIGHTS = {"scopes", "expiresAt", "addresses", "requestsPerMinute"}


def test_section_8_post_answers_201_with_the_key_this_once(api: Api) -> None:
    answer = api.post("", {"label": "billing"}, **PATH)
    made = data(answer)
    assert answer.status_code == 201
    assert set(made) == {"id", "key", "label", "createdAt", *RIGHTS}
    assert str(UUID(made["id"])) == made["id"]
    assert re.fullmatch(r"oh_live_[0-9a-f]{64}", made["key"])
    assert made["label"] == "billing"
    assert TIME.fullmatch(made["createdAt"])
    assert api.get("/settings", key=made["key"]).status_code == 200
    assert made["key"] not in api.get("", **PATH).get_data(as_text=True)


def test_section_8_get_lists_the_tenants_keys(api: Api, new_api: Callable[..., Api]) -> None:
    new_api()
    made = data(api.post("", {"label": "second"}, **PATH))
    first, second = data(api.get("", **PATH))
    assert set(first) == {"id", "operatorId", "keyHash", "label", "createdAt", "lastUsedAt", "revoked", *RIGHTS}
    assert first["operatorId"] == str(api.tenant.public_id)
    assert first["keyHash"] == hashlib.sha256(api.key.encode()).hexdigest()[:8] + "…"
    assert TIME.fullmatch(first["lastUsedAt"])
    assert (second["id"], second["label"], second["lastUsedAt"], second["revoked"]) == (
        made["id"],
        "second",
        None,
        False,
    )


def test_section_8_the_keys_live_under_functions_too(api: Api) -> None:
    assert len(data(api.get("", base="/functions/v1/api-keys"))) == 1


def test_section_8_operator_id_is_the_tenants_own(api: Api, new_api: Callable[..., Api]) -> None:
    own = {"label": "x", "operatorId": str(api.tenant.public_id)}
    assert api.post("", own, **PATH).status_code == 201
    another = {"label": "x", "operatorId": str(new_api().tenant.public_id)}
    refused(api.post("", another, **PATH), 404, "NOT_FOUND")


def test_section_8_patch_answers_the_row(api: Api) -> None:
    (key,) = data(api.get("", **PATH))
    answer = api.call("PATCH", "", {"id": key["id"], "label": "renamed"}, **PATH)
    assert answer.status_code == 200
    assert {**data(answer), "lastUsedAt": None} == {**key, "label": "renamed", "lastUsedAt": None}


def test_section_8_delete_revokes_at_once(api: Api) -> None:
    made = data(api.post("", {"label": "x"}, **PATH))
    answer = api.delete(f"?id={made['id']}", **PATH)
    assert (answer.status_code, data(answer)["revoked"]) == (200, True)
    refused(api.get("/settings", key=made["key"]), 401, "UNAUTHORIZED", "revoked")
    assert [key["revoked"] for key in data(api.get("", **PATH))] == [False, True]


def test_section_8_the_last_active_key_cannot_be_revoked(api: Api) -> None:
    (key,) = data(api.get("", **PATH))
    refused(api.delete(f"?id={key['id']}", **PATH), 409, "LAST_KEY")
    assert api.get("/settings").status_code == 200


def test_section_8_another_tenants_key_is_404(api: Api, new_api: Callable[..., Api]) -> None:
    stranger = new_api()
    (key,) = data(stranger.get("", **PATH))
    refused(api.call("PATCH", "", {"id": key["id"], "label": "mine"}, **PATH), 404, "NOT_FOUND")
    refused(api.delete(f"?id={key['id']}", **PATH), 404, "NOT_FOUND")
    refused(api.delete(f"?id={uuid4()}", **PATH), 404, "NOT_FOUND")
    assert data(stranger.get("", **PATH)) == [{**key, "label": "test"}]


@pytest.mark.parametrize("query", ["", "?id=", "?id=x", "?id=%00", f"?id={{{ZERO}}}", f"?id={ZERO.hex}"])
def test_section_8_a_key_must_be_named_by_its_uuid(api: Api, query: str) -> None:
    refused(api.delete(query, **PATH), 400, "INVALID_INPUT", "?id=")


@pytest.mark.parametrize(
    ("method", "form", "texts"),
    [
        ("POST", {}, ["label: "]),
        ("POST", {"label": ""}, ["label: "]),
        ("POST", {"label": "l" * 201}, ["label: "]),
        ("POST", {"label": 5, "operatorId": "me", "more": 1}, ["label: ", "operatorId: ", "more: "]),
        ("POST", {"label": "a\0"}, ["label: "]),
        ("POST", [], ["object"]),
        ("PATCH", {}, ["id: "]),
        ("PATCH", {"id": 7, "label": "x"}, ["id: "]),
        ("PATCH", {"id": ZERO.hex, "label": "x"}, ["id: "]),
    ],
)
def test_section_8_a_bad_form_is_refused_with_every_mistake_named(
    api: Api, method: str, form: object, texts: list[str]
) -> None:
    refused(api.call(method, "", form, **PATH), 400, "INVALID_INPUT", *texts)


def test_the_hundred_and_first_key_is_409_and_says_what_to_do(api: Api) -> None:
    for _ in range(99):
        assert api.post("", {"label": "x"}, **PATH).status_code == 201
    refused(api.post("", {"label": "x"}, **PATH), 409, "LIMIT_REACHED", "100", "revoke one")
