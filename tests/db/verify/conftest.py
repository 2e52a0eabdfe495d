"""Databases with jobs of each kind in them, which checks find well."""

from collections.abc import Callable
from uuid import UUID

import pytest

from ingest.db.connection.pool import Connection, Pool, transaction
from ingest.db.jobs import lookup, uploads
from ingest.db.tenants.tenants import Tenant
from tests.support.factories import (
    accept,
    begin_part,
    entity,
    event,
    make_executor,
    new_upload,
    run_pending,
    state,
    store_part,
)


@pytest.fixture
def done(pool: Pool, owner: Tenant, redis_url: str) -> dict[str, UUID]:
    """A job of each kind that has ended, each of two blocks and with one bad item."""
    made = {}
    for kind, items in {
        "entities": [entity(1), entity(2), entity(3, entityType="nothing")],
        "events": [event(1), event(2), event(99)],
        "states": [state(1), state(2), state(99)],
    }.items():
        with transaction(pool) as conn:
            made[kind] = accept(conn, owner, kind, items, block_items=2)
        run_pending(pool, redis_url)
    return made


@pytest.fixture
def half(pool: Pool, owner: Tenant, redis_url: str) -> UUID:
    """A job of three blocks of which one is done."""
    with transaction(pool) as conn:
        job_id = accept(conn, owner, "entities", [entity(number) for number in range(3)], block_items=1)
    make_executor(pool, redis_url).run(job_id, seconds=0)
    with transaction(pool) as conn:
        job = lookup.get(conn, job_id)
    assert job is not None
    assert job.processed == 1
    return job_id


@pytest.fixture
def uploaded(pool: Pool, owner: Tenant) -> dict[str, UUID]:
    """The jobs of an open and of a completed upload, and the latter's id. Jobs of events, for which no other waits."""
    line = b"{}\n"
    with transaction(pool) as conn:
        open_upload, completed = (new_upload(conn, owner, kind="events", ordered=False) for _ in range(2))
        for part in (1, 2, 3):
            store_part(conn, open_upload, part, *[line * part] * part)
            store_part(conn, completed, part, line * part)
        store_part(conn, open_upload, 1, line)
        begin_part(conn, open_upload, 4)
        job_id = uploads.complete(conn, owner.id, completed, parts_sent=3, check=lambda *_: None, awaited=False).job_id
        open_job = uploads.find(conn, owner.id, open_upload).job_id
    assert open_job is not None
    return {"open_upload": open_job, "uploaded": job_id, "completed": completed}


# All of a job's times, so that none of them is out of order.
_AGED = """
UPDATE jobs SET created_at = created_at - make_interval(secs => %(seconds)s),
    started_at = started_at - make_interval(secs => %(seconds)s),
    progressed_at = progressed_at - make_interval(secs => %(seconds)s),
    ended_at = ended_at - make_interval(secs => %(seconds)s)
WHERE id = %(job_id)s
"""


@pytest.fixture
def aged(observer: Connection) -> Callable[[UUID, int], None]:
    """Makes a job older by so many seconds, as if nobody had worked on it since."""

    def age(job_id: UUID, seconds: int) -> None:
        observer.execute(_AGED, {"job_id": job_id, "seconds": seconds})

    return age
