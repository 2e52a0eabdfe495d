"""S4: a file from a browser is looked at, mapped, checked as a whole, and then the same bytes are sent."""

import gzip
import io
import json
import re
import shlex
from collections.abc import Callable
from html import unescape
from typing import Any

import pytest
from werkzeug.test import TestResponse

from ingest.db.connection.pool import Connection, Pool, transaction
from ingest.db.tenants import templates
from ingest.db.tenants.tenants import Tenant
from ingest.engine.executor import Executor
from ingest.ids import JOB, parse
from tests.api.console.conftest import Browser, text_of

_TYPES = {
    "player": {
        "required": ["email"],
        "optional": ["country"],
        "fields": {"worth": {"type": "number"}, "born": {"type": "string", "format": "date"}},
    }
}
_FILE = (
    "Kundennummer;E-Mail;Worth;Born;Bemerkung;Kürzel\r\n"
    'p1;a@example.com;1.234,50;06.04.1990;"zwei\nZeilen";x\r\n'
    "p2;;-7,25;31.12.2001;;y\r\n"
    'p3;c@example.com;viel;1.2.2003;;"z"\r\n'
)

pytestmark = pytest.mark.usefixtures("tenant")


@pytest.fixture
def tenant(owned: tuple[Tenant, str], pool: Pool) -> Tenant:
    schema: dict[str, Any] = {"entity_types": _TYPES, "event_types": {"login": {}}, "state_keys": [], "pii_fields": {}}
    with transaction(pool) as conn:
        templates.store(conn, owned[0].id, "tpl_typed", name="Typed", version="1", schema=schema)
        conn.execute("UPDATE tenants SET template_id = (SELECT max(id) FROM templates)")
    return owned[0]


Send = Callable[..., TestResponse]


@pytest.fixture
def send(browser: Browser) -> Send:
    """Sends a form with a file, which comes last as in a browser."""

    def sent(path: str, content: bytes, name: str = "kunden.csv", **fields: str) -> TestResponse:
        return browser.post(path, [*fields.items(), ("file", (io.BytesIO(content), name))])

    return sent


def _said(page: TestResponse) -> dict[str, str]:
    """Return what the form of a page says, as its browser would send it."""
    text = page.get_data(as_text=True)
    said = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', text))
    for name, options in re.findall(r'<select name="([^"]+)"[^>]*>(.*?)</select>', text, re.DOTALL):
        values = re.findall(r'<option value="([^"]*)"( selected)?>', options)
        said[name] = next((value for value, chosen in values if chosen), values[0][0])
    return {name: unescape(value) for name, value in said.items()}


def test_a_file_is_guessed_mapped_checked_and_sent_as_it_was_checked(
    browser: Browser, send: Send, executor: Executor, observer: Connection
) -> None:
    content = _FILE.encode("cp1252")
    looked = send("/load/look", content)
    said = _said(looked)
    assert (said["encoding"], said["delimiter"], said["decimal"], said["dates"]) == (
        "cp1252",
        ";",
        "comma",
        "dd.mm.yyyy",
    )
    assert (said["kind"], said["type"], said["f.worth"], said["f.born"]) == ("entities", "player", "2", "3")
    assert (said["f.email"], said["f.externalId"], said["left.4"], said["left.5"]) == ("1", "", "", "")
    assert "<code>1.234,50</code>" in looked.get_data(as_text=True)
    said |= {"f.externalId": "0", "left.5": "keep"}
    refused = send("/load/check", content, **said)
    assert 'Say what becomes of the columns that fill no field: "Bemerkung"' in text_of(refused)
    said["left.4"] = "leave"
    command = re.search(r"<code>(sluice load .*?)</code>", send("/load/look", content, **said).get_data(as_text=True))
    assert command
    assert shlex.split(unescape(command[1])) == [
        *("sluice", "load", "--kind", "entities", "--type", "player", "--encoding", "cp1252", "--delimiter", ";"),
        *(
            "--date-format",
            "dd.mm.yyyy",
            "--decimal-comma",
            "--map",
            "externalId=Kundennummer",
            "--map",
            "email=E-Mail",
        ),
        *(
            "--map",
            "worth=Worth",
            "--map",
            "born:date=Born",
            "--map",
            "Bemerkung:ignore=Bemerkung",
            "kunden.csv",
        ),
    ]
    checked = send("/load/check", content, **said, save_as="Kunden")
    job_id = parse(JOB, checked.headers["Location"].rpartition("/")[2])
    executor.run(job_id, seconds=60)
    job = "SELECT created, failed, options->>'label' FROM jobs WHERE id = %s"
    assert observer.execute(job, (job_id,)).fetchall() == [(1, 2, "kunden.csv")]
    assert observer.execute("SELECT FROM entities").rowcount == 0
    errors = observer.execute("SELECT line, message FROM job_errors ORDER BY index").fetchall()
    assert [line for line, _ in errors] == [4, 5]
    assert "Missing required field" in str(errors[0][1])
    page = browser.get(f"/jobs/{checked.headers['Location'].rpartition('/')[2]}/errors").get_data(as_text=True)
    assert 'name="c.2./data/worth" value="viel"' in page


def test_the_type_of_all_rows_is_guessed_by_their_columns(send: Send, pool: Pool, tenant: Tenant) -> None:
    schema: dict[str, Any] = {"event_types": {}, "state_keys": [], "pii_fields": {}}
    schema["entity_types"] = {**_TYPES, "game": {"optional": ["name", "Kürzel"]}, "place": {"optional": ["name"]}}
    with transaction(pool) as conn:
        templates.store(conn, tenant.id, "tpl_typed", name="Typed", version="2", schema=schema)
        conn.execute("UPDATE tenants SET template_id = (SELECT max(id) FROM templates)")
    for header, type_name in (("id;E-Mail;worth;name", "player"), ("id;name", ""), ("type;email", ""), ("id;x", "")):
        assert _said(send("/load/look", f"{header}\n1;2;3;4\n".encode(), f"{header}.csv"))["type"] == type_name


def test_a_member_that_no_column_fills_is_asked_for_before_the_file_is_sent(send: Send) -> None:
    looked = send("/load/look", b"E-Mail;\na@example.com;\n")
    assert "Say which column fills externalId" in text_of(looked)
    said = {**_said(looked), "f.email": "", "f.externalId": "0"}
    assert "that fill no field: the one without a name" in text_of(send("/load/look", b"E-Mail;\na;\n", **said))


def test_a_saved_mapping_is_used_for_the_next_file_until_it_is_deleted(browser: Browser, send: Send) -> None:
    content = _FILE.encode()
    said = {**_said(send("/load/look", content)), "f.externalId": "0", "left.4": "leave", "left.5": "keep"}
    said |= {"name.5": "short", "cells.5": "number", "empty": "null", "null": "NULL", "mode": "merge"}
    assert send("/load/check", content, **said, save_as="Kunden").status_code == 303
    assert '<option value="Kunden">Kunden</option>' in browser.get("/load").get_data(as_text=True)
    page = send("/load/look", content, saved="Kunden")
    assert "--null NULL" in text_of(page)
    assert "short:number=Kürzel" in text_of(page)
    again = _said(page)
    assert (again["cells.5"], again["empty"], again["mode"]) == ("number", "null", "merge")
    assert (again["f.externalId"], again["left.4"], again["left.5"]) == ("0", "leave", "keep")
    assert send("/load/check", content, **again).status_code == 303
    assert 'Delete the mapping "Kunden"?' in text_of(browser.post("/load/mappings/delete", {"name": "Kunden"}))
    assert '<option value="Kunden">' in browser.get("/load").get_data(as_text=True)
    after = browser.send("/load/mappings/delete", name="Kunden")
    assert "The mapping is deleted." in text_of(after)
    assert "Kunden" not in after.get_data(as_text=True)


@pytest.mark.parametrize("name", ["items.ndjson.gz", "items.json"])
def test_lines_and_arrays_of_json_are_checked_too(
    send: Send, executor: Executor, observer: Connection, name: str
) -> None:
    items = [{"entityType": "player", "externalId": f"p{n}", "data": {"email": "a, [b]"}} for n in range(3)]
    lines = "".join(json.dumps(item) + "\n" for item in items).encode()
    content = gzip.compress(lines) if "gz" in name else json.dumps(items, indent=1).encode()
    said = _said(send("/load/look", content, name))
    assert said["form"] == ("ndjson" if "gz" in name else "json")
    checked = send("/load/check", content, name, **said)
    job_id = parse(JOB, checked.headers["Location"].rpartition("/")[2])
    executor.run(job_id, seconds=60)
    assert observer.execute("SELECT created, failed FROM jobs WHERE id = %s", (job_id,)).fetchall() == [(3, 0)]


def test_markup_in_the_name_of_a_file_and_in_its_columns_is_text(send: Send) -> None:
    markup = "<img src=x onerror=alert(1)>"
    page = send("/load/look", f"externalId,{markup}\np1,{markup}\n".encode(), f"{markup}.csv").get_data(as_text=True)
    assert markup not in page
    assert page.count("&lt;img src=x onerror=alert(1)&gt;") >= 4


def test_a_file_with_other_columns_than_its_sample_is_refused(send: Send, observer: Connection) -> None:
    said = {**_said(send("/load/look", _FILE.encode())), "f.externalId": "0", "left.4": "leave", "left.5": "keep"}
    answer = send("/load/check", _FILE.replace("Worth", "Wert").encode(), **said)
    assert "The file has other columns than those that were looked at" in text_of(answer)
    assert observer.execute("SELECT FROM jobs").rowcount == 0
