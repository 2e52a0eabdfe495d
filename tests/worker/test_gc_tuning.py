import gc
from collections.abc import Iterator

import pytest

from worker import gc_tuning


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)
    gc.unfreeze()


def test_a_block_of_items_does_not_run_the_garbage_collector() -> None:
    gc_tuning.collect_seldom()
    runs: list[str] = []
    gc.callbacks.append(lambda phase, _: runs.append(phase))
    try:
        assert len([[number] for number in range(10_000)]) == 10_000
    finally:
        gc.callbacks.pop()
    assert runs == []
