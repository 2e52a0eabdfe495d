import socket
from collections.abc import Iterator

import pytest
import structlog
from structlog.testing import capture_logs

from ingest.ids import JOB, spell, uuid7
from ingest.wakeups import Wakeups


@pytest.fixture(autouse=True)
def _plain_logs() -> Iterator[None]:
    structlog.reset_defaults()
    yield
    structlog.reset_defaults()


@pytest.fixture
def refusing() -> str:
    """The URL of a port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"redis://127.0.0.1:{probe.getsockname()[1]}/0"


def test_a_wake_up_that_came_first_is_not_waited_for(redis_url: str) -> None:
    wakeups, job_id = Wakeups(redis_url), uuid7()
    wakeups.wake([job_id])
    with capture_logs() as lines:
        assert not wakeups.wait(job_id, 30)
    assert lines == []


def test_a_wake_up_reaches_its_own_job_alone(redis_url: str) -> None:
    wakeups, job_id, other = Wakeups(redis_url), uuid7(), uuid7()
    wakeups.wake([other])
    assert wakeups.wait(job_id, 1)
    assert not wakeups.wait(other, 30)


@pytest.mark.parametrize("url", ["unix:///no/such/socket", "refusing"])
def test_where_redis_is_away_both_return_and_say_so(url: str, refusing: str) -> None:
    wakeups, job_id = Wakeups(refusing if url == "refusing" else url), uuid7()
    with capture_logs() as lines:
        wakeups.wake([job_id])
        assert not wakeups.wait(job_id, 30)
    named = [(line["event"], line.get("jobs") or line["job_id"], line["log_level"]) for line in lines]
    assert named == [("wake_failed", [spell(JOB, job_id)], "warning"), ("wait_failed", spell(JOB, job_id), "warning")]
