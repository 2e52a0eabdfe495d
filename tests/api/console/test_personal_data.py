"""No page shows personal data unasked, whatever is wrong with an item: each value here has a mark."""

import csv
import io
import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from ingest.db.connection.pool import Connection, Pool, transaction
from ingest.db.tenants import templates
from ingest.db.tenants.tenants import Tenant
from tests.api.conftest import Api, data
from tests.api.console.conftest import Browser

_MARK = "Zyzzyva"
_SET_AGE = {"do": '["set"]', "path": "/data/age", "value": "-2"}
_SCHEMA: dict[str, Any] = {
    "entity_types": {
        "player": {
            "required": ["email"],
            "optional": ["born", "level"],
            "fields": {
                "email": {"type": "string", "format": "email", "maxLength": 60},
                "born": {"type": "string", "format": "date"},
                "level": {"type": "string", "enum": ["gold", "silver"]},
                "score": {"type": "integer", "minimum": 7},
                "address": {"type": "object", "required": ["town"], "properties": {"town": {"type": "string"}}},
                "age": {"type": "integer", "minimum": 0},
            },
        }
    },
    "event_types": {},
    "state_keys": [],
    "pii_fields": {"player": ["email", "born", "level", "score", "address"]},
}

_GOOD = {"email": f"{_MARK}@example.com"}
# Items are refused for as many reasons as their personal data can have.
_BAD = [
    {"email": f"{_MARK} at home"},
    {"email": [_MARK]},
    {"email": f"{_MARK * 10}@example.com"},
    {"email": f"{_MARK}@example.com\n{_MARK}", "age": -1},
    {"born": f"1990-13-01 {_MARK}", **_GOOD},
    {"level": f"gold{_MARK}", **_GOOD},
    {"score": _MARK, **_GOOD},
    {"address": {"town": [_MARK], _MARK: 1}, **_GOOD},
    {"address": f"{_MARK} street", **_GOOD},
    {"age": -1, **_GOOD},
    {"emial": f"{_MARK}@example.com"},
    {"E-Mail": f"{_MARK}@example.com", "mobile": f"{_MARK}"},
]
_ITEMS: list[Any] = [
    *({"entityType": "player", "externalId": f"p{number}", "data": data} for number, data in enumerate(_BAD)),
    {"entityType": "plyer", "externalId": "q0", "data": _GOOD},
    {"entityType": "plyer", "externalId": "q5", "data": {"emial": _MARK}},
    {"externalId": "q1", "data": _GOOD},
    {"entityType": "player", "externalId": "q2", "data": [_MARK]},
    {"entityType": "player", "externalId": "q3", "data": _MARK},
    _MARK,
]


@pytest.fixture(autouse=True)
def _template(tenant: Tenant, pool: Pool) -> None:
    with transaction(pool) as conn:
        templates.store(conn, tenant.id, "tpl_people", name="People", version="1", schema=_SCHEMA)
        conn.execute("UPDATE tenants SET template_id = (SELECT max(id) FROM templates)")


def _as_csv() -> str:
    rows = [[f"p{n}", *(str(data.get(name, "")) for name in ("email", "born"))] for n, data in enumerate(_BAD)]
    table = io.StringIO()
    csv.writer(table).writerows([["externalId", "email", "born"], *rows, ["q4", _MARK, _MARK, _MARK]])
    return table.getvalue()


@pytest.fixture
def errors(tenant: Tenant, key: str, app: Flask, run_jobs: Callable[[], int]) -> Callable[[str], str]:
    """Have items of a form fail; returns the address of their grid."""

    def fail(form: str) -> str:
        bodies = {
            "json": ("", json.dumps(_ITEMS), "application/json"),
            "csv": ("?entityType=player", _as_csv(), "text/csv"),
        }
        query, body, media = bodies[form]
        headers = {"Content_Type": media, "Prefer": "respond-async"}
        accepted = Api(app, tenant, key).post(f"/batch/entities{query}", body=body.encode(), **headers)
        run_jobs()
        return f"/jobs/{data(accepted)['jobId']}/errors"

    return fail


@pytest.mark.parametrize("form", ["json", "csv"])
def test_no_page_of_a_job_shows_personal_data_unasked(
    browser: Browser, errors: Callable[[str], str], form: str
) -> None:
    grid = errors(form)
    job = grid.removesuffix("/errors")
    groups = set(re.findall(r"group=(\w+)", browser.get(grid).get_data(as_text=True)))
    assert len(groups) > 3
    pages = ["/jobs", job, f"{job}/live", f"{job}/raw", grid]
    shown = {path: browser.get(path) for path in [*pages, *(f"{grid}?group={group}" for group in groups)]}
    shown["set"] = browser.get_after(grid, _SET_AGE)
    shown["checked"] = browser.get_after(grid, {"do": '["check"]'})
    shown["asked"] = browser.post(grid, {"do": '["send"]'})
    assert {page.status_code for page in shown.values()} == {200}
    assert [path for path, page in shown.items() if _MARK in page.get_data(as_text=True)] == []


def test_a_misspelled_field_of_personal_data_is_shown_when_it_is_asked_for(
    browser: Browser, errors: Callable[[str], str], observer: Connection
) -> None:
    grid = errors("json")
    masks = re.findall(r'name="(c[^"]+)" value="" placeholder="([^"]+)"', browser.get(grid).get_data(as_text=True))
    assert {("c.0./data/email", "•••"), ("c.10./data/emial", "Z•••@e•••.com")} <= {*masks}
    shown = browser.post(grid, {"do": '["reveal",10,"/data/emial"]'}).get_data(as_text=True)
    assert f'name="c.10./data/emial" value="{_MARK}@example.com"' in shown
    assert shown.count(_MARK) == 1
    assert observer.execute("SELECT details FROM audit_log WHERE action = 'job.items_read'").fetchall() == [
        ({"index": 10, "field": "/data/emial"},)
    ]


def test_an_entity_of_which_all_is_stored_shows_no_personal_data_unasked(
    browser: Browser, tenant: Tenant, key: str, app: Flask, run_jobs: Callable[[], int]
) -> None:
    Api(app, tenant, key).post("/batch/entities", [{**_ITEMS[0], "data": {**_GOOD, "age": 7}}])
    run_jobs()
    page = browser.get("/entities?id=p0").get_data(as_text=True)
    assert "age" in page
    assert _MARK not in page
