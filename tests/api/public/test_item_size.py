"""docs/contracts/jobs.md section 1: an item that is too large is refused alone, in the words of this API."""

from typing import Any

import pytest

from tests.api.public.conftest import PublicApi

MOST = 1024 * 1024
LONG = '"%s"' % ("x" * MOST)
MANY = f"[{','.join(['1e999'] * 100)}]"
LARGE = {LONG: "bytes", MANY: "would read back as more"}
OBJECT = '{"type": "Order", "id": "large", "properties": {"a": %s}}'
EVENT = '{"event": "Placed", "objects": [{"type": "Order", "id": "large"}], "properties": {"a": %s}}'
LINKED = '{"event": "Placed", "objects": [{"type": "Order", "id": "large", "properties": {"a": %s}}]}'


@pytest.mark.parametrize("large", LARGE, ids=["long", "digits"])
@pytest.mark.parametrize(("path", "item"), [("/object/upsert", OBJECT), ("/event", EVENT), ("/event", LINKED)])
def test_a_single_item_that_is_too_large_is_413(api: PublicApi, path: str, item: str, large: str) -> None:
    answer = api.call("POST", path, body=(item % large).encode())
    assert answer.status_code == 413
    assert LARGE[large] in answer.get_json()["detail"]
    assert api.object("Order", "large") is None


@pytest.mark.parametrize("large", LARGE, ids=["long", "digits"])
@pytest.mark.parametrize(
    ("path", "member", "item"),
    [("/object/batch", "objects", OBJECT), ("/event/batch", "events", EVENT), ("/event/batch", "events", LINKED)],
)
def test_an_item_that_is_too_large_sinks_no_neighbour(
    api: PublicApi, path: str, member: str, item: str, large: str
) -> None:
    good = (item % "1").replace("large", "good")
    answer: Any = api.call("POST", path, body=(f'{{"{member}": [%s, %s, %s]}}' % (good, item % large, good)).encode())
    told = answer.get_json()
    assert (answer.status_code, told["processed"], told["failed"]) == (200, 2, 1)
    assert LARGE[large] in told["errors"][0]
    assert api.object("Order", "large") is None
    assert api.object("Order", "good") is not None
