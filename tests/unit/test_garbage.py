import gc
from collections.abc import Iterator

import pytest

from ingest import garbage


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)
    gc.unfreeze()


def test_a_block_of_items_sets_off_no_search_for_garbage() -> None:
    garbage.look_seldom()
    searches: list[str] = []
    gc.callbacks.append(lambda phase, _: searches.append(phase))
    try:
        assert len([[number] for number in range(10_000)]) == 10_000
    finally:
        gc.callbacks.pop()
    assert searches == []
