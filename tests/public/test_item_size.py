"""docs/contracts/jobs.md section 1: an item that is too large is refused alone, in the words of this API."""

from typing import Any

import pytest

from tests.public.conftest import Face

MOST = 1024 * 1024
LONG = '"%s"' % ("x" * MOST)
MANY = f"[{','.join(['1e999'] * 100)}]"
LARGE = {LONG: "bytes", MANY: "would read back as more"}
OBJECT = '{"type": "Order", "id": "large", "properties": {"a": %s}}'
EVENT = '{"event": "Placed", "objects": [{"type": "Order", "id": "large"}], "properties": {"a": %s}}'
LINKED = '{"event": "Placed", "objects": [{"type": "Order", "id": "large", "properties": {"a": %s}}]}'


@pytest.mark.parametrize("large", LARGE, ids=["long", "digits"])
@pytest.mark.parametrize(("path", "item"), [("/object/upsert", OBJECT), ("/event", EVENT), ("/event", LINKED)])
def test_a_single_item_that_is_too_large_is_413(face: Face, path: str, item: str, large: str) -> None:
    answer = face.call("POST", path, body=(item % large).encode())
    assert answer.status_code == 413
    assert LARGE[large] in answer.get_json()["detail"]
    assert face.object("Order", "large") is None


@pytest.mark.parametrize("large", LARGE, ids=["long", "digits"])
@pytest.mark.parametrize(
    ("path", "member", "item"),
    [("/object/batch", "objects", OBJECT), ("/event/batch", "events", EVENT), ("/event/batch", "events", LINKED)],
)
def test_an_item_that_is_too_large_sinks_no_neighbour(
    face: Face, path: str, member: str, item: str, large: str
) -> None:
    good = (item % "1").replace("large", "good")
    answer: Any = face.call("POST", path, body=(f'{{"{member}": [%s, %s, %s]}}' % (good, item % large, good)).encode())
    told = answer.get_json()
    assert (answer.status_code, told["processed"], told["failed"]) == (200, 2, 1)
    assert LARGE[large] in told["errors"][0]
    assert face.object("Order", "large") is None
    assert face.object("Order", "good") is not None
