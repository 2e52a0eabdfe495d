"""A worker that runs is counted, whether it has work or not."""

import redis

from ingest.notify import heartbeats
from tests.support.processes import Start


def test_an_idle_worker_counts_from_when_it_is_ready_to_when_it_is_stopped(start: Start, broker: redis.Redis) -> None:
    worker = start.worker(children=3)
    assert heartbeats.processes_running(broker) == 3
    broker.flushdb()
    while heartbeats.processes_running(broker) != 3:  # it beats on
        assert worker.forked.wait(0.1) is None
    assert worker.terminate() == 0
    assert heartbeats.processes_running(broker) == 0
