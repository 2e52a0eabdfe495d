"""Workers are counted by their heartbeats: each that runs with its processes, and for a while one that died."""

import redis

from ingest.notify import heartbeats


def test_the_processes_of_all_workers_that_run_are_counted(broker: redis.Redis) -> None:
    assert heartbeats.processes_running(broker) == 0
    for _ in range(2):
        heartbeats.beat(broker, "left", 2)
        heartbeats.beat(broker, "right", 3)
    assert heartbeats.processes_running(broker) == 5
    heartbeats.end(broker, "left", 2)
    assert heartbeats.processes_running(broker) == 3


def test_a_worker_that_beats_no_more_is_counted_no_more_and_removed_by_others(broker: redis.Redis) -> None:
    heartbeats.beat(broker, "dead", 2)
    broker.zincrby("sluice:workers", -16, "2 dead")
    assert heartbeats.processes_running(broker) == 0
    heartbeats.beat(broker, "living", 3)
    assert broker.zrange("sluice:workers", 0, -1) == [b"3 living"]
    assert 0 < broker.ttl("sluice:workers") <= 15
