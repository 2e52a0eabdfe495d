"""Numbers that are equal and read back differently: what was sent last is stored, to the digit and the scale."""

import msgspec
import pytest

from ingest.db.connection.pool import Connection
from ingest.db.data import entity_rows, states
from ingest.db.tenants.tenants import Tenant
from ingest.engine.kinds import KINDS
from ingest.engine.writers import Target
from ingest.engine.writing import write
from ingest.items.entities import Entity
from ingest.items.objects import Object
from ingest.items.states import State
from ingest.jobs import Effect

# As sent, and as it reads back: jsonb writes exponents out, and has no negative zero.
_NUMBERS = {
    "145.50": "145.50",
    "145.5": "145.5",
    "145.500": "145.500",
    "1e2": "100",
    "100.0": "100.0",
    "0": "0",
    "-0.0": "0.0",
    "0.00": "0.00",
    "1.50e1": "15.0",
    "15": "15",
}
_WRAPPED = ["{}", "[1, {}]", '{{"a": [null, {{"b": {}}}]}}']


@pytest.mark.parametrize("wrapped", _WRAPPED)
@pytest.mark.parametrize("at_once", [False, True], ids=["single", "batch"])
@pytest.mark.parametrize("kind", ["entities", "merged entities", "states", "objects"])
def test_a_number_that_differs_by_its_scale_alone_is_written(
    conn: Connection, tenant: Tenant, kind: str, *, at_once: bool, wrapped: str
) -> None:
    name, target = kind.removeprefix("merged "), Target(tenant.id, merge=kind in {"merged entities", "objects"})
    items = {
        "entities": lambda text: Entity("p", "game", msgspec.Raw(b'{"n": %s}' % text)),
        "states": lambda text: State("p", "balance", msgspec.Raw(text)),
        "objects": lambda text: Object("p", "game", msgspec.Raw(b'{"n": %s}' % text)),
    }
    if name == "states":
        write(conn, KINDS["entities"], target, [Entity("p", "game", msgspec.Raw(b"{}"))])
    found = []
    for sent in [list(_NUMBERS)] if at_once else [[number] for number in _NUMBERS]:
        made = [items[name](wrapped.format(number).encode()) for number in sent]
        found += write(conn, KINDS[name], target, made).effects
        expected = wrapped.format(_NUMBERS[sent[-1]])
        if name == "states":
            assert states.of_entity(conn, tenant.id, "p")[0].value == expected
        else:
            stored = entity_rows.read(conn, tenant.id, "p", scope="game" if name == "objects" else "")
            assert stored is not None
            assert stored.properties == f'{{"n": {expected}}}'
    assert found == [Effect.CREATED, *[Effect.UPDATED] * (len(_NUMBERS) - 1)]


def test_a_merge_writes_a_member_that_differs_by_its_scale_alone(conn: Connection, tenant: Tenant) -> None:
    for sent, effect in {'{"a": 1.0, "b": 2}': "created", '{"a": 1}': "updated", '{"b": 2e0}': "unchanged"}.items():
        item = Entity("p", "game", msgspec.Raw(sent.encode()))
        assert write(conn, KINDS["entities"], Target(tenant.id, merge=True), [item]).effects == [effect]
    stored = entity_rows.read(conn, tenant.id, "p")
    assert stored is not None
    assert stored.properties == '{"a": 1, "b": 2}'
