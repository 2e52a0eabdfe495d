"""Personal data leave an entity's data sealed, beside a digest by which an equal value is known."""

import base64
import json
from typing import Any

import msgspec
import pytest

from ingest.crypto import NO_KEYS, MasterKeys
from ingest.errors import MasterKeyMissing, SecretUnreadable
from ingest.items import personal
from ingest.items.entities import Entity
from ingest.items.personal import ProtectedEntity, Protection

_OLD, _NEW = (f"{kid}:{base64.b64encode(bytes([number] * 32)).decode()}" for number, kid in enumerate(("old", "new")))
_BOTH = f"{_NEW},{_OLD}"
_FIELDS = {"player": ("email", "tags"), "game": ()}


def sealed(
    data: bytes, *, keys: str = _OLD, merge: bool = False, kind: str = "player", name: str = "p1", tenant_id: int = 1
) -> ProtectedEntity:
    protection = Protection(MasterKeys.parse(keys), tenant_id, _FIELDS)
    [entity] = protection.seal([Entity(name, kind, msgspec.Raw(data))], merge=merge)
    assert isinstance(entity, ProtectedEntity)
    return entity


def opened(entity: ProtectedEntity, *, keys: str = _OLD, name: str = "p1", tenant_id: int = 1) -> dict[str, bytes]:
    found = personal.opened(MasterKeys.parse(keys), tenant_id, name, bytes(entity.pii).decode())
    return {field: bytes(value) for field, value in found.items()}


def digests(entity: ProtectedEntity) -> Any:
    return json.loads(bytes(entity.digests))


@pytest.mark.parametrize(
    "value",
    [
        b'"hunter2"',
        b'"\\u00e9\\n"',
        b"1.50",
        b"1234567890123456789012345678901234567890",
        b'[1.0, {"b": [null], "a": 1e2}]',
        b'{"city": "hunter2"}',
        b"true",
        b"null",
        b'""',
    ],
)
def test_a_value_of_any_type_reads_back_as_it_was_sent(value: bytes) -> None:
    entity = sealed(b'{"email": %s, "vip_level": 3}' % value)
    assert json.loads(bytes(entity.data)) == {"vip_level": 3}
    assert b"hunter2" not in bytes(entity.data) + bytes(entity.pii) + bytes(entity.digests)
    assert opened(entity) == {"email": value}
    assert list(digests(entity)) == ["email"]


def test_a_type_without_personal_data_keeps_all_in_the_clear() -> None:
    entity = sealed(b'{"email": "open"}', kind="game")
    assert (bytes(entity.data), bytes(entity.pii), bytes(entity.digests)) == (b'{"email":"open"}', b"{}", b"{}")


def test_a_null_is_no_value_where_it_is_merged() -> None:
    entity = sealed(b'{"email": null, "tags": [null]}', merge=True)
    assert bytes(entity.data) == b'{"email":null}'
    assert opened(entity) == {"tags": b"[null]"}


@pytest.mark.parametrize("other", [{"name": "p2"}, {"tenant_id": 2}])
def test_a_sealed_value_opens_in_its_own_row_alone(other: dict[str, Any]) -> None:
    entity = sealed(b'{"email": "a"}')
    with pytest.raises(SecretUnreadable):
        opened(entity, **other)


def test_a_sealed_value_opens_in_its_own_field_alone() -> None:
    entity = sealed(b'{"email": "a"}')
    moved = msgspec.structs.replace(entity, pii=msgspec.Raw(bytes(entity.pii).replace(b"email", b"phone")))
    with pytest.raises(SecretUnreadable):
        opened(moved)


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        (b'"a"', b'"a"', True),
        (b'"\\u0061"', b'"a"', True),
        (b'"a"', b'"b"', False),
        (b"1e2", b"100", True),
        (b"1.50", b"1.5", False),
        (b"-0", b"0", True),
        (b"-0.0", b"0.0", True),
        (b"1.50e1", b"15.0", True),
        (b'{"a": 1, "b": 2}', b'{"b":2,"a":1}', True),
        (b'{"a": 1, "a": 2}', b'{"a": 2}', True),
        (b"[1, 2]", b"[2, 1]", False),
        (b'"1"', b"1", False),
        (b"null", b'"null"', False),
    ],
)
def test_equal_values_have_equal_digests_as_postgres_compares_them(one: bytes, other: bytes, *, equal: bool) -> None:
    first, second = (digests(sealed(b'{"email": %s}' % value)) for value in (one, other))
    assert (first == second) is equal


@pytest.mark.parametrize(
    ("value", "digest"),
    [
        (b'"hunter2"', "old:3193369e5f24bd461864f33839644d7c"),
        (b'[1.0, {"b": [null, -0], "a": 1e2, "c": "\\u00e9"}]', "old:ca2de87927ff2bef92aa46057ae1b0c5"),
        (b"7" * 5_000, "old:19b883901fe3db48f9059415c0804c7d"),
    ],
)
def test_a_digest_stays_what_it_was_when_rows_were_stored(value: bytes, digest: str) -> None:
    assert digests(sealed(b'{"email": %s}' % value)) == {"email": digest}


def test_entities_that_are_sealed_in_pieces_are_all_there_in_their_order() -> None:
    count = 450
    sent = [Entity(f"p{number}", "player", msgspec.Raw(b'{"email":%d}' % number)) for number in range(count)]
    pieces = Protection(MasterKeys.parse(_OLD), 1, _FIELDS).seal_in_pieces(sent, merge=False)
    assert [opened(entity, name=entity.external_id) for entity in pieces] == [
        {"email": b"%d" % number} for number in range(count)
    ]


def test_equal_values_of_two_entities_or_fields_can_not_be_told_to_be_equal() -> None:
    entity = sealed(b'{"email": "a", "tags": "a"}')
    found = {*digests(entity).values(), *digests(sealed(b'{"email": "a"}', name="p2")).values()}
    assert len(found) == 3


def test_a_digest_under_a_former_key_is_known_while_that_key_is_configured() -> None:
    before, after = sealed(b'{"email": "a"}'), sealed(b'{"email": "a"}', keys=_BOTH)
    assert dict(after.former) == {digests(before)["email"]: digests(after)["email"]}
    assert digests(after)["email"].startswith("new:")
    assert opened(before, keys=_BOTH) == {"email": b'"a"'}


def test_several_merges_of_an_entity_are_overlaid_as_one() -> None:
    merges = [
        sealed(b'{"email": "a", "tags": [1], "x": 1}', merge=True),
        sealed(b'{"email": null, "tags": [2]}', merge=True),
        sealed(b'{"tags": "clear", "y": 2}', merge=True, kind="game"),
        sealed(b'{"email": "b", "x": 3}', merge=True),
    ]
    merged = personal.overlaid(merges)
    assert json.loads(bytes(merged.data)) == {"x": 3, "tags": "clear", "y": 2}
    assert opened(merged) == {"email": b'"b"'}
    assert list(digests(merged)) == ["email"]


def test_without_a_key_personal_data_are_refused_and_nothing_else_is() -> None:
    protection = Protection(NO_KEYS, 1, _FIELDS)
    assert protection.seal([Entity("p1", "player", msgspec.Raw(b'{"vip_level": 1}'))], merge=False)
    with pytest.raises(MasterKeyMissing, match="sluice crypto generate"):
        protection.seal([Entity("p1", "player", msgspec.Raw(b'{"email": "a"}'))], merge=False)
