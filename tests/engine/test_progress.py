"""The processes that run jobs tell the requests that watch one, whatever moved it."""

from collections.abc import Callable
from uuid import UUID

import pytest
import redis

from ingest.db.connection.pool import Pool, transaction
from ingest.db.jobs import claims, control
from ingest.engine.announcer import Announcer
from ingest.engine.executor import Executor
from ingest.notify.progress import WATCHED, progress_channel
from tests.support.factories import entity

Move = Callable[[Executor, Pool, UUID], object]


def _begin(executor: Executor, _pool: Pool, job_id: UUID) -> object:
    return executor.runner.claim(lambda conn: claims.claim(conn, job_id))


def _end(executor: Executor, pool: Pool, job_id: UUID) -> None:
    with transaction(pool) as conn:
        control.cancel(conn, job_id)
    with transaction(pool) as conn:
        Announcer(executor.notifier, None, executor.runner.announcer.progress).announce(conn, [job_id])


def _close_a_block(executor: Executor, pool: Pool, job_id: UUID) -> None:
    with transaction(pool) as conn:
        [claim] = claims.claim(conn, job_id)
    executor.run_claimed([claim], 0, fair=False)


@pytest.mark.parametrize("move", [_begin, _close_a_block, _end])
def test_a_watched_job_is_told_of_as_it_begins_moves_and_ends(
    executor: Executor, pool: Pool, broker: redis.Redis, submit: Callable[..., UUID], move: Move
) -> None:
    job_id = submit("entities", [entity(1), entity(2)], block_items=1)
    broker.zadd(WATCHED, {job_id.hex: 1e12})
    with broker.pubsub(ignore_subscribe_messages=True) as channel:
        channel.subscribe(progress_channel(broker))
        move(executor, pool, job_id)
        while (message := channel.get_message(timeout=1)) is None:
            pass
    assert message["data"] == job_id.hex.encode()
