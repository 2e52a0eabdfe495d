"""Merges let an entity grow to 4 times the largest item and no further, alone and in batches, of whatever kind."""

import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
import pytest

from ingest.db.connection.pool import Connection, Pool, transaction
from ingest.db.data import entity_rows, growth
from ingest.db.tenants.tenants import Tenant
from ingest.engine.kinds import KINDS
from ingest.engine.outcomes import Outcomes
from ingest.engine.writers import Target
from ingest.engine.writing import write
from ingest.errors import TooLarge
from ingest.items.entities import Entity
from ingest.items.object_events import LinkedObject, ObjectEvent
from ingest.items.objects import Object
from ingest.jobs import Effect

_MEGABYTE = 1_000_000


# A member of about a megabyte as it reads back: that compresses well, that is escaped, that is sent in 6 kB.
_FILLINGS = {
    "compressible": b'"%s"' % (b"x" * _MEGABYTE),
    "escaped": b'"%s"' % ("é\\n".encode() * (_MEGABYTE // 4)),
    "exponents": b"[%s]" % b",".join([b"1e999"] * (_MEGABYTE // 1_002)),
}
_MEGABYTE_TEXT = _FILLINGS["compressible"]


def item(kind: str, external_id: str = "p", **members: bytes) -> Any:
    text = msgspec.Raw(b"{%s}" % b",".join(b'"%s":%s' % (name.encode(), value) for name, value in members.items()))
    match kind:
        case "entities":
            return Entity(external_id, "game", text)
        case "objects":
            return Object(external_id, "game", text)
        case _:
            other = LinkedObject("other", "game", msgspec.Raw(b"{}"), "")
            return ObjectEvent([other, LinkedObject(external_id, "game", text, "")], "e", msgspec.Raw(b"{}"))


def merge(conn: Connection, tenant: Tenant, kind: str, items: Sequence[Any], *, halving: bool = True) -> Outcomes:
    return write(conn, KINDS[kind], Target(tenant.id, merge=True), items, halving=halving)


def json_of(conn: Connection, tenant: Tenant, kind: str) -> bytes:
    stored = entity_rows.read(conn, tenant.id, "p", scope="" if kind == "entities" else "game")
    assert stored is not None
    return stored.properties.encode()


def members_of(conn: Connection, tenant: Tenant, kind: str) -> dict[str, Any]:
    text = json_of(conn, tenant, kind)
    assert len(text) <= growth.MOST_BYTES
    found: dict[str, Any] = json.loads(text, parse_int=len)
    return found


@pytest.mark.parametrize("filling", _FILLINGS)
@pytest.mark.parametrize("at_once", [False, True], ids=["single", "batch"])
@pytest.mark.parametrize("kind", ["entities", "objects", "object_events"])
def test_the_merges_that_would_let_a_row_grow_too_large_are_refused(
    conn: Connection, tenant: Tenant, kind: str, *, at_once: bool, filling: str
) -> None:
    large = _FILLINGS[filling]
    sent = [{f"field{n}": large} for n in range(6)]
    sent += [{"small": b"1"}, {"field0": b"null"}, {"last": large}, {"surplus": large}]
    items = [item(kind, **members) for members in sent]
    found = [merge(conn, tenant, kind, part) for part in ([items] if at_once else [[one] for one in items])]
    failed = [effect is Effect.FAILED for part in found for effect in part.effects]
    assert failed == [False] * 4 + [True, True, False, False, False, True]
    refusals = [refusal for part in found for refusal in part.refusals.values()]
    assert {(refusal.code, refusal.message) for refusal in refusals} == {
        ("TOO_LARGE", growth.message(growth.MOST_BYTES))
    }
    assert set(members_of(conn, tenant, kind)) == {"field1", "field2", "field3", "small", "last"}
    stored = conn.execute("SELECT FROM events WHERE tenant_id = %s", (tenant.id,)).rowcount
    assert stored == (7 if kind == "object_events" else 0)


@pytest.mark.parametrize("kind", ["entities", "objects", "object_events"])
def test_the_bound_is_four_times_the_largest_item(conn: Connection, tenant: Tenant, kind: str) -> None:
    target = Target(tenant.id, merge=True, item_bytes=20_000)
    items = [item(kind, **{f"field{n}": b'"%s"' % (b"x" * 15_000)}) for n in range(6)]
    found = write(conn, KINDS[kind], target, items)
    assert [effect is Effect.FAILED for effect in found.effects] == [False] * 5 + [True]
    assert "over 80000 bytes" in found.refusals[5].message
    assert set(members_of(conn, tenant, kind)) == {f"field{n}" for n in range(5)}


def test_a_row_that_is_too_large_sinks_no_other_of_its_block(conn: Connection, tenant: Tenant) -> None:
    for n in range(4):
        merge(conn, tenant, "objects", [item("objects", **{f"field{n}": _MEGABYTE_TEXT})])
    items = [item("objects", name, new=_MEGABYTE_TEXT) for name in ("a", "p", "z")]
    assert merge(conn, tenant, "objects", items).effects == [Effect.CREATED, Effect.FAILED, Effect.CREATED]


def test_a_row_that_is_too_large_already_can_only_be_made_smaller(conn: Connection, tenant: Tenant) -> None:
    whole = item("entities", **{f"field{n}": _MEGABYTE_TEXT for n in range(6)})
    write(conn, KINDS["entities"], Target(tenant.id, merge=False), [whole])
    changes = [{"field0": b"null"}, {"new": b"1"}, {"field1": b'"y"'}, {"field1": b'"z"'}, {"new": b"1"}]
    found = [merge(conn, tenant, "entities", [item("entities", **members)]).effects for members in changes]
    updated, failed = Effect.UPDATED, Effect.FAILED
    assert found == [[updated], [failed], [updated], [updated], [updated]]


def test_two_merges_at_once_do_not_grow_a_row_too_large_together(
    pool: Pool, other: Connection, owner: Tenant, until_blocked: Callable[[Connection], None]
) -> None:
    def grow(conn: Connection, *names: str) -> Outcomes:
        return merge(conn, owner, "objects", [item("objects", **dict.fromkeys(names, _MEGABYTE_TEXT))], halving=False)

    def grow_in_turn(conn: Connection) -> None:
        with ThreadPoolExecutor(1) as threads:
            grown = threads.submit(grow, conn, "field4")
            until_blocked(conn)
            other.commit()
            grown.result()

    with transaction(pool) as conn:
        grow(conn, "field0", "field1", "field2")
    grow(other, "field3")
    with transaction(pool) as conn:
        with pytest.raises(TooLarge):
            grow_in_turn(conn)
        conn.rollback()
    with transaction(pool) as conn:
        assert set(members_of(conn, owner, "objects")) == {"field0", "field1", "field2", "field3"}


def test_merges_are_measured_as_their_text_is_to_the_byte(conn: Connection, tenant: Tenant) -> None:
    names = [f"{n} é\\\\ \\n \\u0041" for n in range(100)]
    stored = item("entities", **dict.fromkeys(names, b'[1.50e1, {"a": null, "b": "\\u00e9"}]'))
    removing = [item("entities", **{name: b"null", "": b"[1e2]"}) for name in names[::2]]
    with conn.transaction(force_rollback=True):
        merge(conn, tenant, "entities", [stored, *removing])
        size = len(json_of(conn, tenant, "entities"))
    merge(conn, tenant, "entities", [stored])
    left = growth.MOST_BYTES - size - len(', "f": ""')
    for surplus, refused in ((0, []), (1, [len(removing)])):
        items = [*removing, item("entities", f=b'"%s"' % (b"x" * (left + surplus)))]
        assert growth.too_large(conn, tenant.id, [[one] for one in items]) == refused
