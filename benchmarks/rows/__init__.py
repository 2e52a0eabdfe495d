"""The table: every row by its name, in the order in which they are measured."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial

from benchmarks.measure import Row
from benchmarks.place import Place
from benchmarks.rows import (
    accept,
    checking,
    client_loads,
    end_to_end,
    flights,
    growth,
    lines,
    listing,
    loading,
    memory,
    peers,
    small_jobs,
    splitting,
    steps,
    streams,
    table_size,
    typescript,
    wall,
    worker,
)

ROWS: dict[str, Callable[[Place], AbstractContextManager[Row]]] = {
    "worker-entities": worker.new_entities,
    "worker-typed": worker.typed_entities,
    "worker-pii": worker.personal_entities,
    "worker-metrics": worker.measured_entities,
    "worker-traces": worker.traced_entities,
    "worker-wall": wall.working,
    "worker-existing": worker.existing_entities,
    "worker-events": worker.linked_events,
    "worker-states": worker.states,
    "worker-events-one-link": worker.events,
    "checking-good": checking.all_good,
    "checking-bad": checking.some_bad,
    "checking-typed-good": checking.typed_good,
    "checking-typed-bad": checking.typed_bad,
    "end-to-end-entities": end_to_end.entities,
    "end-to-end-entities-unordered": partial(end_to_end.entities, query=end_to_end.UNORDERED, goal=end_to_end.BEFORE),
    "end-to-end-entities-tenants": end_to_end.entities_of_tenants,
    "end-to-end-events": end_to_end.events,
    "lines-entities": lines.entities,
    "lines-entities-unordered": partial(lines.entities, query=end_to_end.UNORDERED, goal=0.90),
    "lines-events": lines.events,
    "csv-entities": lines.csv_entities,
    "load": loading.file,
    "client-generator": client_loads.generator,
    "client-arrow": client_loads.arrow,
    "typescript": typescript.events,
    "flights": flights.year,
    "splitting": splitting.splitting,
    "memory-web": memory.memory_of_web,
    "memory-worker": memory.memory_of_a_worker,
    "dlt": peers.dlt,
    "celery": peers.celery,
    "accept": accept.accept,
    "accept-wall": wall.accepting,
    "accept-with-keys": accept.accept_with_keys,
    "accept-beside-streams": streams.accept_beside_streams,
    "small-jobs": small_jobs.small_jobs,
    "listing": partial(listing.polls_and_lists, jobs=500_000, errors=1_000_000),
    "listing-large": partial(listing.polls_and_lists, jobs=5_000_000, errors=100_000_000),
    "steps": steps.steps,
    "large-table": table_size.large,
    "growth-table-size": table_size.sizes,
    "growth-batch-size": growth.batch_size,
    "growth-item-size": growth.item_size,
    "growth-bad-items": growth.bad_items,
    "growth-workers": growth.workers,
}

# A run of everything leaves these out, since they take long and need tens of gigabytes: `ONLY=` names them.
BY_NAME_ALONE = frozenset({"listing-large"})
