"""The line of `sluice load` on the page that loads a file: run as it stands, it does what the page does."""

import gzip
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from ingest.db.connection.pool import Connection, transaction
from ingest.db.tenants import templates
from ingest.db.tenants.tenants import Tenant
from tests.console.conftest import Visit
from tests.support.factories import accept, entity, make_tenant

_SCHEMA: dict[str, Any] = {
    "entity_types": {
        "player": {
            "required": ["email"],
            "optional": ["country", "score"],
            "fields": {
                "worth": {"type": ["number", "null"]},
                "born": {"type": "string", "format": "date"},
                "address": {"type": "object", "properties": {"lat": {"type": "number"}}},
            },
        }
    },
    "event_types": {
        "login": {"fields": {"seconds": {"type": "integer"}}},
        "bet": {"required": ["stake"], "fields": {"stake": {"type": "number"}}},
    },
    "state_keys": ["balance", "level"],
    "states": {"balance": {"type": "number"}},
    "pii_fields": {},
}


@dataclass(frozen=True)
class _File:
    """A file, and what a person says of it.

    Attributes:
        said: the values of fields of the form, in the order in which they are chosen.
    """

    name: str
    content: bytes
    said: dict[str, str] = field(default_factory=dict)


_PLAYERS = _File(
    "kunden.csv",
    (
        "Kundennummer;E-Mail;Worth;Born;Score;Lat;Bemerkung;Kürzel;Seit;\r\n"
        'p1;a@example.com;1.234,50;6.4.1990;1,5;52,5;"zwei\nZeilen";ja;1.2.2003 4:05;\r\n'
        "p2;NULL;-7,25;31.12.2001;2;NULL;;x;;\r\n"
        "p3;c@example.com;viel;1.2.2003;3;0;NULL;y;NULL;\r\n"
        "p4;d@example.com;NULL;;;;'=1+1;z;5.6.2007;\r\n"
        "p5;e@example.com;1\r\n"
    ).encode("cp1252"),
    {
        "f.externalId": "0",
        "empty": "null",
        "null": "NULL",
        "cells.4": "number",
        "left.5": "keep",
        "name.5": "address.lat",
        "left.6": "keep",
        "name.6": "note",
        "left.7": "keep",
        "left.8": "keep",
        "name.8": "since",
        "cells.8": "datetime",
        "left.9": "leave",
    },
)
_FILES = {
    "entities": _PLAYERS,
    "merged": _File(
        "-merge.csv.gz",
        gzip.compress(b"id,country\np0,SE\np9,NO\n"),
        {"type": "player", "f.externalId": "0", "f.country": "1", "mode": "merge"},
    ),
    "events": _File(
        "events of the day.tsv",
        b"Time\tPlayer\tWhat\tSeconds\tStake\n"
        b"6.4.2026 7:05\tp0\tlogin\t12\t\n7.4.2026\tp0\tbet\t\t1.000,5\n7.4.26\tp0\tbet\t\t\n",
        {"kind": "events", "type": "", "f.timestamp": "0", "f.externalId": "1", "f.eventType": "2"},
    ),
    "a key of all rows": _File(
        "saldo.txt",
        b"Spieler|Saldo\np0|1.234,50\nnobody|x\n",
        {"kind": "states", "type": "balance", "f.externalId": "0", "f.value": "1"},
    ),
    "values of no type": _File(
        "level.csv",
        "Spieler;Level;Wer\np0;7,5;x\n".encode("utf-16"),
        {
            "kind": "states",
            "type": "level",
            "f.externalId": "0",
            "f.value": "1",
            "cells.1": "number",
            "left.2": "leave",
        },
    ),
    "lines": _File(
        "lines.ndjson.gz",
        gzip.compress(
            '{"externalId": "p7", "entityType": "player", "data": {"email": "é@example.com"}}\n{}\n'.encode("cp1252")
        ),
        {"encoding": "cp1252"},
    ),
}


def _make(conn: Connection) -> tuple[Tenant, str]:
    """Make a tenant with our template and a player; return it and a key."""
    tenant, key = make_tenant(conn, template=None)
    templates.store(conn, tenant.id, "tpl_typed", name="Typed", version="1", schema=_SCHEMA)
    conn.execute("UPDATE tenants SET template_id = (SELECT max(id) FROM templates) WHERE id = %s", (tenant.id,))
    [(template_id,)] = conn.execute("SELECT max(id) FROM templates").fetchall()
    accept(conn, tenant, "entities", [entity(0, externalId="p0")], template_id=template_id)
    return tenant, key


_STORED = """
SELECT 'entity', external_id, type, properties::text, NULL::timestamptz FROM entities WHERE tenant_id = %(tenant)s
UNION ALL
SELECT 'event', e.external_id, v.type, v.properties::text, v.occurred_at
FROM events v JOIN event_entities l ON l.event_id = v.id JOIN entities e ON e.id = l.entity_id
WHERE v.tenant_id = %(tenant)s
UNION ALL
SELECT 'state', e.external_id, s.key, s.value::text, NULL
FROM states s JOIN entities e ON e.id = s.entity_id WHERE e.tenant_id = %(tenant)s
UNION ALL
SELECT 'error', d.index::text, d.line::text, d.message, NULL
FROM job_errors d JOIN jobs j ON j.id = d.job_id
WHERE d.tenant_id = %(tenant)s AND NOT coalesce((j.options->>'validate_only')::boolean, false)
ORDER BY 1, 2, 3, 4
"""


def _stored(visit: Visit, tenant: Tenant) -> list[tuple[object, ...]]:
    """Return all that a tenant has stored, and the errors of what it has written."""
    with transaction(visit.site.pool) as conn:
        return list(conn.execute(_STORED, {"tenant": tenant.id}))


def _sent_by_the_page(visit: Visit, file: Path, said: dict[str, str]) -> str:
    """Load a file by the page; returns the line that it shows."""
    page = visit.open("/load")

    def looked(act: Any) -> None:
        with page.expect_response("**/load/look*"):
            act()

    looked(lambda: page.locator("[type=file]").set_input_files(file))
    for name, value in said.items():
        control = page.locator(f'[name="{name}"]')
        if control.evaluate("control => control.value") == value:
            continue
        if name == "mode":
            control.select_option(value)
        elif control.evaluate("control => control.tagName") == "SELECT":
            looked(lambda control=control, value=value: control.select_option(value))
        else:
            control.fill(value)
            looked(lambda control=control: control.blur())
    looked(lambda: page.locator('[name="kind"]').dispatch_event("change"))  # the line says what the mode is
    line = page.get_by_text(re.compile("^sluice load ")).inner_text()
    page.get_by_role("button", name="Check all of it").click()
    page.wait_for_url("**/jobs/job_*")
    visit.run_jobs()
    page.reload()
    page.get_by_role("button", name="Write what was checked…").click()
    page.get_by_role("button", name="Yes, do it").click()
    page.wait_for_url("**/jobs/job_*said=written")
    visit.run_jobs()
    return str(line)


def _run(visit: Visit, line: str, folder: Path, key: str) -> None:
    """Run a line as it stands, and its job meanwhile."""
    program, *arguments = shlex.split(line)
    command = [str(Path(sys.executable).with_name(program)), *arguments]
    settings = {"SLUICE_URL": visit.site.address.removesuffix("/console"), "SLUICE_KEY": key, "PATH": "/usr/bin:/bin"}
    with subprocess.Popen(command, cwd=folder, env=settings, stderr=subprocess.PIPE, text=True) as process:
        while True:
            try:
                _, said = process.communicate(timeout=0.1)
                break
            except subprocess.TimeoutExpired:
                visit.run_jobs()
    assert process.returncode in {0, 3}, said


@pytest.mark.parametrize("which", _FILES)
def test_the_line_of_the_page_does_what_the_page_does(visit: Visit, tmp_path: Path, which: str) -> None:
    with transaction(visit.site.pool) as conn:
        visit.tenant, visit.key = _make(conn)
        other, other_key = _make(conn)
    visit.run_jobs()
    before = _stored(visit, other)
    assert before == _stored(visit, visit.tenant)
    file = tmp_path / _FILES[which].name
    file.write_bytes(_FILES[which].content)
    line = _sent_by_the_page(visit, file, _FILES[which].said)
    _run(visit, line, tmp_path, other_key)
    assert _stored(visit, visit.tenant) == _stored(visit, other), line
    assert _stored(visit, other) != before
