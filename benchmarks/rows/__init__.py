"""The table: every row by its name, in the order in which they are measured."""

from collections.abc import Callable
from contextlib import AbstractContextManager

from benchmarks.measure import Row
from benchmarks.place import Place
from benchmarks.rows import worker

ROWS: dict[str, Callable[[Place], AbstractContextManager[Row]]] = {
    "worker-entities": worker.new_entities,
    "worker-existing": worker.existing_entities,
    "worker-events": worker.linked_events,
    "worker-states": worker.states,
    "worker-events-one-link": worker.events,
}
