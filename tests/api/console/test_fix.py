"""S3, the grid: failed items are mended, checked and sent again, by forms alone."""

import json
import re
from collections.abc import Callable
from html import unescape
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from ingest.db.connection.pool import Connection, Pool, transaction
from ingest.db.tenants import templates
from ingest.db.tenants.tenants import Tenant
from ingest.engine.executor import Executor
from ingest.ids import JOB, parse, spell
from tests.api.console.conftest import Browser, text_of
from tests.support.factories import accept, entity

_TYPES = {
    "player": {
        "required": ["email"],
        "optional": ["country"],
        "fields": {
            "email": {"type": "string", "format": "email"},
            "age": {"type": "integer", "minimum": 0},
            "level": {"type": "string", "enum": ["gold", "silver"]},
            "worth": {"type": "number"},
        },
    }
}


pytestmark = pytest.mark.usefixtures("tenant")


@pytest.fixture
def tenant(owned: tuple[Tenant, str], pool: Pool) -> Tenant:
    """Its template knows types of fields, and no personal data."""
    schema: dict[str, Any] = {"entity_types": _TYPES, "event_types": {}, "state_keys": [], "pii_fields": {}}
    with transaction(pool) as conn:
        templates.store(conn, owned[0].id, "tpl_typed", name="Typed", version="1", schema=schema)
        conn.execute("UPDATE tenants SET template_id = (SELECT max(id) FROM templates)")
    return owned[0]


Failed = Callable[..., str]


@pytest.fixture
def failed(pool: Pool, tenant: Tenant, executor: Executor) -> Failed:
    """Runs a batch, and returns its job."""

    def run(*items: dict[str, Any], **overrides: Any) -> str:
        with transaction(pool) as conn:
            template_id = conn.execute("SELECT template_id FROM tenants WHERE id = %s", (tenant.id,)).fetchone()
            assert template_id
            job_id = accept(conn, tenant, "entities", list(items), template_id=template_id[0], **overrides)
        executor.run(job_id, seconds=60)
        return spell(JOB, job_id)

    return run


def player(number: int, **data: Any) -> dict[str, Any]:
    return entity(number, data={"email": f"p{number}@example.com", **data})


def sent_to(answer: TestResponse) -> str:
    """Return the job that a form has led to."""
    return answer.headers["Location"].rpartition("/")[2].partition("?")[0]


def test_a_page_has_a_cell_for_each_field_with_the_required_ones_first(browser: Browser, failed: Failed) -> None:
    job_id = failed(player(1), player(2, age="many"))
    page = browser.get(f"/jobs/{job_id}/errors").get_data(as_text=True)
    titles = re.findall(r'<th scope="col"[^>]*>([^<]+?)(?: <small>|</th>)', page)
    assert titles[2:] == ["entityType", "externalId", "email", "age", "country", "level", "worth"]
    assert 'name="c.1./data/age" value="many"' in page
    assert "c.0." not in page
    wrong = re.findall(r'<input name="(c[^"]+)"[^>]*aria-invalid="true" aria-describedby="e1"', page)
    assert wrong == ["c.1./data/age"]
    assert 'Field "age" must be an integer, not a string' in unescape(page)


def test_mended_items_are_checked_and_sent_as_a_child_that_keeps_their_indexes(
    browser: Browser, failed: Failed, executor: Executor, observer: Connection
) -> None:
    job_id = failed(player(0), player(1, age="many"), player(2, worth="x"), player(3, age=-1))
    cells = {"c.1./data/age": "41", "c.2./data/worth": "145.50", "c.3./data/age": "-2", "do": '["check"]'}
    checked = browser.send(f"/jobs/{job_id}/errors", **cells)
    assert "Checked 3 rows: 1 of them would still be refused." in text_of(checked)
    assert observer.execute("SELECT FROM entities").rowcount == 1
    browser.send(f"/jobs/{job_id}/errors", **{"c.3./data/age": "2", "v.3": "1", "do": '["check"]'})
    sent = browser.post(f"/jobs/{job_id}/errors", {"do": '["send"]', "confirmed": "1"})
    child_id = parse(JOB, sent_to(sent))
    executor.run(child_id, seconds=60)
    found = observer.execute("SELECT external_id, properties::text FROM entities ORDER BY external_id").fetchall()
    assert [json.loads(str(text), parse_float=str) for _, text in found][1:] == [
        {"email": "p1@example.com", "age": 41},
        {"email": "p2@example.com", "worth": "145.50"},
        {"email": "p3@example.com", "age": 2},
    ]
    page = browser.get(f"/jobs/{job_id}/errors")
    assert page.get_data(as_text=True).count(">a retry</a>") == 3
    again = browser.post(f"/jobs/{job_id}/errors", {"do": '["send"]', "confirmed": "1"})
    assert "No item is edited, or all edited ones were sent already" in text_of(again)


def test_a_group_is_changed_as_a_whole(
    browser: Browser, failed: Failed, executor: Executor, observer: Connection
) -> None:
    players = [{**player(number, level="glod", country="SE"), "entityType": "player"} for number in range(60)]
    job_id = failed(*players, player(60, age="x"), player(61, emial="x"))
    page = browser.get(f"/jobs/{job_id}/errors").get_data(as_text=True)
    address = re.search(r'href="/console(/jobs/[^"]+group=[^"]+)">60 .', page)
    assert address
    group = browser.get(address[1])
    offer = re.search(r'value="([^"]+)"[^>]*>Set “gold” wherever it says “glod”', group.get_data(as_text=True))
    assert offer
    assert group.get_data(as_text=True).count("wherever it says “glod”") == 1
    assert "(50 on this page)" in text_of(group)
    assert "c.60./data/age" not in browser.get(address[1]).get_data(as_text=True)
    assert "Set a value in 60 rows." in text_of(browser.send(address[1], do=unescape(offer[1])))
    dropped = browser.send(f"/jobs/{job_id}/errors", do='["drop",3]')
    assert "Dropped 1 rows: they stay failed, and are not sent." in text_of(dropped)
    replaced = {"do": '["replace"]', "path": "/data/country", "old": "S", "new": "N"}
    assert "Replaced a text in 59 rows." in text_of(browser.get_after(address[1], replaced))
    sent = browser.post(f"/jobs/{job_id}/errors", {"do": '["send"]', "confirmed": "1"})
    executor.run(parse(JOB, sent_to(sent)), seconds=60)
    stored = observer.execute(
        "SELECT properties->>'level', properties->>'country', count(*) FROM entities GROUP BY 1, 2"
    )
    assert ("gold", "NE", 59) in stored.fetchall()


def test_a_misspelled_field_is_renamed(browser: Browser, failed: Failed) -> None:
    job_id = failed(entity(1, data={"emial": "a@example.com"}), entity(2, data={"emial": "b@example.com", "age": 1}))
    page = browser.get(f"/jobs/{job_id}/errors").get_data(as_text=True)
    offer = re.search(r'value="([^"]+)"[^>]*>Rename “emial” to “email” in all rows', page)
    assert offer
    after = browser.send(f"/jobs/{job_id}/errors", do=unescape(offer[1])).get_data(as_text=True)
    assert 'name="c.0./data/email" value="a@example.com"' in after
    assert "Renamed a field in 2 rows." in after


def test_two_editors_see_each_others_edits_and_neither_loses_any(
    browser: Browser, new_browser: Callable[[], Browser], key_of: Callable[..., str], failed: Failed
) -> None:
    job_id = failed(player(0, age="x"), player(1, age="y"))
    other = new_browser().log_in(key_of("read", "write"))
    other.send(f"/jobs/{job_id}/errors", **{"c.0./data/age": "40", "v.0": "0"})
    stale = browser.send(
        f"/jobs/{job_id}/errors", **{"c.0./data/age": "x", "v.0": "0", "c.1./data/age": "41", "v.1": "0"}
    )
    assert "1 others were left as they are: somebody has changed them meanwhile" in text_of(stale)
    page = stale.get_data(as_text=True)
    assert 'name="c.0./data/age" value="40"' in page
    assert "<small>by limited</small>" in page
    assert "1 edited by limited" in text_of(stale)
    # An editor who has seen the edit may take it back.
    undone = browser.send(f"/jobs/{job_id}/errors", do='["undo",0]')
    assert 'name="c.0./data/age" value="x"' in undone.get_data(as_text=True)


def test_rows_of_csv_whose_cells_are_of_a_wrong_type_are_mended_as_they_are(
    browser: Browser, app: Flask, key: str, executor: Executor, observer: Connection
) -> None:
    text = "entityType,externalId,email,age,worth\nplayer,p1,a@example.com,many,1.50\nplayer,p2,b@example.com,1,x\n"
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "text/csv"}
    accepted = app.test_client().post("/operator-data-api/batch/entities", data=text, headers=headers)
    job_id = accepted.json["data"]["jobId"]
    executor.run(parse(JOB, job_id), seconds=60)
    page = browser.get(f"/jobs/{job_id}/errors").get_data(as_text=True)
    assert 'name="c.0./data/age" value="many"' in page
    assert "<small>line 2</small>" in page
    assert f"/console/jobs/{job_id}/errors.csv" in page
    cells = {"c.0./data/age": "7", "c.1./data/worth": "2.50", "do": '["send"]', "confirmed": "1"}
    sent = browser.post(f"/jobs/{job_id}/errors", cells)
    executor.run(parse(JOB, sent_to(sent)), seconds=60)
    found = observer.execute("SELECT properties::text FROM entities ORDER BY external_id").fetchall()
    assert [json.loads(str(text), parse_float=str) for (text,) in found] == [
        {"email": "a@example.com", "age": 7, "worth": "1.50"},
        {"email": "b@example.com", "age": 1, "worth": "2.50"},
    ]


def test_markup_in_an_item_is_text(browser: Browser, failed: Failed) -> None:
    markup = "<img src=x onerror=alert(1)>"
    job_id = failed(player(1, age=markup, country=markup))
    page = browser.get(f"/jobs/{job_id}/errors").get_data(as_text=True)
    assert markup not in page
    assert "&lt;img src=x onerror=alert(1)&gt;" in page


def test_a_reader_sees_errors_and_can_change_nothing(
    new_browser: Callable[[], Browser], key_of: Callable[..., str], failed: Failed
) -> None:
    job_id = failed(player(1, age="x"))
    reader = new_browser().log_in(key_of("read"))
    page = reader.get(f"/jobs/{job_id}/errors").get_data(as_text=True)
    assert 'Field "age" must be an integer' in unescape(page)
    assert 'name="do"' not in page
    assert reader.post(f"/jobs/{job_id}/errors", {"do": '["check"]'}).status_code == 403


def test_a_page_without_its_script_asks_before_it_sends(browser: Browser, failed: Failed) -> None:
    job_id = failed(player(1, age="x"))
    asked = browser.post(f"/jobs/{job_id}/errors", {"c.0./data/age": "1", "do": '["send"]'})
    assert "Send 1 edited row again, as a new job?" in text_of(asked)
    assert 'name="do" value="[&#34;send&#34;]"' in asked.get_data(as_text=True)


def test_personal_data_are_masked_and_each_look_at_them_is_in_the_audit_log(
    browser: Browser,
    new_browser: Callable[[], Browser],
    key_of: Callable[..., str],
    tenant: Tenant,
    pool: Pool,
    failed: Failed,
    observer: Connection,
) -> None:
    schema: dict[str, Any] = {"entity_types": _TYPES, "event_types": {}, "state_keys": []}
    with transaction(pool) as conn:
        personal = {**schema, "pii_fields": {"player": ["email"]}}
        templates.store(conn, tenant.id, "tpl_typed", name="Typed", version="2", schema=personal)
        conn.execute("UPDATE tenants SET template_id = (SELECT max(id) FROM templates)")
    job_id = failed(entity(1, data={"email": "ada@example.com", "age": "x"}), sealed=True)
    address = f"/jobs/{job_id}/errors"
    page = browser.get(address).get_data(as_text=True)
    assert "ada@example.com" not in page
    assert 'placeholder="a•••@e•••.com"' in page
    shown = browser.post(address, {"do": '["reveal",0,"/data/email"]'}).get_data(as_text=True)
    assert 'value="ada@example.com"' in shown
    log = "SELECT actor_label, details FROM audit_log WHERE action = 'job.items_read' AND object_id = %s"
    assert observer.execute(log, (job_id,)).fetchall() == [("test", {"index": 0, "field": "/data/email"})]
    # An edit of another cell leaves what is masked as it is, and is encrypted itself.
    kept = browser.send(address, **{"c.0./data/email": "", "c.0./data/age": "41", "v.0": "0"}).get_data(as_text=True)
    assert 'placeholder="a•••@e•••.com"' in kept
    [(edit, sealed)] = observer.execute("SELECT edit, sealed FROM job_drafts").fetchall()
    assert (b"41" in bytes(edit), sealed) == (False, True)  # type: ignore[arg-type] # a bytea
    # A key that may not read personal data sees errors, and no item.
    writer = new_browser().log_in(key_of("read", "write"))
    page = writer.get(address).get_data(as_text=True)
    assert "a•••" not in page
    assert "need" in page
    assert writer.post(address, {"do": '["check"]'}).status_code == 403
    assert writer.get(f"{address}.ndjson").status_code == 403
    assert browser.get(f"{address}.ndjson").get_data(as_text=True).count("ada@example.com") == 1
    assert observer.execute(log, (job_id,)).rowcount == 2


def test_an_operator_mends_the_job_of_any_tenant(operator: Browser, failed: Failed) -> None:
    job_id = failed(player(1, age="x"))
    kept = operator.send(f"/jobs/{job_id}/errors", **{"c.0./data/age": "41", "v.0": "0"})
    assert "1 edited by root" in text_of(kept)
    assert "?tenant=" in operator.get("/load").get_data(as_text=True)
