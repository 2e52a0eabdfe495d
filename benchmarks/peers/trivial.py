"""A Celery task that does nothing, counted by a number in memory that its worker's children share with us."""

import mmap
import os
from pathlib import Path

from billiard import current_process
from celery import Celery, signals

CHILDREN = 2
_SLOT = 8
BYTES = CHILDREN * _SLOT

app = Celery("trivial", broker=os.environ.get("BROKER_URL"))
app.conf.update(task_ignore_result=True, worker_concurrency=CHILDREN, broker_connection_retry_on_startup=True)


def counts(path: Path) -> mmap.mmap:
    """A number for each child, each in a place of its own, so that none waits for another."""
    with path.open("r+b") as file:
        return mmap.mmap(file.fileno(), BYTES)


def total(shared: mmap.mmap) -> int:
    return sum(memoryview(shared).cast("Q"))


@signals.worker_process_init.connect
def _open(**_: object) -> None:
    global _mine, _shared  # noqa: PLW0603 # of this child, for its life
    _shared = memoryview(counts(Path(os.environ["BENCH_COUNTS"]))).cast("Q")
    _mine = current_process().index


@app.task
def nothing() -> None:
    _shared[_mine] += 1
