"""Personal data are sealed before any statement holds them, so the server's log cannot have them, whatever it logs."""

import json
from typing import Any

import msgspec
import pytest
from psycopg.errors import Diagnostic

from ingest.crypto import MasterKeys
from ingest.db.bulk.pages import pages_of
from ingest.db.connection.pool import Connection
from ingest.db.data import resealing
from ingest.db.tenants.tenants import Tenant
from ingest.engine.kinds import KINDS
from ingest.engine.writers import Target
from ingest.engine.writing import write
from ingest.items.entities import Entity
from ingest.items.events import Event
from ingest.items.personal import Protection
from ingest.jobs import Effect
from tests.support.factories import MASTER_KEYS, TOO_LARGE

_MARK = "hunter2"


@pytest.fixture
def logged(conn: Connection) -> list[str]:
    """The lines that the server logs of all statements of this transaction, parameters included."""
    lines: list[str] = []

    def note(line: Diagnostic) -> None:
        lines.append(f"{line.message_primary} {line.message_detail} {line.context}")

    conn.add_notice_handler(note)
    conn.execute("SET LOCAL log_statement = 'all'; SET LOCAL client_min_messages = 'log'")
    return lines


def sent(conn: Connection, tenant: Tenant, *data: dict[str, Any] | bytes, merge: bool, names: str) -> list[Effect]:
    protection = Protection(MasterKeys.parse(MASTER_KEYS), tenant.id, {"player": ("email", "phone")})
    target = Target(tenant.id, merge, item_bytes=4_000, protection=protection)
    texts = [text if isinstance(text, bytes) else json.dumps(text).encode() for text in data]
    items = [Entity(name, "player", msgspec.Raw(text)) for name, text in zip(names, texts, strict=True)]
    return write(conn, KINDS["entities"], target, items).effects


@pytest.mark.parametrize("merge", [False, True])
def test_no_statement_holds_personal_data_in_the_clear(
    conn: Connection, tenant: Tenant, logged: list[str], *, merge: bool
) -> None:
    old, new = {"email": _MARK, "n": 1}, {"email": f"{_MARK}!", "phone": None}
    assert sent(conn, tenant, old, old, merge=merge, names="ab") == [Effect.CREATED] * 2
    assert sent(conn, tenant, old, new, merge=merge, names="ab") == [Effect.UNCHANGED, Effect.UPDATED]
    assert sent(conn, tenant, new, old, old, merge=merge, names="aac")[:2] == [Effect.UPDATED] * 2
    assert any("COPY entities" in line for line in logged)
    assert any("INSERT INTO entities" in line and "pii_digests" in line for line in logged)
    assert any(line.count("parameters: $1") or line.count("Parameters: $1") for line in logged)
    assert [line for line in logged if _MARK in line] == []


def test_neither_do_those_that_look_for_the_item_that_the_database_refuses(
    conn: Connection, tenant: Tenant, logged: list[str]
) -> None:
    items = [{"email": _MARK}, b'{"email": "%s", "n": %s}' % (_MARK.encode(), TOO_LARGE), {"email": _MARK}]
    effects = sent(conn, tenant, *items, merge=False, names="abc")
    assert effects == [Effect.CREATED, Effect.FAILED, Effect.CREATED]
    large = {f"n{number}": "x" * 10_000 for number in range(2)}
    effects = sent(conn, tenant, {"email": _MARK}, {"email": _MARK, **large}, merge=True, names="ac")
    assert effects == [Effect.UNCHANGED, Effect.FAILED]
    assert any("octet_length" in line for line in logged)
    assert [line for line in logged if _MARK in line] == []


def test_a_statement_about_pages_names_their_own_tenants_alone(
    conn: Connection, tenant: Tenant, logged: list[str]
) -> None:
    sent(conn, tenant, {"email": _MARK}, merge=False, names="a")
    called = {tenant.id: {"player": ["email"]}, **{tenant.id + n: {"player": [f"other-{n}"]} for n in range(1, 9)}}
    pages = pages_of(conn, resealing.TABLE)
    assert resealing.count(conn, called, first=0, pages=pages)["test"] >= 1
    assert resealing.find(conn, called, "new", first=0, pages=pages)
    assert any("pii_digests" in line for line in logged)
    assert [line for line in logged if "other-" in line] == []


def test_events_of_a_tenant_with_personal_data_are_refused_one_by_one_too(conn: Connection, tenant: Tenant) -> None:
    protection = Protection(MasterKeys.parse(MASTER_KEYS), tenant.id, {"player": ("email",)})
    target = Target(tenant.id, merge=False, protection=protection)
    sent(conn, tenant, {"email": _MARK}, merge=False, names="a")
    items = [Event("a", "session", msgspec.Raw(text)) for text in (b"{}", b'{"n": %s}' % TOO_LARGE)]
    assert write(conn, KINDS["events"], target, items).effects == [Effect.CREATED, Effect.FAILED]
