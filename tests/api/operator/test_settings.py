"""docs/contracts/operator.md section 2: settings."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.api.conftest import Api, data, refused

NOTHING_SET = {"template": None, "dataRetentionDays": None, "retentionPolicy": None, "batchWaitSeconds": 0}
POLICY = {
    "entity_events": {"hot_days": 30, "archive_days": 1825},
    "entity_states": {"hot_days": 90, "archive_days": 90},
}


def policy(**span: Any) -> dict[str, Any]:
    return {"retentionPolicy": {**POLICY, "entity_events": span}}


def test_section_2_get_settings_of_a_new_tenant(new_api: Callable[..., Api]) -> None:
    answer = new_api(template=None).get("/settings")
    assert (answer.status_code, data(answer)) == (200, NOTHING_SET)


def test_section_2_put_settings_answers_like_get(new_api: Callable[..., Api]) -> None:
    api = new_api(template=None)
    changes = {"templateId": "tpl_igaming", "dataRetentionDays": 30, "retentionPolicy": POLICY, "batchWaitSeconds": 30}
    answer = api.put("/settings", changes)
    assert answer.status_code == 200
    assert data(answer) == {
        "template": {"id": "tpl_igaming", "name": "iGaming", "version": "1.0"},
        "dataRetentionDays": 30,
        "retentionPolicy": POLICY,
        "batchWaitSeconds": 30,
    }
    assert data(api.get("/settings")) == data(answer)


def test_section_2_what_is_not_named_stays_and_null_unsets(api: Api) -> None:
    api.put("/settings", {"dataRetentionDays": 60, "retentionPolicy": POLICY})
    assert data(api.put("/settings", {}))["dataRetentionDays"] == 60
    changed = data(api.put("/settings", {"dataRetentionDays": None, "retentionPolicy": None}))
    assert (changed["dataRetentionDays"], changed["retentionPolicy"]) == (None, None)
    assert changed["template"]["id"] == "tpl_igaming"


def test_section_2_an_unknown_template_is_404_and_changes_nothing(api: Api, new_api: Callable[..., Api]) -> None:
    own = {"name": "T", "schema": {"entity_types": {"x": {}}}}
    new_api().put("/templates/tpl_anothers", own)
    for slug in ("tpl_none", "tpl_anothers", ""):
        refused(api.put("/settings", {"templateId": slug, "batchWaitSeconds": 9}), 404, "NOT_FOUND")
    assert data(api.get("/settings"))["batchWaitSeconds"] == 0


@pytest.mark.parametrize(
    ("changes", "texts"),
    [
        ({"dataRetentionDays": 29}, ["dataRetentionDays: "]),
        ({"dataRetentionDays": True}, ["dataRetentionDays: "]),
        ({"dataRetentionDays": "60"}, ["dataRetentionDays: "]),
        ({"dataRetentionDays": 60.5}, ["dataRetentionDays: "]),
        ({"dataRetentionDays": 10**40}, ["dataRetentionDays: "]),
        ({"batchWaitSeconds": -1}, ["batchWaitSeconds: "]),
        ({"batchWaitSeconds": 31}, ["batchWaitSeconds: "]),
        ({"batchWaitSeconds": None}, ["batchWaitSeconds: "]),
        ({"templateId": 1}, ["templateId: "]),
        ({"templateId": None}, ["templateId: "]),
        ({"templateId": "x\0y"}, ["templateId: ", "NUL"]),
        (policy(hot_days=29, archive_days=90), ["retentionPolicy.entity_events.hot_days: "]),
        (policy(hot_days=30, archive_days=1826), ["retentionPolicy.entity_events.archive_days: "]),
        (policy(hot_days=91, archive_days=90), ["retentionPolicy.entity_events.hot_days: ", "archive_days"]),
        (policy(hot_days=30), ["retentionPolicy.entity_events.archive_days: "]),
        (policy(hot_days=30, archive_days=False), ["retentionPolicy.entity_events.archive_days: "]),
        (policy(hot_days=30, archive_days=90, cold_days=99), ["cold_days: Unknown field"]),
        ({"retentionPolicy": {"entity_events": POLICY["entity_events"]}}, ["retentionPolicy.entity_states: "]),
        ({"retentionPolicy": []}, ["retentionPolicy: "]),
        ({"template": "tpl_igaming", "wait": 1}, ["template: Unknown field", "wait: Unknown field"]),
        ({"dataRetentionDays": 1, "batchWaitSeconds": 99}, ["dataRetentionDays: ", "batchWaitSeconds: "]),
        ([], ["object"]),
        (None, [""]),
    ],
)
def test_section_2_bad_settings_are_refused_with_every_mistake_named(api: Api, changes: Any, texts: list[str]) -> None:
    refused(api.put("/settings", changes), 400, "INVALID_INPUT", *texts)
    assert data(api.get("/settings"))["dataRetentionDays"] is None
