import socket
from collections.abc import Iterator

import pytest
import structlog
from structlog.testing import capture_logs

from ingest.ids import JOB, spell, uuid7
from ingest.notify.job_end import JobEndSignal


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


def test_a_signal_that_was_sent_before_the_wait_ends_it_at_once(redis_url: str) -> None:
    job_end, job_id = JobEndSignal(redis_url), uuid7()
    job_end.send([job_id])
    with capture_logs() as lines:
        assert not job_end.wait(job_id, 30)
    assert lines == []


def test_a_signal_reaches_only_the_request_of_its_own_job(redis_url: str) -> None:
    job_end, job_id, other = JobEndSignal(redis_url), uuid7(), uuid7()
    job_end.send([other])
    assert job_end.wait(job_id, 1)
    assert not job_end.wait(other, 30)


@pytest.mark.parametrize("url", ["unix:///no/such/socket", "refusing"])
def test_where_redis_is_away_both_return_and_say_so(url: str, refusing: str) -> None:
    job_end, job_id = JobEndSignal(refusing if url == "refusing" else url), uuid7()
    with capture_logs() as lines:
        job_end.send([job_id])
        assert not job_end.wait(job_id, 30)
    named = [(line["event"], line.get("jobs") or line["job_id"], line["log_level"]) for line in lines]
    assert named == [
        ("job_end_send_failed", [spell(JOB, job_id)], "warning"),
        ("job_end_wait_failed", spell(JOB, job_id), "warning"),
    ]
